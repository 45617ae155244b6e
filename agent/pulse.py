"""A worker's pulse: it says every few seconds that it is there, how busy it is, what it refused."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from agent.runner import Runner
from services import load
from services.errors import AssayError, StoreUnavailable
from services.store import WorkerLoad

GUARD_REFUSALS: Final = "guard.refusals"
_EVERY: Final = timedelta(seconds=3)


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@dataclass(slots=True)
class Pulse:
    """A chore of a worker; the workers of a store are counted by it."""

    runner: Runner
    name: str = field(default_factory=_name)
    _beat: float = float("-inf")

    async def __call__(self) -> None:
        """Say so, if it is time."""
        if time.monotonic() - self._beat < _EVERY.total_seconds():
            return
        await self.runner.stores.workers.beat(self.name, self._load())
        await self._tell_refusals()
        self._beat = time.monotonic()

    async def leave(self) -> None:
        """Say that the worker is gone; one that is killed is missed after a while."""
        await self._tell_refusals()
        await self.runner.stores.workers.leave(self.name)

    def _load(self) -> WorkerLoad:
        work = load.under_way()
        return WorkerLoad(
            driving=work.get("runs", 0) > 0,
            queries_running=work.get("queries_running", 0),
            queries_waiting=work.get("queries_waiting", 0),
            query_slots=self.runner.settings.query_workers,
            model_calls=work.get("model_calls", 0),
        )

    async def _tell_refusals(self) -> None:
        refusals = load.take_refusals()
        try:
            await self.runner.stores.tally.add(GUARD_REFUSALS, refusals)
        except StoreUnavailable:
            load.give_back(refusals)
            raise


@asynccontextmanager
async def beating(runner: Runner) -> AsyncIterator[Pulse]:
    """A pulse that says at the end that the worker is gone."""
    pulse = Pulse(runner)
    try:
        yield pulse
    finally:
        with suppress(AssayError):
            await pulse.leave()
