"""
How often one caller may ask. Who asks too often is told when to come again, and nothing is done.

The one person of a machine of their own is not limited: there is nobody to keep the door open for.
"""

from __future__ import annotations

import hashlib
from typing import Final

from fastapi import Request

from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.errors import TooManyRequests
from services.store import Rate, RateLimits

REFUSED: Final = "requests.limited"


async def admit(request: Request, who: Identity) -> None:
    """Raise `TooManyRequests` when a key, user or session asks more often than it may."""
    limit = runner_of(request).settings.rate_limit
    if limit is not None and who.kind != "local":
        await _admit(request, "caller", f"{who.kind}\0{who.tenant}\0{who.name}", limit)


async def admit_source(request: Request, source: str) -> None:
    """Raise `TooManyRequests` when a webhook source sends more often than it may."""
    limit = runner_of(request).settings.webhook_rate_limit
    if limit is not None:
        await _admit(request, "webhook", source, limit)


async def _admit(request: Request, door: str, who: str, limit: str) -> None:
    stores = runner_of(request).stores
    # By digest: names are of people and of other tenants, and may hold anything.
    key = f"{door}:{hashlib.sha256(who.encode()).hexdigest()[:24]}"
    async with promptly():
        wait = await RateLimits(stores.redis).take(key, Rate.parse(limit))
        if not wait:
            return
        await stores.tally.add(REFUSED, {door: 1})
    raise TooManyRequests(
        f"You ask more often than you may: {limit}.",
        hint="Come again after the seconds that `Retry-After` says.",
        retry_after=wait.total_seconds(),
    )
