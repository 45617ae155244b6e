"""The words of the review pages: kinds, ages, deadlines, and why a person is asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from services.evidence import Frozen, Plain
from services.review import ItemKind, ReviewItem, Severity

Look: TypeAlias = Literal["good", "warn", "bad", "idle", "live"]

KINDS: Final[dict[ItemKind, str]] = {
    "clarification": "Clarification",
    "refused_query": "Refused query",
    "failed_check": "Failed check",
    "retries_exhausted": "Retries exhausted",
    "breach": "Limit breach",
    "held": "Held run",
    "publication": "Publication",
}
SEVERITIES: Final[dict[Severity, str]] = {
    "red": "Red",
    "amber": "Amber",
    "green": "Green",
    "none": "None",
}
LOOKS: Final[dict[Severity, Look]] = {
    "red": "bad",
    "amber": "warn",
    "green": "good",
    "none": "idle",
}
GOES_ON: Final[dict[ItemKind, str]] = {
    "clarification": "Approve",
    "refused_query": "Try again",
    "failed_check": "Try again",
    "retries_exhausted": "Try again",
    "breach": "Acknowledge",
    "held": "Go on",
    "publication": "Approve and publish",
}
"""What an approval does, on its button."""
_WHY: Final[dict[ItemKind, str]] = {
    "clarification": "The question can be read in more than one way, or in none.",
    "refused_query": "The guard does not admit a query of this run.",
    "failed_check": "A claim could not be recomputed from its rows.",
    "retries_exhausted": "A step failed as often as it may.",
    "breach": "A published report shows this limit as exceeded.",
    "held": "Something keeps the run from its next step.",
    "publication": "Nothing is published without a person's approval.",
}
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


class Clock(Frozen):
    """A deadline as it stands: its shape and colour, and the words beside them."""

    look: Look
    text: str


class Row(Frozen):
    """An item's row in the inbox, but for what it asks."""

    age: str
    look: Look
    state: str
    """How its deadline stands, or what was decided."""
    who: str
    votes: str


def cell(value: Plain) -> str:
    """A value of a row, as people read it."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:,.12g}".replace("-", "\u2212")
        case _:
            return value


def counted(number: int, what: str) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def why(item: ReviewItem, needed: int) -> str:
    """Why a person is asked, and how many."""
    reason = _WHY[item.kind]
    if item.kind == "publication" and item.severity == "red":
        reason = "The report has a red status: it is published with approval only."
    return f"{reason} It takes {needed} approvals." if needed > 1 else reason


def lasting(span: timedelta) -> str:
    """How long, in the largest unit that says it."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "under 1 min"


def clock(item: ReviewItem, at: datetime) -> Clock:
    """How far the item's deadline is away."""
    if item.status != "open" or item.deadline is None:
        return Clock(look="idle", text="no deadline")
    left = item.deadline.due_at - at
    if left <= timedelta():
        return Clock(look="bad", text=f"Overdue by {lasting(-left)}")
    if item.deadline.remind_at <= at:
        return Clock(look="warn", text=f"Due soon, in {lasting(left)}")
    return Clock(look="good", text=f"Due in {lasting(left)}")


def holder(item: ReviewItem, at: datetime) -> str:
    """Who has the item, and since when it is open with them."""
    if item.status != "open":
        return item.decided_by or "nobody"
    name = item.claimed_by(at)
    if name is not None and item.claim is not None:
        return f"open with {name} since {lasting(at - item.claim.at)}"
    if item.assignee is not None:
        return f"{item.assignee}, {item.away}" if item.away else item.assignee
    return f"role {item.escalated_to}" if item.escalated_to else "nobody"


def row(item: ReviewItem, needed: int, at: datetime) -> Row:
    """What of an item's row in the inbox may change while somebody looks at it."""
    shown = clock(item, at) if item.status == "open" else standing(item, needed)
    return Row(
        age=lasting(at - item.created_at),
        look=shown.look,
        state=shown.text,
        who=holder(item, at),
        votes=f"{len(item.approved_by)} of {needed}",
    )


def standing(item: ReviewItem, needed: int) -> Clock:
    """The item's state as people read it."""
    if item.status == "superseded":
        return Clock(look="idle", text="No longer needed")
    if item.decision is not None and item.breach is not None:
        acknowledged = item.decision.kind == "approve"
        return Clock(
            look="good" if acknowledged else "warn",
            text="Acknowledged" if acknowledged else "Disputed",
        )
    if item.decision is not None:
        good = item.decision.kind in ("approve", "respond")
        words = {
            "approve": "Approved",
            "edit": "Edited",
            "reject": "Rejected",
            "respond": "Answered",
        }
        return Clock(look="good" if good else "warn", text=words[item.decision.kind])
    if item.is_second:
        return Clock(
            look="live", text=f"Second approval, {len(item.approved_by)} of {needed} given"
        )
    return Clock(look="live", text="Open")
