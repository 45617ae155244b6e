"""Two runs beside each other: what was asked, what was read, and what the figures became."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, TypeAlias, TypeVar

from agent.driving import Graph, thread_of
from agent.stores import Stores
from reports.document import Figure, RenderedFinding, ReportContent
from services.evidence import Frozen
from services.store import RunFilter, RunPlace, RunRecord

Change: TypeAlias = Literal["added", "removed", "changed"]
_T = TypeVar("_T")


class Difference(Frozen):
    """One thing that is not the same in both. `before` and `after` are as the reports print them."""

    what: Literal["request", "figure", "finding", "evidence"]
    name: str
    change: Change
    before: str = ""
    after: str = ""
    by: Decimal | None = None
    """How much a figure rose, in its own unit; negative when it fell."""


class Comparison(Frozen):
    """The differences of two runs, and how much is the same."""

    first: str
    second: str
    same_report: bool
    """Whether both have a report, with the same content digest."""
    same_figures: int
    differences: tuple[Difference, ...]


async def compare(stores: Stores, graph: Graph, first: str, second: str) -> Comparison:
    """How run *second* differs from run *first*; `NotFound` when there is no such run."""
    one, other = [await stores.runs.get(run_id) for run_id in (first, second)]
    before, after = [await content_of(stores, graph, record) for record in (one, other)]
    return compared(one, other, before, after)


def compared(
    first: RunRecord,
    second: RunRecord,
    before: ReportContent | None,
    after: ReportContent | None,
) -> Comparison:
    """How run *second* differs from run *first*, given what their reports say."""
    figures = _figures(before), _figures(after)
    same = [name for name in figures[0] if name in figures[1] and _same(name, *figures)]
    return Comparison(
        first=first.id,
        second=second.id,
        same_report=first.report_digest is not None and first.report_digest == second.report_digest,
        same_figures=len(same),
        differences=(
            *_of_requests(first, second),
            *_of_figures(*figures),
            *_of_findings(_findings(before), _findings(after)),
            *_of_evidence(_statements(before), _statements(after)),
        ),
    )


async def previous(stores: Stores, record: RunRecord) -> RunRecord | None:
    """The newest published report of the same template, question and tenant from before."""
    wanted = RunFilter(status="done", template=record.template, tenant=record.tenant)

    async def asks_the_same(other: RunRecord) -> bool:
        return other.request.get("question") == record.request.get("question")

    page = await stores.runs.page(wanted, limit=1, after=RunPlace.of(record), fits=asks_the_same)
    return next(iter(page.runs), None)


async def content_of(stores: Stores, graph: Graph, record: RunRecord) -> ReportContent | None:
    """The report that a run has composed, if it has."""
    state = (await graph.aget_state(thread_of(record.id))).values
    if "report" not in state:
        return None
    return await stores.blobs.get_document(state["report"], ReportContent)


def _of_requests(first: RunRecord, second: RunRecord) -> list[Difference]:
    ours = {**first.request, "snapshot": first.snapshot[:16]}
    theirs = {**second.request, "snapshot": second.snapshot[:16]}
    names = ("template", "question", "as_of", "formats", "snapshot")
    return [
        Difference(
            what="request",
            name=name,
            change="changed",
            before=_words(ours[name]),
            after=_words(theirs[name]),
        )
        for name in names
        if ours[name] != theirs[name]
    ]


def _words(asked: object) -> str:
    return ", ".join(map(str, asked)) if isinstance(asked, list) else str(asked)


def _figures(content: ReportContent | None) -> dict[str, Figure]:
    return {figure.id: figure for figure in content.figures} if content else {}


def _same(name: str, before: Mapping[str, Figure], after: Mapping[str, Figure]) -> bool:
    one, other = before[name], after[name]
    return (one.value, one.text, one.unit) == (other.value, other.text, other.unit)


def _of_figures(before: Mapping[str, Figure], after: Mapping[str, Figure]) -> list[Difference]:
    found = []
    for name, change in _changes(before, after):
        one, other = before.get(name), after.get(name)
        if one and other and _same(name, before, after):
            continue
        moved = None
        if one and other and one.value is not None and other.value is not None:
            moved = other.value - one.value
        found.append(
            Difference(
                what="figure",
                name=name,
                change=change,
                before=one.display if one else "",
                after=other.display if other else "",
                by=moved,
            )
        )
    return found


def _findings(content: ReportContent | None) -> dict[str, RenderedFinding]:
    sections = content.sections if content else ()
    return {finding.id: finding for section in sections for finding in section.findings}


def _of_findings(
    before: Mapping[str, RenderedFinding], after: Mapping[str, RenderedFinding]
) -> list[Difference]:
    return [
        Difference(what="finding", name=name, change=change, before=one, after=other)
        for name, change in _changes(before, after)
        if (one := _said(before.get(name))) != (other := _said(after.get(name)))
    ]


def _said(finding: RenderedFinding | None) -> str:
    if finding is None:
        return ""
    return f"{finding.severity}: {''.join(run.text for run in finding.prose)}"


def _statements(content: ReportContent | None) -> dict[str, str]:
    return {record.sql: record.digest for record in content.evidence} if content else {}


def _of_evidence(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Statements that both ran and that gave other rows; of others the request tells."""
    return [
        Difference(
            what="evidence",
            name=sql,
            change="changed",
            before=before[sql][:16],
            after=after[sql][:16],
        )
        for sql in before
        if sql in after and before[sql] != after[sql]
    ]


def _changes(before: Mapping[str, _T], after: Mapping[str, _T]) -> list[tuple[str, Change]]:
    """Every name of either, in order, with what became of it."""
    kinds: dict[tuple[bool, bool], Change] = {
        (True, True): "changed",
        (True, False): "removed",
        (False, True): "added",
    }
    names = dict.fromkeys([*before, *after])
    return [(name, kinds[name in before, name in after]) for name in names]
