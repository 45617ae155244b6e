"""Retry, time and roll-back of each step, as frozen values; LangGraph's own types where it has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from langgraph.errors import NodeTimeoutError
from langgraph.types import RetryPolicy, TimeoutPolicy

from services.errors import Retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPolicy:
    """
    How often a step is tried, how long one try may take, and how long it may show no progress.

    What may work later is tried again, after a pause that doubles, give or take; what a person has
    to decide, and what is refused or invalid, is not. A store or warehouse that is away uses up no
    try (`agent.steps.bounded`).
    """

    retry: RetryPolicy
    limit: timedelta
    silence: TimeoutPolicy


_JITTER = timedelta(seconds=1)
"""What LangGraph adds at most to a pause, so that sections do not come back all at once."""


def longest_pause(policy: RetryPolicy, failed: int) -> timedelta:
    """How long a step pauses at most after its try number *failed*, by LangGraph's own rule."""
    pause = policy.initial_interval * policy.backoff_factor ** (failed - 1)
    return timedelta(seconds=min(policy.max_interval, pause)) + (
        _JITTER if policy.jitter else timedelta()
    )


def _policy(*, attempts: int, limit: timedelta, silence: timedelta) -> StepPolicy:
    if attempts < 1:
        raise ValueError(f"attempts must be at least 1, got {attempts}")
    if not timedelta(0) < silence <= limit:
        raise ValueError(f"silence must be positive and at most {limit}, got {silence}")
    return StepPolicy(
        retry=RetryPolicy(
            initial_interval=0.2,
            backoff_factor=2.0,
            max_interval=5.0,
            max_attempts=attempts,
            jitter=True,
            retry_on=(Retryable, NodeTimeoutError),
        ),
        limit=limit,
        silence=TimeoutPolicy(idle_timeout=silence),
    )


def _minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


STEP_POLICIES: dict[str, StepPolicy] = {
    "clarify": _policy(attempts=3, limit=_minutes(5), silence=_minutes(5)),
    "plan": _policy(attempts=3, limit=_minutes(1), silence=_minutes(1)),
    "retrieve": _policy(attempts=3, limit=_minutes(15), silence=_minutes(5)),
    # A model may write every sentence of a section on a slow machine.
    "analyse": _policy(attempts=2, limit=_minutes(30), silence=_minutes(30)),
    "verify": _policy(attempts=2, limit=_minutes(5), silence=_minutes(5)),
    "revise": _policy(attempts=2, limit=_minutes(5), silence=_minutes(5)),
    "compose": _policy(attempts=2, limit=_minutes(30), silence=_minutes(30)),
    "review": _policy(attempts=2, limit=_minutes(1), silence=_minutes(1)),
    "publish": _policy(attempts=3, limit=_minutes(10), silence=_minutes(10)),
    "reject": _policy(attempts=3, limit=_minutes(10), silence=_minutes(10)),
}

ANALYSIS_ATTEMPTS = 3
"""Tries at a section's analysis: a model's two, then the rules alone."""
