"""Who has which review item: every change is made in the queue, and said in the run's audit log."""

from __future__ import annotations

from dataclasses import dataclass

from agent.absences import StandIns
from agent.driving import now
from agent.stores import Stores
from services.audit import events
from services.review import ReviewItem


@dataclass(frozen=True, slots=True)
class Desk:
    """The review queue as one person works on it. Items are named by their id or by their run's."""

    stores: Stores
    person: str

    async def claim(self, ref: str, *, take: bool = False) -> ReviewItem:
        """Have the item open for a while; `DecisionRefused` while somebody else has."""
        item = await self.stores.reviews.find(ref)
        claimed = await self.stores.reviews.claim(item.id, by=self.person, at=now(), take=take)
        return await self._said(item, claimed, events.REVIEW_CLAIMED)

    async def release(self, ref: str) -> ReviewItem:
        item = await self.stores.reviews.find(ref)
        released = await self.stores.reviews.release(item.id, by=self.person, at=now())
        return await self._said(item, released, events.REVIEW_RELEASED)

    async def assign(self, ref: str, to: str | None, *, version: int | None = None) -> ReviewItem:
        """Give the item to a person, or to nobody."""
        item = await self.stores.reviews.find(ref)
        given = await self.stores.reviews.assign(
            item.id, to, by=self.person, at=now(), version=version
        )
        said = await self._said(item, given, events.REVIEW_ASSIGNED, to=given.assignee)
        return await StandIns(self.stores, now).pass_on(said)

    async def delegate(self, ref: str, to: str, *, version: int | None = None) -> ReviewItem:
        """Hand the item on; only who has it does."""
        item = await self.stores.reviews.find(ref)
        given = await self.stores.reviews.delegate(
            item.id, to, by=self.person, at=now(), version=version
        )
        said = await self._said(item, given, events.REVIEW_DELEGATED, to=given.assignee)
        return await StandIns(self.stores, now).pass_on(said)

    async def _said(
        self, before: ReviewItem, after: ReviewItem, event: str, *, to: str | None = None
    ) -> ReviewItem:
        if after.changes == before.changes:
            return after
        fields = {"item": after.id, "version": after.version, "by": self.person}
        if event in (events.REVIEW_ASSIGNED, events.REVIEW_DELEGATED):
            fields["reviewer"] = to or ""
        await self.stores.audit.append(after.run_id, event, fields, at=after.changes[-1].at)
        return after
