"""How the inbox stands, for whoever watches it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from pydantic_core import from_json
from redis.asyncio import Redis

from services.store import as_bytes, redis_errors

from ._queue import _ITEM, _OPEN

_PAGE: Final = 500


class Standing(NamedTuple):
    """Open items by kind, the age of the oldest, and how many are past their deadline."""

    kinds: Counter[str]
    oldest: timedelta
    overdue: int


async def standing(redis: Redis, *, at: datetime) -> Standing:
    """How the open items of all tenants stand at that time."""
    kinds: Counter[str] = Counter()
    overdue = start = 0
    with redis_errors():
        oldest: list[tuple[bytes, float]] = await redis.zrange(_OPEN, 0, 0, withscores=True)  # type: ignore[assignment]  # its type says less
        while ids := await redis.zrange(_OPEN, start, start + _PAGE - 1):
            contents = await redis.mget([_ITEM + as_bytes(item_id).decode() for item_id in ids])
            for item in (from_json(content) for content in contents if content):
                kinds[item["kind"]] += 1
                overdue += _is_overdue(item, at)
            start += _PAGE
    opened = oldest[0][1] / 1_000_000 if oldest else at.timestamp()
    return Standing(kinds, timedelta(seconds=max(at.timestamp() - opened, 0.0)), overdue)


def _is_overdue(item: dict[str, Any], at: datetime) -> bool:
    due_at = (item.get("deadline") or {}).get("due_at")
    return due_at is not None and datetime.fromisoformat(due_at).astimezone(UTC) <= at
