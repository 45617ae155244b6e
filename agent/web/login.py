"""Signing in and out: with a password of this machine, or through the identity provider."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.driving import now
from agent.web.access import address_of, checked_form, door_is_open, forget_session, session_of
from agent.web.cookies import (
    drop_session,
    drop_visitor,
    keep_session,
    keep_visitor,
    new_visitor,
    session_cookie,
    visitor_cookie,
    visitor_token,
)
from agent.web.pages import plain_page
from agent.web.paths import local_path
from agent.web.problems import retry_after, status_of
from agent.web.refusals import note_refusal
from agent.web.serving import promptly, runner_of
from services.access import Attempts, Identity, Sessions, Users
from services.audit import SYSTEM, events
from services.errors import AssayError, NotAuthenticated, NotFound, NotPermitted, TooManyRequests
from services.oidc import Provider, SignIns

router = APIRouter(include_in_schema=False)
Sent = Annotated[str, Form()]
_CALLBACK: Final = "/login/provider/callback"
_REFUSED: Final = (NotAuthenticated, NotPermitted, TooManyRequests)


@router.get("/login")
async def show(request: Request, next: str = "") -> Response:  # noqa: A002 (the page's own word)
    """The page to sign in on; whoever is signed in, or need not be, goes on at once."""
    session = await session_of(request)
    is_signed_in = session is not None and session.identity.kind != "local"
    if is_signed_in or await door_is_open(request):
        return _to(local_path(next))
    return await _form(request, next)


@router.post("/login")
async def sign_in(
    request: Request,
    name: Sent = "",
    password: Sent = "",
    next: Sent = "",  # noqa: A002
    csrf: Sent = "",
) -> Response:
    """Begin a session for whoever knows the password."""
    redis = runner_of(request).stores.redis
    attempts, address = Attempts(redis), address_of(request)
    try:
        _check_visitor(request, csrf)
        async with promptly():
            await attempts.count(name, address)
        user = await Users(redis).verify(name, password)
    except _REFUSED as error:
        async with promptly():
            known = await Users(redis).find(name)  # what else was typed may be a password
        await note_refusal(request, error, status_of(error), who=known.name if known else "")
        return await _form(request, next, error)
    async with promptly():
        await attempts.forgive(name, address)
    return await _begin(request, user.identity, local_path(next), proof=user.proof)


@router.post("/logout")
async def sign_out(request: Request, csrf: Sent = "") -> Response:
    """End the session."""
    response = _to("/login")
    if await session_of(request) is not None:
        await checked_form(request, csrf)
        await _close(request)
    drop_session(request, response)
    return response


@router.post("/login/provider")
async def leave(
    request: Request,
    next: Sent = "",  # noqa: A002
    csrf: Sent = "",
) -> Response:
    """Send the browser to the identity provider."""
    provider, redis = _provider(request), runner_of(request).stores.redis
    try:
        _check_visitor(request, csrf)
        async with promptly():
            await Attempts(redis).count_visit(address_of(request))
    except _REFUSED as error:
        await note_refusal(request, error, status_of(error))
        return await _form(request, next, error)
    where = await SignIns(redis, provider).begin(
        browser=visitor_cookie(request),
        next_path=local_path(next),
        redirect_uri=str(request.url_for("come_back")),
    )
    return _to(where)


@router.get(_CALLBACK)
async def come_back(request: Request, state: str = "", code: str = "") -> Response:
    """Begin a session for whoever the identity provider says it is."""
    signs_in = SignIns(runner_of(request).stores.redis, _provider(request))
    try:
        who, path = await signs_in.finish(state=state, code=code, browser=visitor_cookie(request))
    except _REFUSED as error:
        await note_refusal(request, error, status_of(error))
        return await _form(request, "", error)
    return await _begin(request, who, path)


async def _begin(
    request: Request, who: Identity, path: str, *, proof: str | None = None
) -> Response:
    """A new session; whatever the browser had before ends, so that nobody has chosen it for them."""
    stores = runner_of(request).stores
    await _close(request)
    async with promptly():
        fields = {"kind": who.kind, "by": who.name}
        await stores.audit.append(SYSTEM, events.ACCESS_SIGNED_IN, fields, at=now())
        cookie, _ = await Sessions(stores.redis).open(who, proof=proof)
    response = _to(path)
    keep_session(request, response, cookie)
    drop_visitor(request, response)
    return response


async def _close(request: Request) -> None:
    if cookie := session_cookie(request):
        async with promptly():
            await Sessions(runner_of(request).stores.redis).close(cookie)
        forget_session(request)


async def _form(request: Request, path: str, error: AssayError | None = None) -> Response:
    runner = runner_of(request)
    provider: Provider | None = request.app.state.provider
    signs_in = provider is not None and provider.signs_in
    async with promptly():
        has_users = await Users(runner.stores.redis).any()
    cookie = visitor_cookie(request) or new_visitor()
    page = plain_page(
        request,
        "login.html.j2",
        status=status_of(error) if error else HTTPStatus.OK,
        csrf=visitor_token(cookie),
        next=local_path(path),
        provider=signs_in,
        passwords=has_users or not signs_in,
        problem=error.message if error else "",
        hint=error.hint if error else "",
    )
    keep_visitor(request, page, cookie)
    if isinstance(error, TooManyRequests):
        page.headers["Retry-After"] = retry_after(error)
    return page


def _check_visitor(request: Request, token: str) -> None:
    """Refuse a form that was not made for this browser: nobody signs others in as themselves."""
    cookie, given = visitor_cookie(request), token.encode("utf-8", "replace")
    if not cookie or not hmac.compare_digest(visitor_token(cookie).encode(), given):
        raise NotPermitted("This form is too old, or is not from this site.", hint="Try again.")


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None or not provider.signs_in:
        raise NotFound("There is no identity provider here.")
    return provider


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER)
