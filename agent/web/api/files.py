"""One file of a report, from the moment it is opened: whole, a part, or not at all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from io import BufferedReader
from pathlib import Path
from typing import Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from services.errors import NotFound

MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
}
_POLICY: Final = (
    "sandbox allow-scripts allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
"""A report is shown in an origin of its own, and reaches nothing; its own policy is stricter yet."""
_PIECE: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")
_DIGESTS: Final = 512
_NO_FILE: Final = "This run has no such file."

_known: OrderedDict[tuple[int, int, int, int], str] = OrderedDict()
"""Digests of files that have not changed since."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file as it is now; what takes its place later is another."""

    file: BufferedReader
    size: int
    sha256: str

    def close(self) -> None:
        self.file.close()


def open_file(path: Path) -> Opened:
    """The file with its digest; raises `NotFound` when there is none."""
    try:
        # A pipe in its place would keep the opener waiting for a writer.
        options = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        file = os.fdopen(os.open(path, options), "rb")
    except OSError:
        raise NotFound(_NO_FILE) from None
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        file.close()
        raise NotFound(_NO_FILE)
    return Opened(file, found.st_size, _digest(file, found))


def _digest(file: BufferedReader, found: os.stat_result) -> str:
    name = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    digest = _known.pop(name, None) or hashlib.file_digest(file, "sha256").hexdigest()
    _known[name] = digest
    while len(_known) > _DIGESTS:
        _known.popitem(last=False)
    return digest


def serve(request: Request, opened: Opened, *, name: str, suffix: str) -> Response:
    """The answer to a request for a file, which is closed once it is sent."""
    etag = f'"{opened.sha256}"'
    headers = {
        "ETag": etag,
        "Repr-Digest": _field(opened.sha256),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if _names(request.headers.get("if-none-match", ""), etag):
        opened.close()
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    shown = "inline" if suffix in ("html", "pdf") else "attachment"
    headers["Content-Disposition"] = f'{shown}; filename="{name}"'
    if suffix == "html":
        headers["Content-Security-Policy"] = _POLICY
    first, end = 0, opened.size
    status = HTTPStatus.OK
    if (part := _part(request, opened, etag)) is not None:
        first, end = part
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{opened.size}"
    else:
        headers["Content-Digest"] = _field(opened.sha256)
    headers["Content-Length"] = str(end - first)
    return StreamingResponse(
        _pieces(opened, first, end),
        status_code=status,
        headers=headers,
        media_type=MEDIA_TYPES[suffix],
        background=BackgroundTask(opened.close),
    )


async def _pieces(opened: Opened, first: int, end: int) -> AsyncIterator[bytes]:
    try:
        await asyncio.to_thread(opened.file.seek, first)
        while first < end:
            piece = await asyncio.to_thread(opened.file.read, min(_PIECE, end - first))
            if not piece:
                return
            first += len(piece)
            yield piece
    finally:
        opened.close()


def _part(request: Request, opened: Opened, etag: str) -> tuple[int, int] | None:
    """The part that is asked for; None for the whole. Several parts at once are given as the whole."""
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or asked[1] == asked[2] == "":
        return None
    if request.headers.get("if-range", etag) != etag:
        return None
    first, end = _bounds(asked[1], asked[2], opened.size)
    if asked[1] and asked[2] and int(asked[2]) < int(asked[1]):
        return None
    if first >= end:
        opened.close()
        raise HTTPException(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={"Content-Range": f"bytes */{opened.size}"},
        )
    return first, end


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1 if last else size)


def _names(given: str, etag: str) -> bool:
    """Whether `If-None-Match` names the file that there is."""
    tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
    return etag in tags or tags == ["*"]


def _field(sha256: str) -> str:
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
