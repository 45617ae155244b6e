"""Sessions of browsers: a random name in a cookie, everything else in the store."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final

from redis.asyncio import Redis

from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import redis_errors

from ._identity import Identity

_SESSION: Final = "assay:access:session:"
LIFETIME: Final = timedelta(hours=12)


class Session(Frozen):
    """Who is signed in, and the token that their forms carry."""

    identity: Identity
    csrf: str

    def sent(self, token: str) -> bool:
        """Whether *token* is that of a form that we made for this session."""
        return hmac.compare_digest(self.csrf.encode(), token.encode("utf-8", "replace"))


class Sessions:
    """Sessions by the digest of their cookie's value."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("access.open_session")
    async def open(self, identity: Identity) -> tuple[str, Session]:
        """A new session and its cookie's value: nobody signs in to a session that was there before."""
        cookie = secrets.token_urlsafe(32)
        session = Session(identity=identity, csrf=secrets.token_urlsafe(32))
        with redis_errors():
            await self._redis.set(_key(cookie), session.model_dump_json(), ex=LIFETIME)
        return cookie, session

    async def get(self, cookie: str) -> Session | None:
        """The session, or None once it has ended."""
        with redis_errors():
            content = await self._redis.get(_key(cookie))
        return None if content is None else Session.model_validate_json(content)

    @failpoint("access.close_session")
    async def close(self, cookie: str) -> None:
        with redis_errors():
            await self._redis.unlink(_key(cookie))


def _key(cookie: str) -> str:
    return _SESSION + hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
