"""
Errors as problem details (RFC 9457), with the codes that the command line prints.

A person in a browser gets a page that says the same; without a session they are sent to sign in.
"""

from __future__ import annotations

import math
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from agent.web.access import identify, known_person
from agent.web.defences import protect
from agent.web.pages import problem_page
from agent.web.paths import sign_in_path
from agent.web.refusals import note_refusal
from services.errors import (
    AssayError,
    DecisionRefused,
    InputConflict,
    Invalid,
    NeedsHuman,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Refused,
    Retryable,
    SignatureInvalid,
    TextRefused,
    TooManyRequests,
)

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_SECONDS: Final = 15
"""What a caller is told to wait who came while something was away or full."""

_STATUS: Final[tuple[tuple[type[AssayError], int], ...]] = (
    (TooManyRequests, 429),
    (Retryable, 503),
    (NotFound, 404),
    (InputConflict, 409),
    (Invalid, 422),
    (NotAuthenticated, 401),
    (SignatureInvalid, 401),
    (NotPermitted, 403),
    (DecisionRefused, 409),
    (NeedsHuman, 409),
    (Refused, 422),
)
"""The first class that fits decides."""
_PAGES: Final = {404: "There is no such page.", 405: "This page is not asked like that."}
"""What a person is told where HTTP's own words say little."""


def answer_problems(app: FastAPI) -> None:
    """Have *app* answer every error as a problem."""
    app.add_exception_handler(AssayError, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _by_status)
    app.add_exception_handler(Exception, _unexpected)


def status_of(error: AssayError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(error: AssayError) -> Response:
    """The answer to a program's request that failed with *error*."""
    status = status_of(error)
    more: dict[str, Any] = {}
    if isinstance(error, TextRefused):
        more = {"errors": [{"field": word, "problem": why} for word, why in error.problems]}
    return _answer(
        status,
        error.message,
        error.hint,
        code=error.code,
        headers=_headers_of(error, status),
        **more,
    )


async def refuse(request: Request, error: AssayError) -> Response:
    """
    The answer to *request*, which failed with *error*.

    Who is turned away is noted; a browser that only lacks a session is not, it is sent to sign in.
    """
    status = status_of(error)
    if wants_page(request) and status == HTTPStatus.UNAUTHORIZED:
        return RedirectResponse(sign_in_path(request), status_code=HTTPStatus.SEE_OTHER)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        await note_refusal(request, error, status)
    if not wants_page(request):
        return problem(error)
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        await _recognise(request)
    return _page(
        request,
        status,
        error.message,
        error.hint,
        code=error.code,
        headers=_headers_of(error, status),
    )


async def _recognise(request: Request) -> None:
    """Find out who asks, where no route has: whoever is signed in keeps the way to other pages."""
    if known_person(request) is None:
        with suppress(AssayError):
            await identify(request)


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer: programs do not ask for HTML, and carry keys."""
    return "text/html" in request.headers.get("accept", "") and (
        "authorization" not in request.headers
    )


def retry_after(error: AssayError) -> str:
    """Seconds until it makes sense to come again."""
    return str(max(1, math.ceil(getattr(error, "retry_after", _RETRY_SECONDS))))


def _headers_of(error: AssayError, status: int) -> dict[str, str]:
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return {"Retry-After": retry_after(error)}
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    return {}


def _page(
    request: Request,
    status: int,
    title: str,
    detail: str = "",
    *,
    code: str,
    headers: dict[str, str] | None = None,
) -> Response:
    response = problem_page(request, status, title=title, detail=detail, code=code)
    response.headers.update(headers or {})
    return response


def refusal(status: int, title: str, detail: str = "") -> Response:
    """The answer to a request that HTTP itself has a status for; its connection is closed."""
    return _answer(status, title, detail, code="A400", headers={"Connection": "close"})


def _answer(
    status: int,
    title: str,
    detail: str = "",
    *,
    code: str,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    document = {
        "type": f"docs/errors.md#{code.lower()}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }
    return JSONResponse(document, status_code=status, headers=headers, media_type=MEDIA_TYPE)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AssayError)
    return await refuse(request, error)


async def _not_valid(request: Request, error: Exception) -> Response:
    """Which fields are wrong, and how; never what was sent in them."""
    assert isinstance(error, RequestValidationError)
    title = "The request is not valid."
    fields = [
        {"field": ".".join(str(part) for part in one["loc"]), "problem": one["msg"]}
        for one in error.errors()
    ]
    if wants_page(request):
        await _recognise(request)
        detail = "; ".join(f"{one['field']}: {one['problem']}" for one in fields)
        return _page(request, 422, title, detail, code="A400")
    return _answer(422, title, code="A400", errors=fields)


async def _by_status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "A406" if error.status_code == HTTPStatus.NOT_FOUND else "A400"
    title = HTTPStatus(error.status_code).phrase
    if wants_page(request):
        await _recognise(request)
        title = _PAGES.get(error.status_code, title)
        answer: Response = _page(request, error.status_code, title, code=code)
    else:
        answer = _answer(error.status_code, title, code=code)
    answer.headers.update(error.headers or {})
    return answer


async def _unexpected(request: Request, error: Exception) -> Response:
    """Answered outside of everything else, so it says itself what all answers say."""
    title = f"Unexpected error ({type(error).__name__})."
    if wants_page(request):
        answer = _page(request, 500, title, code="A000")
    else:
        answer = _answer(500, title, code="A000")
    protect(answer.headers, request.url.scheme)
    return answer
