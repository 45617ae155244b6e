"""What is stored once and named by what it says: blobs, documents, evidence and its rows."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Callable
from itertools import chain
from typing import Final, Self, TypeVar

from pydantic import BaseModel
from redis.asyncio import Redis

from services.errors import NotFound
from services.evidence import Evidence, Table, canonical_json
from services.failpoints import failpoint

from ._connection import redis_errors
from ._objects import ObjectStore, Staged
from ._references import OBJECT, References
from ._values import as_bytes

Document = TypeVar("Document", bound=BaseModel)
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

_BLOB: Final = "assay:blob:"
_ROWS: Final = "assay:rows:"
_EVIDENCE: Final = "assay:evidence:"
_CELLS_AT_HAND: Final = 1_000_000
_CELLS_IN_PASSING: Final = 20_000
_BYTES_IN_PASSING: Final = 100_000
"""Up to here a thread costs more than it spares the others."""


class _Contents:
    """A store of contents. What is put through the store of a run is kept for that run."""

    def __init__(self, redis: Redis, objects: ObjectStore | None = None) -> None:
        self._redis = redis
        self._objects = objects
        self._references = References(redis, objects)
        self._run_id = ""

    def of_run(self, run_id: str) -> Self:
        """
        The same store, on behalf of a run.

        What is put on nobody's behalf, and is not put again for a run, goes at the next collection.
        """
        store = copy.copy(self)
        store._run_id = run_id  # noqa: SLF001 (a copy of our own)
        return store

    async def _put(self, contents: dict[str, bytes | str], staged: Staged | None = None) -> None:
        """Contents by name, and with them one that is a file; a reader sees all or none."""
        if staged and self._objects:
            try:
                # First the reference, then the name: no collection takes the file in between.
                await self._references.put(self._run_id, {}, also=[OBJECT + staged.digest])
                await self._objects.put(staged)
            finally:
                staged.path.unlink(missing_ok=True)
        if contents:
            await self._references.put(self._run_id, contents)


class BlobStore(_Contents):
    """Bytes and documents by their SHA-256. Storing the same content twice changes nothing."""

    @failpoint("blobs.put")
    async def put(self, content: bytes) -> str:
        """Store *content*; its digest, by which `get` finds it."""
        digest = hashlib.sha256(content).hexdigest()
        if self._objects and len(content) >= self._objects.least:
            await self._put({}, await asyncio.to_thread(self._objects.stage, digest, [content]))
        else:
            await self._put({f"blob:{digest}": content})
        return digest

    @failpoint("blobs.get")
    async def get(self, digest: str) -> bytes:
        """The content of *digest*; `NotFound` when it is absent or no longer what was stored."""
        with redis_errors():
            content = await self._redis.get(_BLOB + digest)
        if content is None and self._objects and self._objects.size(digest) is not None:
            content = await asyncio.to_thread(b"".join, self._objects.pieces(digest))
        if content is None:
            raise NotFound(f"The store holds no content with digest {digest[:12]}.")
        if hashlib.sha256(as_bytes(content)).hexdigest() != digest:
            raise NotFound(f"The stored content with digest {digest[:12]} is damaged.")
        return as_bytes(content)

    async def put_document(self, document: BaseModel) -> str:
        """Store a value as canonical JSON; equal values have one digest."""
        return await self.put(canonical_json(document.model_dump(mode="json")))

    async def get_document(self, digest: str, type_: type[Document]) -> Document:
        return type_.model_validate_json(await self.get(digest))


class EvidenceStore(_Contents):
    """
    Evidence by its id. Equal rows are stored once, whatever evidence they belong to.

    What this process stored or read last it keeps at hand, up to a number of cells: evidence
    never changes under its id. Large rows are a file, and are never kept at hand.
    """

    def __init__(
        self, redis: Redis, objects: ObjectStore | None = None, *, keep: int = 256
    ) -> None:
        super().__init__(redis, objects)
        self._keep = keep
        self._at_hand: OrderedDict[str, tuple[Evidence, Table]] = OrderedDict()

    @failpoint("evidence.put")
    async def put(self, evidence: Evidence, table: Table) -> None:
        """Store evidence and rows together; a reader sees both or neither."""
        assert evidence.digest == table.digest, "evidence belongs to other rows"
        packed = await _aside(self._pack, table, when=_cells(table) > _CELLS_IN_PASSING)
        contents: dict[str, bytes | str] = {f"evidence:{evidence.id}": evidence.model_dump_json()}
        if isinstance(packed, bytes):
            await self._put({f"rows:{table.digest}": packed, **contents})
        else:
            await self._put(contents, packed)
        self._remember(evidence, table)

    @failpoint("evidence.get")
    async def evidence(self, evidence_id: str) -> Evidence:
        if evidence_id in self._at_hand:
            return self._at_hand[evidence_id][0]
        with redis_errors():
            content = await self._redis.get(_EVIDENCE + evidence_id)
        if content is None:
            raise NotFound(f"The store holds no evidence {evidence_id[:40]}.")
        return Evidence.model_validate_json(as_bytes(content))

    async def table(self, evidence_id: str) -> Table:
        """The rows, with the columns and key that this evidence gives them."""
        if evidence_id in self._at_hand:
            return self._at_hand[evidence_id][1]
        evidence = await self.evidence(evidence_id)
        with redis_errors():
            content = await self._redis.get(_ROWS + evidence.digest)
        if content is not None:
            large = len(content) > _BYTES_IN_PASSING
            rows = await _aside(Table.from_bytes, as_bytes(content), when=large)
        else:
            rows = await asyncio.to_thread(self._read_large, evidence)
        # Equal rows may come under other units, labels or keys; those are the evidence's own.
        table = dataclasses.replace(rows, columns=evidence.columns, key=evidence.key)
        self._remember(evidence, table)
        return table

    def _pack(self, table: Table) -> bytes | Staged:
        """The encoded rows, on disk when they are large: memory never holds large ones."""
        pieces, size = [], 0
        encoded = table.encoded()
        for piece in encoded:
            pieces.append(piece)
            size += len(piece)
            if self._objects and size >= self._objects.least:
                return self._objects.stage(table.digest, chain(pieces, encoded))
        return b"".join(pieces)

    def _read_large(self, evidence: Evidence) -> Table:
        if self._objects is None or self._objects.size(evidence.digest) is None:
            raise NotFound(
                f"The rows of evidence {evidence.id[:40]} are gone.",
                hint="All machines of one store share one folder of large results (ASSAY_OBJECTS).",
            )
        try:
            table = Table.decoded(self._objects.pieces(evidence.digest))
        except (ValueError, KeyError, RuntimeError, zlib.error, StopIteration) as error:
            raise _damaged(evidence) from error
        if table.digest != evidence.digest:
            raise _damaged(evidence)
        return table

    def _remember(self, evidence: Evidence, table: Table) -> None:
        if _cells(table) > _CELLS_AT_HAND // 4:
            return
        self._at_hand[evidence.id] = (evidence, table)
        while len(self._at_hand) > self._keep or self._cells_at_hand() > _CELLS_AT_HAND:
            self._at_hand.popitem(last=False)

    def _cells_at_hand(self) -> int:
        return sum(_cells(table) for _, table in self._at_hand.values())


def _cells(table: Table) -> int:
    return len(table) * len(table.columns)


async def _aside(work: Callable[[_Given], _Made], given: _Given, *, when: bool) -> _Made:
    return await asyncio.to_thread(work, given) if when else work(given)


def _damaged(evidence: Evidence) -> NotFound:
    return NotFound(f"The stored rows of evidence {evidence.id[:40]} are damaged.")
