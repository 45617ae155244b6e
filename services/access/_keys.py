"""API keys: 256 random bits each, of which the store knows the digest only."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Final

from redis.asyncio import Redis

from services.errors import InputConflict, Invalid, NotAuthenticated, NotFound
from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import UtcTime, redis_errors

from ._identity import Identity, Permission, Role, granted_by

_KEYS: Final = "assay:access:keys"
_NAMES: Final = "assay:access:names"
_PREFIX: Final = "assay_"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@ -]{0,63}")
_TENANT: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,63})?")
_RESERVED: Final = frozenset({"api-key"})
"""Names that somebody else has: here whoever carries the key of the settings."""
_UNKNOWN: Final = "The key is not known, has expired, or was revoked."

_ADD: Final = """
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1
"""

_REVOKE: Final = """
local digest = redis.call('HGET', KEYS[2], ARGV[1])
if not digest then return 0 end
redis.call('HDEL', KEYS[1], digest)
return redis.call('HDEL', KEYS[2], ARGV[1])
"""


class ApiKey(Frozen):
    """What is kept of a key; the key itself is shown once, when it is made."""

    name: str
    roles: frozenset[Role]
    tenant: str = ""
    only: frozenset[Permission] | None = None
    """What it is narrowed to below its roles."""
    created_at: UtcTime
    expires_at: UtcTime | None = None

    @property
    def identity(self) -> Identity:
        return Identity(
            name=self.name, kind="key", tenant=self.tenant, roles=self.roles, only=self.only
        )

    def check(self) -> None:
        """Raise `Invalid` for a name, roles, a tenant or a narrowing that cannot be."""
        check_name(self.name)
        check_tenant(self.tenant)
        check_roles(self.roles)
        if self.only is None:
            return
        beyond = sorted(self.only - granted_by(self.roles))
        if beyond or not self.only:
            raise Invalid(
                f"The roles do not allow {', '.join(beyond)}."
                if beyond
                else "A key that may do nothing is no use.",
                hint=f"They allow {', '.join(sorted(granted_by(self.roles)))}.",
            )


class ApiKeys:
    """Keys by name; a request is known by the digest of the key that it carries."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @failpoint("access.add_key")
    async def add(self, key: ApiKey) -> str:
        """
        Keep *key*; the secret, which nobody can show again.

        Raises `Invalid` for a name or a set of roles that cannot be, `InputConflict` for a taken name.
        """
        key.check()
        secret = _PREFIX + secrets.token_urlsafe(32)
        script = self._redis.register_script(_ADD)
        with redis_errors():
            added = await script(
                keys=[_KEYS, _NAMES], args=[key.name, _digest(secret), key.model_dump_json()]
            )
        if not added:
            raise InputConflict(f"There is a key {key.name!r} already.", hint="Revoke it first.")
        return secret

    async def identify(self, secret: str, *, at: datetime) -> Identity:
        """Who carries *secret*; raises `NotAuthenticated` for an unknown, expired or revoked one."""
        with redis_errors():
            content = await self._redis.hget(_KEYS, _digest(secret))
        if content is None:
            raise NotAuthenticated(_UNKNOWN)
        key = ApiKey.model_validate_json(content)
        if key.expires_at is not None and key.expires_at <= at:
            raise NotAuthenticated(_UNKNOWN)
        return key.identity

    async def list(self) -> tuple[ApiKey, ...]:
        """All keys by name, expired ones among them."""
        with redis_errors():
            contents = await self._redis.hvals(_KEYS)
        keys = (ApiKey.model_validate_json(content) for content in contents)
        return tuple(sorted(keys, key=lambda key: key.name))

    async def knows(self, name: str) -> bool:
        """Whether there is a key of that name."""
        with redis_errors():
            return bool(await self._redis.hexists(_NAMES, name))

    @failpoint("access.revoke_key")
    async def revoke(self, name: str) -> None:
        """Forget a key: whoever carries it is refused from now on."""
        script = self._redis.register_script(_REVOKE)
        with redis_errors():
            if not await script(keys=[_KEYS, _NAMES], args=[name]):
                raise NotFound("There is no key of that name.", hint="See `assay access key list`.")


def check_name(name: str) -> None:
    """Raise `Invalid` for what could not stand in a log or a page as a name."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            "A name has letters, digits, spaces and . _ @ -, at most sixty-four of them.",
            hint="for example `nightly-jobs`",
        )
    if name in _RESERVED:
        raise Invalid(f"The name {name!r} is taken by Assay itself.", hint="Choose another one.")


def check_tenant(tenant: str) -> None:
    """Raise `Invalid` for what could not stand in a key or a page as a tenant."""
    if not _TENANT.fullmatch(tenant):
        raise Invalid(
            "A tenant has letters, digits and . _ -, at most sixty-four of them.",
            hint="for example `rates-desk`; leave it out for the default tenant",
        )


def check_roles(roles: Collection[Role]) -> None:
    """Raise `Invalid` when there is none."""
    if not roles:
        raise Invalid("Somebody without a role may do nothing.", hint="Give one with --role.")


def _digest(secret: str) -> str:
    # The secret has 256 bits of its own: a slow digest would only be slow.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
