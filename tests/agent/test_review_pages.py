"""The review pages through the real application: what people see, send, and are refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agent.opening import open_retriever
from agent.runner import Runner
from agent.stores import open_stores
from services.review import Approve, Reject
from services.settings import load_settings
from tests.agent.review_door import ago, browser, content, give_report, know_somebody, opened

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>"


@pytest.fixture
async def runner(redis: Redis, valkey_home: Path) -> AsyncIterator[Runner]:
    """A runner on an empty store."""
    del redis
    settings = load_settings(home=valkey_home, reviewer="Ada")
    async with open_stores(settings) as stores:
        yield Runner(settings=settings, stores=stores, open_retriever=open_retriever)


def counts(html: str) -> dict[str, int]:
    found = re.findall(r'data-tab="(\w+)">[^<]+<span class="count">(\d+)', html)
    return {tab: int(number) for tab, number in found}


def rows(html: str) -> list[str]:
    return re.findall(r'<tr data-item="([^"]+)"', html)


def token_of(html: str) -> str:
    """What a form of the page, such as that of signing out, carries."""
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found is not None
    return found[1]


def marks_that_run(html: str) -> list[str]:
    """Tags that are no part of our templates, and attributes that would run something."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            named = dict(attributes)
            ours = (named.get("src") or "").startswith("/static/")
            if tag in ("img", "iframe", "svg") or (tag == "script" and not ours):
                found.append(tag)
            found.extend(n for n in named if n.startswith("on") or n == "style")

    Reader().feed(html)
    return found


async def test_tabs_say_who_has_what(runner: Runner) -> None:
    """With their counts, and a row that says what, why, how much, how old, how late, who, votes."""
    await know_somebody(runner)
    risky = await opened(runner, "r-1", severity="red", at_risk="VaR: EUR 5.16m against EUR 5.00m")
    old = await opened(runner, "r-2", created_at=ago(days=30))
    mine = await opened(runner, "r-3")
    done = await opened(runner, "r-4")
    await runner.stores.decide(risky.id, Approve(), by="Bob", at=ago())
    await runner.stores.reviews.assign(mine.id, "Ada", by="Bob", at=ago())
    await runner.stores.decide(done.id, Reject(reason="no"), by="Bob", at=ago())
    ada = await browser(runner, "Ada", "approver")
    second = await ada.open("/reviews?tab=second")

    assert {"mine": 1, "unassigned": 2, "overdue": 1, "second": 1, "done": 1} == counts(second)
    assert [risky.id] == rows(second)
    for words in (
        "Publish the quarterly report",
        "The report has a red status",
        "EUR 5.16m against EUR 5.00m",
        "under 1 min",
        "Due in ",
        "nobody",
        "1 of 2",
    ):
        assert words in second
    assert "Overdue by" in await ada.open("/reviews?tab=overdue")
    assert [mine.id] == rows(await ada.open("/reviews"))
    assert [done.id] == rows(await ada.open("/reviews?tab=done"))
    assert old.id in rows(await ada.open("/reviews?tab=unassigned"))


async def test_filters_stand_in_the_address(runner: Runner) -> None:
    """They hold for every tab's count and link; what is no filter is refused in words."""
    await opened(runner, "r-1", severity="red")
    await opened(runner, "r-2", kind="held", choices=("approve", "reject"), title="Other data")
    ada = await browser(runner)
    held = await ada.open("/reviews?tab=unassigned&kind=held&q=other")
    nothing = await ada.open("/reviews?tab=unassigned&run=r-1&severity=green")
    wrong = await ada.open("/reviews?kind=%3Cb%3E")

    assert (1, 1) == (len(rows(held)), counts(held)["unassigned"])
    assert 'href="/reviews?tab=done&amp;kind=held&amp;q=other"' in held
    assert '<option value="held" selected>' in held
    assert "Nothing here fits these filters" in nothing
    assert (422, True) == (ada.page.status_code, "has no such value" in wrong)
    assert "<b>" not in wrong
    assert "Nothing waits for you" in await ada.open("/reviews?tab=mine")


async def test_two_people_approve_a_red_report(runner: Runner) -> None:
    """Each types the run's name; the first cannot be the second, nor who asked for it."""
    report = content()
    item = await opened(runner, severity="red", report_digest=report.digest)
    await give_report(runner, "r-1", report)
    bob, eve, olga = [await browser(runner, name, "approver") for name in ("Bob", "Eve", "Olga")]
    await bob.open(f"/reviews/{item.id}")
    assert "Approve, 1 of 2" in bob.page.text
    untyped = await bob.send('id="approve"', text="figures agree", confirm="r-2")
    assert (422, True) == (untyped.status_code, "not the name of the run" in untyped.text)
    assert "figures agree</textarea>" in untyped.text
    first = await bob.send('id="approve"', confirm="r-1")
    assert "Somebody else gives the next one" in first.text
    assert "You cannot approve: Item" in first.text
    assert "has Bob" in first.text
    assert "Olga asked for run r-1" in await olga.open(f"/reviews/{item.id}")
    assert 'id="approve"' not in olga.page.text
    assert 'id="reject"' in olga.page.text
    await eve.open(f"/reviews/{item.id}")
    second = await eve.send('id="approve"', confirm="r-1")

    assert "Bob and Eve" in second.text
    assert "decided" == (await runner.stores.reviews.get(item.id)).status


async def test_the_server_refuses_what_the_page_does_not_offer(runner: Runner) -> None:
    """Four eyes hold for a form that somebody wrote themselves."""
    item = await opened(runner, severity="red")
    bob = await browser(runner, "Bob", "approver")
    await bob.open(f"/reviews/{item.id}")
    form = bob.page
    await bob.send('id="approve"', confirm="r-1")
    bob.page = form
    again = await bob.send('id="approve"', confirm="r-1", key="other", version="2")

    assert (409, True) == (again.status_code, "Bob&#39;s approval already" in again.text)


async def test_a_stale_form_is_shown_what_changed(runner: Runner) -> None:
    """409, with the changes in words and the person's own text kept; nothing is overwritten."""
    item = await opened(runner, severity="red")
    bob, eve = [await browser(runner, name, "approver") for name in ("Bob", "Eve")]
    await bob.open(f"/reviews/{item.id}")
    await eve.open(f"/reviews/{item.id}")
    await bob.send('id="approve"', confirm="r-1")
    stale = await eve.send('value="reject"', text="the prices are of last week")

    assert 409 == stale.status_code
    assert "approval 1 of 2 by Bob" in stale.text
    assert "the prices are of last week</textarea>" in stale.text
    assert '<details open id="reject">' in stale.text
    assert "open" == (await runner.stores.reviews.get(item.id)).status
    sent = await eve.send('value="reject"')
    assert "Your rejection is recorded" in sent.text


async def test_a_form_sent_twice_counts_once(runner: Runner) -> None:
    """A second click is no error; two people at once are one decision and one explanation."""
    item = await opened(runner)
    other = await opened(runner, "r-2")
    bob, eve = [await browser(runner, name, "approver") for name in ("Bob", "Eve")]
    for one in (bob, eve):
        await one.open(f"/reviews/{other.id}")
    raced = await asyncio.gather(
        bob.send('value="reject"', text="b"), eve.send('value="reject"', text="e")
    )
    await bob.open(f"/reviews/{item.id}")
    form = bob.page
    first = await bob.send('id="approve"', confirm="r-1")
    bob.page = form
    second = await bob.send('id="approve"', confirm="r-1")

    assert [200, 409] == sorted(answer.status_code for answer in raced)
    assert (200, 200) == (first.status_code, second.status_code)
    assert 1 == len((await runner.stores.reviews.get(item.id)).votes)


async def test_an_item_is_claimed_assigned_and_delegated(runner: Runner) -> None:
    """Others see with whom it is open; they take it over in the open."""
    item = await opened(runner, kind="held")
    bob, eve = [await browser(runner, name, "reviewer") for name in ("Bob", "Eve")]
    await bob.open(f"/reviews/{item.id}")
    await bob.send('value="claim"', action="claim")
    assert "open with Bob since" in await eve.open(f"/reviews/{item.id}")
    assert 'id="approve"' not in eve.page.text
    await eve.send('value="take"', action="take")
    assert "open with Eve" in eve.page.text
    given = await eve.send('value="delegate"', action="delegate", to="Bob")
    assert "It is delegated" in given.text
    assert [item.id] == rows(await bob.open("/reviews?tab=mine"))
    await bob.open(f"/reviews/{item.id}")
    unnamed = await bob.send('value="assign"', action="assign", to="\u202e \n")

    assert 422 == unnamed.status_code
    log = [entry.event for entry in await runner.stores.audit.entries("r-1")]
    assert ["review.claimed", "review.claimed", "review.delegated"] == log


async def test_evidence_stands_beside_the_decision(runner: Runner) -> None:
    """Figures with statements and rows, what is confidential masked, and how others decided."""
    report = content(cell="Rates")
    before = await opened(runner, "r-0", report_digest="d0")
    await runner.stores.decide(before.id, Reject(reason="late data"), by="Bob", at=ago())
    item = await opened(runner, severity="red", report_digest=report.digest)
    await give_report(runner, "r-1", report)
    ada = await browser(runner)
    html = await ada.open(f"/reviews/{item.id}")

    for words in ('href="#f-market.var"', 'id="f-market.var"', 'id="e-ev-1"', "late data"):
        assert words in html
    assert '<span class="sql-k">SELECT</span>' in html
    assert "<td>Rates</td><td>•••</td>" in html
    assert "Secret Client" not in html
    assert "All 2 figures were recomputed" in html
    assert "No earlier report of this template" in html
    assert "The rules ask for 2 approvals. You work alone here" in html


async def test_what_failed_comes_first_and_changes_are_told(runner: Runner) -> None:
    """Figures that do not hold, and each figure that moved since the last published report."""
    await opened(runner, "r-0")
    await give_report(runner, "r-0", content(value="4.10"))
    await runner.stores.runs.update("r-0", at=ago(), status="done")
    report = content(verified=False)
    item = await opened(runner, report_digest=report.digest)
    await give_report(runner, "r-1", report)
    ada = await browser(runner)
    html = await ada.open(f"/reviews/{item.id}")

    assert "2 of 2 figures do not hold" in html
    assert html.index("do not hold") < html.index("Indicators, the worst first")
    assert '<td data-head="Before">EUR 4.10m</td><td data-head="Now">EUR 5.16m</td>' in html


async def test_a_refused_query_is_edited_beside_the_guards_findings(runner: Runner) -> None:
    """Both edits are offered, and the text that was refused is the one to start from."""
    item = await opened(
        runner,
        kind="refused_query",
        choices=("approve", "edit", "reject"),
        query="SELECT nullif(1, 2) FROM t",
        findings=({"rule": "allowed_functions", "message": "A function is not allowed."},),
        question_of_run="NPL by segment",
    )
    ada = await browser(runner)
    html = await ada.open(f"/reviews/{item.id}")
    empty = await ada.send('value="reject"', text="  ")

    assert "What the guard has against it" in html
    assert "allowed_functions" in html
    assert "SELECT nullif(1, 2) FROM t</textarea>" in html
    assert "NPL by segment</textarea>" in html
    assert (422, True) == (empty.status_code, "A reason is needed" in empty.text)


async def test_nothing_that_anyone_wrote_runs_in_a_page(runner: Runner) -> None:
    """Question, title, cell, label, reason, note, name: all are text."""
    report = content(words=EVIL, cell=EVIL, verified=False)
    evil = {"title": EVIL, "question": EVIL, "at_risk": EVIL, "query": EVIL, "section": EVIL}
    await know_somebody(runner)
    item = await opened(
        runner,
        severity="red",
        report_digest=report.digest,
        detail=(EVIL,),
        findings=({"rule": EVIL, "message": EVIL, "hint": EVIL},),
        claims=(dict.fromkeys(("claim", "label", "expected", "found", "reason"), EVIL),),
        edited_by=(EVIL,),
        question_of_run=EVIL,
        requested_by=EVIL,
        **evil,
    )
    await give_report(runner, "r-1", report)
    earlier = await opened(runner, "r-2", **evil)
    await runner.stores.decide(earlier.id, Reject(reason=EVIL), by=EVIL, at=ago())
    await runner.stores.decide(item.id, Approve(note=EVIL), by="Bob", at=ago())
    await runner.stores.reviews.assign(item.id, EVIL + "2", by="Bob", at=ago())
    ada = await browser(runner, "Ada", "approver")
    pages = [
        await ada.open(path)
        for path in (
            f"/reviews/{item.id}",
            f"/reviews/{earlier.id}",
            "/reviews?tab=second",
            "/reviews?tab=done",
            "/reviews?tab=second&q=%3Cscript%3E&run=%22%3E%3Cscript%3E",
        )
    ]
    await ada.open(f"/reviews/{item.id}")
    kept = await ada.send('value="reject"', text=EVIL, version="1")

    for html in (*pages, kept.text):
        assert "<script>alert" not in html
        assert "<img" not in html
        assert [] == marks_that_run(html)

    assert 409 == kept.status_code
    assert "&lt;script&gt;alert(1)" in kept.text
    assert "script-src 'self'" in kept.headers["content-security-policy"]


async def test_another_tenants_item_does_not_exist(runner: Runner) -> None:
    """The same page as for no item at all, to look at and to decide; no list or count shows it."""
    item = await opened(runner, tenant="b")
    ours = await browser(runner, "Ada", "approver", tenant="a")
    theirs = await browser(runner, "Bob", "approver", tenant="b")
    hidden = await ours.client.get(f"/reviews/{item.id}")
    missing = await ours.client.get("/reviews/rv-0000000000")
    form = {"csrf": token_of(hidden.text), "version": "1", "kind": "reject", "text": "x"}
    for path in ("decision", "desk"):
        answer = await ours.client.post(f"/reviews/{item.id}/{path}", data=form)
        assert (404, "no review item" in answer.text) == (answer.status_code, True)

    assert (404, missing.text) == (hidden.status_code, hidden.text)
    assert {0} == set(counts(await ours.open("/reviews")).values())
    assert [item.id] == rows(await theirs.open("/reviews?tab=unassigned"))
    assert "open" == (await runner.stores.reviews.get(item.id)).status


async def test_a_form_of_another_site_is_refused(runner: Runner) -> None:
    """Without the session's token, with another's, and without a session."""
    item = await opened(runner)
    bob, eve = [await browser(runner, name, "approver") for name in ("Bob", "Eve")]
    token = token_of(await eve.open(f"/reviews/{item.id}"))
    form = {"version": "1", "kind": "reject", "text": "x"}
    for path in ("decision", "desk"):
        for csrf in ("", "x", token):
            answer = await bob.client.post(f"/reviews/{item.id}/{path}", data=form | {"csrf": csrf})
            assert 403 == answer.status_code
    bob.client.cookies.clear()
    stranger = await bob.client.post(f"/reviews/{item.id}/decision", data=form | {"csrf": token})

    assert stranger.status_code in (401, 403)
    assert "open" == (await runner.stores.reviews.get(item.id)).status


@pytest.mark.parametrize(
    ("role", "kind", "may"),
    [
        ("viewer", "held", False),
        ("reviewer", "held", True),
        ("reviewer", "publication", False),
        ("approver", "publication", True),
        ("operator", "publication", False),
    ],
)
async def test_who_may_not_decide_is_told_who_may(
    runner: Runner, role: str, kind: str, may: bool
) -> None:
    """The page says it in words; a form that is sent all the same is refused."""
    item = await opened(runner, kind=kind)
    one = await browser(runner, "Una", role)
    html = await one.open(f"/reviews/{item.id}")
    answer = await one.client.post(
        f"/reviews/{item.id}/decision",
        data={"csrf": token_of(html), "version": "1", "kind": "reject", "text": "x"},
    )

    assert may == ("Roles that may" not in html)
    assert (303 if may else 403) == answer.status_code
    assert may == ("decided" == (await runner.stores.reviews.get(item.id)).status)


async def test_what_is_no_form_is_refused_in_words(runner: Runner) -> None:
    """Missing, doubled and oversized fields, and actions that there are not."""
    item = await opened(runner)
    ada = await browser(runner)
    html = await ada.open(f"/reviews/{item.id}")
    base = {"csrf": token_of(html), "version": "1", "kind": "reject", "text": "x"}
    for path, fields in (
        ("decision", {"version": "x"}),
        ("decision", {"kind": "<b>"}),
        ("decision", {"text": "x" * 20_001}),
        ("decision", {"kind": "respond"}),
        ("desk", {"action": "erase"}),
        ("desk", {"action": "assign", "to": "x" * 301}),
    ):
        answer = await ada.client.post(f"/reviews/{item.id}/{path}", data=base | fields)
        assert answer.status_code in (409, 422)
        assert "text/html" in answer.headers["content-type"]
        assert "<b>" not in answer.text
    assert "open" == (await runner.stores.reviews.get(item.id)).status
