"""The main job from the outside: a report, its files, its figures, its approval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.warehouse import Warehouse
from tests.agent.homes import Home

RUN = "first"


@pytest.fixture(scope="module")
def draft(shared: Home) -> Any:
    """One quarterly report with every format, made once for this module."""
    return shared.run("report", "--template", "quarterly", "--no-input", "--run-id", RUN, "--json")


def test_draft_waits_for_a_person(shared: Home, draft: Any) -> None:
    """A report ends with exit code 3, its files, and the command that approves it."""
    told = json.loads(draft.stdout)

    assert 3 == draft.returncode
    assert f"assay review approve {RUN}" == told["next"]
    assert {".html", ".pdf", ".xlsx", ".md", ".json"} == {Path(f).suffix for f in told["files"]}
    assert all(Path(file).stat().st_size > 1000 for file in told["files"])


def test_every_step_is_shown_on_stderr(draft: Any) -> None:
    """Progress goes to stderr, a line a step, without colour codes when it is no terminal."""
    assert {"clarify", "plan", "retrieve", "analyse", "verify", "compose", "review"} <= set(
        draft.stderr.split()
    )
    assert "\x1b[" not in draft.stderr


def test_every_figure_is_verified(shared: Home, draft: Any) -> None:
    """No figure of the default report is unverified, and none is empty without a reason."""
    figures = shared.report(RUN)["figures"]

    assert len(figures) > 200
    assert [] == [f["id"] for f in figures if not f["verified"]]
    assert [] == [f["id"] for f in figures if f["value"] is None and not f["reason"]]
    assert len(figures) == len({f["id"] for f in figures})


def test_report_fits_its_published_schema(shared: Home, draft: Any) -> None:
    """report.json is valid under the schema that the product ships."""
    schema = json.loads(Path("reports/render/report.schema.json").read_text(encoding="utf-8"))

    jsonschema.validate(shared.report(RUN), schema)


def test_statements_give_the_same_number_of_rows_again(shared: Home, draft: Any) -> None:
    """Each statement in the report runs on the pinned snapshot and returns as many rows."""
    report = shared.report(RUN)
    statements = {e["id"]: e for f in report["figures"] for e in f["evidence"]}
    folder = Path(shared.environment["ASSAY_HOME"]) / "warehouse"
    with Warehouse.open(folder, report["cover"]["snapshot"], max_rows=200_000) as warehouse:
        rows = {name: len(warehouse.execute(e["sql"]).table) for name, e in statements.items()}

    assert {name: e["rows"] for name, e in statements.items()} == rows


def test_same_request_gives_the_same_digest(shared: Home, draft: Any) -> None:
    """The same request on the same snapshot has the same content digest, in any format."""
    shared.run_afresh("report", "--no-input", "--format", "json", "--run-id", "again")

    assert shared.report(RUN)["digest"] == shared.report("again")["digest"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("credit          retrieve", marks=pytest.mark.slow),
        pytest.param("compose", marks=pytest.mark.slow),
        pytest.param("market          analyse", marks=pytest.mark.slow),
    ],
)
def test_killed_run_resumes_to_the_same_report(shared: Home, draft: Any, line: str) -> None:
    """kill -9 in the middle loses nothing: the resumed run ends in the same report."""
    run_id = "killed-" + line.rsplit(maxsplit=1)[-1]
    shared.kill_when(line, "report", "--no-input", "--format", "json", "--run-id", run_id)
    resumed = shared.json("run", "resume", run_id)

    assert ["publication"] == [item["kind"] for item in resumed["items"]], resumed["items"]
    assert shared.report(RUN)["digest"] == resumed["report_digest"]
    assert shared.report(RUN)["figures"] == shared.report(run_id)["figures"]


def test_approval_publishes_once(shared: Home, draft: Any) -> None:
    """Approval marks every file APPROVED, keeps the digest, and can't be given twice."""
    digest = shared.report(RUN)["digest"]
    approved = shared.run("review", "approve", RUN, "--note", "checked")
    published = shared.report(RUN)
    twice = shared.run("review", "approve", RUN)
    breaches = [one for one in shared.json("review", "list") if one["run_id"] == RUN]

    assert (0, "APPROVED", digest) == (
        approved.returncode,
        published["status"],
        published["digest"],
    )
    assert "Ada" == published["attestation"]["by"]
    assert twice.returncode != 0
    assert {
        ("VaR, all desks", "EUR\u00a0+0.16m", "Henrike Falk"),
        ("VaR of EM FX", "EUR\u00a0+0.09m", "Tomas Okafor"),
        ("Use of the fullest counterparty limit", "+8.00\u00a0pp", "Sofia Lindqvist"),
    } == {(b["measure"], b["over"], b["owner"]) for b in (one["breach"] for one in breaches)}
    assert "ok" == shared.run("audit", "verify", RUN).stdout.split(":")[0]
    assert 1 == [e["event"] for e in shared.json("audit", "show", RUN)].count("report.published")


def test_approval_is_bound_to_the_digest(shared: Home, draft: Any) -> None:
    """Approving another digest than the draft's is refused, and the item stays open."""
    refused = shared.run("review", "approve", "again", "--digest", "0" * 64)

    assert "A302" in refused.stderr
    assert "waiting" == shared.json("run", "show", "again")["status"]
