"""Evidence of a run: the statement that was run, its rows, and the cells that a figure rests on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from agent.runner import Runner
from agent.web.access import needs
from agent.web.library import Library, library_of
from agent.web.pages import page
from agent.web.pages.highlighting import highlighted
from agent.web.serving import promptly, runner_of, visible_run
from reports.document import Figure
from reports.render import words
from services.access import Identity
from services.analysis import formats
from services.analysis.failures import MASK
from services.errors import NotFound
from services.evidence import ColumnType, ComputationSource, Scalar, Table
from services.store import RunRecord

router = APIRouter(include_in_schema=False)
Reader = Annotated[Identity, Depends(needs("read"))]
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A cell as a page shows it."""

    text: str
    is_marked: bool
    is_masked: bool
    type: ColumnType
    is_first: bool = False
    """Whether it is the first marked one, which a link leads to."""


@router.get("/runs/{run_id}/evidence/{evidence_id}")
async def evidence_page(
    request: Request,
    run_id: str,
    evidence_id: str,
    who: Reader,
    figure: Annotated[str, Query(max_length=300)] = "",
    start: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Rows of one piece of evidence; with a figure, the page on which its cells are marked."""
    record = await visible_run(request, who, run_id)
    runner = runner_of(request)
    async with promptly():
        await _check_referred(runner, record, evidence_id)
        evidence = await runner.stores.evidence.evidence(evidence_id)
        table = await runner.stores.evidence.table(evidence_id)
    shown = await _figure(library_of(request), record, figure) if figure else None
    cells = _cells_of(shown, evidence_id)
    keys = table.row_keys
    marked = [number for number, key in enumerate(keys) if key in {row for row, _ in cells}]
    first = _page_start(start, marked, len(table))
    source = evidence.source
    return await page(
        request,
        who,
        "evidence.html.j2",
        record=record,
        evidence=evidence,
        kind=words.KIND_WORDS[source.kind],
        computation=source if isinstance(source, ComputationSource) else None,
        sql=highlighted(evidence.sql),
        figure=shown,
        exact=words.exact(shown) if shown else "",
        parameters=words.parameters_text(shown.parameters) if shown else "",
        rows=_rows(table, range(first, min(first + _PAGE, len(table))), cells),
        masked=[c.label or c.name for c in table.columns if c.sensitivity == "confidential"],
        first=first,
        size=_PAGE,
        marked=marked,
    )


async def _check_referred(runner: Runner, record: RunRecord, evidence_id: str) -> None:
    """Raise `NotFound` for what the run does not refer to, whether or not it exists."""
    if f"evidence:{evidence_id}" not in await runner.stores.references.of_run(record.id):
        raise NotFound("This run has no such evidence.", hint=f"See /runs/{record.id}.")


async def _figure(library: Library, record: RunRecord, name: str) -> Figure:
    content = await library.content(record)
    for figure in content.figures if content else ():
        if figure.id == name:
            return figure
    raise NotFound("The report has no such figure.", hint=f"See /runs/{record.id}/report.")


def _cells_of(figure: Figure | None, evidence_id: str) -> frozenset[tuple[str, str]]:
    """Row key and column of each cell of *figure* in that evidence."""
    found = set()
    for cell in figure.cells if figure else ():
        owner, _, place = cell.partition("/")
        row, _, column = place.rpartition("/")
        if owner == evidence_id:
            found.add((row, column))
    return frozenset(found)


def _page_start(start: int | None, marked: list[int], count: int) -> int:
    wanted = start if start is not None else marked[0] if marked else 0
    return min(wanted, max(count - 1, 0)) // _PAGE * _PAGE


def _rows(
    table: Table, numbers: range, cells: Collection[tuple[str, str]]
) -> list[tuple[int, list[ShownCell]]]:
    keys = table.row_keys
    found = []
    is_first = True
    for number in numbers:
        line = []
        for column, values in zip(table.columns, table.data, strict=True):
            is_marked = (keys[number], column.name) in cells
            is_masked = column.sensitivity == "confidential"
            text = MASK if is_masked else cell_text(values[number], column.unit)
            line.append(ShownCell(text, is_marked, is_masked, column.type, is_marked and is_first))
            is_first = is_first and not is_marked
        found.append((number, line))
    return found


def cell_text(value: Scalar, unit: str) -> str:
    """A raw value of a row; money at two decimals at most, doubles at twelve digits."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case Decimal() | float() if formats.is_currency(unit):
            return formats.short_display(Decimal(str(value)), unit, 2)
        case Decimal() | int() | float():
            shape = ",f" if isinstance(value, Decimal) else ",.12g"
            return format(value, shape).replace("-", "\u2212")
        case date():
            return value.isoformat()
        case _:
            return str(value)
