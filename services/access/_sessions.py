"""
Sessions of browsers: a random name in a cookie, everything else in the store.

A session ends after a while without a request, at the latest after `LIFETIME`, and at once when its
person is removed, gets another password, or is signed out by whoever runs the server.
"""

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

from ._identity import Identity, IdentityKind
from ._users import Users

_SESSION: Final = "assay:access:session:"
_ENDED: Final = "assay:access:ended:"
LIFETIME: Final = timedelta(hours=12)
IDLE: Final = timedelta(hours=2)

# Times are the server's: all of ours agree on them.
_OPEN: Final = """
local now = redis.call('TIME')
local opened = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('HSET', KEYS[1], 'session', ARGV[1], 'opened', string.format('%.0f', opened))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

_GET: Final = """
local found = redis.call('HMGET', KEYS[1], 'session', 'opened')
if not found[1] then return false end
local now = redis.call('TIME')
local left = found[2] + ARGV[2] - (now[1] * 1000 + math.floor(now[2] / 1000))
if left <= 0 then
  redis.call('UNLINK', KEYS[1])
  return false
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(left, ARGV[1])))
return found
"""

_END: Final = """
local now = redis.call('TIME')
local ended = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', ended), 'PX', ARGV[1])
return 1
"""


class Session(Frozen):
    """Who is signed in, and the token that their forms carry."""

    identity: Identity
    csrf: str
    proof: str = ""
    """What it notes of the password that opened it, or nothing where there was none."""

    def sent(self, token: str) -> bool:
        """Whether *token* is that of a form that we made for this session."""
        return hmac.compare_digest(self.csrf.encode(), token.encode("utf-8", "replace"))


class Sessions:
    """Sessions by the digest of their cookie's value."""

    def __init__(
        self, redis: Redis, *, idle: timedelta = IDLE, lifetime: timedelta = LIFETIME
    ) -> None:
        self._redis = redis
        self._users = Users(redis)
        self._idle = _milliseconds(idle)
        self._lifetime = _milliseconds(lifetime)

    @failpoint("access.open_session")
    async def open(self, identity: Identity, *, proof: str | None = None) -> tuple[str, Session]:
        """
        A new session and its cookie's value: nobody signs in to a session that was there before.

        A user's is bound to the *proof* of the password that was given (`User.proof`), or to that of
        the one they have now.
        """
        if proof is None:
            user = await self._users.find(identity.name) if identity.kind == "user" else None
            proof = user.proof if user else ""
        cookie = secrets.token_urlsafe(32)
        session = Session(identity=identity, csrf=secrets.token_urlsafe(32), proof=proof)
        script = self._redis.register_script(_OPEN)
        with redis_errors():
            await script(keys=[_key(cookie)], args=[session.model_dump_json(), self._idle])
        return cookie, session

    async def get(self, cookie: str) -> Session | None:
        """
        The session, or None once it has ended; being asked for keeps it from idling.

        A user's roles are those that they have now.
        """
        script = self._redis.register_script(_GET)
        with redis_errors():
            found = await script(keys=[_key(cookie)], args=[self._idle, self._lifetime])
        if not found:
            return None
        session = Session.model_validate_json(found[0])
        who = session.identity
        if who.kind == "local":
            return session
        if await self.ended(who.kind, who.name) >= int(found[1]):
            return None
        return session if who.kind != "user" else await self._current(session)

    @failpoint("access.close_session")
    async def close(self, cookie: str) -> None:
        """End one session."""
        with redis_errors():
            await self._redis.unlink(_key(cookie))

    @failpoint("access.end_sessions")
    async def end_all(self, kind: IdentityKind, name: str) -> None:
        """End every session of a person that is open now."""
        script = self._redis.register_script(_END)
        with redis_errors():
            await script(keys=[_ended_key(kind, name)], args=[self._lifetime])

    async def ended(self, kind: IdentityKind, name: str) -> int:
        """Up to when the sessions of a person were ended, in milliseconds; zero: never."""
        with redis_errors():
            return int(await self._redis.get(_ended_key(kind, name)) or 0)

    async def _current(self, session: Session) -> Session | None:
        """The session of a user as they are today; None when they went, or have another password."""
        user = await self._users.find(session.identity.name)
        if user is None or not hmac.compare_digest(user.proof, session.proof):
            return None
        return session.model_copy(update={"identity": user.identity})


def _key(cookie: str) -> str:
    return _SESSION + hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()


def _ended_key(kind: IdentityKind, name: str) -> str:
    return _ENDED + hashlib.sha256(f"{kind}:{name}".encode()).hexdigest()


def _milliseconds(time: timedelta) -> int:
    return int(time.total_seconds() * 1_000)
