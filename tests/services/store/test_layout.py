"""A home of an earlier version opens with all it has; one of a newer version is refused."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services import failpoints
from services.errors import NotFound, SettingInvalid, StoreUnavailable
from services.evidence import Column, SqlSource, Table, canonical_json, encode_column, make_evidence
from services.review import ReviewItem, ReviewQueue
from services.store import (
    LAYOUT,
    OUTBOX,
    BlobStore,
    Event,
    EvidenceStore,
    Failure,
    References,
    RunRecord,
    RunRegistry,
    check_home,
    open_home,
    open_layout,
)
from services.webhooks import Deliveries, Endpoint


def test_a_home_is_marked_at_first_use(tmp_path: Path) -> None:
    """Looking at a home makes nothing; opening it writes the mark once, and leaves it alone."""
    home = tmp_path / "home"
    check_home(home)
    assert not home.exists()
    open_home(home)
    open_home(home)

    assert f"{LAYOUT}\n" == (home / "layout").read_text()
    assert {home / "layout"} == set(home.iterdir())


@pytest.mark.parametrize("mark", ["4", "99\n", "", "next"])
def test_a_newer_home_is_refused(tmp_path: Path, mark: str) -> None:
    """The sentence names the home and the way out, and nothing is touched."""
    (tmp_path / "layout").write_text(mark)
    with pytest.raises(SettingInvalid, match="newer version") as caught:
        open_home(tmp_path)

    assert str(tmp_path) in caught.value.message
    assert "ASSAY_HOME" in caught.value.hint
    assert mark == (tmp_path / "layout").read_text()


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file in the way is an outage with a way out."""
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="home"):
        open_home(tmp_path / "home")


async def test_a_newer_store_is_refused(redis: Redis) -> None:
    """A store that several homes share is told apart by its own mark."""
    await open_layout(redis)
    assert str(LAYOUT).encode() == await redis.get("assay:layout")
    await open_layout(redis)
    await redis.set("assay:layout", LAYOUT + 1)
    with pytest.raises(SettingInvalid, match="newer version"):
        await open_layout(redis)


def encoded_as_before(table: Table) -> bytes:
    """Rows as layout 1 has them."""
    import zlib

    document = {
        "columns": [column.model_dump() for column in table.columns],
        "key": list(table.key),
        "data": [
            encode_column(values, column.type)
            for column, values in zip(table.columns, table.data, strict=True)
        ],
    }
    return zlib.compress(canonical_json(document), level=1)


async def test_runs_of_an_earlier_store_keep_what_they_need(redis: Redis) -> None:
    """Rows, evidence, documents, and what those name, get references; strays are collected."""
    blobs, at = BlobStore(redis), datetime.now(UTC)
    column = Column(name="n", type="integer")
    tables = [Table.from_rows([column], [(number,)]) for number in range(3)]
    evidence = [
        make_evidence(t, source=SqlSource(), snapshot="s", as_of=date(2026, 9, 30)) for t in tables
    ]
    for item, table in zip(evidence, tables, strict=True):
        await redis.set(f"assay:rows:{table.digest}", encoded_as_before(table))
        await redis.set(f"assay:evidence:{item.id}", item.model_dump_json())
    plan = await blobs.put_document(Failure(code="A100", message=f"names {evidence[1].id}"))
    stray = await blobs.put(b"stray")
    state = {"plan": plan, "sections": {"a": {"evidence": [evidence[0].id]}}}
    for run_id in ("r1", "r[2]"):
        record = RunRecord(id=run_id, request={}, created_at=at, updated_at=at)
        await RunRegistry(redis).create(record)
    # As the checkpointer of that layout stored a channel: its name and version, its encoding, its value.
    value = b'["json"]\0' + json.dumps(state).encode()
    await redis.hset("assay:checkpoint:{r[2]}:values:", "state\0" + "1.0", value)
    await open_layout(redis)
    await References(redis).collect()

    store = EvidenceStore(redis)
    assert tables[:2] == [await store.table(item.id) for item in evidence[:2]]
    assert "A100" == (await blobs.get_document(plan, Failure)).code
    for absent in (blobs.get(stray), store.table(evidence[2].id)):
        with pytest.raises(NotFound):
            await absent
    assert set() == await References(redis).of_run("r1")
    assert 5 == len(await References(redis).of_run("r[2]"))


async def test_an_earlier_store_gets_its_indexes_once(redis: Redis) -> None:
    """Whatever a crash left of them; what is indexed then is what would be if it always had been."""
    at = datetime.now(UTC)
    registry, reviews, deliveries = RunRegistry(redis), ReviewQueue(redis), Deliveries(redis)
    for number in range(6):
        tenant = ("", "a", "b")[number % 3]
        fields = {"id": f"r{number}", "tenant": tenant, "forked_from": f"r{number - 3}"}
        run = RunRecord(request={}, created_at=at, updated_at=at, **fields)
        await registry.create(run if number > 2 else run.model_copy(update={"forked_from": ""}))
        said = {
            "kind": "clarification",
            "title": "t",
            "question": "q",
            "code": "",
            "choices": ("respond",),
        }
        item = ReviewItem.for_wait(f"r{number}", "i", created_at=at, tenant=tenant, **said)
        await reviews.open_item(item)
        event = Event.of(
            "run.done", {"run_id": f"r{number}"}, key=str(number), at=at, tenant=tenant
        )
        endpoint = Endpoint(id="e", url="https://x.example", sealed="", created_at=at)
        line = event.model_dump_json().encode()
        await redis.rpush(OUTBOX, line)
        await deliveries.hand_out(line, [endpoint], at=at)
    await open_layout(redis)
    whole = {key: await redis.dump(key) for key in await redis.keys("*")}
    made = [
        key
        for key in whole
        if (b":of:" in key and b"revision" not in key) or b":forks:" in key or b"hook:run:" in key
    ]
    await redis.delete(*made)
    await redis.set("assay:layout", 2)
    failpoints.set_traps("layout.index:before=crash@3")
    with pytest.raises(failpoints.Crash):
        await open_layout(redis)
    failpoints.set_traps("")
    assert b"2" == await redis.get("assay:layout")
    await asyncio.gather(open_layout(redis), open_layout(redis))

    assert 4 * 3 + 3 + 6 == len(made)  # four indexes of three tenants, forks, deliveries of runs
    assert whole == {key: await redis.dump(key) for key in await redis.keys("*")}
    assert ["r5", "r2"] == [run.id for run in await registry.list(tenant="b")]
    assert ["r4"] == [run.id for run in await registry.forks("r1")]
