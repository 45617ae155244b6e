"""Where a browser is sent."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Request

HOME: Final = "/reviews"
_LONGEST: Final = 2_000
_LOCAL: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
"""One slash, then no second one, and nowhere what browsers take for one or leave out."""
_NOT_BACK: Final = ("/login", "/logout")


def local_path(path: str) -> str:
    """*path* if it leads to a page of this site, else the first page."""
    if len(path) > _LONGEST or not _LOCAL.fullmatch(path):
        return HOME
    parts = urlsplit(path)
    if parts.scheme or parts.netloc or parts.path.startswith(_NOT_BACK):
        return HOME
    return path


def sign_in_path(request: Request) -> str:
    """The page to sign in on, which leads back to what was asked for; a form cannot be sent again."""
    if request.method not in ("GET", "HEAD"):
        return "/login"
    asked = quote(request.scope["path"], safe="/@:+,;=~!$&'()*", errors="replace")
    query = request.url.query
    return "/login?" + urlencode({"next": local_path(f"{asked}?{query}" if query else asked)})
