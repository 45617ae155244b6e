"""Webhooks for operators: who may call, who is called, and what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from agent.hookkeeping import Hookkeeper
from agent.hooks import Hooks, hooks_of
from agent.sources import check_source
from agent.web.access import needs
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.errors import NotFound, NotPermitted
from services.evidence import Frozen
from services.store import EventType
from services.webhooks import (
    DeliveryStatus,
    Endpoint,
    Source,
    StoredSource,
    new_secret,
)

router = APIRouter(prefix="/v1", tags=["webhooks"])
Operator = Annotated[Identity, Depends(needs("administer"))]
Limit = Annotated[int, Query(ge=1, le=1000)]

_NO_SOURCE: Final = "There is no webhook source of that name."
_NO_ENDPOINT: Final = "There is no webhook endpoint of that id."
_NO_DELIVERY: Final = "There is no delivery of that id."


class NewEndpoint(Frozen):
    """Where events are to be sent, and which; none named: all."""

    url: str
    events: tuple[EventType, ...] = ()
    tenant: str = ""


class Rotation(Frozen):
    """For how many hours the secrets before still count."""

    overlap_hours: Annotated[float, Field(ge=0, le=720)] = 24


@router.get("/webhook-sources")
async def list_sources(request: Request, who: Operator) -> list[dict[str, Any]]:
    """The systems that may call; their secrets are shown to nobody."""
    async with promptly():
        sources = await _hooks(request).sources.list()
    return [_shown(one) for one in sources if _is_theirs(who, one.source.tenant)]


@router.post("/webhook-sources", status_code=201)
async def add_source(request: Request, body: Source, who: Operator) -> dict[str, Any]:
    """Let a system call. Its secret is in this answer, and in no other."""
    _check_tenant(who, body.tenant)
    check_source(body)
    secret = new_secret()
    # Whoever belongs to a tenant is not to learn what names others have.
    source = body if who.tenant is None else body.owned()
    async with promptly():
        stored = await _keeper(request, who).add_source(source, secret)
    return {**_shown(stored), "secret": secret}


@router.post("/webhook-sources/{name}/rotate")
async def rotate_source(
    request: Request, name: str, body: Rotation, who: Operator
) -> dict[str, Any]:
    """Give a source a new secret, which is in this answer, and in no other."""
    await _their_source(request, who, name)
    secret, overlap = new_secret(), timedelta(hours=body.overlap_hours)
    async with promptly():
        stored = await _keeper(request, who).rotate_source(name, secret, overlap=overlap)
    return {**_shown(stored), "secret": secret}


@router.delete("/webhook-sources/{name}", status_code=204)
async def remove_source(request: Request, name: str, who: Operator) -> None:
    """Let a system call no more."""
    await _their_source(request, who, name)
    async with promptly():
        await _keeper(request, who).remove_source(name)


@router.get("/webhook-endpoints")
async def list_endpoints(request: Request, who: Operator) -> list[dict[str, Any]]:
    """The systems that are told what happens; their secrets are shown to nobody."""
    async with promptly():
        endpoints = await _hooks(request).endpoints.list()
    return [_told(one) for one in endpoints if _is_theirs(who, one.tenant)]


@router.post("/webhook-endpoints", status_code=201)
async def add_endpoint(request: Request, body: NewEndpoint, who: Operator) -> dict[str, Any]:
    """Send events to a URL. The secret that signs them is in this answer, and in no other."""
    _check_tenant(who, body.tenant)
    secret = new_secret()
    async with promptly():
        endpoint = await _keeper(request, who).add_endpoint(
            body.url, secret, types=body.events, tenant=body.tenant
        )
    return {**_told(endpoint), "secret": secret}


@router.delete("/webhook-endpoints/{endpoint_id}", status_code=204)
async def remove_endpoint(request: Request, endpoint_id: str, who: Operator) -> None:
    """Send nothing there any more."""
    hooks = _hooks(request)
    async with promptly():
        endpoint = await hooks.endpoints.find(endpoint_id)
        if endpoint is None or not _is_theirs(who, endpoint.tenant):
            raise NotFound(_NO_ENDPOINT)
        await _keeper(request, who).remove_endpoint(endpoint_id)


@router.get("/webhook-deliveries")
async def list_deliveries(
    request: Request, who: Operator, status: DeliveryStatus | None = None, limit: Limit = 50
) -> list[dict[str, Any]]:
    """What waits to be sent, what arrived, and what was given up (`status=dead`)."""
    async with promptly():
        found = await _hooks(request).deliveries.list(status=status, limit=limit, tenant=who.tenant)
    return [one.model_dump(mode="json") for one in found]


@router.post("/webhook-deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(request: Request, delivery_id: str, who: Operator) -> dict[str, Any]:
    """Send a dead delivery again, under its old webhook-id."""
    hooks = _hooks(request)
    async with promptly():
        await _check_delivery(hooks, who, delivery_id)
        again = await _keeper(request, who).redeliver(delivery_id)
    return again.model_dump(mode="json")


@router.get("/webhook-refusals")
async def list_refused(request: Request, who: Operator, limit: Limit = 50) -> list[dict[str, Any]]:
    """Calls that were refused, with the reason that their senders were not told."""
    hooks = _hooks(request)
    async with promptly():
        stored = await hooks.sources.list()
        theirs = {one.source.name for one in stored if _is_theirs(who, one.source.tenant)}
        calls = await hooks.refused.list(
            limit=limit, sources=None if who.tenant is None else theirs
        )
    return [call.model_dump(mode="json") for call in calls]


def _hooks(request: Request) -> Hooks:
    runner = runner_of(request)
    return hooks_of(runner.stores, runner.settings)


def _keeper(request: Request, who: Identity) -> Hookkeeper:
    return Hookkeeper(_hooks(request), by=who.name)


def _is_theirs(who: Identity, tenant: str) -> bool:
    return who.tenant in (None, tenant)


def _check_tenant(who: Identity, tenant: str) -> None:
    if not _is_theirs(who, tenant):
        raise NotPermitted("You may not do this for another tenant.")


async def _their_source(request: Request, who: Identity, name: str) -> None:
    async with promptly():
        try:
            found = await _hooks(request).sources.get(name)
        except NotFound:
            raise NotFound(_NO_SOURCE) from None
    if not _is_theirs(who, found.source.tenant):
        raise NotFound(_NO_SOURCE)


async def _check_delivery(hooks: Hooks, who: Identity, delivery_id: str) -> None:
    try:
        found = await hooks.deliveries.get(delivery_id)
    except NotFound:
        raise NotFound(_NO_DELIVERY) from None
    if not _is_theirs(who, found.tenant):
        raise NotFound(_NO_DELIVERY)


def _shown(stored: StoredSource) -> dict[str, Any]:
    secrets = [one.model_dump(mode="json", exclude={"sealed"}) for one in stored.secrets]
    return {**stored.source.model_dump(mode="json"), "secrets": secrets}


def _told(endpoint: Endpoint) -> dict[str, Any]:
    return endpoint.model_dump(mode="json", exclude={"sealed"})
