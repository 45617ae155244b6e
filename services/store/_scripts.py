"""One script for many values, in one round trip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from ._connection import redis_errors


class Call(NamedTuple):
    """What one run of a script is given."""

    keys: Sequence[str]
    args: Sequence[str | bytes | int]


async def run_for_all(redis: Redis, script: str, calls: Sequence[Call]) -> list[Any]:
    """The answer to each call, in order. Each is as atomic as if it were alone; all are not."""
    if not calls:
        return []
    with redis_errors():
        try:
            return await _pipelined(redis, script, calls)
        except NoScriptError:  # a server that was started anew
            await redis.script_load(script)
            return await _pipelined(redis, script, calls)


async def _pipelined(redis: Redis, script: str, calls: Sequence[Call]) -> list[Any]:
    digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    async with redis.pipeline(transaction=False) as commands:
        for call in calls:
            commands.evalsha(digest, len(call.keys), *call.keys, *call.args)
        return await commands.execute()
