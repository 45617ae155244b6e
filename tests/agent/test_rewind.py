"""Back to any step, copies with changes, publications taken back, and what changed."""

from __future__ import annotations

from typing import Any

import pytest

from agent.rewind import Place
from services.errors import Invalid
from tests.agent.homes import Home

QUESTION = "NPL ratio by segment"


def report(home: Home, run_id: str, question: str = QUESTION) -> dict[str, Any]:
    return dict(home.json("report", question, "--no-input", "--format", "json", "--run-id", run_id))


def steps(home: Home, run_id: str) -> list[str]:
    """The steps that the run has finished, in order."""
    return [
        entry["fields"]["step"]
        for entry in home.json("audit", "show", run_id)
        if entry["event"] == "step.finished"
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("plan", Place("plan")),
        ("retrieve:market", Place("retrieve", "market")),
        ("analyse:answer", Place("analyse", "answer")),
    ],
)
def test_a_place_is_a_step_or_a_step_of_a_section(text: str, place: Place) -> None:
    """And is printed as it is written."""
    assert place == Place.parse(text)
    assert text == str(place)


@pytest.mark.parametrize("text", ["", "publish", "ask", "retrieve", "plan:market", "verify:market"])
def test_other_places_cannot_be_gone_back_to(text: str) -> None:
    """The error lists those that can."""
    with pytest.raises(Invalid, match="no step"):
        Place.parse(text)


@pytest.mark.parametrize(
    ("place", "again"),
    [
        ("clarify", ["clarify", "plan", "retrieve", "analyse", "verify", "compose", "review"]),
        ("plan", ["plan", "retrieve", "analyse", "verify", "compose", "review"]),
        ("retrieve:answer", ["retrieve", "analyse", "verify", "compose", "review"]),
        ("analyse:answer", ["analyse", "verify", "compose", "review"]),
        ("compose", ["compose", "review"]),
        ("review", ["review"]),
    ],
)
def test_a_rollback_does_again_what_came_after(shared: Home, place: str, again: list[str]) -> None:
    """And nothing that came before; the report is the same, and its old item is closed."""
    name = f"back-{place.replace(':', '-')}"
    first = report(shared, name)
    before = len(steps(shared, name))
    second = shared.json("run", "rollback", name, "--to", place, "--reason", "wrong table")
    items = shared.json("run", "show", name)["items"]
    log = [entry["event"] for entry in shared.json("audit", "show", name)]

    assert again == steps(shared, name)[before:]
    assert first["report_digest"] == second["report_digest"]
    assert ["superseded", "open"] == [item["status"] for item in items]
    assert 1 == log.count("run.rolled_back")


def test_one_section_is_done_again_and_no_other(home: Home) -> None:
    """The others keep their results."""
    done = home.run("report", "--no-input", "--format", "json", "--run-id", "r1")
    assert 3 == done.returncode
    before = len(steps(home, "r1"))
    digest = home.json("run", "show", "r1")["report_digest"]
    again = home.json("run", "rollback", "r1", "--to", "retrieve:market")
    unknown = home.run("run", "rollback", "r1", "--to", "retrieve:weather")

    assert ["retrieve", "analyse", "verify", "compose", "review"] == steps(home, "r1")[before:]
    assert digest == again["report_digest"]
    assert 2 == unknown.returncode
    assert "Its sections" in unknown.stderr


def test_a_published_report_is_not_rolled_back_but_withdrawn(shared: Home) -> None:
    """Its files say so, with the reason; withdrawing again changes nothing."""
    digest = report(shared, "w1")["report_digest"]
    shared.run("review", "approve", "w1")
    refused = shared.run("run", "rollback", "w1", "--to", "plan")
    first = shared.json("run", "withdraw", "w1", "--reason", "restated")
    content = shared.report("w1")
    again = shared.json("run", "withdraw", "w1", "--reason", "something else")
    log = [entry["event"] for entry in shared.json("audit", "show", "w1")]

    assert 2 == refused.returncode
    assert ("withdrawn", "withdrawn") == (first["status"], again["status"])
    assert ("WITHDRAWN", digest) == (content["status"], content["digest"])
    assert "restated" == content["attestation"]["note"]
    assert content == shared.report("w1")
    assert 1 == log.count("report.withdrawn")
    assert "ok" in shared.run("audit", "verify", "w1").stdout


def test_what_was_not_published_cannot_be_withdrawn(shared: Home) -> None:
    """It is cancelled instead."""
    report(shared, "w2")
    refused = shared.run("run", "withdraw", "w2", "--reason", "x")
    cancelled = shared.json("run", "cancel", "w2")
    decided = shared.run("review", "approve", "w2")

    assert 2 == refused.returncode
    assert "cancelled" == cancelled["status"]
    assert 0 != decided.returncode


def test_a_fork_answers_what_if_and_leaves_the_run_as_it_is(shared: Home) -> None:
    """The copy has another question; the difference is listed; the run still waits."""
    report(shared, "f1")
    forked = shared.json(
        "run", "fork", "f1", "--at", "clarify", "--set", "question=NPL ratio by sector",
        "--run-id", "f1b",
    )  # fmt: skip
    difference = shared.json("run", "diff", "f1", "f1b")
    kinds = {one["what"] for one in difference["differences"]}

    assert "waiting" == forked["status"]
    assert {"request", "figure", "finding"} <= kinds
    assert "waiting" == shared.json("run", "show", "f1")["status"]
    assert shared.report("f1")["digest"] != shared.report("f1b")["digest"]


@pytest.mark.parametrize("place", ["plan", "retrieve:answer", "analyse:answer", "compose"])
def test_a_fork_without_changes_ends_in_the_same_report(shared: Home, place: str) -> None:
    """From whatever step it goes on."""
    name = f"f2-{place.replace(':', '-')}"
    first = report(shared, name)
    copy = shared.json("run", "fork", name, "--at", place, "--run-id", f"{name}-copy")
    difference = shared.json("run", "diff", name, f"{name}-copy")

    assert first["report_digest"] == copy["report_digest"]
    assert (True, []) == (difference["same_report"], difference["differences"])


def test_a_fork_changes_nothing_that_was_used_before(shared: Home) -> None:
    """As-of is settled before the plan; nor can it set what no request has."""
    report(shared, "f3")
    late = shared.run("run", "fork", "f3", "--at", "compose", "--set", "as_of=2026-06-30")
    unknown = shared.run("run", "fork", "f3", "--at", "clarify", "--set", "limit=3")
    broken = shared.run("run", "fork", "f3", "--at", "clarify", "--set", "as_of=yesterday")

    assert [2, 2, 2] == [late.returncode, unknown.returncode, broken.returncode]
    assert "Fork at clarify" in late.stderr
    assert "as_of" in unknown.stderr


def test_history_shows_checkpoints_tries_and_effects(shared: Home) -> None:
    """In order, with everything that a person did."""
    report(shared, "h1")
    shared.run("run", "rollback", "h1", "--to", "compose")
    shared.run("review", "approve", "h1")
    moments = shared.json("run", "history", "h1")
    what = [moment["what"] for moment in moments]

    assert sorted(moment["at"] for moment in moments) == [moment["at"] for moment in moments]
    assert {"checkpoint", "log", "effect"} == {moment["kind"] for moment in moments}
    assert {"run.rolled_back", "review.decided", "publish done"} <= set(what)
    assert 2 <= what.count("next: compose")
    assert "next: compose" in shared.run("run", "history", "h1").stdout


def test_a_question_that_failed_is_worded_anew(shared: Home) -> None:
    """`edit` goes on with another question."""
    asked = shared.run("report", "exposure", "--no-input", "--format", "json", "--run-id", "e1")
    answered = shared.json("review", "respond", "e1", QUESTION)

    assert 3 == asked.returncode
    assert "publication" == answered["items"][0]["kind"]


def test_a_budget_that_is_used_up_asks_a_person(shared: Home) -> None:
    """Approving lets the run use as much again; it then goes on to its end."""
    options = ("--no-input", "--format", "json", "--run-id", "b1")
    stopped = shared.run("report", QUESTION, *options, ASSAY_RUN_ROWS="1")
    item = shared.json("run", "show", "b1")["items"][0]
    for _ in range(6):
        answer = shared.json("review", "approve", "b1", ASSAY_RUN_ROWS="1")
        if answer["items"][0]["kind"] == "publication":
            break

    assert 3 == stopped.returncode
    assert ("held", "A204") == (item["kind"], item["code"])
    assert "publication" == answer["items"][0]["kind"]


def test_a_run_of_another_version_asks_a_person(
    shared: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approving goes on under this version, with the finished steps kept."""
    report(shared, "v1")
    change = (
        "import asyncio, datetime\n"
        "from agent.stores import open_stores\n"
        "from services.settings import load_settings\n"
        "async def main():\n"
        "    async with open_stores(load_settings()) as stores:\n"
        "        await stores.runs.update('v1', at=datetime.datetime.now(datetime.UTC), graph_version='0')\n"
        "asyncio.run(main())\n"
    )
    shared.python(change)
    held = shared.run("run", "resume", "v1")
    items = shared.json("run", "show", "v1")["items"]
    answer = shared.json("review", "approve", next(i["id"] for i in items if i["kind"] == "held"))

    assert 3 == held.returncode
    assert "A205" in [item["code"] for item in items]
    assert "waiting" == answer["status"]
    assert "publication" == answer["items"][0]["kind"]
