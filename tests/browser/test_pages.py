"""What holds for every page, whoever built it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.axe import barriers
from tests.browser.chromium import Visit, Visits, visits_to
from tests.browser.crawl import kind_of, walk
from tests.browser.site import Site
from tests.browser.stock import run_of, waits

PHONE: Final = {"width": 360, "height": 740}
DESK: Final = {"width": 1280, "height": 800}
_WIDER: Final = """() => {
  const room = document.documentElement.clientWidth;
  return document.documentElement.scrollWidth <= room ? [] :
    [...document.querySelectorAll("body *")]
      .filter(one => one.getBoundingClientRect().right > room + 1 && !one.closest(".scroll, pre"))
      .map(one => one.outerHTML.slice(0, 120)).slice(0, 3).concat("the page is wider than a phone");
}"""
_FOCUS: Final = """() => {
  const one = document.activeElement;
  window.before ??= [];
  if (!one || one === document.body || window.before.includes(one)) return null;
  const box = one.getBoundingClientRect(), look = getComputedStyle(one);
  const drawn = one.querySelector("rect");
  const ring = (look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0)
    || (drawn !== null && getComputedStyle(drawn).stroke !== "none");
  const seen = box.width > 0 && box.height > 0 && box.right > 0 && box.bottom > 0
    && box.left < innerWidth && box.top < innerHeight;
  const turned = window.before.some(other =>
    one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING);
  window.before.push(one);
  return {html: one.outerHTML.slice(0, 120), ring, seen, turned, link: one.getAttribute("href")};
}"""


@pytest.fixture(scope="module")
def ada(browser: Browser, stocked: Site) -> Iterator[Visit]:
    """Who may see and do everything."""
    with visits_to(browser, stocked) as visits:
        yield visits("Ada", viewport=DESK)


@pytest.mark.parametrize("each", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_every_page_is_sound(ada: Visit, each: int) -> None:
    """
    Nothing fails on it or is refused by its content policy; axe-core finds nothing serious, in
    light and in dark; it fits on a phone.
    """
    found, kinds = {}, set()
    for path in walk(ada, each=each, most=20 * each):
        kinds.add(kind_of(path))
        if wrong := [*ada.takes_faults(), *_looks(ada.page)]:
            found[path] = wrong

    assert {} == found
    assert {"/reviews", "/reviews/*", "/runs", "/runs/*"} <= kinds


@pytest.mark.slow
def test_every_page_can_be_walked_with_the_keyboard(ada: Visit) -> None:
    """The first stop skips to the content; each stop is seen, in the order of the page."""
    found = {}
    for path in walk(ada, each=1, most=30):
        stops = _stops(ada.page)
        wrong = [s["html"] for s in stops if not (s["ring"] and s["seen"]) or s["turned"]]
        if wrong or not str(stops[0]["link"]).startswith("#"):
            found[path] = wrong or stops[:1]

    assert {} == found


def test_the_skip_link_leads_to_the_content(ada: Visit) -> None:
    """And the next stop after it is in there."""
    page = ada.go("/reviews")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_what_is_not_there_is_a_page_too(visit: Visits, stocked: Site) -> None:
    """In words, with ways on, and as accessible as the others."""
    ada = visit("Ada")
    for path in ("/reviews/rv-nobody", "/runs/nobody", "/nowhere"):
        answer = ada.page.goto(stocked.url + path)
        assert answer is not None
        assert (404, "text/html") == (answer.status, answer.headers["content-type"].split(";")[0])
        assert ada.page.locator("main a[href='/reviews']").count(), path
        assert ada.page.get_by_role("navigation", name="Main").count(), path
        assert [] == barriers(ada.page)


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_times_show_in_the_zone_of_whoever_reads_them(
    visit: Visits, stocked: Site, script: bool
) -> None:
    """With what it is in UTC a hover away; without a script they stand in UTC."""
    options = {"timezone_id": "Asia/Kolkata", "java_script_enabled": script}
    page = visit("Ada", **options).go("/runs/published")
    started = page.locator("dt:text-is('Started') + dd time")
    text, title = started.inner_text(), started.get_attribute("title")
    at = run_of(stocked, "published").created_at
    there = at.astimezone(ZoneInfo("Asia/Kolkata"))
    utc = at.strftime("%Y-%m-%d %H:%M:%S UTC")

    assert (text, title) == (
        (f"{there:%Y-%m-%d %H:%M:%S} GMT+5:30", utc) if script else (utc, None)
    )


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_decision_is_never_cut_off(visit: Visits, stocked: Site, script: bool) -> None:
    """In a low window its last control can be come to; on a phone the reasons come first."""
    item = waits(stocked, "half-approved")
    low = {"width": 1280, "height": 400}
    page = visit("Cleo", viewport=low, java_script_enabled=script).go(f"/reviews/{item.id}")
    last = page.get_by_role("button", name="Assign")
    last.scroll_into_view_if_needed()

    _check_inside(last, low)
    page.set_viewport_size(PHONE)
    order = page.locator("#why, #decide, #similar")
    assert ["why", "decide", "similar"] == order.evaluate_all("all => all.map(one => one.id)")
    tops = order.evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
    assert sorted(tops) == tops


def _check_inside(control: Locator, window: dict[str, int]) -> None:
    box = control.bounding_box()

    assert box is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= window["height"]


def _looks(page: Page) -> list[str]:
    light = barriers(page)
    page.emulate_media(color_scheme="dark")
    dark = [f"in the dark: {one}" for one in barriers(page, colours_only=True)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    wide: list[str] = page.evaluate(_WIDER)
    page.set_viewport_size(DESK)
    return [*light, *dark, *wide]


def _stops(page: Page, most: int = 60) -> list[dict[str, object]]:
    """Where the Tab key leads from the top of the page."""
    found = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUS)
        if stop is None:
            break
        found.append(stop)
    return found
