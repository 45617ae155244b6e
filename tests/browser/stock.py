"""Runs and review items of all kinds, made through the real services and driven by the worker."""

from __future__ import annotations

from typing import Final

from agent.intake import prepare
from agent.request import Format
from agent.runner import Runner
from services.review import Approve, Decision, ReviewItem
from services.store import RunRecord
from tests.browser.site import Site

QUESTION: Final = "NPL ratio by segment"
UNCLEAR: Final = "exposure"


def start(
    site: Site,
    run_id: str,
    question: str = QUESTION,
    *,
    by: str = "Ada",
    formats: tuple[Format, ...] = ("json",),
) -> None:
    """Accept a run, for the worker to drive."""

    async def accept(runner: Runner) -> None:
        accepted = prepare(runner.settings, run_id, question=question, formats=list(formats))
        await runner.accept(run_id, accepted.asked_by(by, "api"), left=True)

    site.act(accept)


def run_of(site: Site, run_id: str) -> RunRecord:
    return site.act(lambda runner: runner.stores.runs.get(run_id))


def open_item(site: Site, run_id: str) -> ReviewItem | None:
    """What the run waits for a person with."""

    async def find(runner: Runner) -> ReviewItem | None:
        items = await runner.stores.reviews.of_run(run_id)
        return next((item for item in items if item.status == "open"), None)

    return site.act(find)


def waits(site: Site, run_id: str) -> ReviewItem:
    """The run's open item, once it has one."""
    return site.until(lambda: open_item(site, run_id), seconds=60)


def decide(site: Site, run_id: str, decision: Decision, by: str) -> None:
    site.act(lambda runner: runner.decide(run_id, decision, by=by))


def becomes(site: Site, run_id: str, *statuses: str) -> RunRecord:
    """The run, once it has come to one of *statuses*."""

    def there() -> RunRecord | None:
        record = run_of(site, run_id)
        return record if record.status in statuses else None

    return site.until(there, seconds=60)


def stock(site: Site) -> Site:
    """A site on which each kind of page has something to show."""
    start(site, "published", formats=("html", "json"))
    start(site, "half-approved")
    start(site, "unclear", UNCLEAR)
    _start_blocked(site, "broken")
    start(site, "stopped")
    site.act(lambda runner: runner.cancel("stopped", by="Ben", reason="asked twice"))
    for run_id, by in (("published", "Ben"), ("published", "Cleo"), ("half-approved", "Ben")):
        waits(site, run_id)
        decide(site, run_id, Approve(note="agrees with the ledger"), by)
    becomes(site, "published", "done")
    waits(site, "broken")
    waits(site, "unclear")
    return site


def _start_blocked(site: Site, run_id: str) -> None:
    """A run whose report cannot be written."""
    (site.folder / "reports" / run_id / "report.json").mkdir(parents=True)
    start(site, run_id)
