"""LangGraph is slow to import; only who runs a graph pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.asyncio import Redis

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver


def make_checkpointer(redis: Redis) -> BaseCheckpointSaver[str]:
    """
    A checkpointer of graphs that run under asyncio.

    It reads back plain values only (numbers, text, lists, dicts, times, LangGraph's own types),
    so a forged state cannot construct anything else. Nothing expires. What the store does not
    answer is `StoreUnavailable`, never "no such thread".
    """
    from ._checkpoints import RedisSaver

    return RedisSaver(redis)
