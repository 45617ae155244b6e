"""Refusals: who was turned away, from what, and from where; the newest ones only."""

from __future__ import annotations

import re
from typing import Final

from redis.asyncio import Redis

from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import UtcTime, redis_errors

_REFUSALS: Final = "assay:access:refusals"
KEPT: Final = 10_000
"""Older refusals go, so that nobody fills the store by being turned away."""
_UNPRINTABLE: Final = re.compile(r"[^\x21-\x7e]|[\"\\]")


class Refusal(Frozen):
    """One request that was turned away. It never holds what was carried: keys, passwords, queries."""

    at: UtcTime
    status: int
    code: str
    who: str = ""
    """Their name, where it is known."""
    method: str
    path: str
    address: str = ""

    def line(self) -> str:
        """The same for the operator's log, on one line whatever the request was."""
        facts = {
            "code": self.code,
            "status": self.status,
            "who": self.who or "-",
            "method": self.method,
            "path": self.path,
            "from": self.address or "-",
        }
        return " ".join(["access.refused", *(f"{k}={plain(str(v))}" for k, v in facts.items())])


class Refusals:
    """The newest refusals."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("access.note_refusal")
    async def add(self, refusal: Refusal) -> None:
        """Keep *refusal*; the oldest one may go for it."""
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                commands.lpush(_REFUSALS, refusal.model_dump_json())
                commands.ltrim(_REFUSALS, 0, KEPT - 1)
                await commands.execute()

    async def list(self, *, limit: int = 100) -> tuple[Refusal, ...]:
        """The newest ones, newest first."""
        with redis_errors():
            found = await self._redis.lrange(_REFUSALS, 0, limit - 1)
        return tuple(Refusal.model_validate_json(content) for content in found)


def plain(text: str, *, longest: int = 200) -> str:
    """*text* as one word of a log line: nothing in it can end the line, or look like another field."""
    cut = text if len(text) <= longest else text[: longest - 1] + "~"
    return _UNPRINTABLE.sub(lambda found: f"%{ord(found[0]):02X}", cut)
