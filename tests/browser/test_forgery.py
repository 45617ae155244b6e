"""What a page of another origin can have a signed-in browser do: nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from agent.runner import Runner
from agent.web.app import make_app
from services.store import as_bytes
from tests.browser.chromium import Visits
from tests.browser.elsewhere import Elsewhere
from tests.browser.site import Site
from tests.browser.stock import open_item

_SAFE: Final = {"GET", "HEAD", "OPTIONS"}
_OPEN_TO_ALL: Final = ("/v1/webhooks/", "/login")
"""Signed by themselves, or for those that nobody knows yet."""
_KEPT: Final = ("assay:run:", "assay:review:", "assay:access:", "assay:webhook:", "assay:schedule")
_FLEETING: Final = re.compile(r"session|attempt|refus|seen|deliver|outbox|:put:|:due|:done|:dead")
_FETCH: Final = """async ([urls, bodies]) => {
  for (const url of urls) for (const [type, body] of bodies)
    await fetch(url, {method: "POST", mode: "no-cors", credentials: "include", body,
                      headers: {"Content-Type": type}}).catch(() => {});
}"""
_SUBMIT: Final = """([url, fields]) => {
  const form = document.createElement("form");
  form.method = "post"; form.action = url;
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    input.name = name; input.value = value; form.append(input);
  }
  document.body.append(form); form.submit();
}"""


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as other:
        yield other


def test_no_page_of_another_origin_changes_anything(
    visit: Visits, stocked: Site, elsewhere: Elsewhere
) -> None:
    """Neither from the same site, with whose requests the cookie is sent, nor from afar."""
    ada = visit("Ada")
    targets = _targets(stocked)
    bodies = [
        ("text/plain", json.dumps(_FIELDS)),
        ("application/x-www-form-urlencoded", "&".join(f"{k}={v}" for k, v in _FIELDS.items())),
        ("text/plain", ""),
    ]
    before = kept(stocked)
    for origin in (elsewhere.url, elsewhere.far_url):
        ada.go(origin)
        ada.page.evaluate(_FETCH, [targets, bodies])

    assert len(targets) > 1
    assert before == kept(stocked)


@pytest.mark.slow
def test_no_form_of_another_origin_is_taken(
    visit: Visits, stocked: Site, elsewhere: Elsewhere
) -> None:
    """A form that leads here changes nothing, and whoever sent it is told so."""
    ada = visit("Ada")
    before, answers = kept(stocked), {}
    for target in _targets(stocked):
        ada.go(elsewhere.url)
        with ada.page.expect_navigation(url=stocked.url + "/**") as moved:
            ada.page.evaluate(_SUBMIT, [target, _FIELDS])
        answer = moved.value
        assert answer is not None
        answers[target.removeprefix(stocked.url)] = answer.status

    assert before == kept(stocked)
    assert {} == {target: status for target, status in answers.items() if status < 400}


_FIELDS: Final = {
    "kind": "approve",
    "decision": "approve",
    "action": "approve",
    "reason": "forged",
    "note": "forged",
    "text": "forged",
    "to": "clarify",
    "question": "NPL ratio by segment",
    "name": "forged",
    "roles": "operator",
    "csrf": "guessed",
}


def _targets(site: Site) -> list[str]:
    """Each route that changes something, aimed at what there is to change."""
    item = open_item(site, "half-approved")
    assert item is not None
    names = {"run_id": "half-approved", "item_id": item.id, "ref": item.id, "id": item.id}
    found = set()
    for path, methods in _routes(make_app(site.settings)):
        if methods - _SAFE and not path.startswith(_OPEN_TO_ALL):
            named = re.sub(r"\{(\w+)[^}]*\}", lambda part: names.get(part[1], "forged"), path)
            found.add(site.url + named)
    return sorted(found)


def _routes(app: Any) -> Iterator[tuple[str, set[str]]]:
    for route in app.routes:
        if isinstance(methods := getattr(route, "methods", None), set):
            yield route.path, methods
        elif router := getattr(route, "original_router", None):
            yield from _routes(router)


def kept(site: Site) -> dict[str, str]:
    """All that is stored of runs, items, keys, people, sources and schedules."""

    async def read(runner: Runner) -> dict[str, str]:
        redis, found = runner.stores.redis, {}
        async for name in redis.scan_iter("assay:*"):
            key = as_bytes(name).decode()
            if key.startswith(_KEPT) and not _FLEETING.search(key):
                found[key] = repr(await redis.dump(key))
        return found

    return site.act(read)
