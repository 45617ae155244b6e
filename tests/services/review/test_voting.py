"""Several people, several approvals: who may give which, and what a late or doubled one meets."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis

from services.errors import DecisionRefused, ItemChanged, SettingInvalid
from services.review import (
    ApprovalRule,
    Approve,
    Decision,
    Edit,
    Reject,
    ReviewItem,
    ReviewPolicy,
    ReviewQueue,
    load_policy,
)
from tests.services.review.items import NOON, TWO, item


async def vote(
    queue: ReviewQueue, by: str, decision: Decision | None = None, **more: Any
) -> ReviewItem:
    return await queue.decide(item().id, decision or Approve(), **({"by": by, "at": NOON} | more))


async def opened(redis: Redis, policy: ReviewPolicy = TWO, **fields: Any) -> ReviewQueue:
    queue = ReviewQueue(redis, policy)
    await queue.open_item(item(**fields))
    return queue


@pytest.mark.parametrize(
    ("kind", "severity", "needed"),
    [
        ("publication", "red", 2),
        ("publication", "amber", 1),
        ("publication", "none", 1),
        ("failed_check", "red", 1),
    ],
)
async def test_the_default_asks_for_two_where_a_finding_is_red(
    redis: Redis, kind: str, severity: str, needed: int
) -> None:
    """And for one everywhere else."""
    queue = await opened(redis, ReviewPolicy(), kind=kind, severity=severity)

    assert needed == (await queue.get(item().id)).needed


async def test_two_approvals_of_two_people_decide(redis: Redis) -> None:
    """The first leaves the item open with nobody, and says who voted."""
    queue = await opened(redis)
    await queue.assign(item().id, "Ada", by="Bob", at=NOON)
    first = await vote(queue, "Ada", Approve(note="figures agree"))
    assert ("open", ("Ada",), None, True) == (
        first.status,
        first.approved_by,
        first.assignee,
        first.is_second,
    )
    assert [first.id] == [one.id for one in await queue.list()]
    assert () == await queue.answered()
    second = await vote(queue, "Bob")

    assert ("decided", "Bob", ("Ada", "Bob")) == (
        second.status,
        second.decided_by,
        second.approved_by,
    )
    assert [second.id] == [one.id for one in await queue.answered()]


async def test_the_first_approver_cannot_be_the_second(redis: Redis) -> None:
    """The refusal says whose approval is there."""
    queue = await opened(redis)
    await vote(queue, "Ada")

    with pytest.raises(DecisionRefused, match="has Ada's approval already; it takes 2"):
        await vote(queue, "Ada", Approve(note="again"))


async def test_who_asked_for_the_run_cannot_be_the_second(redis: Redis) -> None:
    """Nor can the item be given to them for that."""
    queue = await opened(redis)
    await vote(queue, "Ada")

    with pytest.raises(DecisionRefused, match="Olga asked for run r-1"):
        await vote(queue, "Olga")
    with pytest.raises(DecisionRefused, match="Olga asked for run r-1"):
        await queue.assign(item().id, "Olga", by="Bob", at=NOON)
    assert "decided" == (await vote(queue, "Bob")).status


@pytest.mark.parametrize("votes", [0, 1])
async def test_a_rejection_by_anyone_decides(redis: Redis, votes: int) -> None:
    """Before or after a first approval, and by whoever asked too."""
    queue = await opened(redis)
    for _ in range(votes):
        await vote(queue, "Ada")
    decided = await vote(queue, "Olga", Reject(reason="stale prices"))

    assert ("decided", Reject(reason="stale prices")) == (decided.status, decided.decision)


async def test_two_of_three_named_people_approve(redis: Redis) -> None:
    """Nobody else's approval counts, and the refusal names them."""
    rule = ApprovalRule(needed=2, of=("Ada", "Bob", "Eve"))
    queue = await opened(redis, ReviewPolicy(approvals=(rule,)))

    with pytest.raises(DecisionRefused, match="2 of Ada, Bob, Eve; Mallory is not among them"):
        await vote(queue, "Mallory")
    await vote(queue, "Eve")
    assert "decided" == (await vote(queue, "Bob")).status


async def test_of_two_second_approvals_at_once_one_decides(redis: Redis) -> None:
    """Five people at once give two votes and one decision; the rest are told."""
    queue = await opened(redis)

    async def attempt(person: str) -> str:
        try:
            return (await vote(queue, person)).status
        except DecisionRefused as refusal:
            return refusal.message

    told = await asyncio.gather(*(attempt(f"person-{n}") for n in range(5)))
    after = await queue.get(item().id)

    assert (1, 1, 3) == (
        told.count("open"),
        told.count("decided"),
        sum("already decided" in message for message in told),
    )
    assert 2 == len(set(after.approved_by))


async def test_one_person_alone_approves_once(redis: Redis) -> None:
    """Where there is but one person, four eyes cannot be had; the policy may still ask for more."""
    queue = await opened(redis)
    assert "decided" == (await vote(queue, "Ada", single_user=True)).status
    await redis.flushall()
    strict = await opened(redis, TWO.model_copy(update={"single_user_approvals": 2}))

    assert "open" == (await vote(strict, "Ada", single_user=True)).status
    with pytest.raises(DecisionRefused, match="has Ada's approval already"):
        await vote(strict, "Ada", single_user=True)


@pytest.mark.parametrize("decision", [Approve(note="n"), Reject(reason="r")])
async def test_a_form_that_is_sent_twice_counts_once(redis: Redis, decision: Decision) -> None:
    """The same person, key and decision: a success that changes nothing."""
    queue = await opened(redis)
    first = await vote(queue, "Ada", decision, key="k1", version=1)

    assert first == await vote(
        queue, "Ada", decision, key="k1", version=1, at=NOON + timedelta(seconds=9)
    )
    with pytest.raises(DecisionRefused):
        await vote(queue, "Bob", decision, key="k1", version=1)
    with pytest.raises(DecisionRefused, match="another decision of Ada under the same key"):
        await vote(queue, "Ada", Approve(note="other"), key="k1")


async def test_a_stale_form_is_told_what_changed(redis: Redis) -> None:
    """Nothing is overwritten; who only had it open makes no form stale."""
    queue = await opened(redis)
    await queue.claim(item().id, by="Bob", at=NOON)
    await queue.release(item().id, by="Bob", at=NOON)
    await queue.assign(item().id, "Eve", by="Bob", at=NOON, version=1)
    await vote(queue, "Ada", version=2)

    with pytest.raises(ItemChanged, match="assigned to Eve by Bob") as caught:
        await vote(queue, "Eve", Reject(reason="r"), version=1)
    assert ("A310", 2) == (caught.value.code, len(caught.value.since))
    assert "approval 1 of 2 by Ada" in caught.value.since[1]
    assert "decided" == (await vote(queue, "Eve", version=3)).status


@pytest.mark.parametrize(
    "rule", [{"needed": 0}, {"needed": 2, "of": ["Ada"]}, {"needed": 2, "of": ["Ada", "Ada"]}]
)
def test_a_rule_that_cannot_be_met_is_refused(rule: dict[str, Any]) -> None:
    """When it is read, not when somebody waits for the second vote."""
    with pytest.raises(ValidationError):
        ApprovalRule.model_validate(rule)


def test_a_policy_is_read_from_a_file(tmp_path: Path) -> None:
    """Rules, hours and deadlines in TOML; what is wrong is named."""
    path = tmp_path / "review.toml"
    path.write_text(
        """
        escalate_to = "operator"
        claim_for = "PT5M"
        [[approvals]]
        kind = "publication"
        severity = ["red", "amber"]
        needed = 3
        [hours]
        zone = "Europe/Berlin"
        opens = 08:00:00
        holidays = [2026-12-25]
        [due]
        breach = "PT1H"
        """
    )
    policy = load_policy(path)

    assert 3 == policy.rule_for(item(severity="amber")).needed
    assert 1 == policy.rule_for(item(severity="green")).needed
    assert timedelta(hours=1) == policy.due["breach"]
    path.write_text("[hours]\nzone = 'Nowhere'")
    with pytest.raises(SettingInvalid, match=r"hours.zone"):
        load_policy(path)
    path.write_text("approvals = 1 = 2")
    with pytest.raises(SettingInvalid, match="cannot be read"):
        load_policy(path)
    with pytest.raises(SettingInvalid, match="cannot be read"):
        load_policy(tmp_path / "none.toml")
    assert ReviewPolicy() == load_policy(None)


async def test_who_edited_a_report_is_no_second_pair_of_eyes(redis: Redis) -> None:
    """An editor may give the first approval, and never the one that makes it enough."""
    queue = await opened(redis, edited_by=("Eve",))
    await vote(queue, "Bob")
    with pytest.raises(DecisionRefused, match="Eve has edited the report"):
        await vote(queue, "Eve")

    assert "decided" == (await vote(queue, "Cleo")).status


async def test_an_edit_fits_what_waits(redis: Redis) -> None:
    """A draft has texts of findings, anything else a question or a query."""
    queue = await opened(redis, choices=("approve", "edit", "reject"))
    with pytest.raises(DecisionRefused, match="takes an edit of the text of a finding"):
        await vote(queue, "Bob", Edit(text="NPL by sector"))
    other = item(interrupt_id="i-2", kind="clarification", choices=("edit",))
    await queue.open_item(other)
    text = Edit(text="x", of="finding", finding="market.var")
    with pytest.raises(DecisionRefused, match="takes an edit of a question or a query"):
        await queue.decide(other.id, text, by="Bob", at=NOON)
    with pytest.raises(ValidationError, match="names it"):
        Edit(text="x", of="finding")
