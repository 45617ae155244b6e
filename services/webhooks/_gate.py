"""The gate of calls from outside: who calls, whether it is new, and what it asks."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from ._mapping import Wanted
from ._payload import parse_body
from ._refusal import Refusal
from ._replays import Claim, Claimed, Replays
from ._signature import SignedHeaders, verify
from ._sources import Source, Sources, StoredSource

_FRESH: Final = 1.0
"""Seconds until a change of the sources, such as a removed secret, counts in every process."""


class Call(NamedTuple):
    """A call as it came in, its body whole."""

    source: str
    headers: SignedHeaders
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that is who it says it is, and asks for something."""

    source: Source
    claim: Claim
    wanted: Wanted


class _Known(NamedTuple):
    content: bytes
    source: Source
    keys: tuple[tuple[bytes, datetime | None], ...]


class Gate:
    """Lets calls in, or raises `Refusal`. One for each process; sources are read once a second."""

    def __init__(self, sources: Sources, replays: Replays) -> None:
        self._sources = sources
        self._known: dict[str, _Known] = {}
        self._looked = float("-inf")
        self._looking = asyncio.Lock()
        self._replays = replays

    async def admit(self, call: Call, *, at: datetime) -> Admitted:
        """What a call asks, once it is shown who calls; it may have come before."""
        known = await self._source(call.source)
        keys = [key for key, end in known.keys if end is None or at < end] if known else []
        verify(call.headers, call.body, keys, at=at)
        assert known is not None
        if not _is_json(call.content_type):
            raise Refusal.of_payload("the content type is not application/json")
        wanted = known.source.request.wanted(parse_body(call.body))
        digest = hashlib.sha256(call.body).hexdigest()
        source = known.source
        claim = Claim(source.name, source.tenant, call.headers.webhook_id, digest)
        return Admitted(source, claim, wanted)

    async def claim(self, calls: Sequence[Admitted]) -> list[Claimed]:
        """Whether each is the first under its id, the same again, or another; for a day."""
        return await self._replays.claim([call.claim for call in calls])

    async def _source(self, name: str) -> _Known | None:
        if time.monotonic() - self._looked > _FRESH:
            async with self._looking:
                if time.monotonic() - self._looked > _FRESH:
                    await self._look()
        return self._known.get(name)

    async def _look(self) -> None:
        contents = await self._sources.contents()
        self._known = {name: self._read(name, content) for name, content in contents.items()}
        self._looked = time.monotonic()

    def _read(self, name: str, content: bytes) -> _Known:
        known = self._known.get(name)
        if known is not None and known.content == content:
            return known
        stored = StoredSource.model_validate_json(content)
        return _Known(content, stored.source, self._sources.keys(stored))


def _is_json(content_type: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    return kind == "application/json" and parameters in ([], ["charset=utf-8"], ['charset="utf-8"'])
