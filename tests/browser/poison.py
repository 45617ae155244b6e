"""Text that would run if a page took it for markup, put wherever a person or a model can write."""

from __future__ import annotations

from typing import Final, get_args

from agent.driving import now
from agent.runner import Runner
from services.errors import AssayError
from services.review import Approve, Breach, Finding, ItemKind, Reject, ReviewItem
from tests.browser.site import Site
from tests.browser.stock import decide, start, waits

POISON: Final = (
    "\"'><img src=x onerror=marked()><script>marked()</script>"
    '<svg onload=marked()><a href="javascript:marked()">here</a>'
)
MARKED: Final = "the poison ran"
SCRIPT: Final = f"window.marked = () => console.error({MARKED!r});"
"""What the poison calls; a visit takes it for a fault."""
ALIVE: Final = """() => [...document.querySelectorAll(
  "[onerror], [onload], img[src=x], script:not([src]), a[href^='javascript:' i], form[action^='javascript:' i]"
)].filter(one => one.localName !== "script" || one.text.includes("marked"))
  .map(one => one.outerHTML.slice(0, 200))"""
"""Poison that has become a part of the page."""
_LINK: Final = "javascript:marked()"


def poison(site: Site) -> tuple[str, ...]:
    """Put it everywhere; the pages that show it."""
    _load_table(site)
    start(site, "cells", "total poisoned notional by trader", formats=("html", "json", "md"))
    start(site, "asked", f"exposure {POISON}")
    start(site, "refused")
    waits(site, "cells")
    decide(site, "cells", Approve(note=POISON), "Ben")
    waits(site, "refused")
    decide(site, "refused", Reject(reason=POISON), "Ben")
    waits(site, "asked")
    site.act(lambda runner: runner.cancel("asked", by="Ada", reason=POISON))
    items = site.act(_open_items)
    return (
        *(f"/runs/{run}" for run in ("cells", "asked", "refused")),
        *(f"/reviews/{item.id}" for item in items),
    )


def _load_table(site: Site) -> None:
    """A table whose cells, one of them a link, are poison."""
    quoted = POISON.replace('"', '""')
    file = site.folder / "poisoned.csv"
    file.write_text(f'trader,Notional [USD]\n"{quoted}",10\n{_LINK},5\nAna,2.5\n', encoding="utf-8")
    site.json("warehouse", "load", str(file))


def _breach() -> Breach:
    said = ("indicator", "measure", "value", "limit", "over", "change", "owner", "owner_role")
    return Breach(**dict.fromkeys(said, POISON))


async def _open_items(runner: Runner) -> tuple[ReviewItem, ...]:
    """An item of each kind, as a model could have it written, with what people do to it."""
    reviews = runner.stores.reviews
    for kind in get_args(ItemKind):
        item = ReviewItem.for_wait(
            "asked",
            f"poison {kind}",
            kind=kind,
            section=POISON,
            title=f"{kind} {POISON}",
            question=POISON,
            code="A301",
            detail=(POISON, _LINK),
            choices=("approve", "edit", "reject", "respond"),
            created_at=now(),
            requested_by=POISON,
            at_risk=POISON,
            query=f"SELECT '{POISON}' -- {POISON}",
            findings=(Finding(rule=POISON, message=POISON, hint=_LINK),),
            breach=_breach() if kind == "breach" else None,
        )
        await reviews.open_item(item)
        try:
            await reviews.assign(item.id, POISON, by=POISON, at=now())
        except AssayError:  # a name that nobody could have
            await reviews.assign(item.id, "Ben", by=POISON, at=now())
    found: list[ReviewItem] = []
    for run in ("cells", "asked", "refused"):
        found += await reviews.of_run(run)
    return tuple(found)
