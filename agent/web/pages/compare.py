"""Two reports side by side: what was asked, what was read, and what the figures became."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from agent.comparison import Comparison, Difference, compared, previous
from agent.runner import Runner
from agent.web.access import needs
from agent.web.library import library_of
from agent.web.pages import page
from agent.web.serving import promptly, runner_of, visible_run
from reports.document import Figure, ReportContent, StatusRow
from services.access import Identity
from services.analysis import formats
from services.store import RunFilter, RunRecord

router = APIRouter(include_in_schema=False)
Reader = Annotated[Identity, Depends(needs("read"))]
RunId = Annotated[str, Query(max_length=100)]
_DECIMALS: Final = re.compile(r"\.(\d+)")
_SCALES: Final[dict[str, formats.Scale]] = {"bn": "billion", "m": "million", "k": "thousand"}
"""How a printed amount ends, and its scale: a change is printed in that of its figure."""
_OFFERED: Final = 12
"""Runs that are offered to compare with."""
_RANK: Final = {"green": 0, "none": 0, "amber": 1, "red": 2}


@dataclass(frozen=True, slots=True)
class ChangedFigure:
    """A figure that is not the same in both; *verdict* is worse, better, or neither is known."""

    difference: Difference
    label: str
    moved: str
    verdict: str


@router.get("/compare")
async def compare_page(request: Request, who: Reader, a: RunId = "", b: RunId = "") -> Response:
    """Run *b* beside run *a*; without *a* beside the last published report of the same kind."""
    runner = runner_of(request)
    second = await visible_run(request, who, b.strip()) if b.strip() else None
    first: RunRecord | None = None
    if a.strip():
        first = await visible_run(request, who, a.strip())
    elif second is not None:
        async with promptly():
            first = await previous(runner.stores, second)
    found: Comparison | None = None
    figures: list[ChangedFigure] = []
    if first is not None and second is not None:
        library = library_of(request)
        before, after = await library.content(first), await library.content(second)
        found = await asyncio.to_thread(compared, first, second, before, after)
        figures = _figures(found, before, after)
    return await page(
        request,
        who,
        "compare.html.j2",
        first=first,
        second=second,
        found=found,
        figures=figures,
        others=await _others(runner, who, second) if found is None else (),
        a=a,
        b=b,
    )


async def _others(runner: Runner, who: Identity, second: RunRecord | None) -> tuple[RunRecord, ...]:
    """The newest runs with a report, those of the same kind as *second* first."""

    async def has_report(other: RunRecord) -> bool:
        return bool(other.report_digest) and (second is None or other.id != second.id)

    async with promptly():
        wanted = RunFilter(tenant=who.tenant)
        offered = await runner.stores.runs.page(wanted, limit=_OFFERED, fits=has_report)
    kind = (second.template, second.request.get("question")) if second else None
    return tuple(
        sorted(offered.runs, key=lambda o: (o.template, o.request.get("question")) != kind)
    )


def _figures(
    found: Comparison, before: ReportContent | None, after: ReportContent | None
) -> list[ChangedFigure]:
    """The changed figures: what got worse first, then what got better, then the rest."""
    old, new = _by_id(before), _by_id(after)
    rows = _indicators(before), _indicators(after)
    changed = []
    for one in found.differences:
        if one.what != "figure":
            continue
        figure = new.get(one.name) or old[one.name]
        verdict = _verdict(one, rows, new)
        changed.append(ChangedFigure(one, figure.label, moved_words(one, figure), verdict))
    order = {"worse": 0, "better": 1}
    return sorted(changed, key=lambda one: order.get(one.verdict, 2))


def _by_id(content: ReportContent | None) -> dict[str, Figure]:
    return {figure.id: figure for figure in content.figures} if content else {}


def _indicators(content: ReportContent | None) -> dict[str, StatusRow]:
    """The rows of the traffic-light table by the figure that is held against the limit."""
    return {row.indicator.value: row for row in content.summary.status} if content else {}


def moved_words(one: Difference, figure: Figure) -> str:
    """How much it rose or fell, printed as the figure is; percentages in points."""
    if one.by is None:
        return ""
    if figure.unit == "ratio" and "%" in figure.display:
        return formats.display(one.by * 100, "pp", 2, signed=True)
    decimals = _DECIMALS.search(figure.display)
    places = len(decimals[1]) if decimals else 0
    scale: formats.Scale = "plain" if figure.unit == "ratio" else "one"
    if formats.is_currency(figure.unit):
        ends = (name for end, name in _SCALES.items() if figure.display.endswith(end))
        scale = next(ends, scale)
    return formats.display(one.by, figure.unit, places, scale, signed=True)


def _verdict(
    one: Difference,
    rows: tuple[Mapping[str, StatusRow], Mapping[str, StatusRow]],
    figures: Mapping[str, Figure],
) -> str:
    """
    Worse or better, for a figure that is held against a limit: by its light, else by the side of
    the early warning on which the limit lies. Of others nobody said which way is good.
    """
    old, new = rows[0].get(one.name), rows[1].get(one.name)
    if old is not None and new is not None and old.status != new.status:
        return "worse" if _RANK[new.status] > _RANK[old.status] else "better"
    if new is None or not one.by:
        return ""
    limit, amber = figures.get(new.indicator.limit), figures.get(new.indicator.amber)
    if limit is None or amber is None or limit.value is None or amber.value is None:
        return ""
    if limit.value == amber.value:
        return ""
    rises_to_limit = limit.value > amber.value
    return "worse" if (one.by > 0) == rises_to_limit else "better"
