"""What people, systems and models write is text on every page, whatever it looks like."""

from __future__ import annotations

import pytest

from tests.browser.chromium import Visits
from tests.browser.crawl import kind_of, walk
from tests.browser.poison import ALIVE, MARKED, POISON, SCRIPT, poison
from tests.browser.site import Site
from tests.browser.systems import Caller


@pytest.fixture(scope="module")
def poisoned(site: Site) -> tuple[str, ...]:
    """The pages that show what was poisoned, on a site that has poison everywhere."""
    called = Caller.known_to(site, "poisoner").call("msg-poison", {"alert": {"question": POISON}})
    pages = poison(site)
    return (*pages, *([f"/runs/{called.json()['run_id']}"] if called.is_success else []))


def test_nothing_that_is_written_runs(visit: Visits, poisoned: tuple[str, ...]) -> None:
    """Not even where no content policy would stop it."""
    ada = visit("Ada", bypass_csp=True)
    ada.context.add_init_script(SCRIPT)
    found, shown, kinds = {}, 0, set()
    for path in walk(ada, first=(*poisoned, "/reviews", "/runs"), each=len(poisoned), most=80):
        kinds.add(kind_of(path))
        shown += POISON in (ada.page.text_content("body") or "")
        if wrong := [*ada.takes_faults(), *ada.page.evaluate(ALIVE)]:
            found[path] = wrong

    assert {} == found
    assert {"/reviews/*", "/runs/*"} <= kinds
    assert shown > len(poisoned) / 2


def test_reports_of_it_are_text_too(visit: Visits, poisoned: tuple[str, ...]) -> None:
    """The report is a page of its own, with the cells as they are."""
    ada = visit("Ada", bypass_csp=True)
    ada.context.add_init_script(SCRIPT)
    answer = ada.page.goto(f"{ada.site.url}/v1/runs/cells/report.html")

    assert answer is not None
    assert answer.ok
    assert [] == ada.page.locator("[onerror], [onload], img[src=x]").all()
    assert [] == [fault for fault in ada.takes_faults() if MARKED in fault]
    assert POISON in (ada.page.text_content("body") or "")


def test_a_link_in_a_cell_is_no_link(visit: Visits, poisoned: tuple[str, ...]) -> None:
    """Nothing on the pages leads to a script."""
    ada = visit("Ada")
    for path in poisoned:
        ada.go(path)
        assert 0 == ada.page.locator("[href^='javascript:' i]").count()
