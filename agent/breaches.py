"""Limits that a published report shows as exceeded: for each one a person says what is done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal

from agent.absences import StandIns
from agent.holds import of_run
from agent.people import People, permission_for
from agent.stores import Stores
from reports.document import Figure, ReportContent
from services.analysis import formats
from services.review import Breach, ReviewItem
from services.store import RunRecord


async def open_breaches(
    stores: Stores, record: RunRecord, report: str, *, clock: Callable[[], datetime]
) -> None:
    """
    Open an item for each limit that is broken in the report of that store digest, once.

    The run does not wait for them. Doing it again finds the items that there are. A limit's owner
    who is known here and may answer has the item, or who stands in for them.
    """
    content = await stores.blobs.of_run(record.id).get_document(report, ReportContent)
    digest = content.digest
    for breach in breaches_of(content):
        item = item_of(record, breach, digest=digest, at=clock())
        if await People(stores, clock).knows(
            breach.owner, permission_for(item), tenant=record.tenant
        ):
            item = item.model_copy(update={"assignee": breach.owner})
        await StandIns(stores, clock).pass_on(await stores.open_item(item))


def breaches_of(content: ReportContent) -> Iterator[Breach]:
    """The measures that lie beyond their limits, in the order of the report's summary."""
    figures = {figure.id: figure for figure in content.figures}
    for row in content.summary.status:
        shown = row.indicator
        value, limit = figures.get(shown.value), figures.get(shown.limit)
        if row.status == "red" and value and limit:
            yield Breach(
                indicator=shown.id,
                measure=shown.label,
                value=value.display,
                limit=limit.display,
                over=formats.difference(_beyond(value, limit), value.unit, value.display),
                change=_changed(figures.get(shown.change)),
                owner=_said(figures.get(shown.owner)),
                owner_role=_said(figures.get(f"{shown.value}.owner_role")),
                evidence=_cited(value, limit),
            )


def item_of(record: RunRecord, breach: Breach, *, digest: str, at: datetime) -> ReviewItem:
    """What a person is asked about *breach*; the same item for the same limit of the same report."""
    beyond = "below" if breach.over.partition("\u2212")[1] else "above"
    return ReviewItem.for_wait(
        record.id,
        f"breach:{breach.indicator}:{digest}",
        kind="breach",
        title=f"{breach.measure} is {beyond} its limit",
        question="What is done about it?",
        code="",
        detail=(breach.figures, f"evidence {', '.join(breach.evidence)}"),
        choices=("approve", "respond", "reject"),
        report_digest=digest,
        created_at=at,
        severity="red",
        at_risk=breach.over,
        breach=breach,
        **of_run(record),
    )


def _beyond(value: Figure, limit: Figure) -> Decimal:
    assert value.value is not None
    assert limit.value is not None
    return value.value - limit.value


def _changed(figure: Figure | None) -> str:
    if figure is None or "since" not in figure.parameters:
        return _said(figure)
    since = formats.display_date(date.fromisoformat(figure.parameters["since"]))
    return f"{figure.display} since {since}"


def _said(figure: Figure | None) -> str:
    return (figure.text or figure.display) if figure else ""


def _cited(*figures: Figure) -> tuple[str, ...]:
    """The rows that the figures stand in, not what those were computed from."""
    cells = dict.fromkeys(cell.partition("/")[0] for one in figures for cell in one.cells)
    return tuple(cells or dict.fromkeys(name for one in figures for name in one.evidence))
