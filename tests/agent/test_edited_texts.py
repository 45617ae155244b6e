"""Texts of a draft that people edit: through every door, checked again, and never lost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from agent.runner import Runner
from services import failpoints
from services.audit import verify_run
from services.errors import DecisionRefused
from services.review import Approve, Edit
from tests.agent.driven import QUESTION, entries, nobody, report, waiting
from tests.agent.homes import Home
from tests.agent.review_door import browser, know_somebody
from tests.agent.test_web_access import carrying

EVIL = "<script>alert(1)</script>{npl"


@pytest.fixture
async def runner(own_runner: Runner, quick_passwords: None) -> AsyncIterator[Runner]:
    """A runner whose publications take two approvals."""
    rule = {"kind": "publication", "needed": 2}
    policy = type(own_runner.stores.reviews.policy).model_validate({"approvals": [rule]})
    own_runner.stores.reviews.policy = policy
    await know_somebody(own_runner)
    yield own_runner
    failpoints.set_traps("")


async def texts(runner: Runner, item_id: str) -> list[dict[str, Any]]:
    client = await carrying(runner, "viewer-of-texts", "viewer")
    found = (await client.get(f"/v1/reviews/{item_id}/texts")).json()["texts"]
    return list(found)


def reworded(text: str) -> str:
    """The text in other words, with all its placeholders."""
    return f"As the segment review has it: {text}"


async def test_an_edited_text_makes_another_draft(runner: Runner) -> None:
    """Its approvals are void, its editor is no second pair of eyes, and the report says so."""
    await report(runner, "r1")
    [item] = await waiting(runner, "r1")
    [text, *_] = await texts(runner, item.id)
    bob, eve = [await browser(runner, name, "approver") for name in ("Bob", "Eve")]
    await bob.open(f"/reviews/{item.id}")
    await bob.send('id="approve"', confirm="r1")
    html = await eve.open(f"/reviews/{item.id}/edit?finding={text['finding']}")
    assert "Bob approved this draft" in html
    assert f"{text['text']}</textarea>" in unescape(html)
    assert all(one["name"] in unescape(html) for one in text["placeholders"])

    for wrong, why in ((f"{text['text']} It was 7.5 {EVIL}.", "is a number"), ("Fine.", "missing")):
        refused = await eve.send('value="finding"', text=wrong)
        assert (422, True) == (refused.status_code, why in refused.text)
        assert f"{wrong}</textarea>" in unescape(refused.text)
        assert "<script>alert" not in refused.text
    assert ["Bob"] == [*(await runner.stores.reviews.get(item.id)).approved_by]

    sent = await eve.send('value="finding"', text=reworded(text["text"]))
    assert "It makes a new draft" in sent.text
    await runner.drive("r1", nobody)
    [again] = await waiting(runner, "r1")
    assert again.report_digest not in (None, item.report_digest)
    assert ((), ("Eve",), 2) == (again.approved_by, again.edited_by, again.needed)

    late = await bob.open(f"/reviews/{item.id}/edit?finding={text['finding']}")
    assert "There is no text to edit here" in late
    await runner.decide(again.id, Approve(), by="Bob")
    with pytest.raises(DecisionRefused, match="Eve has edited the report"):
        await runner.decide(again.id, Approve(), by="Eve")
    await runner.decide(again.id, Approve(), by="Cleo")
    done = await runner.drive("r1", nobody)

    written = json.loads((Path(done.output_dir) / "report.json").read_text())
    [finding] = [
        f for s in written["sections"] for f in s["findings"] if f["id"] == text["finding"]
    ]
    assert ("done", True) == (done.status, finding["edited"])
    assert reworded(text["reads"]) == finding["prose"]
    [said] = await entries(runner, "r1", "finding.edited")
    personal = await runner.stores.audit.personal("r1")
    assert "Eve" == personal[said["by"]]
    assert personal[said["after"]] == f"As the segment review has it: {personal[said['before']]}"
    assert item.report_digest == said["report"]
    assert (await verify_run(runner.stores.audit, "r1")).ok


async def test_a_text_is_edited_over_http(runner: Runner) -> None:
    """
    By who may publish, on what they saw; a refusal names each word. A crash loses and doubles nothing.

    What comes past the queue is checked in the run: the draft stays, and its next reviewer is told.
    """
    await report(runner, "r2")
    [item] = await waiting(runner, "r2")
    [text, *_] = await texts(runner, item.id)
    body = {"of": "finding", "finding": text["finding"], "text": "It rose by {nothing}."}
    path = f"/v1/reviews/{item.id}/edit"
    rita = await carrying(runner, "Rita", "reviewer")
    pam = await carrying(runner, "Pam", "approver")
    good = body | {"text": reworded(text["text"]), "version": 1}
    answers = {
        "may not": await rita.post(path, json=body),
        "checks": await pam.post(path, json=body),
        "unknown": await pam.post(path, json=body | {"finding": "nothing"}),
        "no finding": await pam.post(path, json={"of": "finding", "text": "x"}),
        "question": await pam.post(path, json={"text": "NPL by sector"}),
        "stale": await pam.post(path, json=good | {"version": 7}),
        "good": await pam.post(path, json=good),
    }
    codes = {name: answer.json().get("code", "") for name, answer in answers.items()}
    refused = {one["field"] for one in answers["checks"].json()["errors"]}

    assert {
        "may not": "A305",
        "checks": "A311",
        "unknown": "A406",
        "no finding": "A400",
        "question": "A302",
        "stale": "A310",
        "good": "",
    } == codes
    assert {"rose", "{nothing}"} <= refused
    assert "Pam" == answers["good"].json()["decided_by"]

    # The second checkpoint is the one behind the edit, whose writes are stored by then.
    places = (
        "audit.append:after",
        "step.revise:before",
        "checkpoint.put:before",
        "files.write:after",
    )
    for place in places:
        failpoints.set_traps(f"{place}=crash@{1 + place.startswith('checkpoint')}")
        with suppress(failpoints.Crash):
            await runner.drive("r2", nobody, retry=True)
        assert failpoints._counts[place]
        await runner.stores.redis.delete("assay:lease:{r2}")
    failpoints.set_traps("")
    await runner.drive("r2", nobody, retry=True)
    [edited] = await waiting(runner, "r2")
    assert ("Pam",) == edited.edited_by
    assert 1 == len(await entries(runner, "r2", "finding.edited"))

    past_the_queue = Edit(text="It is 5 %.", of="finding", finding=text["finding"])
    await runner.stores.decide(edited.id, past_the_queue, by="Mallory", at=item.created_at)
    await runner.drive("r2", nobody)
    [again] = await waiting(runner, "r2")
    assert edited.report_digest == again.report_digest
    assert "An edit of Mallory was refused" in again.detail[0]
    assert ("Pam",) == again.edited_by


@pytest.mark.slow
def test_an_edit_outlives_kill_9(shared: Home) -> None:
    """Killed between the edit and the new draft: resumed, the draft has the text, once."""
    shared.run("report", QUESTION, "--run-id", "edited", "--format", "json", "--no-input")
    [text, *_] = shared.json("review", "texts", "edited")
    shown = shared.run("review", "texts", "edited", text["finding"])
    arguments = ("review", "edit", "edited", "--finding", text["finding"])
    refused = shared.run(*arguments, f"{text['text']} It is about two percent.")
    shared.kill_when(" revise ", *arguments, reworded(text["text"]))
    resumed = shared.run("run", "resume", "edited")
    item = shared.json("review", "show", "edited")
    finding = shared.report("edited")["sections"][0]["findings"][0]
    logged = shared.json("audit", "show", "edited")

    assert text["placeholders"][0]["name"] in shown.stdout
    assert (6, 3) == (refused.returncode, resumed.returncode)
    assert "two: is a number in words" in refused.stderr
    assert (["Ada"], "open") == (item["edited_by"], item["status"])
    assert (True, reworded(text["reads"])) == (finding["edited"], finding["prose"])
    assert 1 == sum(entry["event"] == "finding.edited" for entry in logged)
