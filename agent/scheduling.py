"""Adding, pausing and going on with schedules: what the command line and the HTTP API share."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated

from pydantic import Field

from agent.driving import now
from agent.intake import checked_formats
from agent.request import FORMATS
from agent.stores import Stores
from services.analysis.templates import load_template
from services.audit import SYSTEM, content_digest, events
from services.errors import Invalid
from services.evidence import Frozen
from services.schedules import (
    DEFAULT_CATCH_UP_LIMIT,
    MAX_CATCH_UP,
    CatchUp,
    Schedule,
    Timing,
    check_name,
)
from services.store import Priority


class NewSchedule(Frozen):
    """What a schedule is to be, in the words of whoever adds it."""

    name: str
    cron: str
    zone: str = "UTC"
    question: str = ""
    template: str = ""
    """Of a report; `quarterly` when no question is asked either."""
    formats: tuple[str, ...] = FORMATS
    priority: Priority = "normal"
    catch_up: CatchUp = "last"
    catch_up_limit: Annotated[int, Field(ge=1, le=MAX_CATCH_UP)] = DEFAULT_CATCH_UP_LIMIT

    def made(self, *, at: datetime, by: str, tenant: str = "") -> Schedule:
        """
        The schedule, whose first tick is the next one after *at*.

        Raises `Invalid` for a name, cron expression, zone or format that makes no sense, and
        `UnknownTemplate`.
        """
        check_name(self.name)
        timing = Timing.parse(self.cron, self.zone)
        asked = self.question.strip()
        if asked and self.template:
            raise Invalid(
                "A schedule asks a question or for a template, not both.",
                hint="leave one of them out",
            )
        first = timing.next_after(at)
        return Schedule(
            id=f"sc-{secrets.token_hex(5)}",
            name=self.name,
            tenant=tenant,
            timing=timing,
            catch_up=self.catch_up,
            catch_up_limit=self.catch_up_limit,
            priority=self.priority,
            question=asked,
            template="" if asked else load_template(self.template or "quarterly").name,
            formats=checked_formats(self.formats),
            created_at=at,
            created_by=by,
            next_at=first,
            try_at=first,
        )


class Scheduler:
    """
    Schedules of one store, changed in the name of *by*.

    Each change is in the audit log before it is made, like those of keys and people.
    """

    def __init__(self, stores: Stores, *, by: str) -> None:
        self._audit = stores.audit
        self._book = stores.schedules
        self._by = by

    async def add(self, schedule: Schedule) -> Schedule:
        """Have a report made again and again; raises `InputConflict` for a name that is taken."""
        await self._book.check_free(schedule.name, tenant=schedule.tenant)
        timing = {"cron": schedule.timing.cron, "zone": schedule.timing.zone}
        asks = content_digest(schedule.asks)
        await self._note(events.SCHEDULE_ADDED, schedule, **timing, asks=asks)
        return await self._book.add(schedule)

    async def pause(self, name: str, *, tenant: str = "") -> Schedule:
        """Have it start nothing until it is resumed; twice is as once."""
        await self._note(events.SCHEDULE_PAUSED, await self._book.get(name, tenant=tenant))
        return await self._book.change(
            name, lambda schedule: schedule.model_copy(update={"paused": True}), tenant=tenant
        )

    async def resume(self, name: str, *, at: datetime, tenant: str = "") -> Schedule:
        """Go on with the next tick after *at*: what it missed while it was paused, it was to miss."""

        def resumed(schedule: Schedule) -> Schedule:
            if not schedule.paused:
                return schedule
            first = schedule.timing.next_after(at)
            return schedule.model_copy(update={"paused": False, "next_at": first, "try_at": first})

        await self._note(events.SCHEDULE_RESUMED, await self._book.get(name, tenant=tenant))
        return await self._book.change(name, resumed, tenant=tenant)

    async def remove(self, name: str, *, tenant: str = "") -> Schedule:
        """Forget it, and leave the runs that it started; raises `NotFound`."""
        await self._note(events.SCHEDULE_REMOVED, await self._book.get(name, tenant=tenant))
        return await self._book.remove(name, tenant=tenant)

    async def _note(self, event: str, schedule: Schedule, **fields: str) -> None:
        said = {"schedule": schedule.name, "tenant": schedule.tenant, **fields, "by": self._by}
        await self._audit.append(SYSTEM, event, said, at=now())
