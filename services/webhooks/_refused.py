"""Refused calls, kept for the operator: the newest of each kind, so that no flood hides the others."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Final, Self

from redis.asyncio import Redis

from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import UtcTime, as_bytes, redis_errors

from ._refusal import Refusal, RefusalKind

_REFUSED: Final = "assay:webhook:refused:"
_KINDS: Final[tuple[RefusalKind, ...]] = ("authentication", "payload")
_MOST: Final = 500
_SHOWN: Final = 1_000
_NAME: Final = 80


class RefusedCall(Frozen):
    """A call that was not taken, as far as it was read."""

    at: UtcTime
    kind: RefusalKind
    source: str
    """As the caller named it; any text."""
    reason: str
    webhook_id: str
    digest: str
    size: int
    payload: str
    """Its beginning. It may be anything, also what a stranger sent."""

    @classmethod
    def of(
        cls, refusal: Refusal, *, at: datetime, source: str, webhook_id: str, body: bytes
    ) -> Self:
        return cls(
            at=at,
            kind=refusal.kind,
            source=_plain(source[:_NAME]),
            reason=refusal.reason,
            webhook_id=_plain(webhook_id[:_NAME]),
            digest=hashlib.sha256(body).hexdigest(),
            size=len(body),
            payload=_plain(body[:_SHOWN].decode(errors="replace")),
        )


class RefusedCalls:
    """The newest refused calls of each kind."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("webhooks.refuse")
    async def keep(self, call: RefusedCall) -> None:
        key = _REFUSED + call.kind
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as commands:
                commands.lpush(key, call.model_dump_json())
                commands.ltrim(key, 0, _MOST - 1)
                await commands.execute()

    async def list(
        self, *, limit: int = 50, sources: Collection[str] | None = None
    ) -> tuple[RefusedCall, ...]:
        """The newest, newest first; of calls to some *sources*, or of all."""
        found: list[RefusedCall] = []
        for kind in _KINDS:
            with redis_errors():
                stored = await self._redis.lrange(_REFUSED + kind, 0, _MOST - 1)
            calls = [RefusedCall.model_validate_json(as_bytes(one)) for one in stored]
            found += [call for call in calls if sources is None or call.source in sources]
        return tuple(sorted(found, key=lambda call: call.at, reverse=True)[:limit])


def _plain(text: str) -> str:
    """*text* on one line, with nothing that a terminal would obey."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
