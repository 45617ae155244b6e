"""The rules of review on real runs: four eyes, votes, edited queries, whichever door they come through."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.opening import open_retriever
from agent.runner import Runner
from services.audit import verify_run
from services.errors import DecisionRefused, QueryRefused
from services.review import Approve, Edit, Reject
from services.settings import load_settings
from tests.agent.driven import entries, nobody, report, waiting
from tests.agent.homes import Home
from tests.agent.review_door import browser, know_somebody

TWO = '[[approvals]]\nkind = "publication"\nneeded = 2\n'


@pytest.fixture
def rules(home: Home) -> Path:
    """A policy file that asks for two approvals of every publication."""
    path = home.folder / "review.toml"
    path.write_text(TWO)
    return path


@pytest.fixture
async def runner(make_runner: Any, rules: Path) -> AsyncIterator[Runner]:
    async with make_runner(review_policy=rules) as made:
        yield made


async def test_a_report_is_published_by_two_people(runner: Runner) -> None:
    """After the first approval the run still waits; the report names both."""
    await know_somebody(runner)
    await report(runner, "r1")
    [item] = await waiting(runner, "r1")
    first = await runner.decide(item.id, Approve(), by="Bob")
    halfway = await runner.drive("r1", nobody)
    with pytest.raises(DecisionRefused, match="Bob's approval"):
        await runner.decide(item.id, Approve(), by="Bob")
    with pytest.raises(DecisionRefused, match="Ada asked for run r1"):
        await runner.decide("r1", Approve(), by="Ada")
    await runner.decide(item.id, Approve(), by="Eve", version=first.version)
    done = await runner.drive("r1", nobody)

    assert ("open", "waiting", "done") == (first.status, halfway.status, done.status)
    assert done.receipt is not None
    assert "Bob and Eve" == done.receipt["by"]
    assert ["approve"] == [said["decision"] for said in await entries(runner, "r1", "review.voted")]
    assert 1 == len(await entries(runner, "r1", "review.decided"))


async def test_two_browsers_publish_a_report(runner: Runner) -> None:
    """The whole way by forms: two people approve, a worker's driver publishes, all is logged."""
    await know_somebody(runner)
    await report(runner, "r1")
    [item] = await waiting(runner, "r1")
    for name in ("Bob", "Eve"):
        one = await browser(runner, name, "approver")
        html = await one.open(f"/reviews/{item.id}")
        assert "figures were recomputed" in html
        assert (await one.send('id="approve"', confirm="r1", text="checked")).status_code == 200
    done = await runner.drive("r1", nobody)

    assert "done" == done.status
    assert (await verify_run(runner.stores.audit, "r1")).ok


async def test_one_person_alone_publishes(runner: Runner) -> None:
    """Without any key or user the same rules ask for one approval."""
    await report(runner, "r1")
    await runner.decide("r1", Approve(), by="Ada")

    assert "done" == (await runner.drive("r1", nobody)).status


async def test_one_rejection_is_enough(runner: Runner) -> None:
    """Also from whoever asked for the run."""
    await know_somebody(runner)
    await report(runner, "r1")
    await runner.decide("r1", Approve(), by="Bob")
    await runner.decide("r1", Reject(reason="old prices"), by="Ada")

    assert "rejected" == (await runner.drive("r1", nobody)).status


async def test_an_edited_query_passes_the_guard_again(make_runner: Any, home: Home) -> None:
    """A refused one leaves the item open, with the guard's words; an admitted one is the answer."""
    policy = home.folder / "policy.yaml"
    retriever = open_retriever(load_settings(home=home.folder / "home"))
    document = yaml.safe_load(retriever.guard.policy.to_yaml())
    retriever.close()
    document["functions"] = {"deny": ["nullif"]}
    policy.write_text(yaml.safe_dump(document))
    async with make_runner(policy=policy) as runner:
        await report(runner, "q1")
        [item] = await waiting(runner, "q1")
        with pytest.raises(QueryRefused, match="not on the list"):
            await runner.decide(
                item.id, Edit(text="SELECT * FROM instruments_of_others", of="query"), by="Ada"
            )
        still = await runner.stores.reviews.get(item.id)
        sql = "SELECT sector, count(*) AS loans FROM syn_loans GROUP BY sector"
        await runner.decide(item.id, Edit(text=sql, of="query"), by="Ada")
        after = await runner.drive("q1", nobody)
        written = json.loads((Path(after.output_dir) / "report.json").read_text())

    assert ("refused_query", "A301") == (item.kind, item.code)
    assert item.query.startswith("SELECT")
    assert item.findings
    assert "open" == still.status
    assert "waiting" == after.status
    assert any("count(" in e["sql"].lower() for e in written["evidence"])
    assert "free SQL" in json.dumps(written)


async def test_what_has_no_query_takes_no_edit_of_one(runner: Runner) -> None:
    """A draft takes the text of a finding, and the answer says so."""
    await report(runner, "r1")

    with pytest.raises(DecisionRefused, match="takes an edit of the text of a finding"):
        await runner.decide("r1", Edit(text="SELECT 1", of="query"), by="Ada")


def test_the_commands_do_what_the_pages_do(home: Home, rules: Path) -> None:
    """Claim, assign, delegate, release and the tabs, with what is refused said in words."""

    def run(*arguments: str, by: str = "Ada") -> Any:
        return home.run("review", *arguments, ASSAY_REVIEWER=by, ASSAY_REVIEW_POLICY=str(rules))

    home.run("report", "NPL ratio by segment", "--run-id", "r1", "--format", "json", "--no-input")
    claimed = json.loads(run("claim", "r1", "--json").stdout)
    refused = run("approve", "r1", by="Bob")
    late = run("claim", "r1", by="Bob")
    mine = json.loads(run("list", "--mine", "--json").stdout)
    run("release", "r1")
    run("assign", "r1", "Bob")
    stale = run("assign", "r1", "Eve", "--version", "1")
    handed = json.loads(run("delegate", "r1", "Eve", "--json", by="Bob").stdout)
    left = json.loads(run("list", "--unassigned", "--json").stdout)

    assert "Ada" == claimed["claim"]["by"]
    assert (1, True) == (refused.returncode, "A302" in refused.stderr)
    assert "open with Ada since" in late.stderr
    assert [claimed["id"]] == [one["id"] for one in mine]
    assert (1, True) == (stale.returncode, "A310" in stale.stderr)
    assert "assigned to Bob by Ada" in stale.stderr
    assert "Eve" == handed["assignee"]
    assert [] == left
    assert 2 == run("list", "--mine", "--done").returncode
