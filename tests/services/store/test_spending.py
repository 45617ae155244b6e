"""What a run has used, and when a person is asked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.store import Budget, Spending, Spent


async def test_sums_outlive_whoever_adds(redis: Redis) -> None:
    """Two drivers of a run add to the same sums."""
    await Spending(redis).add("r-1", seconds=1.5, tokens=10, rows=3)
    await Spending(redis).add("r-1", seconds=0.5, rows=4)

    assert Spent(seconds=2.0, tokens=10, rows=7) == await Spending(redis).of_run("r-1")
    assert Spent() == await Spending(redis).of_run("r-2")


@pytest.mark.parametrize(
    ("spent", "word"),
    [
        (Spent(seconds=61), "61 s"),
        (Spent(tokens=101), "101 tokens"),
        (Spent(rows=1_001), "1001 rows"),
        (Spent(seconds=60, tokens=100, rows=1_000), ""),
        (Spent(seconds=61, extensions=1), ""),
        (Spent(seconds=121, extensions=1), "121 s"),
    ],
)
def test_a_passed_bound_is_named(spent: Spent, word: str) -> None:
    """Each extension allows as much again."""
    passed = Budget(time=timedelta(minutes=1), tokens=100, rows=1_000).exceeded_by(spent)

    assert word in passed
    assert bool(word) == bool(passed)


def test_no_bound_is_never_passed() -> None:
    """None is no bound."""
    assert "" == Budget().exceeded_by(Spent(seconds=1e9, tokens=10**9, rows=10**9))
