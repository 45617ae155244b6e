"""A run's log as it grows, for whoever watches."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import Redis

from services.evidence import Frozen
from services.store import RunRecord, RunStatus, as_bytes, redis_errors

from ._entry import AuditEntry
from ._log import _PERSONAL, LOG
from ._personal import references, revealed, value_of

_RUN: Final = "assay:run:"
_MOST: Final = 500


class News(Frozen):
    """What a log has had since, with what it says of persons, and how the run stands."""

    entries: tuple[AuditEntry, ...]
    status: RunStatus | None
    """None: there is no such run any more."""
    has_more: bool


class Feed:
    """The entries of runs' logs behind one that is known, in one round trip."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def since(self, run_id: str, seq: int) -> News:
        """The entries after number *seq*, oldest first, as many as come at once."""
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                commands.lrange(LOG + run_id, seq, seq + _MOST - 1)
                commands.get(_RUN + run_id)
                lines, content = await commands.execute()
        entries = [AuditEntry.model_validate_json(line) for line in lines]
        record = RunRecord.model_validate_json(content) if content is not None else None
        return News(
            entries=await self._revealed(run_id, entries),
            status=record.status if record else None,
            has_more=len(lines) == _MOST,
        )

    async def _revealed(self, run_id: str, entries: list[AuditEntry]) -> tuple[AuditEntry, ...]:
        named = sorted({name for entry in entries for name in references(entry)})
        if not named:
            return tuple(entries)
        with redis_errors():
            stored = await self._redis.hmget(_PERSONAL + run_id, named)
        values: dict[str, Any] = {
            name: value_of(as_bytes(value))
            for name, value in zip(named, stored, strict=True)
            if value is not None
        }
        return tuple(e.model_copy(update={"fields": revealed(e, values)}) for e in entries)
