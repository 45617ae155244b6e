"""One schedule: what is asked, when, for whom, and how it went."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import Field, model_validator

from services.errors import Invalid
from services.evidence import Frozen
from services.store import Failure, Priority, UtcTime, own_id

from ._catchup import CatchUp
from ._timing import Timing

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
DEFAULT_CATCH_UP_LIMIT: Final = 10
MAX_CATCH_UP: Final = 100


class Schedule(Frozen):
    """A request that comes again. `id` tells it from an earlier one of the same name."""

    id: str
    name: str
    tenant: str = ""
    timing: Timing
    catch_up: CatchUp = "last"
    catch_up_limit: Annotated[int, Field(ge=1, le=MAX_CATCH_UP)] = DEFAULT_CATCH_UP_LIMIT
    """Most missed ticks that are made up for at once, where all are."""
    priority: Priority = "normal"
    question: str = ""
    template: str = ""
    formats: tuple[str, ...]
    paused: bool = False
    created_at: UtcTime
    created_by: str
    next_at: UtcTime
    """The oldest tick that is not seen to yet."""
    try_at: UtcTime
    """When it is looked at again; later than `next_at` while its tick is put off."""
    last_at: UtcTime | None = None
    """The newest tick that became a run."""
    last_run: str = ""
    last_error: Failure | None = None
    """Why the newest tick did not become a run; none once one does."""
    left_out: int = 0
    """Ticks that were missed and not made up for, up to a thousand of each absence."""

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> Schedule:
        if bool(self.question) == bool(self.template):
            raise ValueError("a schedule asks a question, or for a template")
        return self

    @property
    def asks(self) -> str:
        """What it asks for, in a few words."""
        return self.question or self.template

    def run_id(self, tick: datetime) -> str:
        """The run of a tick: the same for whoever starts it, however often."""
        name = f"{self.name}-{tick.astimezone(UTC):%Y%m%dT%H%MZ}-{self.id[-8:]}"
        return own_id(name, self.tenant)


def check_name(name: str) -> None:
    """Raise `Invalid` when *name* could not name a schedule and begin the names of its runs."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            "A schedule's name has letters, digits, dots, dashes and underscores, at most forty of them.",
            hint="for example month-end",
        )
