"""
The API's description, `/openapi.json`: what the routes say, and what holds for all of them.

`python -m agent.web.openapi > docs/openapi.json` writes the copy that clients are made from.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from fastapi import FastAPI

from agent.web.problems import MEDIA_TYPE

PREFIX: Final = "/v1/"

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request failed (RFC 9457), with the code that the command line prints.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What happened."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do about it."},
        "code": {"type": "string", "description": "Of docs/errors.md."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "problem"],
                "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
    },
}
_EXAMPLES: Final[dict[int, tuple[str, str, str]]] = {
    400: ("A400", "The request cannot be read.", ""),
    401: ("A304", "This needs a key or a session.", "Send `Authorization: Bearer KEY`."),
    403: ("A305", "You may not steer here.", "Roles that may: analyst, operator."),
    404: ("A406", "There is no run of that id.", ""),
    405: ("A400", "Method Not Allowed", ""),
    409: ("A411", "Run r1 exists and asks for something else.", "Name the new run differently."),
    413: ("A400", "Request Entity Too Large", ""),
    416: ("A400", "Requested Range Not Satisfiable", ""),
    422: ("A400", "The request is not valid.", ""),
    429: ("A107", "As many event streams are open as may.", "Close one."),
    503: ("A101", "The store does not answer in time.", ""),
}
_DESCRIPTION: Final = (
    "Starts and steers runs, shows what they made, and takes people's decisions. Every error is a "
    "problem document (RFC 9457). Lists have a cursor, `next`."
)
INFO: Final[dict[str, Any]] = {
    "title": "Assay",
    "version": "1",
    "description": _DESCRIPTION,
    "docs_url": None,
    "redoc_url": None,
    "redirect_slashes": False,
}
"""No page of documentation is served: those that the framework has load scripts from elsewhere."""


class Door(FastAPI):
    """An application that describes itself in full."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = _PROBLEM
        components.setdefault("securitySchemes", {})["bearer"] = {
            "type": "http",
            "scheme": "bearer",
            "description": "A key, made by `assay access key add`.",
        }
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _complete(path, method, operation)
        return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add what every operation has: who may ask, and how it says no."""
    statuses = {503}
    if "HTTPValidationError" in str(operation["responses"].get("422")):  # the framework's own form
        operation["responses"]["422"] = _problem(422)
    if path.startswith(PREFIX):
        operation.setdefault("security", [{"bearer": []}])
        statuses |= {400, 401, 403, 422, 429}
    if "{" in path:
        statuses |= {404}
    if method in ("post", "put"):
        statuses |= {409, 413}
    if "206" in operation["responses"]:
        statuses |= {416}
    for status in sorted(statuses):
        operation["responses"].setdefault(str(status), _problem(status))
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _problem(status: int) -> dict[str, Any]:
    code, title, detail = _EXAMPLES[status]
    example = {
        "type": f"docs/errors.md#{code.lower()}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    described = {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }
    if status in (429, 503):
        seconds = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        described["headers"] = {"Retry-After": seconds}
    return described


def document() -> str:
    """The description as it is kept in the documentation."""
    from agent.web.app import make_app
    from services.settings import Settings

    described = make_app(Settings.model_construct()).openapi()
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
