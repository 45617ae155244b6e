"""
A LangGraph checkpointer on plain Redis 7+ or Valkey 8+; docs/checkpointer.md is its manual.

LangGraph is slow to import, so only who makes a checkpointer pays for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._cipher import Cipher
from ._options import Fence, Pruned, Retention

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol
    from pydantic import SecretStr
    from redis import Redis as BlockingRedis
    from redis.asyncio import Redis

    from ._saver import RedisSaver

__all__ = ["Cipher", "Fence", "Pruned", "Retention", "make_checkpointer"]


def make_checkpointer(
    redis: Redis | None = None,
    *,
    blocking: BlockingRedis | None = None,
    fence: Fence | None = None,
    retention: Retention | None = None,
    key: SecretStr | None = None,
    serde: SerializerProtocol | None = None,
) -> RedisSaver:
    """
    A checkpointer of graphs under asyncio on *redis*, of others on *blocking*, or of both.

    The clients must decode nothing. Without a *serde* it reads back plain values only (numbers,
    text, lists, dicts, times, LangGraph's own types), so a forged state cannot construct anything
    else. With a *key*, 32 bytes in base64, state and metadata are encrypted at rest.
    """
    from ._saver import RedisSaver

    return RedisSaver(
        redis,
        blocking=blocking,
        fence=fence,
        retention=retention,
        cipher=Cipher(key) if key is not None else None,
        serde=serde,
    )
