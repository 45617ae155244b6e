"""All pages that a person can come to by following links."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, urljoin, urlsplit

from tests.browser.chromium import Visit

DOORS: Final = ("/reviews", "/runs")
_LINKS: Final = "links => links.map(link => link.getAttribute('href'))"
_ID: Final = re.compile(r"(?<=/runs/)[^/]+|(?<=/reviews/)[^/]+|\bev_[0-9a-f]+|\b[0-9a-f]{16,}")
_NO_PAGE: Final = re.compile(
    r"^/(v1|static|docs|openapi|metrics|healthz|readyz)|\.(json|pdf|xlsx|md)$"
)


def kind_of(address: str) -> str:
    """What a page is, whichever run or item it shows."""
    parts = urlsplit(address)
    names = sorted({name for name, _ in parse_qsl(parts.query)})
    return _ID.sub("*", parts.path) + ("?" + "&".join(names) if names else "")


def links(visit: Visit) -> list[str]:
    """The pages of this site that the page links to."""
    found = visit.page.eval_on_selector_all("a[href]", _LINKS)
    whole = [urljoin(visit.page.url, href).split("#")[0] for href in found]
    here = [one.removeprefix(visit.site.url) for one in whole if one.startswith(visit.site.url)]
    return [one for one in here if not _NO_PAGE.search(urlsplit(one).path)]


def walk(
    visit: Visit, *, first: tuple[str, ...] = DOORS, each: int = 2, most: int = 60
) -> Iterator[str]:
    """Opens page after page, *each* so many of a kind; yields the path of each that is open."""
    waiting, seen, kinds = deque(first), set(first), Counter[str]()
    while waiting and sum(kinds.values()) < most:
        path = waiting.popleft()
        if kinds[kind_of(path)] >= each:
            continue
        kinds[kind_of(path)] += 1
        answer = visit.page.goto(visit.site.url + path)
        assert answer is not None
        assert answer.ok, f"{path}: {answer.status}"
        yield path
        for link in links(visit):
            if link not in seen:
                seen.add(link)
                waiting.append(link)
