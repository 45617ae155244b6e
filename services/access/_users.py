"""People of a single machine, with passwords that only their Argon2 digests are kept of."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from redis.asyncio import Redis

from services.errors import InputConflict, Invalid, NotAuthenticated, NotFound
from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import UtcTime, redis_errors

from ._identity import Identity, Role
from ._keys import check_name, check_roles, check_tenant

_T = TypeVar("_T")

_USERS: Final = "assay:access:users"
_SHORTEST: Final = 12
_LONGEST: Final = 1_024
_AT_ONCE: Final = 2
"""Digests that are made at one time: each takes 64 MiB and a processor."""
_WRONG: Final = "The name or the password is not right."
_UNKNOWN: Final = "There is no user of that name."
_SEE: Final = "See `assay access user list`."

# What was read is replaced, or nothing is: of two changes at once one wins, and the other reads again.
# Nobody who was removed meanwhile comes back.
_REPLACE: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


class User(Frozen):
    """A person who signs in with a password."""

    name: str
    roles: frozenset[Role]
    tenant: str = ""
    password: str
    """Its Argon2id digest with salt and parameters."""
    created_at: UtcTime

    @property
    def identity(self) -> Identity:
        return Identity(name=self.name, kind="user", tenant=self.tenant, roles=self.roles)

    @property
    def proof(self) -> str:
        """What a session notes of the password that opened it: with another password it ends."""
        return hashlib.sha256(self.password.encode()).hexdigest()[:32]


class Users:
    """People by name."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("access.add_user")
    async def add(
        self, name: str, password: str, *, roles: frozenset[Role], tenant: str = "", at: datetime
    ) -> User:
        """A new person; raises `Invalid` for a short password, `InputConflict` for a taken name."""
        check_name(name)
        check_roles(roles)
        check_tenant(tenant)
        digest = await digest_of(password)
        user = User(name=name, roles=roles, tenant=tenant, password=digest, created_at=at)
        with redis_errors():
            if not await self._redis.hsetnx(_USERS, name, user.model_dump_json()):
                raise InputConflict(f"There is a user {name!r} already.", hint="Remove them first.")
        return user

    async def identify(self, name: str, password: str) -> Identity:
        """Who signs in; raises `NotAuthenticated`, after the same time whether the name is known."""
        return (await self.verify(name, password)).identity

    async def verify(self, name: str, password: str) -> User:
        """The same, with all that is known of them."""
        user = await self.find(name)
        given = password[:_LONGEST].encode("utf-8", "replace")
        digest = user.password if user else _nobody()
        try:
            await _hashing(_hasher().verify, digest, given)
        except (VerificationError, InvalidHashError):
            raise NotAuthenticated(_WRONG) from None
        if user is None or len(password) > _LONGEST:
            raise NotAuthenticated(_WRONG)
        return user

    async def find(self, name: str) -> User | None:
        """A person, or None when there is nobody of that name."""
        with redis_errors():
            content = await self._redis.hget(_USERS, name.encode("utf-8", "replace"))
        return None if content is None else User.model_validate_json(content)

    async def get(self, name: str) -> User:
        """A person; raises `NotFound`."""
        user = await self.find(name)
        if user is None:
            raise NotFound(_UNKNOWN, hint=_SEE)
        return user

    async def any(self) -> bool:
        """Whether there is anybody."""
        with redis_errors():
            return bool(await self._redis.exists(_USERS))

    async def list(self) -> tuple[User, ...]:
        """Everybody, by name."""
        with redis_errors():
            contents = await self._redis.hvals(_USERS)
        users = (User.model_validate_json(content) for content in contents)
        return tuple(sorted(users, key=lambda user: user.name))

    @failpoint("access.set_password")
    async def set_password(self, name: str, password: str) -> User:
        """Give a person another password, which ends their sessions."""
        digest = await digest_of(password)
        return await self._change(name, password=digest)

    @failpoint("access.set_roles")
    async def set_roles(self, name: str, roles: frozenset[Role]) -> User:
        """Give a person other roles; they count from their next request on."""
        check_roles(roles)
        return await self._change(name, roles=roles)

    @failpoint("access.remove_user")
    async def remove(self, name: str) -> None:
        """Forget a person, whose sessions end."""
        with redis_errors():
            if not await self._redis.hdel(_USERS, name):
                raise NotFound(_UNKNOWN, hint=_SEE)

    async def _change(self, name: str, **values: Any) -> User:
        script = self._redis.register_script(_REPLACE)
        while True:
            with redis_errors():
                content = await self._redis.hget(_USERS, name)
            if content is None:
                raise NotFound(_UNKNOWN, hint=_SEE)
            changed = User.model_validate_json(content).model_copy(update=values)
            with redis_errors():
                if await script(keys=[_USERS], args=[name, content, changed.model_dump_json()]):
                    return changed


def check_password(password: str) -> None:
    """Raise `Invalid` when it is too short or too long."""
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise Invalid(f"A password has {_SHORTEST} to {_LONGEST:,} characters.")


async def digest_of(password: str) -> str:
    """The digest that is kept of *password*."""
    check_password(password)
    return await _hashing(_hasher().hash, password.encode("utf-8", "replace"))


async def _hashing(operation: Callable[..., _T], *values: Any) -> _T:
    """Run *operation* where it keeps nobody else waiting, and few at a time."""
    return await asyncio.get_running_loop().run_in_executor(_hashers(), operation, *values)


@cache
def _hashers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobody() -> str:
    """
    The digest that an unknown name's password is compared with.

    Made of the hasher's own parameters, as making one on the way would take longer the first time.
    """
    made = _hasher()
    costs = f"m={made.memory_cost},t={made.time_cost},p={made.parallelism}"
    return f"$argon2id$v=19${costs}${'A' * 22}${'A' * 43}"
