"""What people do on the pages; all of it works without a script."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.chromium import Visit, Visits
from tests.browser.site import PASSWORD


def signs_in(visits: Visits, name: str, *, script: bool = True) -> Visit:
    """A new browser in which *name* has signed in on the page for it."""
    visit = visits(None, java_script_enabled=script)
    page = visit.go("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text(name).first).to_be_visible()
    return visit


def opens_item(visit: Visit, run_id: str, *, tab: str = "") -> Page:
    """Comes to the item of a run through the inbox."""
    page = visit.go("/reviews")
    if tab:
        page.get_by_role("link", name=tab).click()
    page.locator("#inbox tr", has_text=run_id).get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def approves(page: Page, run_id: str, note: str) -> None:
    """Approves the publication whose page is open."""
    page.get_by_label("Note").fill(note)
    page.get_by_label("to confirm").fill(run_id)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Your approval is recorded")).to_be_visible()


def rejects(page: Page, reason: str) -> None:
    page.locator("summary", has_text="Reject").click()
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_text("Your rejection is recorded")).to_be_visible()


def answers(page: Page, text: str) -> None:
    page.get_by_label("Answer").fill(text)
    page.get_by_role("button", name="Answer").click()
    expect(page.get_by_text("Your answer is recorded")).to_be_visible()


def cannot_approve(page: Page) -> str:
    """Why not, as the page says it; there is no button for it."""
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    return page.locator("#approve-why").inner_text()
