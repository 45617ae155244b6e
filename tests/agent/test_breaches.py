"""What a published report shows beyond its limits is asked about once, whoever dies in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.breaches import breaches_of
from agent.driving import now, thread_of
from agent.graph import GRAPH_VERSION
from agent.housekeeping import Housekeeping
from agent.runner import Runner
from reports.document import ReportContent, StatusRow
from services import failpoints
from services.errors import Invalid, NotFound
from services.review import Approve, Reject, Respond, ReviewItem
from services.store import ENDPOINTS, Event, RunRecord
from services.warehouse import current_snapshot
from tests.agent.driven import entries, nobody
from tests.agent.review_door import browser, content, know_somebody


@pytest.fixture(autouse=True)
def no_traps() -> Iterator[None]:
    yield
    failpoints.set_traps("")


def two_breaches() -> ReportContent:
    """A report with a measure above its limit, one below it, and one inside."""
    made = content()
    [row] = made.summary.status
    below = row.indicator.model_copy(
        update={"id": "i2", "label": "Cover", "value": "market.lim", "limit": "market.var"}
    )
    fine = row.indicator.model_copy(update={"id": "i3"})
    rows = (
        row,
        StatusRow(indicator=below, status="red"),
        StatusRow(indicator=fine, status="amber"),
    )
    figures = tuple(
        one.model_copy(update={"value": one.value and one.value * 1_000_000})
        for one in made.figures
    )
    return made.model_copy(
        update={
            "figures": figures,
            "summary": made.summary.model_copy(update={"status": rows, "counts": {"red": 2}}),
        }
    )


async def published(runner: Runner, run_id: str = "q1", said: ReportContent | None = None) -> None:
    """A run whose report has just been published, and that nobody has settled yet."""
    made, at = said or two_breaches(), now()
    snapshot = current_snapshot(runner.settings.warehouse_dir)
    assert snapshot is not None
    record = RunRecord(
        id=run_id,
        request={"question": "", "requested_by": "Olga", "formats": ["json"], "trigger": "cli"},
        status="queued",
        template="quarterly",
        graph_version=GRAPH_VERSION,
        snapshot=snapshot.id,
        created_at=at,
        updated_at=at,
    )
    await runner.stores.runs.create(record)
    digest = await runner.stores.blobs.of_run(run_id).put_document(made)
    values = {
        "request": record.request,
        "report": digest,
        "report_digest": made.digest,
        "receipt": {"digest": made.digest, "files": [], "by": "Ada"},
    }
    await runner.graph.aupdate_state(thread_of(run_id), values, as_node="publish")


async def items(runner: Runner, run_id: str = "q1") -> list[ReviewItem]:
    return [*await runner.stores.reviews.of_run(run_id)]


def test_a_breach_says_what_the_report_says() -> None:
    """Value and limit as printed, and the difference in the same form, with its sign."""
    above, below = breaches_of(two_breaches())

    assert ("EUR 5.16m", "EUR 5.00m", "EUR\u00a0+0.16m") == (above.value, above.limit, above.over)
    assert ("Cover", "EUR\u00a0\u22120.16m") == (below.measure, below.over)
    assert ("ev-1",) == above.evidence


async def test_a_crash_anywhere_opens_each_item_once(own_runner: Runner) -> None:
    """Before the first, between two, after the last, and before the run counts as done."""
    await own_runner.stores.redis.hset(ENDPOINTS, "somebody", "listens")
    await published(own_runner)
    for place in ("reviews.open:before", "reviews.open:after", "reviews.open:before@2"):
        name, _, count = place.partition("@")
        failpoints.set_traps(f"{name}=crash@{count or 1}")
        with pytest.raises(failpoints.Crash):
            await own_runner.drive("q1", nobody)
    failpoints.set_traps("runs.update:before=crash@2")
    with pytest.raises(failpoints.Crash):
        await own_runner.drive("q1", nobody)
    both = await items(own_runner)
    failpoints.set_traps("")
    done = await own_runner.drive("q1", nobody)
    events = [Event.model_validate_json(e) for e in await own_runner.stores.outbox.waiting()]

    assert "done" == done.status
    assert both == await items(own_runner)
    assert [("breach", "red", "open", "Olga")] * 2 == [
        (one.kind, one.severity, one.status, one.requested_by) for one in both
    ]
    assert ["VaR is above its limit", "Cover is below its limit"] == [one.title for one in both]
    assert [one.id for one in both] == [
        e.data["item_id"] for e in events if e.type == "review.opened"
    ]


@pytest.mark.usefixtures("quick_passwords")
async def test_what_is_done_is_recorded_and_shown_beside_the_next(own_runner: Runner) -> None:
    """On the page: a remark, the acknowledgement with its reason, and the next report's breach."""
    await published(own_runner)
    await own_runner.drive("q1", nobody)
    first, second = await items(own_runner)
    cleo = await browser(own_runner, "Cleo", "reviewer")
    await know_somebody(own_runner)
    row = await cleo.open("/reviews?tab=unassigned&kind=breach")
    page = await cleo.open(f"/reviews/{first.id}")
    await cleo.send('value="respond"', text="asked the desk")
    remarked = cleo.page.text
    empty = await cleo.send('value="approve"', text=" ")
    await cleo.send('value="approve"', text="hedged by Friday")
    acknowledged = cleo.page.text
    await cleo.open(f"/reviews/{second.id}")
    await cleo.send('value="reject"', text="the limit is old")
    disputed = cleo.page.text
    await published(own_runner, "q2")
    await own_runner.drive("q2", nobody)
    again = await cleo.open(f"/reviews/{(await items(own_runner, 'q2'))[0].id}")
    run = await cleo.open("/runs/q2")

    assert "EUR\u00a0+0.16m" in row
    assert first.id in row
    for words in ("EUR 5.16m", "EUR 5.00m", "EUR\u00a0+0.16m", "ev-1", "Acknowledge", "Dispute"):
        assert words in page
    assert "to confirm" not in page
    assert ("Your remark is recorded" in remarked, "asked the desk" in remarked) == (True, True)
    assert (422, True) == (empty.status_code, "what is done about it" in empty.text)
    assert "Acknowledged; what is done" in acknowledged
    assert ("Disputed" in disputed, "the limit is old" in disputed) == (True, True)
    for words in ("hedged by Friday", "asked the desk", "Cleo"):
        assert words in again
    assert "the limit is old" not in again
    assert "breaches to acknowledge: 2 items" in run
    [decided, other] = await entries(own_runner, "q1", "review.decided")
    assert (True, True) == (decided["note"].startswith("personal:"), "reason" in other)


@pytest.mark.parametrize("unseen", ["\u200b", "\u2060 \ufeff", "..."])
async def test_what_cannot_be_read_answers_nothing(own_runner: Runner, unseen: str) -> None:
    """Neither acknowledges a breach nor disputes it."""
    await published(own_runner)
    await own_runner.drive("q1", nobody)
    item, _ = await items(own_runner)

    for decision in (Approve(note=unseen), Reject(reason=unseen)):
        with pytest.raises(Invalid, match="answered in words"):
            await own_runner.stores.decide(item.id, decision, by="Cleo", at=now())
    assert "open" == (await own_runner.stores.reviews.get(item.id)).status


async def test_it_goes_with_its_report_and_with_its_run(own_runner: Runner) -> None:
    """A deleted run leaves none of them, and an answer to a breach starts nothing."""
    await published(own_runner)
    await own_runner.drive("q1", nobody)
    first, second = await items(own_runner)
    for decision in (Respond(text="asked"), Approve(note="hedged")):
        await own_runner.decide(first.id, decision, by="Ada")
    with pytest.raises(NotFound, match="waits for nobody"):
        await own_runner.decide("q1", Approve(note="checked"), by="Ada")
    await own_runner.stores.reviews.close("q1", why="the report was withdrawn", by="Ada", at=now())
    closed = await own_runner.stores.reviews.get(second.id)

    assert (0, 0) == await own_runner.stores.queue.state()
    assert () == await own_runner.stores.reviews.answered()
    assert "superseded" == closed.status

    settings, stores = own_runner.settings, own_runner.stores
    keeping = Housekeeping(settings=settings, stores=stores, clock=now)
    await keeping.delete_run("q1")

    assert [] == await items(own_runner)
    assert () == await stores.reviews.list(None)
