"""How loans moved between the stages from one quarter-end to the next."""

from __future__ import annotations

from services.analysis.build import ClaimId, Draft, number_at, row_where
from services.analysis.context import Exhibit
from services.analysis.sections._figures import figure, grid, place

_FLOW_COLUMNS = {
    "opening": "Opening",
    "transfers_in": "Transfers in",
    "transfers_out": "Transfers out",
    "originated": "New",
    "derecognised": "Derecognised",
    "remeasured": "Drawn and repaid",
    "closing": "Closing",
    "difference": "Unexplained",
}
_TOTAL = "Total"


def migration(draft: Draft) -> None:
    """Matrix and flow of stages; a gap instead when one of the quarter-ends has no loans."""
    context = draft.context
    as_of, previous = context.as_of, context.previous
    loans, stages = context["loans"], context["stages"]
    both = (row_where(e, as_of=day) for e in (loans, stages) for day in (as_of, previous))
    if previous is None or None in both:
        draft.gap(
            "Stage migration needs an earlier quarter-end, which the warehouse does not have."
        )
        return
    dates = {"as_of": as_of.isoformat(), "previous": previous.isoformat()}
    matrix = context.compute("stage_migration", {"loans": loans}, dates)
    flow = context.compute("stage_flow", {"loans": loans, "stages": stages}, dates)
    draft.table(
        "stage_flow",
        "How the balance of each stage moved since the previous quarter-end",
        ["Stage", *_FLOW_COLUMNS.values()],
        grid(draft, "flow", flow, flow.table.row_keys, "stage", _FLOW_COLUMNS),
        total_row=True,
        note="Transfers are at the opening balance. Opening and closing come from the aggregated "
        "book, the moves from single loans; the last column is what they leave unexplained.",
        evidence=[flow, matrix],
    )
    _reconciles(draft, flow)
    _matrix(draft, matrix)


def _reconciles(draft: Draft, flow: Exhibit) -> None:
    difference = number_at((flow, _TOTAL, "difference"))
    if not difference:
        return
    unexplained = draft.value(
        "flow.unexplained", "Unexplained movement", flow, _TOTAL, "difference"
    )
    draft.finding(
        "flow",
        "data_quality",
        "high",
        "Stage flow does not reconcile",
        f"Opening balances and moves leave {unexplained.slot} of the closing balance unexplained.",
        action="The owner of the loan data should find the loans that make the difference.",
    )


def _matrix(draft: Draft, matrix: Exhibit) -> None:
    """What left Stage 1, what came back, and what fell into default."""
    paths = {
        "worse": ("Stage 1", "Stage 2"),
        "defaulted": ("Stage 2", "Stage 3"),
        "cured": ("Stage 2", "Stage 1"),
        "direct": ("Stage 1", "Stage 3"),
    }
    claims = {}
    for name, (origin, target) in paths.items():
        label = f"{origin} to {target}"
        where = {"origin": origin, "target": target}
        base = f"migration.{name}"
        claims[name] = figure(draft, base, label, place(matrix, "share", **where))
        claims[f"{name}_loans"] = figure(
            draft, f"{base}.loans", f"{label}: loans", place(matrix, "loans", **where)
        )
    draft.finding(
        "migration",
        "staging",
        "info",
        "Migration between stages",
        f"Of the loans in Stage 1 at the previous quarter-end, {claims['worse'].slot} moved to "
        f"Stage 2 (loans: {claims['worse_loans'].slot}) and {claims['direct'].slot} went straight "
        f"to Stage 3 (loans: {claims['direct_loans'].slot}). Of those in Stage 2, "
        f"{claims['defaulted'].slot} moved to Stage 3 (loans: {claims['defaulted_loans'].slot}) and "
        f"{claims['cured'].slot} returned to Stage 1 (loans: {claims['cured_loans'].slot}).",
    )
    _chart(draft, matrix, claims["defaulted"])


def _chart(draft: Draft, matrix: Exhibit, defaulted: ClaimId) -> None:
    draft.chart(
        "migration",
        "heatmap",
        f"Of the loans in Stage 2, {defaulted.slot} moved to Stage 3",
        f"Share of each origin's loans, by number of loans, between the previous quarter-end and "
        f"{defaulted.at('as_of')}. Synthetic loan book.",
        matrix,
        x="target",
        y="share",
        series="origin",
        x_label="Stage now",
        y_label="Stage before",
        unit="ratio",
    )
