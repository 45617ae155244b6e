"""
Who asks: by the bearer key of a program, or the session of a browser.

Without any key, user or identity provider there is one person, whoever sits at this machine; the
server then listens on the loopback address only, and answers requests from and for that address
only, which a page from elsewhere cannot make.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Depends, Form, Request

from agent.driving import now
from agent.web.cookies import COOKIE, session_cookie
from agent.web.limits import admit
from agent.web.serving import promptly, runner_of
from services.access import (
    ApiKeys,
    Identity,
    Permission,
    Session,
    Sessions,
    has_members,
    local_identity,
)
from services.errors import AssayError, NotAuthenticated, NotPermitted
from services.oidc import Provider, ProviderSettings, Reading
from services.settings import Settings
from services.store import Redis

__all__ = [
    "COOKIE",
    "Who",
    "address_of",
    "carrier",
    "check_address",
    "checked_form",
    "door_is_open",
    "forget_session",
    "identify",
    "is_open",
    "known_person",
    "needs",
    "provider_of",
    "session_of",
    "while_known",
]

_BEARER: Final = "bearer "
_ADMIN: Final = "api-key"
"""Name of whoever carries the key of the settings, which may do everything."""
_LOOK: Final = 1.0
"""Seconds between looks whether there is a first key or user yet, or still the one who listens."""
_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


async def is_open(redis: Redis, settings: Settings) -> bool:
    """Whether nobody has to say who they are: there is no key, no user and no provider yet."""
    if settings.api_key is not None or settings.oidc_issuer:
        return False
    return not await has_members(redis)


async def door_is_open(request: Request) -> bool:
    """
    The same, looked up anew every second as long as it is true: the first key closes the door.

    It then stays closed while this process lives: to remove the last key opens nothing.
    """
    state, runner = request.app.state, runner_of(request)
    if not getattr(state, "is_open", True):
        return False
    if time.monotonic() - getattr(state, "is_open_since", float("-inf")) > _LOOK:
        async with promptly():
            state.is_open = await is_open(runner.stores.redis, runner.settings)
        state.is_open_since = time.monotonic()
    return bool(state.is_open)


def provider_of(settings: Settings) -> Provider | None:
    """The identity provider of the settings; raises `SettingInvalid` for one that cannot be."""
    if not settings.oidc_issuer:
        return None
    reading = Reading(
        name_claim=settings.oidc_name_claim,
        roles_claim=settings.oidc_roles_claim,
        tenant_claim=settings.oidc_tenant_claim,
        roles=settings.oidc_roles,
    )
    return Provider(
        ProviderSettings(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            audience=settings.oidc_audience,
            reading=reading,
        )
    )


async def identify(request: Request) -> Identity:
    """Who asks; raises `NotAuthenticated` when nobody can tell, `TooManyRequests` too often."""
    who = await _identified(request)
    request.state.who = who
    await admit(request, who)
    return who


Who: TypeAlias = Annotated[Identity, Depends(identify)]


def needs(permission: Permission) -> Callable[..., Any]:
    """A dependency that refuses whoever may not do this; it gives who asks."""

    async def check(who: Who) -> Identity:
        who.require(permission)
        return who

    return check


async def while_known(
    request: Request, who: Identity, pieces: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """The *pieces* of a stream until *who* asked for it is not let in any more as they were then."""
    looked = time.monotonic()
    async with aclosing(pieces):
        async for piece in pieces:
            if time.monotonic() - looked >= _LOOK:
                if not await _is_still(request, who):
                    return
                looked = time.monotonic()
            yield piece


async def _is_still(request: Request, who: Identity) -> bool:
    forget_session(request)
    try:
        return await _identified(request) == who
    except AssayError:
        return False


async def session_of(request: Request) -> Session | None:
    """The browser's session, if it has one that still lasts; looked up once a request."""
    cookie = session_cookie(request)
    if not cookie:
        return None
    if not hasattr(request.state, "session"):
        async with promptly():
            request.state.session = await Sessions(runner_of(request).stores.redis).get(cookie)
    session: Session | None = request.state.session
    return session


def known_person(request: Request) -> Identity | None:
    """Who asks, as far as it was found out by now: for answers that must not ask the store again."""
    who: Identity | None = getattr(request.state, "who", None)
    session: Session | None = getattr(request.state, "session", None)
    if who is None and session is not None and session.identity.kind != "local":
        return session.identity
    return who


def forget_session(request: Request) -> None:
    """Look a session up anew, once it has ended."""
    if hasattr(request.state, "session"):
        del request.state.session


async def checked_form(request: Request, csrf: Annotated[str, Form()] = "") -> None:
    """Refuses a form that no page of ours made for this session."""
    session = await session_of(request)
    if session is None or not session.sent(csrf):
        raise NotPermitted(
            "This form is too old, or is not from this site.", hint="Load the page again."
        )


def check_address(request: Request) -> None:
    """
    Refuse what does not come from this machine's own people.

    That is a request for another name than this machine's own, as rebound names make them, one from
    another machine, and one through a proxy, behind which everybody seems to be here.
    """
    if not _is_here(request.url.hostname or ""):
        raise NotPermitted("This server answers requests for its loopback address only.")
    client = request.client
    if client is not None and not _is_here(client.host):
        raise NotPermitted("This server answers this machine only.")
    if any(name in request.headers for name in _PROXY_HEADERS):
        raise NotPermitted(
            "This server has no keys and no users yet, so nobody may ask it through a proxy.",
            hint="Make a key with `assay access key add`, or a user with `assay access user add`.",
        )


def address_of(request: Request) -> str:
    """Where a request comes from; behind a proxy only if `--proxy` says to believe it."""
    return request.client.host if request.client else ""


async def carrier(
    secret: str, settings: Settings, redis: Redis, *, provider: Provider | None = None
) -> Identity:
    """Who carries *secret*; raises `NotAuthenticated` when it is no key and no token that is known."""
    fixed = settings.api_key
    if fixed is not None and hmac.compare_digest(
        fixed.get_secret_value().encode(), secret.encode("utf-8", "replace")
    ):
        return local_identity(_ADMIN).model_copy(update={"kind": "key"})
    if provider is not None and provider.takes_tokens and secret.count(".") == 2:
        return await provider.identify(secret)
    return await ApiKeys(redis).identify(secret, at=now())


async def _identified(request: Request) -> Identity:
    runner = runner_of(request)
    given = request.headers.get("authorization", "")
    if given[: len(_BEARER)].lower() == _BEARER:
        return await _carrier(request, given[len(_BEARER) :].strip())
    if await door_is_open(request):
        check_address(request)
        return local_identity(runner.settings.reviewer)
    session = await session_of(request)
    if session is not None and _still_counts(session, runner.settings):
        return session.identity
    raise NotAuthenticated(
        "This needs a key or a session.", hint="Send `Authorization: Bearer KEY`, or sign in."
    )


def _still_counts(session: Session, settings: Settings) -> bool:
    """Whether whoever opened it could do so today: not of a time when all was open, or by nobody now."""
    kind = session.identity.kind
    return kind == "user" or (kind == "oidc" and bool(settings.oidc_issuer))


async def _carrier(request: Request, secret: str) -> Identity:
    runner = runner_of(request)
    provider: Provider | None = request.app.state.provider
    if provider is not None and secret.count(".") == 2:  # it may be asked for its keys: no store
        return await carrier(secret, runner.settings, runner.stores.redis, provider=provider)
    async with promptly():
        return await carrier(secret, runner.settings, runner.stores.redis)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
