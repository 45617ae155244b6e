"""Who may call: sources, their secrets, and what their payloads become."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import Field, StringConstraints, model_validator
from redis.asyncio import Redis

from services.errors import InputConflict, NotFound
from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import MARK_PATTERN, Priority, UtcTime, as_bytes, own_id, redis_errors

from ._mapping import RequestTemplate
from ._signature import key_of
from ._vault import Vault

OVERLAP: Final = timedelta(hours=24)
"""How long the secrets before still count when a new one comes."""
_SOURCES: Final = "assay:webhook:sources"
_SEEN: Final = "assay:webhook:seen:"
_MOST: Final = 1_000

# A retry after a lost answer finds its own value in place: that is a success too.
_REPLACE: Final = """
local current = redis.call('HGET', KEYS[1], ARGV[1])
if current == ARGV[3] then return 1 end
if (current or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""

SourceName = Annotated[
    str, StringConstraints(pattern=rf"^[a-z0-9][a-z0-9-]{{0,39}}{MARK_PATTERN}$")
]
_Tenant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,64}$")]


class Source(Frozen):
    """A system that may start runs, as its document declares it."""

    name: SourceName
    tenant: _Tenant = ""
    priority: Priority = "normal"
    request: RequestTemplate

    @model_validator(mode="after")
    def _is_its_tenants(self) -> Source:
        own_id(self.name, self.tenant)
        return self

    def owned(self) -> Source:
        """The same under a name that no other tenant's source has."""
        return self.model_copy(update={"name": own_id(self.name, self.tenant)})


class SealedSecret(Frozen):
    """One secret, and until when it counts; None: until it is rotated or removed."""

    sealed: str
    added_at: UtcTime
    expires_at: UtcTime | None = None

    def counts(self, at: datetime) -> bool:
        return self.expires_at is None or at < self.expires_at


class StoredSource(Frozen):
    """A source with its secrets, the newest first."""

    source: Source
    secrets: Annotated[tuple[SealedSecret, ...], Field(min_length=1)]

    @property
    def owner(self) -> str:
        return owner_of(self.source.name)


def owner_of(name: str) -> str:
    return f"source {name}"


class Sources:
    """The sources of a store by name."""

    def __init__(self, redis: Redis, vault: Vault) -> None:
        self._redis = redis
        self._vault = vault

    @failpoint("webhooks.add_source")
    async def add(self, source: Source, secrets: Sequence[str], *, at: datetime) -> StoredSource:
        """Declare a source with its secrets, newest first; `InputConflict` when there is one."""
        await self.check_free(source.name)
        sealed = tuple(self._sealed(source.name, secret, at) for secret in secrets)
        stored = StoredSource(source=source, secrets=sealed)
        if not await self._replace(source.name, b"", stored):
            raise _taken(source.name)
        return stored

    async def check_free(self, name: str) -> None:
        """Raise `InputConflict` when there is a source of that name, or as many as may be."""
        known = await self.contents()
        if name in known:
            raise _taken(name)
        if len(known) >= _MOST:
            raise InputConflict(f"There are {_MOST} webhook sources; no more are taken.")

    @failpoint("webhooks.rotate_source")
    async def rotate(
        self, name: str, secret: str, *, at: datetime, overlap: timedelta = OVERLAP
    ) -> StoredSource:
        """Put *secret* before a source's others, which count for *overlap* more."""
        new = self._sealed(name, secret, at)
        while True:
            old = await self._content(name)
            known = StoredSource.model_validate_json(old)
            end = at + overlap
            kept = tuple(
                one.model_copy(update={"expires_at": min(end, one.expires_at or end)})
                for one in known.secrets
                if one.counts(at) and overlap
            )
            changed = known.model_copy(update={"secrets": (new, *kept)})
            if await self._replace(name, old, changed):
                return changed

    @failpoint("webhooks.remove_source")
    async def remove(self, name: str) -> None:
        """Forget a source; its runs stay. `NotFound` when there is none."""
        with redis_errors():
            if not await self._redis.hdel(_SOURCES, name):
                raise _unknown()

    async def list(self) -> tuple[StoredSource, ...]:
        """All sources, by name."""
        stored = await self.contents()
        return tuple(StoredSource.model_validate_json(stored[name]) for name in sorted(stored))

    async def get(self, name: str) -> StoredSource:
        return StoredSource.model_validate_json(await self._content(name))

    async def contents(self) -> dict[str, bytes]:
        """All sources as they are stored."""
        with redis_errors():
            stored = await self._redis.hgetall(_SOURCES)
        return {as_bytes(name).decode(): as_bytes(content) for name, content in stored.items()}

    def keys(self, stored: StoredSource) -> tuple[tuple[bytes, datetime | None], ...]:
        """The keys of a source, each with the end of its time."""
        return tuple(
            (key_of(self._vault.open(one.sealed, stored.owner)), one.expires_at)
            for one in stored.secrets
        )

    def _sealed(self, name: str, secret: str, at: datetime) -> SealedSecret:
        key_of(secret)
        return SealedSecret(sealed=self._vault.seal(secret.strip(), owner_of(name)), added_at=at)

    async def _replace(self, name: str, old: bytes, new: StoredSource) -> bool:
        script = self._redis.register_script(_REPLACE)
        with redis_errors():
            return bool(await script(keys=[_SOURCES], args=[name, old, new.model_dump_json()]))

    async def _content(self, name: str) -> bytes:
        with redis_errors():
            content = await self._redis.hget(_SOURCES, name)
        if content is None:
            raise _unknown()
        return as_bytes(content)


def _taken(name: str) -> InputConflict:
    return InputConflict(
        f"There is a webhook source {name} already.",
        hint="Remove it first, or give it a new secret with `assay webhook source rotate`.",
    )


def _unknown() -> NotFound:
    return NotFound(
        "There is no webhook source of that name.", hint="See `assay webhook source list`."
    )
