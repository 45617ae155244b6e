"""
Who may call and who is called: each change is in the audit log before it is made.

As with keys and people, a crash in between may leave an entry without its change, and never a change
without its entry. No entry holds a secret, nor the path of an address, which often is one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from agent.driving import now
from agent.hooks import Hooks
from services.audit import SYSTEM, events
from services.errors import NotFound
from services.store import EventType
from services.webhooks import Delivery, Endpoint, Source, StoredSource, new_endpoint_id


class Hookkeeper:
    """Sources, endpoints and dead deliveries of one store, changed in the name of *by*."""

    def __init__(self, hooks: Hooks, *, by: str) -> None:
        self._hooks = hooks
        self._by = by

    async def add_source(self, source: Source, secret: str) -> StoredSource:
        """Let a system call; raises `InputConflict` for a name that is taken."""
        await self._hooks.sources.check_free(source.name)
        await self._note(events.WEBHOOK_SOURCE_ADDED, source=source.name, tenant=source.tenant)
        return await self._hooks.sources.add(source, [secret], at=now())

    async def rotate_source(self, name: str, secret: str, *, overlap: timedelta) -> StoredSource:
        """Give a source a new secret; those before count for *overlap* more. Raises `NotFound`."""
        known = await self._hooks.sources.get(name)
        await self._note(
            events.WEBHOOK_SOURCE_ROTATED,
            source=name,
            tenant=known.source.tenant,
            overlap_seconds=int(overlap.total_seconds()),
        )
        return await self._hooks.sources.rotate(name, secret, at=now(), overlap=overlap)

    async def remove_source(self, name: str) -> None:
        """Let a system call no more; raises `NotFound`."""
        known = await self._hooks.sources.get(name)
        await self._note(events.WEBHOOK_SOURCE_REMOVED, source=name, tenant=known.source.tenant)
        await self._hooks.sources.remove(name)

    async def add_endpoint(
        self, url: str, secret: str, *, types: tuple[EventType, ...] = (), tenant: str = ""
    ) -> Endpoint:
        """Send events to *url* from now on; `Invalid` for one that nothing may be sent to."""
        await self._hooks.endpoints.check(url, secret)
        endpoint_id = new_endpoint_id()
        await self._note(
            events.WEBHOOK_ENDPOINT_ADDED,
            endpoint=endpoint_id,
            host=urlsplit(url).hostname or "",
            types=list(types),
            tenant=tenant,
        )
        return await self._hooks.endpoints.add(
            url, secret, at=now(), events=types, tenant=tenant, endpoint_id=endpoint_id
        )

    async def remove_endpoint(self, endpoint_id: str) -> None:
        """Send nothing there any more; raises `NotFound`."""
        if (known := await self._hooks.endpoints.find(endpoint_id)) is None:
            raise NotFound(
                "There is no webhook endpoint of that id.",
                hint="See `assay webhook endpoint list`.",
            )
        await self._note(events.WEBHOOK_ENDPOINT_REMOVED, endpoint=endpoint_id, tenant=known.tenant)
        await self._hooks.endpoints.remove(endpoint_id)

    async def disable_endpoint(self, endpoint: Endpoint, reason: str) -> None:
        """Send nothing to an endpoint that says it is gone, and keep it in the list."""
        await self._note(
            events.WEBHOOK_ENDPOINT_DISABLED, endpoint=endpoint.id, tenant=endpoint.tenant
        )
        await self._hooks.endpoints.disable(endpoint, reason)

    async def redeliver(self, delivery_id: str) -> Delivery:
        """Send a dead delivery again; raises `NotFound` for one that is not dead, or not there."""
        found = await self._hooks.deliveries.get(delivery_id)
        if found.status == "dead":
            await self._note(
                events.WEBHOOK_REDELIVERED,
                delivery=delivery_id,
                endpoint=found.endpoint,
                tenant=found.tenant,
            )
        return await self._hooks.deliveries.redeliver(delivery_id, at=now())

    async def _note(self, event: str, **fields: Any) -> None:
        await self._hooks.audit.append(SYSTEM, event, {**fields, "by": self._by}, at=now())
