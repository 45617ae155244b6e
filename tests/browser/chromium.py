"""Debian's Chromium, and pages that note what went wrong on them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Playwright,
    Request,
)

from agent.web.access import COOKIE
from services.access import Identity, Sessions, Users
from tests.browser.site import PASSWORD, Site

NO_CHROMIUM: Final = (
    "THERE IS NO CHROMIUM HERE, SO NO PAGE IS TESTED IN A BROWSER. "
    "`make chromium` installs Debian's, as root."
)
_NAMES: Final = ("chromium", "chromium-browser")
_PATIENCE_MS: Final = 15_000
_LEFT: Final = "net::ERR_ABORTED"
"""What a page was still listening to when somebody left it."""


def chromium() -> str | None:
    """The path of the system's Chromium."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def launch(playwright: Playwright) -> Browser:
    """A headless Chromium. As root it has no sandbox of its own."""
    asked = ["--no-sandbox"] if os.getuid() == 0 else []
    return playwright.chromium.launch(
        executable_path=chromium(), args=[*asked, "--disable-dev-shm-usage"]
    )


@dataclass
class Visit:
    """One person's browser at the site; `faults` says what went wrong on its pages."""

    site: Site
    context: BrowserContext
    page: Page
    faults: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open a page of the site."""
        self.page.goto(path if path.startswith("http") else self.site.url + path)
        return self.page

    def takes_faults(self) -> list[str]:
        """What went wrong since last asked."""
        found, self.faults[:] = list(self.faults), []
        return found


class Visits:
    """Opens browsers for people who are signed in, or for strangers."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser, self._site = browser, site
        self._open: list[BrowserContext] = []

    def __call__(self, name: str | None = "Ada", **options: Any) -> Visit:
        """A browser in which *name* is signed in; nobody is with None."""
        context = self._browser.new_context(**options)
        context.set_default_timeout(_PATIENCE_MS)
        self._open.append(context)
        if name is not None:
            context.add_cookies(
                [{"name": COOKIE, "value": self._cookie(name), "url": self._site.url}]
            )
        visit = Visit(self._site, context, context.new_page())
        _note(visit)
        return visit

    def close(self) -> None:
        for context in self._open:
            context.close()
        self._open.clear()

    def _cookie(self, name: str) -> str:
        async def sign_in(runner: Any) -> str:
            redis = runner.stores.redis
            who: Identity = await Users(redis).identify(name, PASSWORD)
            return (await Sessions(redis).open(who))[0]

        return self._site.act(sign_in)


@contextmanager
def visits_to(browser: Browser, site: Site) -> Iterator[Visits]:
    visits = Visits(browser, site)
    try:
        yield visits
    finally:
        visits.close()


def _note(visit: Visit) -> None:
    """Note errors of scripts, refusals of the content policy, dialogs and what did not load."""

    def note(kind: str, say: Callable[[Any], str]) -> Callable[[Any], None]:
        return lambda event: visit.faults.append(f"{visit.page.url}: {kind}: {say(event)}")

    def hear(message: ConsoleMessage) -> None:
        asked_of_itself = message.location.get("url", "").endswith("/favicon.ico")
        if message.type in ("error", "warning") and not asked_of_itself:
            note("console", lambda m: f"{m.text} {m.location.get('url', '')}")(message)

    def dismiss(dialog: Dialog) -> None:
        note("dialog", lambda d: d.message)(dialog)
        dialog.dismiss()

    page = visit.page
    page.on("console", hear)
    page.on("dialog", dismiss)
    page.on("pageerror", note("script", str))

    def miss(request: Request) -> None:
        if request.failure != _LEFT:
            note("not loaded", lambda r: f"{r.url} {r.failure}")(request)

    page.on("requestfailed", miss)
