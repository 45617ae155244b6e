"""Retry, timeout and roll-back of each step, as frozen values of LangGraph's own types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from langgraph.errors import NodeTimeoutError
from langgraph.types import RetryPolicy, TimeoutPolicy

from services.errors import Retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPolicy:
    """How often a step is tried and how long one try may take."""

    retry: RetryPolicy
    timeout: TimeoutPolicy


def _policy(*, attempts: int, timeout: timedelta) -> StepPolicy:
    if attempts < 1:
        raise ValueError(f"attempts must be at least 1, got {attempts}")
    return StepPolicy(
        retry=RetryPolicy(
            initial_interval=0.2,
            backoff_factor=2.0,
            max_interval=5.0,
            max_attempts=attempts,
            retry_on=(Retryable, NodeTimeoutError),
        ),
        timeout=TimeoutPolicy(run_timeout=timeout),
    )


STEP_POLICIES: dict[str, StepPolicy] = {
    "clarify": _policy(attempts=3, timeout=timedelta(minutes=3)),
    "plan": _policy(attempts=3, timeout=timedelta(minutes=1)),
    "retrieve": _policy(attempts=3, timeout=timedelta(minutes=5)),
    # A model may write every sentence of a section on a slow machine.
    "analyse": _policy(attempts=2, timeout=timedelta(minutes=30)),
    "verify": _policy(attempts=2, timeout=timedelta(minutes=2)),
    "compose": _policy(attempts=2, timeout=timedelta(minutes=30)),
    "review": _policy(attempts=2, timeout=timedelta(minutes=1)),
    "publish": _policy(attempts=3, timeout=timedelta(minutes=5)),
    "reject": _policy(attempts=3, timeout=timedelta(minutes=5)),
}

ANALYSIS_ATTEMPTS = 3
"""Tries at a section's analysis: a model's two, then the rules alone."""
