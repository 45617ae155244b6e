"""People of a single machine, with passwords that only their Argon2 digests are kept of."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from redis.asyncio import Redis

from services.errors import InputConflict, Invalid, NotAuthenticated, NotFound
from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import UtcTime, redis_errors

from ._identity import Identity, Role
from ._keys import check_name, check_roles

_USERS: Final = "assay:access:users"
_SHORTEST: Final = 12
_WRONG: Final = "The name or the password is not right."


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
        if len(password) < _SHORTEST:
            raise Invalid(f"A password has {_SHORTEST} characters or more.")
        digest = await asyncio.to_thread(_hasher().hash, password)
        user = User(name=name, roles=roles, tenant=tenant, password=digest, created_at=at)
        with redis_errors():
            if not await self._redis.hsetnx(_USERS, name, user.model_dump_json()):
                raise InputConflict(f"There is a user {name!r} already.", hint="Remove them first.")
        return user

    async def identify(self, name: str, password: str) -> Identity:
        """Who signs in; raises `NotAuthenticated`, after the same time whether the name is known."""
        with redis_errors():
            content = await self._redis.hget(_USERS, name)
        user = User.model_validate_json(content) if content is not None else None
        digest = user.password if user else _nobody()
        try:
            await asyncio.to_thread(_hasher().verify, digest, password)
        except VerificationError:
            raise NotAuthenticated(_WRONG) from None
        if user is None:
            raise NotAuthenticated(_WRONG)
        return user.identity

    async def list(self) -> tuple[User, ...]:
        with redis_errors():
            contents = await self._redis.hvals(_USERS)
        users = (User.model_validate_json(content) for content in contents)
        return tuple(sorted(users, key=lambda user: user.name))

    @failpoint("access.remove_user")
    async def remove(self, name: str) -> None:
        with redis_errors():
            if not await self._redis.hdel(_USERS, name):
                raise NotFound(
                    "There is no user of that name.", hint="See `assay access user list`."
                )


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobody() -> str:
    """The digest that an unknown name's password is compared with."""
    return _hasher().hash("nobody")
