"""Reminders of review items that are due soon, and their escalation; a chore of every worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.announcing import announce
from agent.driving import now
from agent.stores import Stores
from services.audit import events
from services.review import Notice, ReviewItem

_EVENTS: Final[dict[Notice, str]] = {
    "reminder": events.REVIEW_REMINDER,
    "escalation": events.REVIEW_ESCALATED,
}


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Watches over the deadlines of the review queue; any number of processes may."""

    stores: Stores
    clock: Callable[[], datetime] = now

    async def remind(self) -> None:
        """
        Say of every item what is to be said by now: that it is due soon, or goes to a role.

        Each is said under a key of its own before the item notes it: a process that dies in
        between, or works beside another, says nothing twice.
        """
        at = self.clock()
        for item in await self.stores.reviews.due(at):
            notice = item.next_notice
            if notice is not None and notice[1] <= at:
                await self._tell(item, notice[0], at)

    async def _tell(self, item: ReviewItem, notice: Notice, at: datetime) -> None:
        assert item.deadline is not None
        said = {"due": item.deadline.due_at.isoformat()}
        if notice == "escalation":
            said["role"] = item.deadline.escalate_to
        await announce(self.stores, _EVENTS[notice], item, at=at, **said)
        await self.stores.reviews.told(item.id, notice)
