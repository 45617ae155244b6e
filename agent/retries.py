"""What a run is about to try again: each step that failed or waits, why, and when it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from agent.policies import STEP_POLICIES, longest_pause
from agent.timeline import Timeline
from services.errors import meaning

_LATE: Final = timedelta(seconds=60)
"""After which a wait that nobody spoke of again is no news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A step that is tried again by itself."""

    seq: int
    """Of the entry that says its last try began."""
    step: str
    section: str
    number: int
    """Of the try that failed, or that waits."""
    tries: int
    """How many it has."""
    code: str
    why: str
    at: datetime
    """When it goes on, at the latest."""
    is_away: bool
    """Whether what it needs does not answer: such a wait uses up no try."""


def retries(told: Timeline, *, now: datetime) -> tuple[Retry, ...]:
    """Steps that failed and have tries left, and steps that wait for what is away."""
    found = []
    for one in (*told.retries, *told.away):
        policy = STEP_POLICIES[one.step].retry
        at = one.again_at if one.outcome == "under way" else one.ended
        if at is None or at < now - _LATE:
            continue
        if is_failed := one.outcome == "failed":
            at += longest_pause(policy, one.number)
        if is_failed and one.number >= policy.max_attempts:
            continue
        found.append(
            Retry(
                seq=one.seq,
                step=one.step,
                section=one.section,
                number=one.number,
                tries=policy.max_attempts,
                code=one.code,
                why=meaning(one.code),
                at=at,
                is_away=not is_failed,
            )
        )
    return tuple(found)
