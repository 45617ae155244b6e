"""Liquidity: what can be sold, what flows out under stress, and where the contractual gap opens."""

from __future__ import annotations

from services.analysis.build import ClaimId, Draft, number_at, row_where, rows_where
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import SectionAnalysis
from services.analysis.sections._figures import (
    figure,
    grid,
    is_there,
    member_id,
    moved,
    movement,
    place,
)

NO_OUTFLOW = "there are no net outflows to cover"


def analyse(context: SectionContext) -> SectionAnalysis:
    """Coverage, stable funding and the gap of the quarter-end, each against the one before."""
    draft = Draft(context)
    if _has(context, "hqla") and _has(context, "lcr_flows"):
        _coverage(draft)
    else:
        draft.gap("Liquid assets or stressed flows are not available in the warehouse.")
    if _has(context, "funding"):
        _funding(draft)
    else:
        draft.gap("Stable funding is not available in the warehouse.")
    if _has(context, "flows"):
        _gap(draft)
    else:
        draft.gap("Contractual flows are not available in the warehouse.")
    return draft.finish()


def _has(context: SectionContext, alias: str) -> bool:
    return row_where(context[alias], as_of=context.as_of) is not None


def _coverage(draft: Draft) -> None:
    context = draft.context
    hqla, flows = context["hqla"], context["lcr_flows"]
    assets = context.compute("liquid_assets", {"hqla": hqla})
    coverage = context.compute("liquidity_coverage", {"hqla": hqla, "flows": flows})
    _limit(draft, "lcr", "Liquidity coverage ratio", coverage, "lcr", NO_OUTFLOW)
    _assets_table(draft, assets)
    _coverage_table(draft, coverage)
    cut = place(assets, "cut", as_of=context.as_of, level="Total")
    if cut and number_at(cut):
        amount = draft.value("hqla.cut", "Liquid assets beyond the caps", *cut)
        draft.finding(
            "caps",
            "concentration",
            "low",
            "Caps on the stock of liquid assets",
            f"Caps on L2A and L2B assets leave {amount.slot} out of the stock.",
        )
    draft.method(
        "The liquidity coverage ratio is the stock of liquid assets over net outflows of the stress "
        "month; inflows count up to a cap in proportion to outflows. Haircuts come before the caps on "
        "L2A and L2B assets; secured trades that unwind in the stress month are not adjusted for."
    )


def _limit(
    draft: Draft, limit_id: str, label: str, exhibit: Exhibit, column: str, reason: str
) -> ClaimId:
    """A ratio under its limit with its change; an absence when it is not defined."""
    context = draft.context
    now = place(exhibit, column, as_of=context.as_of)
    before = place(exhibit, column, as_of=context.previous)
    if now is None or not is_there(now):
        return figure(draft, limit_id, label, now, reason=reason)
    previous = before if is_there(before) else None
    return draft.limit(limit_id, label, now, context["limits"], limit_id, previous=previous)


def _assets_table(draft: Draft, assets: Exhibit) -> None:
    columns = {
        "market_value": "Market value",
        "after_haircut": "After haircut",
        "cut": "Cut by the caps",
        "eligible": "Counted",
        "share": "Share of the stock",
    }
    context = draft.context
    keys = rows_where(assets, as_of=context.as_of)
    rows = grid(draft, "hqla", assets, keys, "level", columns)
    for key, row in zip(keys, rows, strict=True):
        level = str(assets.table.value(key, "level"))
        before = place(assets, "eligible", as_of=context.previous, level=level)
        base = f"hqla.{member_id(level)}.eligible.change"
        row.append(moved(draft, base, "Counted: change", (assets, key, "eligible"), before))
    draft.table(
        "hqla",
        "Liquid assets by level",
        ["Level", *columns.values(), "Change of what counts"],
        rows,
        total_row=True,
        evidence=[assets],
    )


_COVERAGE_LABELS = {
    "stock": "Liquid assets counted",
    "outflow": "Outflows of the stress month",
    "inflow": "Inflows of the stress month",
    "ceiling": "Cap on inflows",
    "inflow_counted": "Inflows counted",
    "net_outflow": "Net outflows",
    "surplus": "Surplus over net outflows",
}


def _coverage_table(draft: Draft, coverage: Exhibit) -> None:
    context = draft.context
    rows: list[list[ClaimId | str]] = []
    for column, label in _COVERAGE_LABELS.items():
        now = place(coverage, column, as_of=context.as_of)
        before = place(coverage, column, as_of=context.previous)
        base = f"coverage.{column}"
        rows.append(
            [
                label,
                figure(draft, base, label, now),
                figure(draft, f"{base}.previous", f"{label}, previous", before),
                moved(draft, f"{base}.change", f"{label}: change", now, before),
            ]
        )
    draft.table(
        "coverage",
        "From liquid assets to the coverage ratio",
        ["Measure", "Now", "Previous", "Change"],
        rows,
        evidence=[coverage],
    )
    stock, outflow = (ClaimId(f"liquidity.coverage.{c}.change") for c in ("stock", "net_outflow"))
    surplus = ClaimId("liquidity.coverage.surplus")
    draft.finding(
        "coverage",
        "observation",
        "info",
        "What moved the coverage ratio",
        f"Liquid assets {movement(draft, stock, plural=True)} and net outflows "
        f"{movement(draft, outflow, plural=True)} since the previous quarter-end. The surplus over net "
        f"outflows stands at {surplus.slot}.",
    )


def _funding(draft: Draft) -> None:
    context = draft.context
    funding = context["funding"]
    _limit(draft, "nsfr", "Net stable funding ratio", funding, "nsfr", "no funding is required")
    labels = {
        "available_stable_funding": "Available stable funding",
        "required_stable_funding": "Required stable funding",
    }
    clauses = []
    for column, label in labels.items():
        now = place(funding, column, as_of=context.as_of)
        before = place(funding, column, as_of=context.previous)
        value = figure(draft, column, label, now)
        change = moved(draft, f"{column}.change", f"{label}: change", now, before)
        clauses.append(f"{label} is {value.slot}; it {movement(draft, change)}.")
    draft.finding("funding", "observation", "info", "Stable funding", " ".join(clauses))
    draft.method("The net stable funding ratio is available over required stable funding.")


def _gap(draft: Draft) -> None:
    context = draft.context
    gap = context.compute("liquidity_gap", {"flows": context["flows"]})
    summary = context.compute("gap_summary", {"gap": gap})
    columns = {
        "inflow": "Inflow",
        "outflow": "Outflow",
        "gap": "Gap",
        "cumulative": "Cumulative gap",
    }
    keys = rows_where(gap, as_of=context.as_of)
    rows = grid(draft, "gap", gap, keys, "bucket", columns)
    for key, row in zip(keys, rows, strict=True):
        bucket = gap.table.value(key, "bucket")
        before = place(gap, "cumulative", as_of=context.previous, bucket=bucket)
        base = f"gap.{member_id(str(bucket))}.cumulative.change"
        row.append(moved(draft, base, "Cumulative gap: change", (gap, key, "cumulative"), before))
    draft.table(
        "gap",
        "Contractual flows by bucket",
        ["Bucket", *columns.values(), "Change of the cumulative gap"],
        rows,
        evidence=[gap],
    )
    _gap_finding(draft, summary, gap)


def _gap_finding(draft: Draft, summary: Exhibit, gap: Exhibit) -> None:
    context = draft.context
    opens = place(summary, "first_negative", as_of=context.as_of)
    shortfall = place(summary, "shortfall", as_of=context.as_of)
    amount = figure(draft, "gap.shortfall", "Cumulative shortfall", shortfall)
    title = f"Contractual flows leave a cumulative shortfall of {amount.slot}"
    if opens and is_there(opens):
        bucket = draft.value("gap.first_negative", "Bucket where the gap opens", *opens)
        where = draft.value("gap.deepest", "Bucket of the shortfall", *opens[:2], "deepest")
        before = place(summary, "shortfall", as_of=context.previous)
        change = moved(draft, "gap.shortfall.change", "Shortfall: change", shortfall, before)
        draft.finding(
            "gap",
            "observation",
            "medium",
            "Contractual gap",
            f"The cumulative gap opens in bucket {bucket.slot} and comes to a shortfall of "
            f"{amount.slot} in bucket {where.slot}. Since the previous quarter-end the shortfall "
            f"{movement(draft, change)}.",
            action="The treasurer should confirm that the buffer covers the gap in each bucket.",
        )
    else:
        draft.finding("gap", "observation", "info", "Contractual gap", f"{title}.")
    draft.chart(
        "gap",
        "grouped_bar",
        title,
        f"Cumulative gap by bucket at each quarter-end, to {amount.at('as_of')}. Synthetic flows.",
        gap,
        x="bucket",
        y="cumulative",
        series="as_of",
        x_label="Bucket",
        y_label="Cumulative gap",
        unit="EUR",
    )
