"""Counterparty risk: exposure against limits, who is over, and where the exposure sits."""

from __future__ import annotations

from datetime import date

from services.analysis.build import ClaimId, Draft, number_at, row_where, rows_where
from services.analysis.computations.counterparty import BANDS, OVER, WARNING
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import SectionAnalysis, Status, StatusCell
from services.analysis.sections._figures import (
    figure,
    grid,
    is_there,
    member_id,
    moved,
    movement,
    place,
    rating_order,
)

LIMIT = "counterparty_utilisation"
EARLY_WARNING = "0.80"
"""Early-warning level where the limit table names none."""
SHOWN = 10
NO_LIMIT = "no limit is set"


def analyse(context: SectionContext) -> SectionAnalysis:
    """Exposures of the quarter-end against their limits, the fullest before the others."""
    draft = Draft(context)
    if row_where(context["book"], as_of=context.as_of) is None:
        draft.gap("Counterparty exposures are not available in the warehouse for this date.")
        return draft.finish()
    inputs = {"names": context["names"]}
    warning = {"warning": _warning(context)}
    names = context.compute("limit_headroom", inputs, warning)
    bands = context.compute("utilisation_bands", inputs, warning)
    _highest(draft, names)
    _over_limit(draft, names)
    _bands(draft, bands)
    _largest(draft, names)
    _book(draft)
    for alias, column, name in (("ratings", "rating", "Rating"), ("sectors", "sector", "Sector")):
        _cut(draft, alias, column, name)
    draft.method(
        "Exposure is market value less collateral where that is positive, plus potential future "
        "exposure, as the warehouse books it. Use is exposure over limit."
    )
    return draft.finish()


def _warning(context: SectionContext) -> str:
    row = row_where(context["limits"], limit_id=LIMIT)
    level = None if row is None else number_at((context["limits"], row, "limit_amber"))
    return EARLY_WARNING if level is None else str(level)


def _highest(draft: Draft, names: Exhibit) -> None:
    """The fullest limit is the measure of the section's own limit."""
    context = draft.context
    now, before = (_fullest(names, day) for day in (context.as_of, context.previous))
    if now is None:
        return
    previous = (names, before, "use") if before else None
    draft.limit(
        "utilisation",
        "Use of the fullest counterparty limit",
        (names, now, "use"),
        context["limits"],
        LIMIT,
        previous=previous,
    )


def _fullest(names: Exhibit, day: date | None) -> str | None:
    rows = [row for row in rows_where(names, as_of=day) if is_there((names, row, "use"))]
    return rows[0] if rows else None


_STATUS: dict[str, Status] = {OVER: "red", WARNING: "amber", "Inside": "green", "No limit": "none"}


def _over_limit(draft: Draft, names: Exhibit) -> None:
    """One finding for each counterparty over its limit, with what it is over by."""
    context = draft.context
    owner = row_where(context["limits"], limit_id=LIMIT)
    for row in rows_where(names, as_of=context.as_of, band=OVER):
        base = f"over.{member_id(str(names.table.value(row, 'counterparty_id')))}"
        name = draft.value(f"{base}.name", "Counterparty", names, row, "name")
        exposure = (names, row, "exposure")
        limit = (names, row, "exposure_limit")
        against = draft.compare(f"{base}.exposure", "Exposure", exposure, limit, limit="max")
        allowed = draft.value(f"{base}.limit", "Limit", *limit)
        use = draft.value(f"{base}.use", "Use of the limit", names, row, "use")
        action = "The owner of the counterparty limits should agree a plan with the desk."
        if owner:
            who = draft.value(f"{base}.owner", "Owner", context["limits"], owner, "owner")
            role = draft.value(f"{base}.role", "Role", context["limits"], owner, "owner_role")
            action = f"{who.slot}, {role.slot}, should have exposure to {name.slot} brought back."
        draft.finding(
            base,
            "limit_breach",
            "high",
            "Counterparty over its limit",
            f"{name.slot}: exposure of {against.slot} {against.word('exceeds')} its limit of "
            f"{allowed.slot} (use: {use.slot}).",
            action=action,
        )


def _bands(draft: Draft, bands: Exhibit) -> None:
    context = draft.context
    keys = [
        row
        for row in rows_where(bands, as_of=context.as_of)
        if bands.table.value(row, "band") not in BANDS or number_at((bands, row, "counterparties"))
    ]
    columns = {
        "counterparties": "Counterparties",
        "exposure": "Exposure",
        "share": "Share of exposure",
        "excess": "Over the limits",
    }
    rows = grid(draft, "band", bands, keys, "band", columns)
    draft.table(
        "bands",
        "Counterparties by use of their limits",
        ["Band", *columns.values()],
        rows,
        total_row=True,
        evidence=[bands],
    )
    warned = [place(bands, "counterparties", as_of=day, band=WARNING) for day in _days(context)]
    if warned[0]:
        count = draft.value("warned", "Counterparties in early warning", *warned[0])
        change = moved(draft, "warned.change", "Early warnings: change", warned[0], warned[1])
        draft.finding(
            "warned",
            "observation",
            "low",
            "Counterparties in early warning",
            f"Counterparties between the early-warning level and the limit: {count.slot}. Since the "
            f"previous quarter-end the count {movement(draft, change)}.",
        )


def _days(context: SectionContext) -> tuple[date, date | None]:
    return context.as_of, context.previous


def _largest(draft: Draft, names: Exhibit) -> None:
    columns = {
        "rating": "Rating",
        "sector": "Sector",
        "mark_to_market": "Market value",
        "collateral": "Collateral",
        "exposure": "Exposure",
        "exposure_limit": "Limit",
        "use": "Used",
    }
    keys = rows_where(names, as_of=draft.context.as_of)[:SHOWN]
    rows: list[list[ClaimId | str | StatusCell]] = []
    for key in keys:
        base = f"name.{member_id(str(names.table.value(key, 'counterparty_id')))}"
        cells = [
            figure(draft, f"{base}.{c}", label, (names, key, c), reason=NO_LIMIT)
            for c, label in {"name": "Counterparty", **columns}.items()
        ]
        rows.append([*cells, StatusCell(status=_STATUS[str(names.table.value(key, "band"))])])
    draft.table(
        "names",
        "Counterparties with the fullest limits",
        ["Counterparty", *columns.values(), "Status"],
        rows,
        note="All counterparties stand in the workbook.",
        evidence=[names],
    )


def _book(draft: Draft) -> None:
    context = draft.context
    book = context["book"]
    labels = {
        "counterparty_exposure": "Exposure to counterparties",
        "mark_to_market": "Market value",
        "collateral": "Collateral held",
    }
    claims = {}
    for column, label in labels.items():
        now, before = (place(book, column, as_of=day) for day in _days(context))
        claims[column] = figure(draft, f"book.{column}", label, now)
        claims[f"{column}.change"] = moved(
            draft, f"book.{column}.change", f"{label}: change", now, before
        )
    exposure, change = claims["counterparty_exposure"], claims["counterparty_exposure.change"]
    draft.finding(
        "book",
        "observation",
        "info",
        "Exposure to counterparties",
        f"Exposure to all counterparties is {exposure.slot}; it {movement(draft, change)}. Market "
        f"value stands at {claims['mark_to_market'].slot}, collateral held at "
        f"{claims['collateral'].slot}.",
    )


def _cut(draft: Draft, alias: str, column: str, name: str) -> None:
    """Exposure, limit and use by one attribute of the counterparties."""
    cut = draft.context[alias]
    keys = list(rows_where(cut, as_of=draft.context.as_of))
    if column == "rating":
        keys.sort(key=lambda row: rating_order(str(cut.table.value(row, column))))
    columns = {
        "counterparty_exposure": "Exposure",
        "counterparty_limit": "Limit",
        "limit_utilisation": "Used",
    }
    draft.table(
        alias,
        f"Counterparty exposure by {name.lower()}",
        [name, *columns.values()],
        grid(draft, column, cut, keys, column, columns, reasons={"limit_utilisation": NO_LIMIT}),
        evidence=[cut],
    )
    if column != "sector" or not keys:
        return
    place_of = {row: (cut, row, "counterparty_exposure") for row in keys}
    leader = max(keys, key=lambda row: number_at(place_of[row]) or 0)
    rank = draft.rank("sector.leader", "Rank of its exposure", place_of[leader])
    member = ClaimId(f"counterparty.sector.{member_id(str(cut.table.value(leader, column)))}")
    exposure = ClaimId(f"{member}.counterparty_exposure")
    draft.chart(
        alias,
        "bar",
        f"{ClaimId(f'{member}.name').slot} has the {rank.word('largest')} exposure: {exposure.slot}",
        f"Exposure after collateral. Synthetic counterparties as of {exposure.at('as_of')}.",
        cut,
        x=column,
        y="counterparty_exposure",
        x_label=name,
        y_label="Exposure",
        unit="EUR",
    )
