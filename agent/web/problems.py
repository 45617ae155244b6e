"""Errors as problem details (RFC 9457), with the codes that the command line prints."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

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
    """The answer to a request that failed with *error*."""
    status = status_of(error)
    headers = {}
    if status in (429, 503):
        wait = getattr(error, "retry_after", _RETRY_SECONDS)
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(status, error.message, error.hint, code=error.code, headers=headers)


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


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, AssayError)
    return problem(error)


async def _not_valid(_: Request, error: Exception) -> Response:
    """Which fields are wrong, and how; never what was sent in them."""
    assert isinstance(error, RequestValidationError)
    fields = [
        {"field": ".".join(str(part) for part in one["loc"]), "problem": one["msg"]}
        for one in error.errors()
    ]
    return _answer(422, "The request is not valid.", code="A400", errors=fields)


async def _by_status(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "A406" if error.status_code == HTTPStatus.NOT_FOUND else "A400"
    title = HTTPStatus(error.status_code).phrase
    return _answer(error.status_code, title, code=code, headers=dict(error.headers or {}))


async def _unexpected(_: Request, error: Exception) -> Response:
    return _answer(500, f"Unexpected error ({type(error).__name__}).", code="A000")
