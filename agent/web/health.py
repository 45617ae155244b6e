"""Health, for whoever watches the process."""

from __future__ import annotations

from fastapi import APIRouter, Request

from agent.web.serving import promptly, runner_of

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> dict[str, str]:
    """The store answers too."""
    async with promptly():
        return {"status": "ok", "store": await runner_of(request).stores.ping()}
