"""Exports say what the store says, and are verified without it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from services.audit import AuditLog, export, verify_all, verify_file, verify_run
from services.errors import FileUnreadable
from tests.services.audit.audit_logs import NOON, Stored, changed, resealed, three_runs


async def exported(log: AuditLog, run: str = "", seconds: int | None = None) -> list[str]:
    since = None if seconds is None else NOON + timedelta(seconds=seconds)
    return [line async for line in export(log, run, at=NOON, since=since)]


def written(folder: Path, lines: list[str]) -> Path:
    file = folder / "audit.jsonl"
    file.write_text("".join(lines), encoding="utf-8")
    return file


async def test_an_export_verifies_as_its_store(redis: Redis, tmp_path: Path) -> None:
    """All logs, and a run's, verify from a file with the store's own entries and head."""
    log = await three_runs(redis)
    store, run = await verify_all(log), await verify_run(log, "a")
    every = verify_file(written(tmp_path, await exported(log)), head=store.head)
    one = verify_file(written(tmp_path, await exported(log, "a")), head=run.head)

    assert (True, store.entries, store.head, store.logs) == (
        every.ok,
        every.entries,
        every.head,
        every.logs,
    )
    assert (True, "a", run.entries, run.head) == (one.ok, one.run, one.entries, one.head)


async def test_an_export_says_nothing_of_persons(redis: Redis) -> None:
    """Names and reasons stay in the store."""
    text = "".join(await exported(await three_runs(redis)))

    assert "personal:" in text
    assert not any(word in text for word in ("person 0", "Grace"))


async def test_every_line_is_an_object_of_a_kind(redis: Redis) -> None:
    """JSON Lines: an opening, the links, the entries, an end that counts them."""
    lines = [json.loads(line) for line in await exported(await three_runs(redis))]

    assert ["audit", *["link"] * 19, *["entry"] * 19, "end"] == [line["kind"] for line in lines]
    assert {"kind": "end", "entries": 19, "links": 19} == lines[-1]


async def test_a_part_verifies_from_its_first_entry(redis: Redis, tmp_path: Path) -> None:
    """An export since some time holds the later entries, chained and linked as ever."""
    log = await three_runs(redis)
    for run in ("", "b"):
        lines = await exported(log, run, seconds=4)
        found = verify_file(written(tmp_path, lines))
        entries = [d["entry"] for line in lines if (d := json.loads(line))["kind"] == "entry"]

        assert (True, {5, 6}) == (found.ok, {entry["seq"] for entry in entries})
    nothing = verify_file(written(tmp_path, await exported(log, "b", seconds=99)))

    assert (True, 0) == (nothing.ok, nothing.entries)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), run=st.sampled_from(["", "b"]))
async def test_a_changed_file_is_found(
    redis: Redis, tmp_path: Path, data: st.DataObject, run: str
) -> None:
    """Whatever line is changed, lost, moved or put in twice, the file is not sound."""
    await redis.flushall()
    lines = await exported(await three_runs(redis), run)
    place = data.draw(st.integers(1, len(lines) - 3), label="line")
    kind = data.draw(st.sampled_from(["edit", "drop", "swap", "double", "cut", "garbage"]))
    match kind:
        case "drop":
            del lines[place]
        case "swap":
            lines[place], lines[place + 1] = lines[place + 1], lines[place]
        case "double":
            lines.insert(place, lines[place])
        case "cut":
            del lines[place:]
        case "garbage":
            lines[place] = "garbage\n"
        case _:
            document = json.loads(lines[place])
            if document["kind"] == "link":
                document["link"] = document["link"].replace(" 1 ", " 2 ")[:-1] + "x"
            else:
                document["entry"]["event"] += "x"
            lines[place] = json.dumps(document) + "\n"
    kinds = {line.partition('"kind":"')[2].partition('"')[0] for line in lines[place : place + 2]}
    found = verify_file(written(tmp_path, lines))

    # A link and an entry may stand in any order.
    assert found.ok == (kind == "swap" and kinds == {"link", "entry"})


async def test_a_store_that_was_tampered_with_exports_its_flaws(
    redis: Redis, tmp_path: Path
) -> None:
    """An export shows what is stored: what was changed there is found in the file, at its place."""
    await three_runs(redis)
    original = await Stored.read(redis)
    for line in (b"garbage", changed(original.lists["b"][2], event="y")):
        stored = original.copy()
        stored.lists["b"][2] = line
        await stored.put(redis)
        found = verify_file(written(tmp_path, await exported(AuditLog(redis))))

        assert {("b", 3)} == {(flaw.run, flaw.seq) for flaw in found.flaws}
    stored = original.copy()
    stored.lists["b"][5] = resealed(stored.lists["b"][5], event="y")
    await stored.put(redis)

    assert {("b", 6)} == {
        (flaw.run, flaw.seq)
        for flaw in verify_file(written(tmp_path, await exported(AuditLog(redis)))).flaws
    }


async def test_a_head_that_the_file_does_not_hold(redis: Redis, tmp_path: Path) -> None:
    """A file that ends before a noted head has lost its end."""
    log = await three_runs(redis)
    lines, before = await exported(log, "a"), await exported(log)
    await log.append("a", "later", {}, at=NOON)

    assert not verify_file(written(tmp_path, lines), head=await log.head("a")).ok
    assert not verify_file(written(tmp_path, before), head=(await log.global_head())[1]).ok


@pytest.mark.parametrize("content", ["", "{}\n", '{"kind":"audit","version":99}\n', "\x00\n"])
def test_another_file_is_no_export(tmp_path: Path, content: str) -> None:
    """A file that is no export is told apart from one that was changed."""
    file = tmp_path / "x"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(FileUnreadable):
        verify_file(file)
    with pytest.raises(FileUnreadable):
        verify_file(tmp_path / "nowhere")
