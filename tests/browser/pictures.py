"""
Pictures of all pages, to be looked at: in light, in dark, and on a phone.

    .venv/bin/python -m tests.browser.pictures FOLDER
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import Visits, launch, visits_to
from tests.browser.crawl import walk
from tests.browser.site import Site
from tests.browser.stock import start, stock, waits

LOOKS: Final = (
    ("light", "light", {"width": 1280, "height": 800}),
    ("dark", "dark", {"width": 1280, "height": 800}),
    ("phone", "light", {"width": 360, "height": 740}),
)
_PATIENCE_MS: Final = 60_000
"""A trace is many screens long."""
_STRANGERS: Final = ("/login", "/runs")
_OTHERS: Final = (
    "/compare",
    "/compare?a=half-approved&b=published",
    "/compare?a=published&b=quarterly",
    "/reviews?tab=done",
    "/reviews?tab=overdue",
    "/runs/published/withdraw",
    "/runs/published/resume",
    "/runs/quarterly/audit?check=true",
    "/runs/broken",
    "/runs?text=nothing",
    "/runs/nobody",
    "/nowhere",
)
"""What a walk does not come to, or seldom."""


def take(visits: Visits, folder: Path) -> int:
    """Take a picture of each page in each look; how many pages there are."""
    paths = [*walk(visits("Ada"), each=3), *_OTHERS]
    for name, scheme, size in LOOKS:
        ada = visits("Ada", color_scheme=scheme, viewport=size, reduced_motion="reduce")
        for path in paths:
            _picture(ada.go(path), folder / f"{_file(path)}.{name}.png")
        nobody = visits(None, color_scheme=scheme, viewport=size)
        for path in _STRANGERS:
            _picture(nobody.go(path), folder / f"stranger{_file(path)}.{name}.png")
        vic = visits("Vic", color_scheme=scheme, viewport=size)
        _picture(vic.go("/runs/published/cancel"), folder / f"viewer_cancel.{name}.png")
    return len(paths)


def _picture(page: Page, file: Path) -> None:
    page.screenshot(path=file, full_page=True, timeout=_PATIENCE_MS)


def _file(path: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "_", path)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        site = Site(Path(home) / "site")
        try:
            stock(site.start())
            start(site, "quarterly", "", formats=("html", "json"))
            waits(site, "quarterly")
            with visits_to(launch(playwright), site) as visits:
                print(f"{take(visits, folder)} pages in {folder}", file=sys.stderr)  # noqa: T201
        finally:
            site.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
