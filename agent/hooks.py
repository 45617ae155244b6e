"""The webhooks of one store: what the web, the workers and the command line share."""

from __future__ import annotations

from dataclasses import dataclass

from agent.stores import Stores
from services.audit import AuditLog
from services.settings import Settings
from services.webhooks import Deliveries, Endpoints, RefusedCalls, Sources, Vault


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who may call, who is called, what is under way, and what was refused."""

    sources: Sources
    endpoints: Endpoints
    deliveries: Deliveries
    refused: RefusedCalls
    audit: AuditLog


def hooks_of(stores: Stores, settings: Settings) -> Hooks:
    vault = Vault(settings.store_key, settings.home)
    redis = stores.redis
    return Hooks(
        sources=Sources(redis, vault),
        endpoints=Endpoints(redis, vault, private=settings.webhook_private),
        deliveries=Deliveries(redis, site=settings.public_url.rstrip("/")),
        refused=RefusedCalls(redis),
        audit=stores.audit,
    )
