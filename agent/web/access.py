"""
Who asks: by the bearer key of a program, or the session of a browser.

Without any key, user or identity provider there is one person, whoever sits at this machine; the
server then listens on the loopback address only, and answers requests for that address only, which
a page from elsewhere cannot make.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Depends, Form, Request

from agent.driving import now
from agent.web.serving import promptly, runner_of
from services.access import (
    ApiKeys,
    Identity,
    Permission,
    Session,
    Sessions,
    Users,
    local_identity,
)
from services.errors import NotAuthenticated, NotPermitted
from services.settings import Settings
from services.store import Redis

COOKIE: Final = "assay_session"
_BEARER: Final = "bearer "
_ADMIN: Final = "api-key"
"""Name of whoever carries the key of the settings, which may do everything."""


async def is_open(redis: Redis, settings: Settings) -> bool:
    """Whether nobody has to say who they are: there is no key and no user yet."""
    if settings.api_key is not None:
        return False
    return not (await ApiKeys(redis).list() or await Users(redis).list())


async def identify(request: Request) -> Identity:
    """Who asks; raises `NotAuthenticated` when nobody can tell."""
    given = request.headers.get("authorization", "")
    if given[: len(_BEARER)].lower() == _BEARER:
        return await _carrier(request, given[len(_BEARER) :].strip())
    if request.app.state.is_open:
        check_address(request)
        return local_identity(runner_of(request).settings.reviewer)
    session = await session_of(request)
    if session is not None and session.identity.kind != "local":  # of a time when all was open
        return session.identity
    raise NotAuthenticated(
        "This needs a key or a session.", hint="Send `Authorization: Bearer KEY`, or sign in."
    )


Who: TypeAlias = Annotated[Identity, Depends(identify)]


def needs(permission: Permission) -> Callable[..., Any]:
    """A dependency that refuses whoever may not do this; it gives who asks."""

    async def check(who: Who) -> Identity:
        who.require(permission)
        return who

    return check


async def session_of(request: Request) -> Session | None:
    """The browser's session, if it has one that still lasts."""
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    async with promptly():
        return await Sessions(runner_of(request).stores.redis).get(cookie)


async def checked_form(request: Request, csrf: Annotated[str, Form()] = "") -> None:
    """Refuses a form that no page of ours made for this session."""
    session = await session_of(request)
    if session is None or not session.sent(csrf):
        raise NotPermitted(
            "This form is too old, or is not from this site.", hint="Load the page again."
        )


def check_address(request: Request) -> None:
    """Refuse a request for another name than this machine's own, as rebound names make them."""
    host = request.url.hostname or ""
    try:
        is_ours = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_ours = host in ("localhost", "testserver")
    if not is_ours:
        raise NotPermitted("This server answers requests for its loopback address only.")


async def _carrier(request: Request, secret: str) -> Identity:
    runner = runner_of(request)
    async with promptly():
        return await carrier(secret, runner.settings, runner.stores.redis)


async def carrier(secret: str, settings: Settings, redis: Redis) -> Identity:
    """Who carries *secret*; raises `NotAuthenticated` when it is no key that is known."""
    fixed = settings.api_key
    if fixed is not None and hmac.compare_digest(
        fixed.get_secret_value().encode(), secret.encode("utf-8", "replace")
    ):
        return local_identity(_ADMIN).model_copy(update={"kind": "key"})
    return await ApiKeys(redis).identify(secret, at=now())
