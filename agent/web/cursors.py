"""Cursors: where a list goes on, as an opaque text."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, TypeAlias, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from pydantic import BaseModel, ValidationError

from services.errors import Invalid

Place = TypeVar("Place", bound=BaseModel)
Cursor: TypeAlias = Annotated[
    str | None, Query(max_length=400, description="The `next` of the page before.")
]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=200, description="Most that one page gives.")]


def read(cursor: str | None, type_: type[Place]) -> Place | None:
    """The place that a cursor stands for; raises `Invalid` for a text that is none of ours."""
    if not cursor:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return type_.model_validate_json(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, ValidationError):
        raise Invalid(
            "The cursor is not one of this list.", hint="Begin without one, and follow `next`."
        ) from None


def write(place: BaseModel | None) -> str | None:
    """The cursor that stands for a place."""
    if place is None:
        return None
    return base64.urlsafe_b64encode(place.model_dump_json().encode()).decode().rstrip("=")


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Have the answer's head name the next page too."""
    if cursor is not None:
        query = urlencode({**request.query_params, "cursor": cursor})
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
