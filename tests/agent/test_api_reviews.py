"""Deciding over HTTP: by who may, once, and on what they saw."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from agent.runner import Runner
from services.review import ReviewItem, _listing
from tests.agent.driven import entries, nobody, report
from tests.agent.test_api_runs import BEGAN, put
from tests.agent.test_web_access import carrying, door


async def ask(runner: Runner, number: int, **fields: Any) -> ReviewItem:
    """An item of run r001 that waits for a person."""
    given = {
        "tenant": "a",
        "kind": "clarification",
        "title": "Which?",
        "question": "Which portfolio?",
        "code": "A201",
        "choices": ("respond", "reject", "edit", "approve"),
        "created_at": BEGAN + timedelta(minutes=number),
        **fields,
    }
    return await runner.stores.reviews.open_item(
        ReviewItem.for_wait(given.pop("run_id", "r001"), f"i{number}", **given)
    )


async def listed(client: httpx.AsyncClient, query: str = "") -> list[str]:
    """The ids of all pages, one after another."""
    found, cursor = [], ""
    while True:
        page = (await client.get(f"/v1/reviews?{query}{cursor}")).json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


async def test_items_are_found_in_pages(
    own_runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open ones with the oldest first, by kind, run and tenant; decided ones with the newest first."""
    await put(own_runner, 1, tenant="a")
    await put(own_runner, 2, tenant="a")
    items = [await ask(own_runner, number) for number in range(5)]
    breach = await ask(own_runner, 5, kind="breach", run_id="r002")
    theirs = await ask(own_runner, 6, tenant="b")
    client = await carrying(own_runner, "r", "reviewer", tenant="a")
    other = await carrying(own_runner, "o", "reviewer", tenant="b")
    ids = [item.id for item in items]

    assert [*ids, breach.id] == await listed(client, "limit=2")
    assert [breach.id] == await listed(client, "kind=breach")
    assert [breach.id] == await listed(client, "run=r002")
    assert [theirs.id] == await listed(other)
    await client.post(f"/v1/reviews/{ids[0]}/respond", json={"text": "retail"})
    await client.post(f"/v1/reviews/{ids[3]}/respond", json={"text": "retail"})
    assert [ids[3], ids[0]] == await listed(client, "status=decided&limit=1")
    assert [breach.id, *reversed(ids)] == await listed(client, "status=all&limit=4")
    assert [ids[1], ids[2], ids[4]] == await listed(client, "run=r001&limit=1")
    for wrong in ("status=x", "kind=x", "limit=0", "cursor=x"):
        assert 422 == (await client.get(f"/v1/reviews?{wrong}")).status_code
    monkeypatch.setattr(_listing, "_BATCH", 2)
    monkeypatch.setattr(_listing, "_LOOKED_AT", 2)
    for query in ("", "status=all"):  # however many others have, its own are on the first page
        page = (await other.get(f"/v1/reviews?{query}")).json()
        assert ([theirs.id], None) == ([item["id"] for item in page["items"]], page["next"])
    assert [breach.id] == await listed(client, "kind=breach&status=all")
    assert [] == await listed(other, "run=r002&status=all")


async def test_answers_are_taken_once_from_who_may(own_runner: Runner) -> None:
    """A text, a reason, a note; an item takes the answers it names, and one of them."""
    await put(own_runner, 1, tenant="a", left=True)
    items = [await ask(own_runner, number) for number in range(4)]
    narrow = await ask(own_runner, 4, choices=("approve",))
    reviewer = await carrying(own_runner, "Rita", "reviewer", tenant="a")
    viewer = await carrying(own_runner, "Vic", "viewer", tenant="a")
    bodies = {
        "respond": {"text": "retail"},
        "reject": {"reason": "no"},
        "edit": {"text": "SELECT 1"},
        "approve": {"note": "fine"},
    }
    for item, (kind, body) in zip(items, bodies.items(), strict=True):
        path = f"/v1/reviews/{item.id}/{kind}"
        assert 403 == (await viewer.post(path, json=body)).status_code
        answer = await reviewer.post(path, json=body)
        assert (200, kind, "Rita") == (
            answer.status_code,
            answer.json()["decision"]["kind"],
            answer.json()["decided_by"],
        )
        late = await reviewer.post(path, json=body)
        assert (409, "A302") == (late.status_code, late.json()["code"])
        shown = (await viewer.get(f"/v1/reviews/{item.id}")).json()
        assert "decided" == shown["status"]

    assert (
        409
        == (
            await reviewer.post(f"/v1/reviews/{narrow.id}/reject", json={"reason": "no"})
        ).status_code
    )
    for kind, body in (("reject", {}), ("respond", {"text": " "}), ("edit", {"text": ""})):
        answer = await reviewer.post(f"/v1/reviews/{narrow.id}/{kind}", json=body)
        assert 422 == answer.status_code
    assert 1 == (await own_runner.stores.queue.state()).waiting


async def test_a_publication_is_decided_by_who_may_publish(own_runner: Runner) -> None:
    """On the report that they saw; the run then goes on to its end."""
    await report(own_runner, "r1")
    client = await door(own_runner)
    [item] = (await client.get("/v1/reviews?run=r1")).json()["items"]
    path = f"/v1/reviews/{item['id']}/approve"
    reviewer = await carrying(own_runner, "Rita", "reviewer")
    approver = await carrying(own_runner, "Pam", "approver")
    refused = await reviewer.post(path)
    stale = await approver.post(path, json={"report_digest": "0" * 64})
    given = await approver.post(path, json={"report_digest": item["report_digest"]})

    assert (403, "A305") == (refused.status_code, refused.json()["code"])
    assert (409, "A302") == (stale.status_code, stale.json()["code"])
    assert 200 == given.status_code, given.text
    assert "done" == (await own_runner.drive("r1", nobody)).status
    assert ["Pam"] == [
        (await own_runner.stores.audit.personal("r1"))[said["by"]]
        for said in await entries(own_runner, "r1", "review.decided")
    ]


async def test_who_has_an_item_is_arranged_over_http(own_runner: Runner) -> None:
    """Claimed, assigned and delegated; a stale version is a conflict that says what changed."""
    await put(own_runner, 1, tenant="a")
    item = await ask(own_runner, 1)
    ada = await carrying(own_runner, "Ada", "reviewer", tenant="a")
    bob = await carrying(own_runner, "Bob", "reviewer", tenant="a")
    here = f"/v1/reviews/{item.id}"
    claimed = await ada.post(f"{here}/claim")
    held = await bob.post(f"{here}/reject", json={"reason": "x"})
    await ada.post(f"{here}/release")
    given = await ada.post(f"{here}/assign", json={"to": "Ada", "version": 1})
    stale = await bob.post(f"{here}/reject", json={"reason": "x", "version": 1})
    handed = await ada.post(f"{here}/delegate", json={"to": "Bob"})
    refused = await ada.post(f"{here}/delegate", json={"to": "Bob"})

    assert "Ada" == claimed.json()["claim"]["by"]
    assert (409, "A302") == (held.status_code, held.json()["code"])
    assert ("Ada", 2) == (given.json()["assignee"], given.json()["version"])
    assert (409, "A310") == (stale.status_code, stale.json()["code"])
    assert "assigned to Ada by Ada" in stale.json()["title"]
    assert ("Bob", 409) == (handed.json()["assignee"], refused.status_code)


async def test_a_decision_sent_twice_over_http_counts_once(own_runner: Runner) -> None:
    """Under one `Idempotency-Key`; without, the second is told of the first."""
    await put(own_runner, 1, tenant="a")
    item = await ask(own_runner, 1)
    ada = await carrying(own_runner, "Ada", "reviewer", tenant="a")
    path, body = f"/v1/reviews/{item.id}/reject", {"reason": "stale prices"}
    first = await ada.post(path, json=body, headers={"Idempotency-Key": "k-1"})
    second = await ada.post(path, json=body, headers={"Idempotency-Key": "k-1"})
    third = await ada.post(path, json=body)

    assert first.json() == second.json()
    assert (200, 200, 409) == (first.status_code, second.status_code, third.status_code)
