"""What axe-core finds on a page that keeps people from using it."""

from __future__ import annotations

from typing import Any, Final

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

_RUN: Final = "options => axe.run(document, options)"
_GRAVE: Final = ("serious", "critical")
_EVERYTHING: Final = {"resultTypes": ["violations"]}
_COLOURS: Final = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}


def barriers(page: Page, *, colours_only: bool = False) -> list[str]:
    """Serious and critical violations, with where they are."""
    page.evaluate(AXE_SCRIPT)
    found: dict[str, Any] = page.evaluate(_RUN, _COLOURS if colours_only else _EVERYTHING)
    return [
        f"{one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for one in found["violations"]
        if one["impact"] in _GRAVE
        for node in one["nodes"]
    ]
