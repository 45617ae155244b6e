"""Memory of the calls that were taken: the same id again is the same call, or none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

from redis.asyncio import Redis

from services.failpoints import failpoint
from services.store import as_bytes, name_in, own_id, redis_errors

MEMORY: Final = timedelta(hours=24)
"""Far longer than a timestamp may be off; later the id of the run alone tells a replay."""
_SEEN: Final = "assay:webhook:seen:"

Claimed: TypeAlias = Literal["first", "again", "other"]
"""Nobody had the id; the same call had it; another body had it."""


class Claim(NamedTuple):
    """What one call says it is."""

    source: str
    tenant: str
    webhook_id: str
    body: str
    """Digest of its body."""

    @property
    def run_id(self) -> str:
        """The run that it starts, however often it comes."""
        digest = hashlib.sha256(f"{self.source}\0{self.webhook_id}".encode()).hexdigest()
        return own_id(f"hook-{name_in(self.source)}-{digest[:20]}", self.tenant)

    @property
    def seen(self) -> str:
        """The call among those of its source."""
        return f"{_SEEN}{self.source}:{name_in(self.run_id)}"


class Replays:
    """Ids of calls by source, each with the body that it came with."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("webhooks.claim")
    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Take the ids of calls whose signatures hold, in one round trip."""
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as commands:
                for claim in claims:
                    commands.set(claim.seen, claim.body, nx=True, get=True, ex=MEMORY)
                known = await commands.execute()
        return [_judged(claim, found) for claim, found in zip(claims, known, strict=True)]


def _judged(claim: Claim, found: object) -> Claimed:
    if found is None:
        return "first"
    return "again" if as_bytes(found).decode() == claim.body else "other"
