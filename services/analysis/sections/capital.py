"""Capital: ratios against their minimum and limits, the headroom in money, and what the risk weights."""

from __future__ import annotations

from services.analysis.build import ClaimId, Draft, number_at, row_where, rows_where
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import SectionAnalysis, StatusCell
from services.analysis.sections._figures import figure, is_there, member_id, moved, movement, place

_RATIOS = {
    "cet1_ratio": "CET1 ratio",
    "tier1_ratio": "Tier 1 ratio",
    "total_capital_ratio": "Total capital ratio",
    "leverage_ratio": "Leverage ratio",
}
_AMOUNTS = {
    "cet1_capital": "CET1 capital",
    "at1_capital": "AT1 capital",
    "t2_capital": "T2 capital",
    "total_capital": "Total capital",
    "risk_weighted_assets": "Risk-weighted assets",
    "leverage_exposure": "Leverage exposure",
}
NOT_DEFINED = "there is nothing to measure the capital on"


def analyse(context: SectionContext) -> SectionAnalysis:
    """The capital ratios of the quarter-end, and how far each is from where it must not go."""
    draft = Draft(context)
    if row_where(context["ratios"], as_of=context.as_of) is None:
        draft.gap("Capital is not available in the warehouse for this date.")
        return draft.finish()
    inputs = {"ratios": context["ratios"], "limits": context["limits"]}
    headroom = context.compute("capital_headroom", inputs)
    for ratio, label in _RATIOS.items():
        _limit(draft, ratio, label)
    _ratio_table(draft, headroom)
    _tightest(draft, headroom)
    _amounts(draft)
    _risk_weights(draft)
    draft.method(
        "Minimum ratios are those of the Basel framework, with the capital conservation buffer where "
        "they rest on risk-weighted assets. Headroom is the capital above the limit at the "
        "risk-weighted assets or the leverage exposure of the date."
    )
    draft.gap(
        "Requirements of the supervisor for this bank, countercyclical and systemic buffers and the "
        "output floor are not available in the warehouse."
    )
    return draft.finish()


def _limit(draft: Draft, ratio: str, label: str) -> None:
    context = draft.context
    ratios = context["ratios"]
    now = place(ratios, ratio, as_of=context.as_of)
    before = place(ratios, ratio, as_of=context.previous)
    if now is None or not is_there(now):
        figure(draft, ratio, label, now, reason=NOT_DEFINED)
        return
    previous = before if is_there(before) else None
    draft.limit(ratio, label, now, context["limits"], ratio, previous=previous)


def _ratio_table(draft: Draft, headroom: Exhibit) -> None:
    context = draft.context
    rows: list[list[ClaimId | str | StatusCell]] = []
    columns = {
        "minimum": "minimum with buffer",
        "above_minimum": "capital above the minimum",
        "headroom": "capital above the limit",
    }
    for ratio, label in _RATIOS.items():
        value = ClaimId(f"capital.{ratio}")
        before = place(context["ratios"], ratio, as_of=context.previous)
        earlier = figure(draft, f"{ratio}.previous", f"{label}, previous", before)
        rest = [
            figure(
                draft,
                f"{ratio}.{column}",
                f"{label}: {name}",
                place(headroom, column, as_of=context.as_of, ratio_id=ratio),
                reason="no limit is set",
            )
            for column, name in columns.items()
        ]
        rest.insert(-1, _red(draft, ratio, label))
        rows.append([label, value, earlier, *rest, StatusCell(status=draft.status(value))])
    draft.table(
        "ratios",
        "Capital ratios against requirements and limits",
        ["Ratio", "Now", "Previous", "Minimum", "Above it", "Limit", "Headroom", "Status"],
        rows,
        evidence=[headroom],
    )


def _red(draft: Draft, ratio: str, label: str) -> ClaimId:
    known = ClaimId(f"capital.{ratio}.red")
    if known in draft.claims:
        return known
    return draft.absent(f"{ratio}.red", f"{label}: limit", "no limit is set")


def _tightest(draft: Draft, headroom: Exhibit) -> None:
    """The ratio with the smallest headroom in money."""
    context = draft.context
    places = {
        ratio: place(headroom, "headroom", as_of=context.as_of, ratio_id=ratio) for ratio in _RATIOS
    }
    known = {ratio: at for ratio, at in places.items() if at and is_there(at)}
    if not known:
        return
    tightest = min(known, key=lambda ratio: number_at(known[ratio]) or 0)
    rank = draft.rank("headroom.rank", "Rank of the headroom", known[tightest], descending=False)
    amount = ClaimId(f"capital.{tightest}.headroom")
    before = place(headroom, "headroom", as_of=context.previous, ratio_id=tightest)
    change = moved(draft, "headroom.change", "Headroom: change", known[tightest], before)
    draft.finding(
        "headroom",
        "observation",
        "info",
        "Capital headroom",
        f"The {rank.word('smallest')} headroom to a limit is that of the {_RATIOS[tightest]}: "
        f"{amount.slot}. Since the previous quarter-end it {movement(draft, change)}.",
    )


def _amounts(draft: Draft) -> None:
    context = draft.context
    rows: list[list[ClaimId | str]] = []
    for column, label in _AMOUNTS.items():
        now = place(context["ratios"], column, as_of=context.as_of)
        before = place(context["ratios"], column, as_of=context.previous)
        rows.append(
            [
                label,
                figure(draft, column, label, now),
                figure(draft, f"{column}.previous", f"{label}, previous", before),
                moved(draft, f"{column}.change", f"{label}: change", now, before),
            ]
        )
    draft.table(
        "amounts",
        "Capital and what it is measured on",
        ["Amount", "Now", "Previous", "Change"],
        rows,
        evidence=[context["ratios"]],
    )


def _risk_weights(draft: Draft) -> None:
    """Risk-weighted assets by type of risk, and their density over the leverage exposure."""
    context = draft.context
    rwa = context["rwa"]
    keys = sorted(
        rows_where(rwa, as_of=context.as_of),
        key=lambda row: -(number_at((rwa, row, "risk_weighted_assets")) or 0),
    )
    rows: list[list[ClaimId | str]] = []
    for key in keys:
        kind = str(rwa.table.value(key, "risk_type"))
        base, now = f"rwa.{member_id(kind)}", (rwa, key, "risk_weighted_assets")
        before = place(rwa, "risk_weighted_assets", as_of=context.previous, risk_type=kind)
        rows.append(
            [
                draft.value(f"{base}.name", "Risk", rwa, key, "risk_type"),
                draft.value(base, "Risk-weighted assets", *now),
                figure(draft, f"{base}.previous", "Previous", before),
                moved(draft, f"{base}.change", "Change", now, before),
                draft.share(
                    f"{base}.share",
                    "Share of the total",
                    [now],
                    [(rwa, row, "risk_weighted_assets") for row in keys],
                ),
            ]
        )
    if not rows:
        draft.gap("Risk-weighted assets by type are not available in the warehouse.")
        return
    total = [ClaimId(f"capital.risk_weighted_assets{end}") for end in ("", ".previous", ".change")]
    draft.table(
        "rwa",
        "Risk-weighted assets by type of risk",
        ["Risk", "Now", "Previous", "Change", "Share"],
        [*rows, ["Total", *total, _whole(draft, rwa, keys)]],
        total_row=True,
        evidence=[rwa],
    )
    _density(draft, ClaimId(rows[0][0]), ClaimId(rows[0][4]))


def _whole(draft: Draft, rwa: Exhibit, keys: list[str]) -> ClaimId:
    places = [(rwa, row, "risk_weighted_assets") for row in keys]
    return draft.share("rwa.share", "Share of the total", places, places)


def _density(draft: Draft, name: ClaimId, share: ClaimId) -> None:
    context = draft.context
    total = place(context["ratios"], "risk_weighted_assets", as_of=context.as_of)
    base = place(context["ratios"], "leverage_exposure", as_of=context.as_of)
    if total and base and is_there(total) and is_there(base):
        density = draft.share("density", "Density of risk weights", [total], [base])
        amount = ClaimId("capital.risk_weighted_assets")
        change = ClaimId("capital.risk_weighted_assets.change")
        draft.finding(
            "rwa",
            "observation",
            "info",
            "Risk-weighted assets",
            f"Risk-weighted assets stand at {amount.slot}, a density of {density.slot} of the leverage "
            f"exposure. Since the previous quarter-end the amount {movement(draft, change)}. "
            f"{name.slot} accounts for {share.slot}.",
        )
    draft.chart(
        "rwa",
        "grouped_bar",
        f"{name.slot} accounts for {share.slot} of risk-weighted assets",
        f"Risk-weighted assets by type at each quarter-end, to {share.at('as_of')}. Synthetic.",
        context["rwa"],
        x="risk_type",
        y="risk_weighted_assets",
        series="as_of",
        x_label="Risk",
        y_label="Risk-weighted assets",
        unit="EUR",
    )
