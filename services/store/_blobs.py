"""What is stored once and named by what it says: blobs, documents, evidence and its rows."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import OrderedDict
from typing import Final, TypeVar

from pydantic import BaseModel
from redis.asyncio import Redis

from services.errors import NotFound
from services.evidence import Evidence, Table, canonical_json

from ._connection import redis_errors
from ._values import as_bytes

Document = TypeVar("Document", bound=BaseModel)

_BLOB: Final = "assay:blob:"
_ROWS: Final = "assay:rows:"
_EVIDENCE: Final = "assay:evidence:"


class BlobStore:
    """Bytes and documents by their SHA-256. Storing the same content twice changes nothing."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, content: bytes) -> str:
        """Store *content*; its digest, by which `get` finds it."""
        digest = hashlib.sha256(content).hexdigest()
        with redis_errors():
            await self._redis.set(_BLOB + digest, content, nx=True)
        return digest

    async def get(self, digest: str) -> bytes:
        """The content of *digest*; `NotFound` when it is absent or no longer what was stored."""
        with redis_errors():
            content = await self._redis.get(_BLOB + digest)
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


class EvidenceStore:
    """
    Evidence by its id. Equal rows are stored once, whatever evidence they belong to.

    What this process stored or read last it keeps at hand: evidence never changes under its id.
    """

    def __init__(self, redis: Redis, *, keep: int = 256) -> None:
        self._redis = redis
        self._keep = keep
        self._at_hand: OrderedDict[str, tuple[Evidence, Table]] = OrderedDict()

    async def put(self, evidence: Evidence, table: Table) -> None:
        """Store evidence and rows together; a reader sees both or neither."""
        assert evidence.digest == table.digest, "evidence belongs to other rows"
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as commands:
                commands.set(_ROWS + table.digest, table.to_bytes(), nx=True)
                commands.set(_EVIDENCE + evidence.id, evidence.model_dump_json())
                await commands.execute()
        self._remember(evidence, table)

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
        if content is None:
            raise NotFound(f"The rows of evidence {evidence_id[:40]} are gone.")
        rows = Table.from_bytes(as_bytes(content))
        # Equal rows may come under other units, labels or keys; those are the evidence's own.
        table = dataclasses.replace(rows, columns=evidence.columns, key=evidence.key)
        self._remember(evidence, table)
        return table

    def _remember(self, evidence: Evidence, table: Table) -> None:
        self._at_hand[evidence.id] = (evidence, table)
        while len(self._at_hand) > self._keep:
            self._at_hand.popitem(last=False)
