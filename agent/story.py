"""All that is known of one run, read together for whoever looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from agent.deps import budget_of
from agent.runner import FINISHED, Runner
from agent.stores import Stores
from agent.timeline import Timeline, timeline
from services.audit import START, AuditEntry, events, revealed
from services.errors import NotFound
from services.review import ReviewItem
from services.store import Budget, Effect, QueuePlace, RunRecord, Spent, Wish

_ASKED: Final = {
    events.RUN_CANCEL_ASKED: ("cancel", events.RUN_CANCELLED),
    events.RUN_ROLLBACK_ASKED: ("rollback", events.RUN_ROLLED_BACK),
    events.REPORT_WITHDRAW_ASKED: ("withdraw", events.REPORT_WITHDRAWN),
}
"""Entries that say something was asked, with what, and the entry that says it is done."""


_ANSWERED: Final = {events.RUN_ASK_FAILED, *(done for _, done in _ASKED.values())}


@dataclass(frozen=True, kw_only=True)
class Story:
    """A run, where it stands, and its history."""

    record: RunRecord
    driver: str
    """Who drives it right now; empty when nobody does."""
    wish: Wish | None
    place: QueuePlace
    spent: Spent
    budget: Budget
    items: tuple[ReviewItem, ...]
    entries: tuple[AuditEntry, ...]
    """The log, with what it says of persons in place."""
    effects: tuple[Effect, ...]
    source: RunRecord | None
    """The run that this one is a copy of, while it is kept."""
    forks: tuple[RunRecord, ...]
    """The newest copies of this run."""

    @cached_property
    def timeline(self) -> Timeline:
        return timeline(self.entries, self.items, is_driven=bool(self.driver))

    @property
    def standing(self) -> str:
        """The status as people read it: one whose driver died is interrupted, not running."""
        return standing(self.record, is_driven=bool(self.driver))

    @property
    def open_items(self) -> tuple[ReviewItem, ...]:
        return tuple(item for item in self.items if item.status == "open")

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens by itself, or by a person's decision."""
        return self.record.status in FINISHED

    @property
    def asked(self) -> str:
        """What was asked last and is not done: cancel, rollback or withdraw; empty otherwise."""
        pending = ""
        for entry in self.entries:
            if entry.event in _ASKED:
                pending = _ASKED[entry.event][0]
            elif entry.event in _ANSWERED:
                pending = ""
        return "" if pending in ("cancel", "rollback") and self.is_over else pending

    @property
    def failed_ask(self) -> dict[str, Any] | None:
        """What was asked last and could not be done, with the code why; None if it could."""
        for entry in reversed(self.entries):
            if entry.event in _ASKED or entry.event in _ANSWERED:
                failed = entry.event == events.RUN_ASK_FAILED
                return dict(entry.fields) if failed else None
        return None

    @property
    def head(self) -> str:
        """The digest that stands for the whole log."""
        return self.entries[-1].digest if self.entries else START

    def document(self) -> dict[str, Any]:
        """Everything as one JSON document."""
        return {
            "run": self.record.model_dump(mode="json"),
            "standing": self.standing,
            "driver": self.driver,
            "spent": self.spent.model_dump(mode="json"),
            "budget": self.budget.model_dump(mode="json"),
            "items": _plain(self.items),
            "effects": _plain(self.effects),
            "forks": [fork.id for fork in self.forks],
            "audit": _plain(self.entries),
            "audit_head": self.head,
        }


async def story(runner: Runner, record: RunRecord) -> Story:
    """What is known of *record*'s run now."""
    stores, run_id = runner.stores, record.id
    entries, personal = await stores.audit.entries(run_id), await stores.audit.personal(run_id)
    told = tuple(e.model_copy(update={"fields": revealed(e, personal)}) for e in entries)
    return Story(
        record=record,
        driver=await stores.runs.driver(run_id),
        wish=await stores.runs.wished(run_id),
        place=await stores.queue.place(run_id),
        spent=await stores.spending.of_run(run_id),
        budget=budget_of(runner.settings),
        items=await stores.reviews.of_run(run_id),
        entries=told,
        effects=await stores.effects.of_run(run_id),
        source=await _source(stores, record),
        forks=await stores.runs.forks(run_id),
    )


async def _source(stores: Stores, record: RunRecord) -> RunRecord | None:
    if not record.forked_from:
        return None
    with suppress(NotFound):
        return await stores.runs.get(record.forked_from, tenant=record.tenant)
    return None


def standing(record: RunRecord, *, is_driven: bool) -> str:
    """The status as people read it: one whose driver died is interrupted, not running."""
    return "interrupted" if record.status == "running" and not is_driven else record.status


def _plain(values: Sequence[AuditEntry | Effect | ReviewItem]) -> list[dict[str, Any]]:
    return [value.model_dump(mode="json") for value in values]
