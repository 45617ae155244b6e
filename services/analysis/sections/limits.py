"""Concentration and limits: how every limit stands, worst before the others, and who owns it."""

from __future__ import annotations

from typing import Literal

from services.analysis.build import ClaimId, Draft, How, Place, number_at, rows_where
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import SectionAnalysis, Status, StatusCell
from services.analysis.sections._concentration import (
    BORROWED_BANDS,
    INDEX,
    LARGEST,
    concentration,
    largest,
)
from services.analysis.sections._figures import figure, grid, is_there, member_id, place
from services.evidence import Scalar

SHOWN_ELSEWHERE = "its measure stands in its own section"
_GROUP_LIMITS = {
    "top10_share": ("Share of the largest client groups", "running_share", str(LARGEST)),
    "single_name_share": ("Share of the largest client group", "running_share", "1"),
}
_INDEX_LIMITS = {
    "hhi_sector": ("Concentration by sector", "sector"),
    "hhi_country": ("Concentration by country", "country"),
}


def analyse(context: SectionContext) -> SectionAnalysis:
    """The concentration limits with their measures, and the table of all limits."""
    draft = Draft(context)
    if not len(context["limits"].table):
        draft.gap("Limits are not available in the warehouse.")
        return draft.finish()
    measures = _measures(context)
    _concentration_limits(draft, measures)
    use = _limit_use(context, measures)
    counts = context.compute("limit_counts", {"use": use})
    _all_limits(draft, use)
    _headline(draft, counts, use)
    _groups(draft)
    draft.method(
        "Use of a limit is measure over limit, or limit over measure where the measure must not fall "
        "short of it. A limit is broken strictly beyond its level. " + BORROWED_BANDS
    )
    return draft.finish()


def _measures(context: SectionContext) -> dict[str, Place]:
    """Where each limit's measure stands, for those that this section can measure itself."""
    as_of = context.as_of
    exhibits = _exhibits(context)
    found: dict[str, Place | None] = {
        limit: place(exhibits[cut], "index", as_of=as_of)
        for limit, (_, cut) in _INDEX_LIMITS.items()
    }
    found |= {
        limit: place(exhibits["groups"], column, as_of=as_of, rank=rank)
        for limit, (_, column, rank) in _GROUP_LIMITS.items()
    }
    for limit, alias in _DIRECT.items():
        found[limit] = place(context[alias], limit, as_of=as_of)
    found["lcr"] = place(exhibits["coverage"], "lcr", as_of=as_of)
    found["counterparty_utilisation"] = _fullest(context)
    return {limit: at for limit, at in found.items() if at is not None and is_there(at)}


_DIRECT = {
    "npl_ratio": "book",
    "stage2_share": "book",
    "nsfr": "funding",
    "cet1_ratio": "ratios",
    "tier1_ratio": "ratios",
    "total_capital_ratio": "ratios",
    "leverage_ratio": "ratios",
}


def _exhibits(context: SectionContext) -> dict[str, Exhibit]:
    """The computations that hold measures."""
    flows = {"hqla": context["hqla"], "flows": context["lcr_flows"]}
    return {
        "sector": concentration(context, "sector"),
        "country": concentration(context, "country"),
        "groups": largest(context, "group"),
        "coverage": context.compute("liquidity_coverage", flows),
    }


def _fullest(context: SectionContext) -> Place | None:
    names = context["names"]
    places = [(names, row, "limit_utilisation") for row in names.table.row_keys]
    known = [at for at in places if is_there(at)]
    return max(known, key=lambda at: number_at(at) or 0, default=None)


def _concentration_limits(draft: Draft, measures: dict[str, Place]) -> None:
    """Indicators of the area that no other section shows."""
    context = draft.context
    for limit, (label, _) in _INDEX_LIMITS.items():
        if limit in measures:
            draft.limit(
                limit,
                label,
                measures[limit],
                context["limits"],
                limit,
                previous=_before(context, measures[limit]),
                **INDEX,
            )
    for limit, (label, _, _) in _GROUP_LIMITS.items():
        if limit in measures:
            draft.limit(
                limit,
                label,
                measures[limit],
                context["limits"],
                limit,
                previous=_before(context, measures[limit]),
            )


def _before(context: SectionContext, at: Place) -> Place | None:
    """The same cell a quarter-end earlier."""
    exhibit, row, column = at
    where: dict[str, Scalar] = {"as_of": context.previous}
    if any(known.name == "rank" for known in exhibit.table.columns):
        where["rank"] = exhibit.table.value(row, "rank")
    earlier = place(exhibit, column, **where)
    return earlier if is_there(earlier) else None


def _limit_use(context: SectionContext, measures: dict[str, Place]) -> Exhibit:
    inputs = {"limits": context["limits"]}
    places = {}
    for limit, (exhibit, row, column) in sorted(measures.items()):
        inputs[limit] = exhibit
        places[limit] = {"input": limit, "row": row, "column": column}
    return context.compute("limit_use", inputs, {"measures": places})


def _headline(draft: Draft, counts: Exhibit, use: Exhibit) -> None:
    """How many limits are broken, and each of those by name."""
    red, amber, none, every = (
        draft.value(f"count.{status}", f"Limits: {name}", counts, status, "limits")
        for status, name in _COUNTED.items()
    )
    breaches = [_breach(draft, use, row) for row in rows_where(use, status="red")]
    listed = f" {' '.join(breaches)}" if breaches else ""
    draft.finding(
        "headline",
        "limit_breach" if breaches else "observation",
        "high" if breaches else "info",
        "Limits broken",
        f"Of the limits measured here, broken: {red.slot}; in early warning: {amber.slot}. Limits "
        f"that another section alone measures: {none.slot}; limits in all: {every.slot}.{listed}",
        action="Each owner should report the cause and the way back." if breaches else "",
    )


_COUNTED = {
    "red": "broken",
    "amber": "in early warning",
    "none": "measured elsewhere",
    "all": "all",
}


def _breach(draft: Draft, use: Exhibit, row: str) -> str:
    """One sentence on a limit that is broken; its figures stand in the table of all limits."""
    base = f"limits.limit.{member_id(row)}"
    metric, scope, red, owner = (
        ClaimId(f"{base}.{column}").slot for column in ("metric", "scope", "red", "owner")
    )
    binding: Literal["max", "min"] = "min" if use.table.value(row, "direction") == "min" else "max"
    against = draft.compare(
        f"{base}.vs_red",
        "Measure against its limit",
        (use, row, "value"),
        (use, row, "red"),
        limit=binding,
        **_how(row, "value"),
    )
    return (
        f"{metric} ({scope}): {against.slot} {against.word('breaches')} the limit of {red} "
        f"(owner: {owner})."
    )


def _all_limits(draft: Draft, use: Exhibit) -> None:
    table = use.table
    rows: list[list[ClaimId | str | StatusCell]] = []
    for row in table.row_keys:
        base = f"limit.{member_id(row)}"
        status: Status = str(table.value(row, "status"))  # type: ignore[assignment]
        cells = [
            figure(
                draft, f"{base}.{c}", label, (use, row, c), reason=SHOWN_ELSEWHERE, **_how(row, c)
            )
            for c, label in _COLUMNS.items()
        ]
        rows.append([*cells, StatusCell(status=status)])
    draft.table(
        "all",
        "Every limit",
        [*_COLUMNS.values(), "Status"],
        rows,
        note="Where this section shows no measure, the section of the limit does.",
        evidence=[use],
    )


def _how(limit: str, column: str) -> How:
    """An index prints as the number it is, everything else by its unit."""
    return INDEX if limit in _INDEX_LIMITS and column in {"value", "amber", "red"} else {}


_COLUMNS = {
    "metric": "Limit",
    "scope": "Scope",
    "value": "Measure",
    "amber": "Early warning",
    "red": "Level",
    "use": "Used",
    "owner": "Owner",
}


def _groups(draft: Draft) -> None:
    """The largest groups of connected clients by exposure at default, with the rest and the total."""
    groups = largest(draft.context, "group")
    keys = rows_where(groups, as_of=draft.context.as_of)
    columns = {"amount": "Exposure at default", "share": "Share", "running_share": "Running share"}
    reasons = {"running_share": "it runs over named groups only"}
    draft.table(
        "groups",
        "Groups of connected clients by exposure at default",
        ["Group", *columns.values()],
        grid(draft, "group", groups, keys, "member", columns, reasons=reasons),
        total_row=True,
        note="Shares are of the whole loan book. Retail loans have no client group in the warehouse "
        "and stand among the others.",
        evidence=[groups],
    )
