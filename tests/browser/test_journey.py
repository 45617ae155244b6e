"""From a call that comes in to the call that goes out, with people between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.agent.review_door import opened
from tests.browser.chromium import Visits
from tests.browser.elsewhere import Elsewhere
from tests.browser.people import answers, approves, cannot_approve, opens_item, rejects, signs_in
from tests.browser.site import Site
from tests.browser.stock import QUESTION, UNCLEAR, becomes, run_of, start, waits
from tests.browser.systems import Caller, Listener


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as other:
        yield other


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_call_becomes_a_published_report(
    visit: Visits, site: Site, elsewhere: Elsewhere, script: bool
) -> None:
    """
    A signed call comes in, a worker drives its run, two people approve, the report is published,
    and whoever listens is told, signed.
    """
    name = "with-script" if script else "without-script"
    caller = Caller.known_to(site, name)
    listener = Listener.known_to(site, elsewhere, f"/{name}")
    taken = caller.call(f"msg-{name}", {"alert": {"question": QUESTION}})
    run_id = taken.json()["run_id"]
    item = waits(site, run_id)

    ben = signs_in(visit, "Ben", script=script)
    page = opens_item(ben, run_id, tab="Unassigned")
    expect(page.get_by_text("2 approvals", exact=True)).to_be_visible()
    approves(page, run_id, "agrees with the ledger")
    assert "Ben's approval already" in cannot_approve(page)
    assert ("waiting", None) == (run_of(site, run_id).status, run_of(site, run_id).receipt)

    cleo = signs_in(visit, "Cleo", script=script)
    page = opens_item(cleo, run_id, tab="Second approval")
    expect(page.get_by_text("agrees with the ledger")).to_be_visible()
    approves(page, run_id, "so do I")
    done = becomes(site, run_id, "done")

    page = cleo.go(f"/runs/{run_id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(QUESTION)
    page.get_by_role("link", name="Report", exact=True).click()
    expect(page.get_by_text("APPROVED")).to_be_visible()
    expect(page.get_by_text("5.02 %").first).to_be_visible()
    told = listener.told(run_id, "report.published")
    assert (done.report_digest, item.report_digest) == (told["report_digest"],) * 2
    for event in ("run.accepted", "review.opened", "review.decided", "run.done"):
        assert run_id == listener.told(run_id, event)["run_id"]
    assert [] == [*ben.takes_faults(), *cleo.takes_faults()]


def test_who_asked_cannot_give_the_second_approval(visit: Visits, site: Site) -> None:
    """The page says so in words, and has no button for it."""
    start(site, "of-ben", by="Ben")
    waits(site, "of-ben")
    cleo = signs_in(visit, "Cleo")
    approves(opens_item(cleo, "of-ben"), "of-ben", "fine")
    ben = signs_in(visit, "Ben")
    page = opens_item(ben, "of-ben", tab="Second approval")

    assert "asked for" in cannot_approve(page)
    rejects(page, "the prices are of last week")
    becomes(site, "of-ben", "rejected")


def test_a_question_is_made_clear_without_a_script(visit: Visits, site: Site) -> None:
    """The answer on the page takes the run further."""
    start(site, "vague", UNCLEAR)
    waits(site, "vague")
    cleo = signs_in(visit, "Cleo", script=False)
    answers(opens_item(cleo, "vague"), QUESTION)
    publication = site.until(
        lambda: item if (item := waits(site, "vague")).kind == "publication" else None
    )

    assert ("approve", "edit", "reject") == publication.choices


def test_a_form_that_is_out_of_date_is_told_what_changed(visit: Visits, site: Site) -> None:
    """Nothing is recorded, and what was written is kept."""
    start(site, "shared")
    waits(site, "shared")
    ben, cleo = visit("Ben"), visit("Cleo")
    old, new = opens_item(ben, "shared"), opens_item(cleo, "shared")
    approves(new, "shared", "fine")
    old.get_by_label("Note").fill("I took a while over this")
    old.get_by_label("to confirm").fill("shared")
    old.get_by_role("button", name="Approve").click()

    expect(old.get_by_role("alert")).to_contain_text("Cleo")
    expect(old.get_by_label("Note")).to_have_value("I took a while over this")
    assert ["Cleo"] == list(waits(site, "shared").approved_by)


def test_who_may_only_look_has_nothing_to_press(visit: Visits, site: Site) -> None:
    """The page says which roles may decide."""
    page = opens_item(visit("Vic"), "shared")

    expect(page.get_by_text("You may read this item, not decide it")).to_be_visible()
    expect(page.locator("main form[method=post]")).to_have_count(0)


def test_the_queue_is_worked_with_the_keyboard(visit: Visits, site: Site) -> None:
    """From the list to an item and to its answer, without a pointer."""
    start(site, "typed")
    waits(site, "typed")
    cleo = visit("Cleo")
    page = cleo.go("/reviews?tab=unassigned&run=typed")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    assert "/reviews/" in page.url
    page.keyboard.press("a")
    page.keyboard.type("by hand")
    page.keyboard.press("Tab")
    page.keyboard.type("typed")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Your approval is recorded")).to_be_visible()
    assert ["by hand"] == [vote.note for vote in waits(site, "typed").votes]


def test_the_inbox_is_live_and_leaves_the_person_where_they_are(visit: Visits, site: Site) -> None:
    """What is new is counted and told; it is shown when they ask, and then has the focus."""
    site.act(lambda runner: opened(runner, "live", title="The first", kind="held"))
    page = visit("Cleo").go("/reviews?tab=unassigned&run=live")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="The first")).to_be_focused()
    site.act(lambda runner: opened(runner, "live", title="The second", kind="held", wait="i-2"))
    notice = page.get_by_role("link", name="1 new. Show")
    expect(notice).to_be_visible(timeout=20_000)

    expect(page.locator("[data-tab=unassigned] .count")).to_have_text("2")
    expect(page.get_by_role("link", name="The first")).to_be_focused()
    expect(page.locator("#inbox [data-item]")).to_have_count(1)
    notice.click()
    expect(page.get_by_role("link", name="The second")).to_be_focused()
    expect(notice).to_be_hidden()
