"""Where events go: endpoints with their secrets and the events that they want."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated

from pydantic import Field
from redis.asyncio import Redis

from services.errors import InputConflict, NotFound
from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import ENDPOINTS, Event, EventType, UtcTime, as_bytes, redis_errors

from ._addresses import check_url
from ._signature import key_of
from ._vault import Vault

_MOST = 1_000


class Endpoint(Frozen):
    """One receiver of events of one tenant."""

    id: str
    url: str
    tenant: str = ""
    events: tuple[EventType, ...] = ()
    """The types that it wants; empty: all of them."""
    sealed: Annotated[str, Field(repr=False)]
    created_at: UtcTime
    disabled: str = ""
    """Why nothing is sent to it any more; empty while something is."""

    @property
    def owner(self) -> str:
        return f"endpoint {self.id}"

    def wants(self, event: Event) -> bool:
        return (
            not self.disabled
            and event.tenant == self.tenant
            and (not self.events or event.type in self.events)
        )


class Endpoints:
    """The endpoints of a store by id."""

    def __init__(self, redis: Redis, vault: Vault, *, private: bool) -> None:
        self._redis = redis
        self._vault = vault
        self._private = private

    @failpoint("webhooks.add_endpoint")
    async def add(
        self,
        url: str,
        secret: str,
        *,
        at: datetime,
        events: tuple[EventType, ...] = (),
        tenant: str = "",
        endpoint_id: str | None = None,
    ) -> Endpoint:
        """Send events to *url* from now on; `Invalid` for one that nothing may be sent to."""
        await self.check(url, secret)
        endpoint_id = endpoint_id or new_endpoint_id()
        endpoint = Endpoint(
            id=endpoint_id,
            url=url,
            tenant=tenant,
            events=events,
            sealed=self._vault.seal(secret.strip(), f"endpoint {endpoint_id}"),
            created_at=at,
        )
        await self._write(endpoint)
        return endpoint

    async def check(self, url: str, secret: str) -> None:
        """Raise `Invalid` or `InputConflict` when nothing may be sent to *url*, or signed so."""
        check_url(url, private=self._private)
        key_of(secret)
        if len(await self.list()) >= _MOST:
            raise InputConflict(f"There are {_MOST} webhook endpoints; no more are taken.")

    @failpoint("webhooks.remove_endpoint")
    async def remove(self, endpoint_id: str) -> None:
        """Send nothing there any more. What waits for it is given up when its turn comes."""
        with redis_errors():
            if not await self._redis.hdel(ENDPOINTS, endpoint_id):
                raise _unknown()

    @failpoint("webhooks.disable_endpoint")
    async def disable(self, endpoint: Endpoint, reason: str) -> None:
        await self._write(endpoint.model_copy(update={"disabled": reason}))

    async def find(self, endpoint_id: str) -> Endpoint | None:
        with redis_errors():
            content = await self._redis.hget(ENDPOINTS, endpoint_id)
        return None if content is None else Endpoint.model_validate_json(as_bytes(content))

    async def list(self) -> tuple[Endpoint, ...]:
        """All endpoints, the oldest first."""
        with redis_errors():
            stored = await self._redis.hvals(ENDPOINTS)
        found = [Endpoint.model_validate_json(as_bytes(content)) for content in stored]
        return tuple(sorted(found, key=lambda endpoint: (endpoint.created_at, endpoint.id)))

    def key(self, endpoint: Endpoint) -> bytes:
        """The key that what is sent there is signed with."""
        return key_of(self._vault.open(endpoint.sealed, endpoint.owner))

    async def _write(self, endpoint: Endpoint) -> None:
        with redis_errors():
            await self._redis.hset(ENDPOINTS, endpoint.id, endpoint.model_dump_json())


def new_endpoint_id() -> str:
    return f"ep-{secrets.token_hex(6)}"


def _unknown() -> NotFound:
    return NotFound(
        "There is no webhook endpoint of that id.", hint="See `assay webhook endpoint list`."
    )
