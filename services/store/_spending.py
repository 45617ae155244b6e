"""What runs have used up, whoever drove them: working time, tokens of models, rows of the warehouse."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from redis.asyncio import Redis

from services.evidence import Frozen
from services.failpoints import failpoint

from ._connection import redis_errors
from ._values import as_bytes

_SPENT: Final = "assay:spent:{%s}"


class Spent(Frozen):
    """The sums of a run. `extensions` counts how often a person let it go on past its budget."""

    seconds: float = 0.0
    tokens: int = 0
    rows: int = 0
    extensions: int = 0


class Budget(Frozen):
    """What a run may use up before a person is asked; None is no bound."""

    time: timedelta | None = None
    tokens: int | None = None
    rows: int | None = None

    def exceeded_by(self, spent: Spent) -> str:
        """Which bound *spent* has passed, in words; empty when none. Each extension allows as much again."""
        times = 1 + spent.extensions
        if self.time is not None and spent.seconds > self.time.total_seconds() * times:
            return f"{spent.seconds:.0f} s of work (of {self.time.total_seconds() * times:.0f})"
        if self.tokens is not None and spent.tokens > self.tokens * times:
            return f"{spent.tokens} tokens (of {self.tokens * times})"
        if self.rows is not None and spent.rows > self.rows * times:
            return f"{spent.rows} rows (of {self.rows * times})"
        return ""


class Spending:
    """The sums, run by run. A step that is done twice counts twice: so much was used."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("spending.add")
    async def add(
        self,
        run_id: str,
        *,
        seconds: float = 0.0,
        tokens: int = 0,
        rows: int = 0,
        extensions: int = 0,
    ) -> Spent:
        """Add to the sums of a run; the new sums."""
        key = _SPENT % run_id
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                commands.hincrbyfloat(key, "seconds", seconds)
                commands.hincrby(key, "tokens", tokens)
                commands.hincrby(key, "rows", rows)
                commands.hincrby(key, "extensions", extensions)
                found = await commands.execute()
        return Spent(seconds=found[0], tokens=found[1], rows=found[2], extensions=found[3])

    async def of_run(self, run_id: str) -> Spent:
        """The sums of a run, zero for one that has used nothing."""
        with redis_errors():
            found = await self._redis.hgetall(_SPENT % run_id)
        return Spent.model_validate(
            {as_bytes(k).decode(): as_bytes(v).decode() for k, v in found.items()}
        )
