"""Who has an item: claims, assignments, delegation. Each function gives the item as it is then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from services.errors import DecisionRefused, Invalid, ItemChanged

from ._items import Away, Change, Claim, ReviewItem

_KEPT: Final = 50
"""Changes that an item remembers."""
_LONGEST: Final = 200


def changed(
    item: ReviewItem,
    what: str,
    *,
    by: str,
    at: datetime,
    to: str = "",
    matters: bool = True,
    update: Mapping[str, Any],
) -> ReviewItem:
    """*item* with *update*, and a note of it; a change that matters makes older forms stale."""
    version = item.version + 1 if matters else item.version
    note = Change(version=version, at=at, by=by, what=what, to=to)
    changes = (*item.changes, note)[-_KEPT:]
    return ReviewItem.model_validate(
        {**dict(item), **update, "version": version, "changes": changes}
    )


def check_version(item: ReviewItem, version: int | None) -> None:
    """Raise `ItemChanged`, saying what changed, unless *version* is the item's."""
    if version is None or version == item.version:
        return
    since = [str(change) for change in item.changes if change.version > version]
    raise ItemChanged(
        f"Item {item.id} has changed since you looked at it: {'; '.join(since) or 'it is another version'}.",
        hint="Look at it again; nothing of yours was recorded.",
        since=tuple(since),
    )


def check_open(item: ReviewItem) -> None:
    """Raise `DecisionRefused`, saying what became of it, unless the item waits."""
    if item.status == "superseded":
        why = "the run has gone another way" if item.is_awaited else "the report was withdrawn"
        raise DecisionRefused(
            f"Item {item.id} no longer waits: {why}.",
            hint=f"See `assay run show {item.run_id}`.",
        )
    if item.decided_by is not None and item.decided_at is not None and item.decision is not None:
        raise DecisionRefused(
            f"Item {item.id} was already decided: {item.decision.kind} by {item.decided_by} at {item.decided_at:%Y-%m-%d %H:%M:%S} UTC."
        )


def check_claim(item: ReviewItem, by: str, at: datetime) -> None:
    """Raise `DecisionRefused` while somebody else has the item open."""
    holder = item.claimed_by(at)
    if holder is None or holder == by:
        return
    assert item.claim is not None
    minutes = int((at - item.claim.at).total_seconds() // 60)
    since = f"since {minutes} min" if minutes else "since less than a minute"
    raise DecisionRefused(
        f"Item {item.id} is open with {holder} {since}.",
        hint=f"It is free at {item.claim.until:%H:%M:%S} UTC at the latest; to take it over: `assay review claim {item.id} --take`.",
    )


def claimed(
    item: ReviewItem, *, by: str, at: datetime, lasting: timedelta, take: bool = False
) -> ReviewItem:
    """The item open with *by*; claiming again makes it last longer."""
    check_open(item)
    if not take:
        check_claim(item, by, at)
    before = item.claimed_by(at)
    since = item.claim.at if item.claim is not None and before == by else at
    claim = Claim(by=by, at=since, until=at + lasting)
    if before == by:
        return item.model_copy(update={"claim": claim})
    what = f"taken over from {before}" if before else "claimed"
    return changed(item, what, by=by, at=at, matters=False, update={"claim": claim})


def released(item: ReviewItem, *, by: str, at: datetime) -> ReviewItem:
    """The item open with nobody; one that somebody else has open is left to them."""
    check_open(item)
    if item.claimed_by(at) is None:
        return item
    check_claim(item, by, at)
    return changed(item, "released", by=by, at=at, matters=False, update={"claim": None})


def assigned(
    item: ReviewItem, to: str, *, by: str, at: datetime, version: int | None = None
) -> ReviewItem:
    """The item given to *to*, who must be able to decide it."""
    check_open(item)
    check_version(item, version)
    person = _named(to)
    if person in (item.assignee, item.away.person if item.away else None):
        return item
    check_approver(item, person, approvals=item.needed)
    return changed(item, "assigned to", by=by, at=at, to=person, update=_given(item, person))


def unassigned(
    item: ReviewItem, *, by: str, at: datetime, version: int | None = None
) -> ReviewItem:
    """The item given to nobody."""
    check_open(item)
    check_version(item, version)
    if item.assignee is None:
        return item
    update = {"assignee": None, "away": None}
    return changed(item, "unassigned", by=by, at=at, update=update)


def delegated(
    item: ReviewItem, to: str, *, by: str, at: datetime, version: int | None = None
) -> ReviewItem:
    """The item handed on by the one who has it."""
    check_open(item)
    check_version(item, version)
    person = _named(to)
    if by not in (item.assignee, item.claimed_by(at)):
        raise DecisionRefused(
            f"Item {item.id} is not {by}'s to delegate.",
            hint=f"Who has it delegates it; anybody else assigns it: `assay review assign {item.id} NAME`.",
        )
    if person == by:
        raise Invalid("Nobody delegates to themselves.", hint="Name somebody else.")
    check_approver(item, person, approvals=item.needed)
    return changed(item, "delegated to", by=by, at=at, to=person, update=_given(item, person))


def passed_on(item: ReviewItem, to: str, away: Away, *, at: datetime) -> ReviewItem:
    """
    The item with *to*, who stands in for *away*; as it is when somebody has begun with it, when it
    is neither theirs nor held for them, or when *to* may not decide it.
    """
    if item.status != "open" or item.owner != away.person or item.is_begun(at):
        return item
    if (item.assignee, item.away) == (to, away) or not can_stand_in(item, to):
        return item
    update = {"assignee": to, "away": away, "claim": None}
    return changed(item, "passed on to", by=away.person, at=at, to=to, update=update)


def given_back(item: ReviewItem, person: str, *, at: datetime) -> ReviewItem:
    """The item with *person* again, unless whoever stood in for them has begun with it."""
    if item.status != "open" or item.owner != person or item.away is None or item.is_begun(at):
        return item
    update = {"assignee": person, "away": None, "claim": None}
    return changed(item, "given back to", by=person, at=at, to=person, update=update)


def can_stand_in(item: ReviewItem, person: str) -> bool:
    """Whether *person* may be given the item of somebody who is away: none that they asked for."""
    if person == item.requested_by:
        return False
    try:
        check_approver(item, person, approvals=item.needed)
    except DecisionRefused:
        return False
    return True


def check_approver(item: ReviewItem, by: str, *, approvals: int) -> None:
    """Raise `DecisionRefused`, with the reason in words, unless *by* may give the next approval."""
    if item.approvers and by not in item.approvers:
        raise DecisionRefused(
            f"Item {item.id} is approved by {item.needed} of {', '.join(item.approvers)}; {by} is not among them.",
            hint="Assign it to one of them.",
        )
    if approvals < 2:
        return
    if by in item.approved_by:
        raise DecisionRefused(
            f"Item {item.id} has {by}'s approval already; it takes {approvals}, of different people.",
            hint="Somebody else gives the next one.",
        )
    if item.approved_by and by == item.requested_by:
        raise DecisionRefused(
            f"{by} asked for run {item.run_id}, and cannot give item {item.id} its second approval.",
            hint="Four eyes: somebody who neither asked for it nor approved first gives it.",
        )
    if item.approved_by and by in item.edited_by:
        raise DecisionRefused(
            f"{by} has edited the report of run {item.run_id}, and cannot give item {item.id} its second approval.",
            hint="Four eyes: somebody who neither edited it nor approved first gives it.",
        )


def _given(item: ReviewItem, person: str) -> dict[str, Any]:
    """Who is given an item finds it free, unless they have it open themselves."""
    mine = item.claim is not None and item.claim.by == person
    return {"assignee": person, "away": None, "claim": item.claim if mine else None}


def _named(person: str) -> str:
    name = person.strip()
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise Invalid(
            "This is no name of a person.", hint=f"One line of at most {_LONGEST} characters."
        )
    return name
