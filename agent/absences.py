"""Who stands in for whom: the reviews of somebody who is away go to another person meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from agent.people import People, permission_for
from agent.stores import Stores
from services.audit import SYSTEM, events
from services.errors import Invalid
from services.review import Absence, Away, ReviewItem, stand_ins

_ALL: Final = 100_000


@dataclass(frozen=True, slots=True)
class StandIns:
    """The absences of one store; any number of processes may see to them."""

    stores: Stores
    clock: Callable[[], datetime]

    async def set(
        self, person: str, to: str, first: date, last: date, *, by: str, tenant: str
    ) -> Absence:
        """
        From the first day to the last, reviews of *person* go to *to*; what was set before ends.

        Raises `Invalid` for days that cannot be or somebody who may not answer reviews,
        `InputConflict` when reviews would go round in a circle.
        """
        people, at = People(self.stores, self.clock), self.clock()
        for name in (person, to):
            await people.check(name, "answer", tenant=tenant)
        absence = self._absence(person, to, first, last, by=by, tenant=tenant, at=at)
        before = await self.stores.absences.find(person, tenant=tenant)
        if before is not None and not absence.holds(at):
            await self._end(before, by=by)
        await self.stores.absences.set(absence)
        said = {"first": first.isoformat(), "last": last.isoformat()}
        await self._say(events.REVIEW_AWAY_SET, by=by, person=person, reviewer=to, **said)
        await self._begin(absence)
        return await self.stores.absences.get(person, tenant=tenant)

    async def end(self, person: str, *, by: str, tenant: str) -> Absence:
        """They are back, or will not go; raises `NotFound` when they are not away."""
        absence = await self.stores.absences.get(person, tenant=tenant)
        await self._end(absence, by=by)
        return absence

    async def tend(self) -> None:
        """Begin the absences whose first day has come, end those whose last is over: a chore."""
        at = self.clock()
        for absence in await self.stores.absences.list():
            if absence.is_over or absence.ends_at <= at:
                await self._end(absence, by=absence.set_by)
            else:
                await self._begin(absence)

    def today(self) -> date:
        """In the zone whose days count."""
        return self.clock().astimezone(ZoneInfo(self.stores.reviews.policy.hours.zone)).date()

    async def tenant_of(self, person: str) -> str:
        """Whose reviews they answer; the default tenant's where nobody knows them."""
        known = await People(self.stores, self.clock).find(person)
        return (known.tenant or "") if known else ""

    async def pass_on(self, item: ReviewItem) -> ReviewItem:
        """
        The item with who stands in for whom it is given to; with them where nobody may.

        It is not passed on to who asked for its run, or may not give it the next approval.
        """
        at = self.clock()
        if item.owner is None or item.status != "open":
            return item
        absences = await self.stores.absences.list(tenant=item.tenant)
        to = stand_ins(item.owner, absences, tenant=item.tenant, at=at)
        people = People(self.stores, self.clock)
        if not to or not await people.may(to[-1], permission_for(item), tenant=item.tenant):
            return item
        [absence] = [one for one in absences if one.person == item.owner]
        away = Away(person=absence.person, until=absence.last)
        given = await self.stores.reviews.pass_on(item.id, to[-1], away, at=at)
        await self._log(item, given, events.REVIEW_DELEGATED, by=absence.person)
        return given

    def _absence(
        self, person: str, to: str, first: date, last: date, *, by: str, tenant: str, at: datetime
    ) -> Absence:
        try:
            absence = Absence(
                person=person,
                to=to,
                tenant=tenant,
                first=first,
                last=last,
                zone=self.stores.reviews.policy.hours.zone,
                set_by=by,
                set_at=at,
            )
        except ValidationError as error:
            raise Invalid(
                "An absence ends after it begins, and lasts a year at most.",
                hint="Give the first and the last day that they are away.",
            ) from error
        if absence.ends_at <= at:
            raise Invalid("This absence is over.", hint="Its last day is today or later.")
        return absence

    async def _begin(self, absence: Absence) -> None:
        """Pass on what is open, once; whoever dies in between is followed by another."""
        if absence.has_begun or not absence.holds(self.clock()):
            return
        for item in await self._open(absence):
            if absence.person in (item.owner, item.assignee):
                await self.pass_on(item)
        await self.stores.absences.note(absence, has_begun=True)

    async def _end(self, absence: Absence, *, by: str) -> None:
        """Give back what nobody has begun with; whoever dies in between is followed by another."""
        over = await self.stores.absences.note(absence, is_over=True)
        for item in await self._open(absence):
            if item.away is not None and item.owner == absence.person:
                given = await self.stores.reviews.give_back(
                    item.id, absence.person, at=self.clock()
                )
                await self._log(item, given, events.REVIEW_ASSIGNED, by=absence.person)
        await self._say(events.REVIEW_AWAY_ENDED, by=by, person=absence.person)
        await self.stores.absences.remove(over)

    async def _open(self, absence: Absence) -> tuple[ReviewItem, ...]:
        return await self.stores.reviews.list("open", limit=_ALL, tenant=absence.tenant)

    async def _log(self, before: ReviewItem, after: ReviewItem, event: str, *, by: str) -> None:
        if after.version == before.version:
            return
        said = {"item": after.id, "version": after.version, "by": by, "reviewer": after.assignee}
        await self.stores.audit.append(after.run_id, event, said, at=self.clock())

    async def _say(self, event: str, **said: str) -> None:
        await self.stores.audit.append(SYSTEM, event, said, at=self.clock())
