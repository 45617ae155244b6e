"""Reports and evidence over HTTP: the right bytes, whole or in part, to who may have them."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.intake import prepare
from agent.runner import Runner
from agent.web.api.files import open_file
from services.errors import NotFound
from services.evidence import Column, SqlSource, Table, make_evidence
from tests.agent.driven import QUESTION, approve, nobody
from tests.agent.test_api_runs import put
from tests.agent.test_web_access import carrying, door

CONTENT = bytes(range(256)) * 4


async def with_file(runner: Runner, folder: Path, suffix: str = "json") -> Path:
    """A run whose report is one file of *CONTENT*."""
    folder.mkdir(exist_ok=True)
    path = folder / f"report.{suffix}"
    path.write_bytes(CONTENT)
    request = {"as_of": "2026-06-30", "output": str(folder), "requested_by": "Ada"}
    await put(
        runner,
        1,
        request=request | {"formats": [suffix]},
        output_dir=str(folder),
        report_digest="d",
    )
    return path


async def test_a_report_says_what_it_is(own_runner: Runner) -> None:
    """A draft, then approved, with the digest of its bytes; HTML reaches nothing of ours."""
    accepted = prepare(own_runner.settings, "r1", question=QUESTION, formats=["html", "json"])
    await own_runner.accept("r1", accepted)
    client = await door(own_runner)
    before = await client.get("/v1/runs/r1/report.json")
    await own_runner.drive("r1", nobody)
    draft = (await client.get("/v1/runs/r1/artefacts")).json()["artefacts"]
    await approve(own_runner, "r1")
    approved = (await client.get("/v1/runs/r1/artefacts")).json()["artefacts"]
    page = await client.get(approved[0]["href"])
    digest = hashlib.sha256(page.content).hexdigest()

    assert 404 == before.status_code
    assert ["DRAFT", "DRAFT"] == [file["status"] for file in draft]
    assert [("report.html", "APPROVED"), ("report.json", "APPROVED")] == [
        (file["name"], file["status"]) for file in approved
    ]
    assert (digest, len(page.content)) == (approved[0]["sha256"], approved[0]["size"])
    assert "sandbox" in page.headers["content-security-policy"]
    assert "allow-same-origin" not in page.headers["content-security-policy"]
    assert ("nosniff", 'inline; filename="r1.html"') == (
        page.headers["x-content-type-options"],
        page.headers["content-disposition"],
    )
    assert 404 == (await client.get("/v1/runs/r1/report.pdf")).status_code
    await _evidence_is_the_runs_own(own_runner, client)


async def _evidence_is_the_runs_own(runner: Runner, client: httpx.AsyncClient) -> None:
    """A row set is shown through a run that has it, and through no other."""
    names = await runner.stores.references.of_run("r1")
    evidence = next(name for name in sorted(names) if name.startswith("evidence:"))
    evidence_id = evidence.removeprefix("evidence:")
    await put(runner, 7)
    rows = await client.get(f"/v1/runs/r1/evidence/{evidence_id}?limit=1")

    assert (200, 1) == (rows.status_code, len(rows.json()["rows"]))
    assert 404 == (await client.get(f"/v1/runs/r007/evidence/{evidence_id}")).status_code
    assert 404 == (await client.get("/v1/runs/r1/evidence/ev_00")).status_code
    beyond = await client.get(f"/v1/runs/r1/evidence/{evidence_id}?offset=999999")
    assert (200, []) == (beyond.status_code, beyond.json()["rows"])


@pytest.mark.parametrize(
    ("asked", "status", "first", "end"),
    [
        ({}, 200, 0, 1024),
        ({"Range": "bytes=0-9"}, 206, 0, 10),
        ({"Range": "bytes=1000-"}, 206, 1000, 1024),
        ({"Range": "bytes=1000-99999"}, 206, 1000, 1024),
        ({"Range": "bytes=-24"}, 206, 1000, 1024),
        ({"Range": "bytes=-99999"}, 206, 0, 1024),
        ({"Range": "bytes=1024-"}, 416, 0, 0),
        ({"Range": "bytes=-0"}, 416, 0, 0),
        ({"Range": "bytes=9-0"}, 200, 0, 1024),
        ({"Range": "bytes=0-1,3-4"}, 200, 0, 1024),
        ({"Range": "bytes=-"}, 200, 0, 1024),
        ({"Range": "lines=0-1"}, 200, 0, 1024),
        ({"Range": "bytes=0-9", "If-Range": '"other"'}, 200, 0, 1024),
        ({"Range": "bytes=0-9", "If-Range": "ETAG"}, 206, 0, 10),
        ({"If-None-Match": 'W/"x", ETAG'}, 304, 0, 0),
        ({"If-None-Match": "*"}, 304, 0, 0),
        ({"If-None-Match": '"x"'}, 200, 0, 1024),
    ],
)
async def test_a_file_comes_whole_or_in_part(
    own_runner: Runner, tmp_path: Path, asked: dict[str, str], status: int, first: int, end: int
) -> None:
    """By `Range`, `If-Range` and `If-None-Match`, with the digest of the whole."""
    await with_file(own_runner, tmp_path)
    sha256 = hashlib.sha256(CONTENT)
    headers = {
        name: text.replace("ETAG", f'"{sha256.hexdigest()}"') for name, text in asked.items()
    }
    client = await door(own_runner)
    answer = await client.get("/v1/runs/r001/report.json", headers=headers)
    head = await client.head("/v1/runs/r001/report.json", headers=headers)
    digest = f"sha-256=:{base64.b64encode(sha256.digest()).decode()}:"

    assert status == answer.status_code
    assert (b"", 304 if status == 304 else 200) == (head.content, head.status_code)
    if status in (200, 206):
        assert CONTENT[first:end] == answer.content
        assert digest == answer.headers["repr-digest"]
        assert (digest if status == 200 else None) == answer.headers.get("content-digest")
        assert f'"{sha256.hexdigest()}"' == answer.headers["etag"]
        assert "1024" == head.headers["content-length"]
    if status == 206:
        assert f"bytes {first}-{end - 1}/1024" == answer.headers["content-range"]
    if status == 416:
        assert ("bytes */1024", 416) == (answer.headers["content-range"], answer.json()["status"])


async def test_a_file_that_is_replaced_is_never_mixed(own_runner: Runner, tmp_path: Path) -> None:
    """What was opened is read to its end; a link or a folder in a file's place is none."""
    path = await with_file(own_runner, tmp_path / "out")
    opened = open_file(path)
    other = path.with_name("other")
    other.write_bytes(b"new" * 400)
    other.replace(path)
    again = open_file(path)

    assert hashlib.sha256(CONTENT).hexdigest() == opened.sha256
    assert CONTENT == (opened.file.seek(0), opened.file.read())[1]
    assert hashlib.sha256(b"new" * 400).hexdigest() == again.sha256
    opened.close()
    again.close()
    path.unlink()
    path.symlink_to("/etc/hostname")
    client = await door(own_runner)
    assert 404 == (await client.get("/v1/runs/r001/report.json")).status_code
    path.unlink()
    path.mkdir()
    with pytest.raises(NotFound):
        open_file(path)
    assert [] == (await client.get("/v1/runs/r001/artefacts")).json()["artefacts"]


async def test_confidential_columns_are_masked(own_runner: Runner) -> None:
    """Who decides sees them; who only reads does not, and another tenant sees nothing."""
    columns = (
        Column(name="segment", type="string"),
        Column(name="owner", type="string", sensitivity="confidential"),
        Column(name="npl", type="double", unit="ratio"),
    )
    table = Table.from_rows(columns, [("SME", "Jane Roe", 0.02), ("Retail", "J. Doe", 0.01)])
    evidence = make_evidence(
        table, source=SqlSource(), snapshot="s", as_of=date(2026, 6, 30), sql="SELECT 1"
    )
    await put(own_runner, 1, tenant="a")
    await own_runner.stores.evidence.of_run("r001").put(evidence, dataclasses.replace(table))
    path = f"/v1/runs/r001/evidence/{evidence.id}"
    viewer = await carrying(own_runner, "v", "viewer", tenant="a")
    reviewer = await carrying(own_runner, "r", "reviewer", tenant="a")
    stranger = await carrying(own_runner, "s", "reviewer", tenant="b")
    seen: dict[str, Any] = (await viewer.get(path)).json()
    whole: dict[str, Any] = (await reviewer.get(path)).json()

    assert [["SME", None, 0.02], ["Retail", None, 0.01]] == seen["rows"]
    assert [False, True, False] == [column["masked"] for column in seen["columns"]]
    assert "Roe" not in str(seen)
    assert ["SME", "Jane Roe", 0.02] == whole["rows"][0]
    assert 404 == (await stranger.get(path)).status_code
