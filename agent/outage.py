"""A breaker for what a run cannot do without: while it is away, one step at a time asks whether it is back."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 15.0
_BEAT: Final = 1.0


@dataclass(slots=True)
class Outage:
    """
    Shared by the steps of a run. Closed, it lets all through; open, it holds them back until a
    pause is over, and then lets one through to try.
    """

    since: float | None = None
    """When the outage began, by the monotonic clock; None while there is none."""
    _pause: float = _FIRST_PAUSE
    _until: float = 0.0
    _probe: asyncio.Lock = field(default_factory=asyncio.Lock)

    def begin(self) -> None:
        """Something needed did not answer: hold everybody back, longer each time."""
        now = time.monotonic()
        self.since = self.since or now
        self._until = now + self._pause * random.uniform(0.7, 1.3)  # noqa: S311 (jitter)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def pauses(self) -> float:
        """Seconds until somebody asks again."""
        return max(self._until - time.monotonic(), 0.0)

    def end(self) -> None:
        """It answered."""
        self.since, self._pause, self._until = None, _FIRST_PAUSE, 0.0

    def lasted(self) -> float:
        """Seconds since the outage began; zero while there is none."""
        return 0.0 if self.since is None else time.monotonic() - self.since

    async def turn(self, beat: Callable[[], None]) -> bool:
        """Wait while the breaker is open, calling *beat* each second; whether we are the one to try."""
        if self.since is None:
            return False
        while not await self._acquired():
            beat()
        while (left := self._until - time.monotonic()) > 0:
            beat()
            await asyncio.sleep(min(left, _BEAT))
        return True

    async def _acquired(self) -> bool:
        try:
            async with asyncio.timeout(_BEAT):
                await self._probe.acquire()
        except TimeoutError:
            return False
        return True

    def pass_turn(self) -> None:
        """Let the next one try."""
        self._probe.release()
