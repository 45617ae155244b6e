"""Sessions in a browser: made anew when somebody signs in, out of reach of scripts, and ended."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, expect

from agent.web.access import COOKIE
from tests.browser.axe import barriers
from tests.browser.chromium import Visits
from tests.browser.people import signs_in
from tests.browser.site import PASSWORD, Site


def test_no_script_reads_the_session(visit: Visits) -> None:
    """The cookie is the server's alone, and goes to this site only."""
    ben = signs_in(visit, "Ben")
    [cookie] = [c for c in ben.context.cookies() if c["name"] == COOKIE]

    assert (True, "Lax") == (cookie["httpOnly"], cookie["sameSite"])
    assert COOKIE not in ben.page.evaluate("document.cookie")
    assert [] == list(ben.page.evaluate("Object.keys({...localStorage})"))


def test_nobody_chooses_the_session_of_another(visit: Visits, site: Site) -> None:
    """Whoever signs in gets a new session; the one the browser had before is worth nothing."""
    browser = visit(None)
    planted = "chosen-by-somebody-else"
    browser.context.add_cookies([{"name": COOKIE, "value": planted, "url": site.url}])
    page = browser.go("/login")
    page.get_by_label("Name").fill("Ben")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("Ben").first).to_be_visible()

    assert planted != _session(browser.context)
    assert 401 == _status(visit, site, planted)
    assert 200 == _status(visit, site, _session(browser.context))


def test_a_session_ends_when_somebody_signs_out(visit: Visits, site: Site) -> None:
    """On the server too: a copy of the cookie opens nothing."""
    ben = signs_in(visit, "Ben")
    cookie = _session(ben.context)
    ben.page.get_by_role("button", name="Sign out").click()
    expect(ben.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()

    assert 401 == _status(visit, site, cookie)


def test_a_stranger_is_led_to_sign_in_and_back(visit: Visits) -> None:
    """And nowhere else, whatever the link that they came by says."""
    stranger = visit(None)
    page = stranger.go("/reviews?tab=done")
    page.get_by_label("Name").fill("Vic")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Reviews", level=1)).to_be_visible()

    assert page.url.endswith("/reviews?tab=done")


def test_a_wrong_password_is_told_without_a_word_of_who_there_is(visit: Visits, site: Site) -> None:
    """The page is the same for a known name and for an unknown one, and as easy to use."""
    said = []
    for name in ("Ben", "Nobody"):
        page = visit(None).go("/login")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("alert")).to_be_visible()
        said.append(page.get_by_role("alert").inner_text())
        assert [] == barriers(page)

    assert said[0] == said[1]


def _session(context: BrowserContext) -> str:
    [cookie] = [c for c in context.cookies() if c.get("name") == COOKIE]
    return cookie.get("value", "")


def _status(visit: Visits, site: Site, cookie: str) -> int:
    """What the API answers to whoever has that cookie."""
    other = visit(None).context.request
    answer = other.get(f"{site.url}/v1/runs", headers={"Cookie": f"{COOKIE}={cookie}"})
    return answer.status
