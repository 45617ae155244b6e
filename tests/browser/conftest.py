"""What tests in a browser stand on. They are not async: the browser's driver has its own loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import NO_CHROMIUM, Visits, chromium, launch, visits_to
from tests.browser.site import Site
from tests.browser.stock import stock


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The Assay that all visits share."""
    _skip_without_chromium()
    made = Site(tmp_path_factory.mktemp("site"))
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture(scope="session")
def stocked(site: Site) -> Site:
    """The same, with runs and review items of all kinds."""
    return stock(site)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium a file: while its driver runs, no test of this process may be async."""
    _skip_without_chromium()
    with sync_playwright() as playwright:
        opened = launch(playwright)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visits]:
    """Opens browsers, which end with the test."""
    with visits_to(browser, site) as visits:
        yield visits


def _skip_without_chromium() -> None:
    if chromium() is None:
        pytest.skip(NO_CHROMIUM)
