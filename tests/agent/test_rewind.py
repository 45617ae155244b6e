"""Back to any step, copies with changes, publications taken back, and what changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.comparison import compare
from agent.driving import now
from agent.history import history
from agent.intake import prepare
from agent.opening import open_retriever
from agent.rewind import Place
from agent.runner import Runner
from services.audit import verify_run
from services.errors import DecisionRefused, InputConflict, Invalid, NotFound, QueryTimedOut
from services.retrieval import Retriever
from services.review import Approve, Edit, Reject
from services.settings import Settings
from tests.agent.driven import QUESTION, approve, entries, nobody, report, steps, waiting


@pytest.fixture
async def runner(make_runner: Any) -> AsyncIterator[Runner]:
    async with make_runner() as made:
        yield made


def on_disk(runner: Runner, run_id: str) -> dict[str, Any]:
    path = Path(runner.settings.output).absolute() / run_id / "report.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


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


async def test_a_rollback_does_again_what_came_after(runner: Runner) -> None:
    """And nothing that came before; the report is the same, and its old item is closed."""
    again = {
        "clarify": ["clarify", "plan", "retrieve", "analyse", "verify", "compose", "review"],
        "plan": ["plan", "retrieve", "analyse", "verify", "compose", "review"],
        "retrieve:answer": ["retrieve", "analyse", "verify", "compose", "review"],
        "analyse:answer": ["analyse", "verify", "compose", "review"],
        "compose": ["compose", "review"],
        "review": ["review"],
    }
    first = await report(runner, "r1")
    for place, expected in again.items():
        before = len(await steps(runner, "r1"))
        [old] = await waiting(runner, "r1")
        await runner.rollback("r1", Place.parse(place), by="Ada", reason="wrong table")
        assert [] == await waiting(runner, "r1")
        second = await runner.drive("r1", nobody)

        assert expected == (await steps(runner, "r1"))[before:]
        assert first.report_digest == second.report_digest
        assert "superseded" == (await runner.stores.reviews.get(old.id)).status
    assert len(again) == len(await entries(runner, "r1", "run.rolled_back"))
    assert (await verify_run(runner.stores.audit, "r1")).ok


async def test_one_section_is_done_again_and_no_other(runner: Runner, quarterly: str) -> None:
    """The others keep their results."""
    before = len(await steps(runner, quarterly))
    digest = (await runner.stores.runs.get(quarterly)).report_digest
    with pytest.raises(NotFound) as unknown:
        await runner.rollback(quarterly, Place("retrieve", "weather"), by="Ada")
    await runner.rollback(quarterly, Place("retrieve", "market"), by="Ada")
    again = await runner.drive(quarterly, nobody)

    assert ["retrieve", "analyse", "verify", "compose", "review"] == (
        await steps(runner, quarterly)
    )[before:]
    assert digest == again.report_digest
    assert "market" in unknown.value.hint


@pytest.fixture
async def quarterly(runner: Runner) -> str:
    """A report of many sections, driven to where it waits."""
    await runner.accept("many", prepare(runner.settings, "many", formats=["json"]))
    await runner.drive("many", nobody)
    return "many"


async def test_a_published_report_is_not_rolled_back_but_withdrawn(runner: Runner) -> None:
    """Its files say so, with the reason; withdrawing again changes nothing."""
    digest = (await report(runner, "w1")).report_digest
    await approve(runner, "w1")
    with pytest.raises(InputConflict):
        await runner.rollback("w1", Place("plan"), by="Ada")
    first = await runner.withdraw("w1", by="Ada", reason="restated")
    content = on_disk(runner, "w1")
    again = await runner.withdraw("w1", by="Bob", reason="something else")
    [effect] = await runner.stores.effects.of_run("w1")

    assert ("withdrawn", "withdrawn") == (first.status, again.status)
    assert ("WITHDRAWN", digest) == (content["status"], content["digest"])
    assert "restated" == content["attestation"]["note"]
    assert content == on_disk(runner, "w1")
    assert "compensated" == effect.state
    assert 1 == len(await entries(runner, "w1", "report.withdrawn"))
    assert (await verify_run(runner.stores.audit, "w1")).ok


async def test_what_was_not_published_cannot_be_withdrawn(runner: Runner) -> None:
    """It is cancelled instead, and nobody can approve it any more."""
    await report(runner, "w2")
    [item] = await waiting(runner, "w2")
    with pytest.raises(InputConflict, match="published nothing"):
        await runner.withdraw("w2", by="Ada", reason="x")
    cancelled = await runner.cancel("w2", by="Ada")
    with pytest.raises(DecisionRefused):
        await approve(runner, item.id)

    assert "cancelled" == cancelled.status
    assert "DRAFT" == on_disk(runner, "w2")["status"]


async def test_a_fork_answers_what_if_and_leaves_the_run_as_it_is(runner: Runner) -> None:
    """The copy has another question; the difference is listed; the run still waits."""
    await report(runner, "f1")
    other = {"question": "NPL ratio by sector"}
    await runner.fork("f1", "f1b", Place("clarify"), by="Ada", changes=other)
    forked = await runner.drive("f1b", nobody)
    difference = await compare(runner.stores, runner.graph, "f1", "f1b")

    assert ("waiting", "f1") == (forked.status, forked.forked_from)
    assert {"request", "figure", "finding"} <= {one.what for one in difference.differences}
    assert 1 == len(await waiting(runner, "f1"))
    assert on_disk(runner, "f1")["digest"] != on_disk(runner, "f1b")["digest"]


@pytest.mark.parametrize("place", ["plan", "retrieve:answer", "analyse:answer", "compose"])
async def test_a_fork_without_changes_ends_in_the_same_report(runner: Runner, place: str) -> None:
    """From whatever step it goes on; and it lives on when the run it came from is gone."""
    first = await report(runner, "f2")
    await runner.fork("f2", "f2b", Place.parse(place), by="Ada", changes={})
    await runner.stores.references.release("f2")
    copy = await runner.drive("f2b", nobody)
    await approve(runner, "f2b")
    difference = await compare(runner.stores, runner.graph, "f2b", "f2b")

    assert first.report_digest == copy.report_digest
    assert (True, ()) == (difference.same_report, difference.differences)


async def test_a_fork_changes_nothing_that_was_used_before(runner: Runner) -> None:
    """As-of is settled before the plan; nor can it set what no request has."""
    await report(runner, "f3")
    for number, (place, changes, said) in enumerate(
        [
            ("compose", {"as_of": "2026-06-30"}, "have used as_of"),
            ("clarify", {"limit": "3"}, "cannot set limit"),
            ("clarify", {"as_of": "yesterday"}, "as_of is not valid"),
        ]
    ):
        with pytest.raises(Invalid, match=said):
            await runner.fork("f3", f"f3-{number}", Place(place), by="Ada", changes=changes)


async def test_history_shows_checkpoints_tries_and_effects(runner: Runner) -> None:
    """In order, with everything that a person did."""
    await report(runner, "h1")
    await runner.rollback("h1", Place("compose"), by="Ada")
    await runner.drive("h1", nobody)
    await approve(runner, "h1")
    moments = await history(runner.stores, runner.graph, "h1")
    what = [moment.what for moment in moments]

    assert sorted(moment.at for moment in moments) == [moment.at for moment in moments]
    assert {"checkpoint", "log", "effect"} == {moment.kind for moment in moments}
    assert {"run.rolled_back", "review.decided", "publish done"} <= set(what)
    assert 2 <= what.count("next: compose")
    assert any("by Ada" in moment.detail for moment in moments if moment.what == "review.decided")


async def test_a_question_that_failed_is_worded_anew(runner: Runner) -> None:
    """`edit` takes a run whose step used up its tries back to its start, with another question."""
    blocked = Path(runner.settings.output).absolute() / "e1" / "report.json"
    blocked.mkdir(parents=True)
    failed = await report(runner, "e1")
    [item] = await waiting(runner, "e1")
    blocked.rmdir()
    await runner.decide(item.id, Edit(text="NPL ratio by sector"), by="Ada")
    answered = await runner.drive("e1", nobody)

    assert ("failed", "retries_exhausted") == (failed.status, item.kind)
    assert any("tried" in line for line in item.detail)
    assert "waiting" == answered.status
    assert "sector" in json.dumps(on_disk(runner, "e1")["summary"])


async def test_a_question_whose_section_failed_is_worded_anew(runner: Runner) -> None:
    """From inside the section, `edit` takes the whole run back to its start."""
    text = "NPL ratio by segment"
    accepted = prepare(runner.settings, "e2", question=text, formats=["json"])
    await runner.accept("e2", accepted)
    broken = dataclasses.replace(runner, open_retriever=without_answers)
    failed = await broken.drive("e2", nobody)
    [item] = await waiting(runner, "e2")
    await runner.decide(item.id, Edit(text="NPL ratio by sector"), by="Ada")
    await runner.drive("e2", nobody)

    assert ("failed", "answer") == (failed.status, item.section)
    assert "edit" in item.choices
    assert ["publication"] == [item.kind for item in await waiting(runner, "e2")]
    assert "sector" in json.dumps(on_disk(runner, "e2")["summary"])


def without_answers(settings: Settings, snapshot: str | None) -> Retriever:
    """A retriever that understands questions and answers none."""
    retriever = open_retriever(settings, snapshot)

    class Silent(Retriever):
        def retrieve(self, *_: Any, **__: Any) -> Any:
            raise QueryTimedOut("The query took too long.")

    return Silent(retriever.warehouse, retriever.guard, retriever.model)


async def test_a_budget_that_is_used_up_asks_a_person(make_runner: Any) -> None:
    """Approving lets the run use as much again; it then goes on where it was."""
    async with make_runner(run_rows=2) as runner:
        held = await report(runner, "b1")
        [item] = await waiting(runner, "b1")
        again = await approve(runner, "b1")
        done = await steps(runner, "b1")

    assert ("waiting", "held", "A204") == (held.status, item.kind, item.code)
    assert "waiting" == again.status
    assert 1 == done.count("retrieve")
    assert "review" == done[-1]


async def test_a_run_of_another_version_asks_a_person(runner: Runner) -> None:
    """Approving goes on under this version, with the finished steps kept; rejecting ends the run."""
    for name in ("v1", "v2"):
        await report(runner, name)
        await runner.stores.runs.update(name, at=now(), graph_version="0")
    before = await steps(runner, "v1")
    held = await runner.drive("v1", nobody)
    items = {item.code: item for item in await waiting(runner, "v1")}
    await runner.drive("v2", nobody)
    await runner.decide(items["A205"].id, Approve(), by="Ada")
    went_on = await runner.drive("v1", nobody)
    other = next(i for i in await waiting(runner, "v2") if i.code == "A205")
    await runner.decide(other.id, Reject(reason="old"), by="Ada")
    ended = await runner.drive("v2", nobody)

    assert "waiting" == held.status
    assert "waiting" == went_on.status
    assert before == await steps(runner, "v1")
    assert "cancelled" == ended.status


async def test_a_run_whose_data_are_gone_starts_over_when_a_person_says_so(runner: Runner) -> None:
    """Figures of two snapshots are never mixed: it begins anew on the current one."""
    first = await report(runner, "s1")
    await runner.stores.runs.update("s1", at=now(), snapshot="0" * 64)
    await runner.drive("s1", nobody)
    item = next(i for i in await waiting(runner, "s1") if i.code == "A203")
    before = len(await steps(runner, "s1"))
    await runner.decide(item.id, Approve(), by="Ada")
    again = await runner.drive("s1", nobody)

    assert "clarify" == (await steps(runner, "s1"))[before]
    assert first.report_digest == again.report_digest
    assert "waiting" == again.status
    assert QUESTION == again.request["question"]


async def test_every_obstacle_is_asked_about(runner: Runner) -> None:
    """A run of another version whose data are gone too waits for both answers, one by one."""
    await report(runner, "o1")
    await runner.stores.runs.update("o1", at=now(), graph_version="0", snapshot="0" * 64)
    asked = []
    for _ in range(2):
        await runner.drive("o1", nobody)
        [item] = [i for i in await waiting(runner, "o1") if i.kind == "held"]
        asked.append(item.code)
        await runner.decide(item.id, Approve(), by="Ada")
    again = await runner.drive("o1", nobody)

    assert ["A205", "A203"] == asked
    assert ("waiting", "publication") == (again.status, (await waiting(runner, "o1"))[-1].kind)
