"""Runs from the outside: naming, waiting, answering, failing and going on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.agent.homes import Collector, Home

QUESTION = "NPL ratio by segment"


def test_question_becomes_a_report(shared: Home) -> None:
    """A free question gives a report of one section whose figures are verified."""
    done = shared.run("report", QUESTION, "--no-input", "--format", "json,md", "--run-id", "q1")
    report = shared.report("q1")

    assert 3 == done.returncode
    assert ["answer"] == [section["id"] for section in report["sections"]]
    assert all(figure["verified"] for figure in report["figures"])


def test_unclear_question_waits_and_goes_on_with_the_answer(shared: Home) -> None:
    """What is not understood becomes a clarification; the answer takes the run further."""
    asked = shared.run("report", "exposure", "--no-input", "--format", "json", "--run-id", "q2")
    items = shared.json("run", "show", "q2")["items"]
    answered = shared.json("review", "respond", "q2", QUESTION)

    assert 3 == asked.returncode
    assert [("clarification", "open")] == [(item["kind"], item["status"]) for item in items]
    assert ("waiting", "publication") == (answered["status"], answered["items"][0]["kind"])


def test_named_run_is_continued_and_never_doubled(shared: Home) -> None:
    """A second `report --run-id` of the same name shows the run that exists."""
    first = shared.json("report", QUESTION, "--no-input", "--format", "json", "--run-id", "q3")
    again = shared.json("report", "--no-input", "--run-id", "q3")

    assert first["report_digest"] == again["report_digest"]
    assert 1 == [run["id"] for run in shared.json("run", "list", "--limit", "100")].count("q3")


def test_named_run_refuses_another_request(shared: Home) -> None:
    """A name that stands for one request is not taken for another."""
    shared.run("report", QUESTION, "--no-input", "--format", "json", "--run-id", "q4")
    other = shared.run("report", "CET1 ratio", "--no-input", "--run-id", "q4")

    assert 2 == other.returncode
    assert "A411" in other.stderr


def test_rejection_publishes_nothing(shared: Home) -> None:
    """A rejected report is marked so on disk and never published."""
    shared.run("report", QUESTION, "--no-input", "--format", "json", "--run-id", "q5")
    rejected = shared.run("review", "reject", "q5", "--reason", "stale prices")
    events = [entry["event"] for entry in shared.json("audit", "show", "q5")]

    assert 0 == rejected.returncode
    assert "REJECTED" == shared.report("q5")["status"]
    assert "rejected" == shared.json("run", "show", "q5")["status"]
    assert "report.published" not in events


def test_failed_step_is_tried_again_by_resume(shared: Home) -> None:
    """A folder that cannot be written fails the run with its code; mended, the run goes on."""
    blocked = shared.folder / "blocked"
    blocked.mkdir()
    (blocked / "report.json").mkdir()
    options = ("--no-input", "--format", "json", "--run-id", "q6", "--out", str(blocked))
    failed = shared.run("report", QUESTION, *options)
    (blocked / "report.json").rmdir()
    resumed = shared.json("run", "resume", "q6")

    assert 1 == failed.returncode
    assert "A409" in failed.stderr
    assert "assay run resume q6" in failed.stderr
    assert "waiting" == resumed["status"]


def test_resume_of_a_lost_snapshot_says_so(home: Home) -> None:
    """A run whose warehouse file is gone says what is missing instead of reading another."""
    home.run("report", QUESTION, "--no-input", "--format", "json", "--run-id", "q7")
    for file in (Path(home.environment["ASSAY_HOME"]) / "warehouse").glob("*.duckdb"):
        file.unlink()
    lost = home.run("run", "resume", "q7")

    assert 3 == lost.returncode
    assert "A203" in lost.stderr


def test_trace_shows_steps_and_queries(shared: Home) -> None:
    """The trace of a run is a tree of its steps, guard checks and queries, without content."""
    shared.run("report", QUESTION, "--no-input", "--format", "json", "--run-id", "q8")
    spans = shared.json("run", "trace", "q8")
    names = {span["name"] for span in spans}

    assert {"invoke_workflow question", "step retrieve", "execute_tool sql_guard"} <= names
    assert [] == [span["name"] for span in spans if "db.query.text" in span["attributes"]]
    assert "step verify" in shared.run("run", "trace", "q8").stdout


def test_queued_run_is_driven_by_a_worker(home: Home) -> None:
    """`run start` only accepts; a worker drives the run to its wait."""
    started = home.json("run", "start", QUESTION, "--run-id", "q9")
    home.kill_when("q9: waiting", "worker")

    assert "queued" == started["status"]
    assert "waiting" == home.json("run", "show", "q9")["status"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (("report", "--template", "quartely"), 2, "A401"),
        (("report", "--as-of", "1990-01-01"), 2, "A402"),
        (("report", "--format", "docx"), 2, "A400"),
        (("report", "--run-id", "../etc"), 2, "A400"),
        (("report", "--out", "/proc/nowhere"), 1, "A409"),
        (("run", "show", "nobody"), 2, "A406"),
        (("review", "show", "nobody"), 2, "A406"),
        (("ask", "how is the weather"), 1, "A405"),
    ],
)
def test_bad_input_gets_a_clear_error(
    shared: Home, arguments: tuple[str, ...], exit_code: int, code: str
) -> None:
    """Bad input ends in one sentence, a code, a hint and the documented exit code."""
    done = shared.run(*arguments, *(("--no-input",) if arguments[0] == "report" else ()))

    assert (exit_code, "") == (done.returncode, done.stdout)
    assert f"error {code}" in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_warehouse_is_an_error_and_not_rebuilt(home: Home) -> None:
    """A warehouse file that is no DuckDB file is named, and left for its owner."""
    for file in (Path(home.environment["ASSAY_HOME"]) / "warehouse").glob("*.duckdb"):
        file.write_bytes(b"garbage")
    done = home.run("report", "--no-input")

    assert (2, True) == (done.returncode, "A403" in done.stderr)


def test_stopped_server_is_an_error(shared: Home) -> None:
    """With a Redis URL where nothing listens, the store error comes soon and says what to do."""
    done = shared.run("run", "list", ASSAY_REDIS_URL="redis://127.0.0.1:1/0")

    assert (1, True) == (done.returncode, "A101" in done.stderr)


def test_answer_as_json(shared: Home) -> None:
    """`ask --json` gives the rows, the statement, and how the question was understood."""
    answer = shared.json("ask", QUESTION)

    assert ["segment", "npl_ratio"] == [column["name"] for column in answer["columns"]]
    assert answer["sql"].startswith("SELECT")
    assert "NPL ratio" in answer["understood"]
    assert json.dumps(answer["rows"]) == json.dumps(shared.json("ask", QUESTION)["rows"])


def test_own_tables_stand_beside_the_sample(home: Home) -> None:
    """A loaded CSV can be asked at once, with its units, and the sample is still there."""
    file = home.folder / "trades.csv"
    file.write_text("trader,Notional [USD]\nAna,10\nBo,5\nAna,2.5\n", encoding="utf-8")
    home.run("warehouse", "load", str(file))
    answer = home.json("ask", "total trades notional by trader")
    tables = {t["name"]: t["origin"] for t in home.json("warehouse", "show")["tables"]}

    assert ("USD", ["Ana", "Bo"]) == (
        answer["columns"][1]["unit"],
        [row["trader"] for row in answer["rows"]],
    )
    assert ("user", "sample") == (tables["trades"], tables["fx_rates"])


def test_unreadable_file_changes_nothing(home: Home) -> None:
    """A file that is not what its name says is refused, and the warehouse stays as it was."""
    file = home.folder / "x.parquet"
    file.write_bytes(b"garbage")
    before = home.json("warehouse", "show")["snapshot"]
    done = home.run("warehouse", "load", str(file))

    assert (2, True) == (done.returncode, "A410" in done.stderr)
    assert before == home.json("warehouse", "show")["snapshot"]


def test_interrupt_leaves_a_resumable_run(home: Home) -> None:
    """Ctrl-C ends with 130, says how to go on, and the run does go on."""
    stopped = home.interrupt_when(
        "retrieve", "report", "--no-input", "--format", "json", "--run-id", "q10"
    )
    resumed = home.json("run", "resume", "q10")

    assert 130 == stopped.returncode
    assert "run resume q10" in stopped.stderr
    assert "waiting" == resumed["status"]


def test_spans_reach_a_collector(shared: Home) -> None:
    """With the standard variable set, spans are sent to the collector over HTTP."""
    with Collector() as collector:
        shared.run(
            "report",
            QUESTION,
            "--no-input",
            "--format",
            "json",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        )

    assert {"/v1/traces"} == set(collector.paths)
