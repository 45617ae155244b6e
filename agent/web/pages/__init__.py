"""The pages: rendered here, complete without a script, and better with a little of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent.web.access import known_person, session_of
from agent.web.cookies import keep_session
from agent.web.pages import words
from agent.web.serving import promptly, runner_of
from services.access import Identity, Session, Sessions

_HERE: Final = Path(__file__).parent
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def _csrf_field(token: str) -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(token)


_environment: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals["csrf_field"] = _csrf_field
_environment.globals.update(words.GLOBALS)
_environment.filters.update(words.FILTERS)
_templates: Final = Jinja2Templates(env=_environment)


def add_pages(app: FastAPI) -> None:
    """Serve the pages' style and script."""
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")


async def page(
    request: Request, who: Identity, template: str, *, status: int = 200, **values: Any
) -> Response:
    """
    A page from `templates/TEMPLATE`, for *who* is looking at it.

    Besides *values* it knows `who`, `csrf` for its forms, and `path`, where it is. Somebody without a
    session, on a machine of their own, gets one: forms are bound to it.
    """
    session = await session_of(request)
    cookie = None
    if session is None and who.kind == "local":
        async with promptly():
            cookie, session = await Sessions(runner_of(request).stores.redis).open(who)
    known = _known(request, who, session.csrf if session else "")
    response = _templates.TemplateResponse(
        request, template, known | values, status_code=status, headers=_HEADERS
    )
    if cookie is not None:
        keep_session(request, response, cookie)
    return response


def plain_page(
    request: Request, template: str, *, status: int = 200, csrf: str = "", **values: Any
) -> Response:
    """A page from `templates/TEMPLATE` that asks nothing of the store: nobody has to be known."""
    session: Session | None = getattr(request.state, "session", None)
    known = _known(request, known_person(request), csrf or (session.csrf if session else ""))
    return _templates.TemplateResponse(
        request, template, known | values, status_code=status, headers=_HEADERS
    )


def _known(request: Request, who: Identity | None, csrf: str) -> dict[str, Any]:
    settings = runner_of(request).settings
    folders = [str(settings.output.absolute()), str(settings.home.absolute())]
    return {"who": who, "csrf": csrf, "path": request.url.path, "folders": folders}


def problem_page(request: Request, status: int, **said: str) -> Response:
    """The page that says what went wrong: `title`, `detail` and `code`."""
    return plain_page(request, "problem.html.j2", status=status, **said)
