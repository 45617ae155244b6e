"""The audit log from the outside: what a run leaves in it, and how it is verified and kept."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from services.audit import AuditLog, events
from services.store import Redis, connect
from tests.agent.homes import Home
from tests.services.model_server import serving

QUESTION = "NPL ratio by segment"
RUN = "audited"


@pytest.fixture(scope="module")
def report(shared: Home) -> dict[str, Any]:
    """A run that waits for approval."""
    shared.run("report", QUESTION, "--no-input", "--format", "json,md", "--run-id", RUN)
    return shared.report(RUN)


def in_store(home: Home, work: Callable[[Redis], Coroutine[Any, Any, Any]]) -> Any:
    """Do something to a home's store behind the product's back."""

    async def run() -> Any:
        async with connect(None, Path(home.environment["ASSAY_HOME"])) as redis:
            return await work(redis)

    return asyncio.run(run())


def test_a_printed_head_verifies(shared: Home, report: dict[str, Any]) -> None:
    """The head in a draft, and the one in the published report, are held by the log."""
    draft = report["audit"]["head"]
    shared.run("review", "approve", RUN)
    published = shared.report(RUN)["audit"]["head"]
    checked = [shared.run("audit", "verify", RUN, "--head", head) for head in (draft, published)]
    wrong = shared.run("audit", "verify", RUN, "--head", "0123" * 16)

    assert draft != published
    assert [(0, "ok"), (0, "ok")] == [(c.returncode, c.stdout.partition(":")[0]) for c in checked]
    assert (6, "BROKEN") == (wrong.returncode, wrong.stdout[:6])


def test_entries_are_as_the_table_says(shared: Home, report: dict[str, Any]) -> None:
    """Each entry is of a known event, and says what the table of events says it does."""
    rows = re.findall(
        r"^\| `([\w.]+)` +\| (.+?)\|\n((?:\| {22}\|.+\n)*)", events.__doc__ or "", re.MULTILINE
    )
    table = {name: fields + more for name, fields, more in rows}
    entries = shared.json("audit", "show", RUN)
    unknown = [
        (entry["event"], field)
        for entry in entries
        for field in entry["fields"]
        if not re.search(rf"\b{field}\b|the same", table[entry["event"]]) and entry["fields"][field]
    ]

    assert {"run.accepted", "step.started", "step.finished", "statement.checked"} <= {
        entry["event"] for entry in entries
    }
    assert [] == unknown


def test_every_query_has_its_verdict_before_it(shared: Home, report: dict[str, Any]) -> None:
    """A statement's verdict, and the tables it reads, stand before its rows are evidence."""
    found = [
        entry["event"]
        for entry in shared.json("audit", "show", RUN)
        if entry["fields"].get("section") == "answer"
    ]
    first = next(e for e in shared.json("audit", "show", RUN) if e["event"] == "statement.checked")

    assert (
        found.index("statement.checked") < found.index("query.run") < found.index("claims.checked")
    )
    assert ("allowed", 64) == (first["fields"]["verdict"], len(first["fields"]["sql"]))


def test_no_words_of_a_user_leave_the_store(shared: Home, report: dict[str, Any]) -> None:
    """An export holds neither the question nor who asked; the run's owner sees who asked."""
    exported = shared.run("audit", "export", RUN).stdout

    assert "Ada" not in exported
    assert QUESTION not in exported
    assert "Ada" == shared.json("audit", "show", RUN)[0]["fields"]["by"]


def test_an_export_is_verified_without_a_store(shared: Home, report: dict[str, Any]) -> None:
    """All logs of a home verify from the file alone; a changed line is named."""
    file = shared.folder / "audit.jsonl"
    file.write_text(shared.run("audit", "export", "--all").stdout, encoding="utf-8")
    nowhere = {"ASSAY_REDIS_URL": "redis://127.0.0.1:1/0"}
    good = shared.run("audit", "verify", "--file", str(file), **nowhere)
    file.write_text(file.read_text("utf-8").replace("run.accepted", "run.rejected", 1))
    bad = shared.run("audit", "verify", "--file", str(file), **nowhere)

    assert (0, "ok") == (good.returncode, good.stdout[:2])
    assert (6, True) == (bad.returncode, "BROKEN at entry 1 of " in bad.stdout)


def test_an_anchor_is_signed_and_held(shared: Home, report: dict[str, Any]) -> None:
    """A signed anchor verifies with its key as long as the log goes on behind it."""
    key = Ed25519PrivateKey.generate()
    private, public, anchor = (shared.folder / name for name in ("key.pem", "pub.pem", "a.json"))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    anchor.write_text(shared.run("audit", "anchor", "--key", str(private)).stdout)
    options = ("audit", "verify", "--anchor", str(anchor), "--public-key", str(public))
    held = shared.run(*options)
    document = json.loads(anchor.read_text())
    anchor.write_text(json.dumps(document | {"entries": document["entries"] - 1}))
    forged = shared.run(*options)
    other = shared.run(*options[:-1], str(private))

    assert (0, 6, 2) == (held.returncode, forged.returncode, other.returncode)
    assert "not signed by that key" in forged.stdout
    assert "A410" in other.stderr


def test_a_model_call_is_on_record(home: Home) -> None:
    """A call of a model is recorded by digests and counts, an answer that is no use too."""
    with serving() as server:
        server.answers[:] = ["no JSON of mine"]
        home.run(
            "report",
            "exposure of everything",
            "--no-input",
            "--run-id",
            "m",
            ASSAY_MODEL_URL=server.url,
        )
    calls = [e["fields"] for e in home.json("audit", "show", "m") if e["event"] == "model.called"]

    assert len(server.requests) == len(calls) > 0
    assert {("sql", "metric_query", "A103", "tiny-1")} == {
        (call["role"], call["schema"], call["outcome"], call["model"]) for call in calls
    }
    assert {64} == {len(call[name]) for call in calls for name in ("prompt", "answer")}
    assert "no JSON of mine" not in home.run("audit", "export").stdout


def test_what_happens_to_the_store_is_found(home: Home) -> None:
    """A changed entry, and then a run's whole log gone, end in exit code 6 and the place."""
    home.run("report", QUESTION, "--no-input", "--format", "json", "--run-id", "t")
    before = home.run("audit", "verify")
    in_store(home, lambda redis: redis.lset("assay:audit:t", 4, b"{}"))
    changed = home.run("audit", "verify", "t")
    document = home.json("audit", "verify", "--all")
    in_store(home, lambda redis: redis.delete("assay:audit:t"))
    gone = home.run("audit", "verify")

    assert (0, 6, 6) == (before.returncode, changed.returncode, gone.returncode)
    assert "BROKEN at entry 5 of t: the entry cannot be read" in changed.stdout
    assert (False, {"run": "t", "seq": 5}) == (
        document["ok"],
        {name: document["flaws"][0][name] for name in ("run", "seq")},
    )
    assert "of t: the log is missing" in gone.stdout


def test_an_erased_person_is_shown_as_erased(home: Home) -> None:
    """After an erasure the log verifies, says how much is gone, and names nobody."""
    home.run("report", QUESTION, "--no-input", "--format", "json", "--run-id", "e")

    async def erase(redis: Redis) -> None:
        from agent.runner import now

        await AuditLog(redis).erase_person("Ada", by="Grace", at=now())

    in_store(home, erase)
    verified = home.run("audit", "verify", "e")

    assert (0, True) == (verified.returncode, "1 personal values were erased" in verified.stdout)
    assert "(erased)" == home.json("audit", "show", "e")[0]["fields"]["by"]
    assert "Grace" == home.json("audit", "show", "@system")[0]["fields"]["by"]


def test_unknown_runs_are_named(shared: Home, report: dict[str, Any]) -> None:
    """A run that never was is an error, not a sound empty log."""
    for command in ("verify", "show", "export"):
        done = shared.run("audit", command, "nobody")

        assert (2, True) == (done.returncode, "A406" in done.stderr)
