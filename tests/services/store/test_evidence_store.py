"""Blobs, documents and evidence: stored once, named by what they say."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from services.errors import NotFound
from services.evidence import Column, Evidence, SqlSource, Table, make_evidence
from services.store import BlobStore, EvidenceStore, Failure

COLUMNS = (Column(name="desk", type="string"), Column(name="var", type="decimal", unit="EUR"))
ROWS = (("Treasury", Decimal("12.50")), ("FX Spot", None))


def evidence_of(table: Table, sql: str = "SELECT 1") -> Evidence:
    return make_evidence(table, source=SqlSource(), snapshot="s1", as_of=date(2026, 9, 30), sql=sql)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=st.binary(max_size=4000))
async def test_any_bytes_come_back_by_their_digest(redis: Redis, content: bytes) -> None:
    """The digest is SHA-256 of the content, and finds exactly that content."""
    digest = await BlobStore(redis).put(content)

    assert hashlib.sha256(content).hexdigest() == digest
    assert content == await BlobStore(redis).get(digest)


async def test_equal_content_is_stored_once(redis: Redis) -> None:
    """Storing the same thing again, at once or later, adds no key."""
    blobs = BlobStore(redis)
    assert 1 == len(set(await asyncio.gather(*(blobs.put(b"same") for _ in range(10)))))
    assert 1 == await redis.dbsize()


async def test_an_absent_or_damaged_blob_is_not_found(redis: Redis) -> None:
    """What is not there, or no longer what its name says, is never handed out."""
    blobs = BlobStore(redis)
    digest = await blobs.put(b"true")
    await redis.set(f"assay:blob:{digest}", b"false")

    with pytest.raises(NotFound, match="damaged"):
        await blobs.get(digest)
    with pytest.raises(NotFound, match="holds no content"):
        await blobs.get("0" * 64)


async def test_documents_come_back_as_their_type(redis: Redis) -> None:
    """Equal values have one digest, and read back as an equal value."""
    blobs = BlobStore(redis)
    document = Failure(code="A101", message="The store does not answer.")
    digest = await blobs.put_document(document)

    assert digest == await blobs.put_document(document.model_copy())
    assert document == await blobs.get_document(digest, Failure)


async def test_evidence_and_rows_come_back(redis: Redis) -> None:
    """Evidence and its table read back equal."""
    store = EvidenceStore(redis)
    table = Table.from_rows(COLUMNS, ROWS, key=["desk"])
    evidence = evidence_of(table)
    await store.put(evidence, table)

    assert evidence == await store.evidence(evidence.id)
    assert table == await store.table(evidence.id)


async def test_equal_rows_are_stored_once_for_all_evidence(redis: Redis) -> None:
    """Two statements with equal rows share them, and each keeps its own units and key."""
    store = EvidenceStore(redis)
    table = Table.from_rows(COLUMNS, ROWS, key=["desk"])
    in_usd = (COLUMNS[0], COLUMNS[1].model_copy(update={"unit": "USD"}))
    other = Table.from_rows(in_usd, ROWS)
    for evidence, rows in (
        (evidence_of(table), table),
        (evidence_of(other, sql="SELECT 2"), other),
    ):
        await store.put(evidence, rows)

        assert rows == await store.table(evidence.id)
    assert 1 == len(await redis.keys("assay:rows:*"))


async def test_unknown_evidence_is_not_found(redis: Redis) -> None:
    """An id that no evidence has is `NotFound`, for the evidence and for its rows."""
    with pytest.raises(NotFound):
        await EvidenceStore(redis).evidence("ev_0")
    with pytest.raises(NotFound):
        await EvidenceStore(redis).table("ev_0")
