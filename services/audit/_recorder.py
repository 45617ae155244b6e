"""Writes what happens in one place of a run to its audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ._log import AuditLog
from .events import MODEL_CALLED, STATEMENT_CHECKED, content_digest

if TYPE_CHECKING:
    from services.model import ModelCall
    from services.retrieval import CheckedStatement

_PATIENCE: Final = timedelta(seconds=60)
"""Longer than the store takes to answer or to be given up."""


def _running() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


@dataclass(frozen=True, slots=True)
class Recorder:
    """
    Appends entries of one section of a run, or of the run outside its sections.

    Made on the event loop that it appends with.
    """

    log: AuditLog
    run_id: str
    clock: Callable[[], datetime]
    section: str = ""
    _loop: asyncio.AbstractEventLoop = field(default_factory=_running)

    async def record(self, event: str, /, *, key: str = "", **said: Any) -> None:
        """Append an entry."""
        await self.log.append(
            self.run_id, event, {"section": self.section, **said}, at=self.clock(), key=key
        )

    def record_from_thread(self, event: str, /, **said: Any) -> None:
        """
        Append an entry from another thread, and wait until it stands.

        What a thread does next therefore never happens without its entry.
        """
        entry = asyncio.run_coroutine_threadsafe(self.record(event, **said), self._loop)
        entry.result(_PATIENCE.total_seconds())

    def statement(self, checked: CheckedStatement) -> None:
        """Append what the guard said of a statement: the watch of a `Retriever` in a thread."""
        self.record_from_thread(
            STATEMENT_CHECKED,
            sql=content_digest(checked.sql),
            tables=list(checked.tables),
            verdict="allowed" if checked.allowed else "refused",
            rules=list(checked.rules),
        )

    async def model_call(self, call: ModelCall) -> None:
        """Append a call of a model: the watch of a `ModelClient`."""
        said = call.model_dump(mode="json", exclude={"schema_name"})
        await self.record(MODEL_CALLED, schema=call.schema_name, **said)
