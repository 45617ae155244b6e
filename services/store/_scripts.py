"""Scripts for many values, in one round trip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from ._connection import redis_errors


class Call(NamedTuple):
    """What one run of a script is given."""

    script: str
    keys: Sequence[str]
    args: Sequence[str | bytes | int]


async def run_all(redis: Redis, calls: Sequence[Call]) -> list[Any]:
    """The answer to each call, done in order. Each is as atomic as if it were alone; all are not."""
    if not calls:
        return []
    with redis_errors():
        try:
            return await _pipelined(redis, calls)
        except NoScriptError:  # a server that was started anew
            for script in {call.script for call in calls}:
                await redis.script_load(script)
            return await _pipelined(redis, calls)


async def _pipelined(redis: Redis, calls: Sequence[Call]) -> list[Any]:
    async with redis.pipeline(transaction=False) as commands:
        for call in calls:
            commands.evalsha(_digest(call.script), len(call.keys), *call.keys, *call.args)
        return await commands.execute()


@cache
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
