"""Who the caller is to this server."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from agent.web.access import Who

router = APIRouter(prefix="/v1/whoami", tags=["access"])


@router.get("")
async def whoami(who: Who) -> dict[str, Any]:
    """The caller's name, tenant, roles, and what they may do; nothing without a role."""
    return {
        "name": who.name,
        "kind": who.kind,
        "tenant": who.tenant,
        "roles": sorted(who.roles),
        "permissions": sorted(who.permissions),
    }
