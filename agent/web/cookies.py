"""
The two cookies: that of a session, and that of a browser which is about to sign in.

Under https their names begin with `__Host-`, which no other host and no page without TLS can set.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from fastapi import Request, Response

from services.access import LIFETIME

COOKIE: Final = "assay_session"
_BEFORE: Final = "assay_sign_in"
_BEFORE_LASTS: Final = timedelta(hours=1)


def session_cookie(request: Request) -> str:
    """What the browser's session is called by, or nothing."""
    return request.cookies.get(_named(request, COOKIE), "")


def keep_session(request: Request, response: Response, cookie: str) -> None:
    """Have the browser send *cookie* with what it asks of this site, and no script read it."""
    _set(request, response, COOKIE, cookie, LIFETIME)


def drop_session(request: Request, response: Response) -> None:
    """Have the browser forget its session."""
    _delete(request, response, COOKIE)


def visitor_cookie(request: Request) -> str:
    """What a browser without a session is known by while it signs in, or nothing."""
    return request.cookies.get(_named(request, _BEFORE), "")


def new_visitor() -> str:
    """What a browser that was not known is known by."""
    return secrets.token_urlsafe(32)


def keep_visitor(request: Request, response: Response, cookie: str) -> None:
    """Have the browser send *cookie* while it signs in."""
    _set(request, response, _BEFORE, cookie, _BEFORE_LASTS)


def drop_visitor(request: Request, response: Response) -> None:
    """Have the browser forget that it was about to sign in."""
    _delete(request, response, _BEFORE)


def visitor_token(cookie: str) -> str:
    """What the sign-in form of that browser carries: no page of another site can know it."""
    return hashlib.sha256(b"sign-in form\0" + cookie.encode("utf-8", "replace")).hexdigest()


def _named(request: Request, name: str) -> str:
    return f"__Host-{name}" if request.url.scheme == "https" else name


def _set(request: Request, response: Response, name: str, value: str, lasts: timedelta) -> None:
    response.set_cookie(
        _named(request, name),
        value,
        max_age=int(lasts.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def _delete(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(
        _named(request, name),
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
