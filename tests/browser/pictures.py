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

from playwright.sync_api import sync_playwright

from tests.browser.chromium import Visits, launch, visits_to
from tests.browser.crawl import walk
from tests.browser.site import Site
from tests.browser.stock import start, stock, waits

LOOKS: Final = (
    ("light", "light", {"width": 1280, "height": 800}),
    ("dark", "dark", {"width": 1280, "height": 800}),
    ("phone", "light", {"width": 360, "height": 740}),
)
_STRANGERS: Final = ("/login", "/runs")


def take(visits: Visits, folder: Path) -> int:
    """Take a picture of each page in each look; how many pages there are."""
    paths = list(walk(visits("Ada")))
    for name, scheme, size in LOOKS:
        ada = visits("Ada", color_scheme=scheme, viewport=size, reduced_motion="reduce")
        for path in paths:
            ada.go(path).screenshot(path=folder / f"{_file(path)}.{name}.png", full_page=True)
        nobody = visits(None, color_scheme=scheme, viewport=size)
        for path in _STRANGERS:
            picture = folder / f"stranger{_file(path)}.{name}.png"
            nobody.go(path).screenshot(path=picture, full_page=True)
        missing = ada.go("/runs/nobody")
        missing.screenshot(path=folder / f"missing.{name}.png", full_page=True)
    return len(paths)


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
