"""Adding, pausing and going on with schedules: what the command line and the HTTP API share."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated

from pydantic import Field

from agent.intake import checked_formats
from agent.request import FORMATS
from services.analysis.templates import load_template
from services.errors import Invalid
from services.evidence import Frozen
from services.schedules import (
    DEFAULT_CATCH_UP_LIMIT,
    MAX_CATCH_UP,
    CatchUp,
    Schedule,
    ScheduleBook,
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


async def pause(book: ScheduleBook, name: str, *, tenant: str = "") -> Schedule:
    """Have it start nothing until it is resumed; twice is as once."""
    return await book.change(
        name, lambda schedule: schedule.model_copy(update={"paused": True}), tenant=tenant
    )


async def resume(book: ScheduleBook, name: str, *, at: datetime, tenant: str = "") -> Schedule:
    """Go on with the next tick after *at*: what it missed while it was paused, it was to miss."""

    def resumed(schedule: Schedule) -> Schedule:
        if not schedule.paused:
            return schedule
        first = schedule.timing.next_after(at)
        return schedule.model_copy(update={"paused": False, "next_at": first, "try_at": first})

    return await book.change(name, resumed, tenant=tenant)
