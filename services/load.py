"""What this process is at, and what it refused: counted where it happens, told by a worker's pulse."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias

Work: TypeAlias = Literal["runs", "queries_running", "queries_waiting", "model_calls"]

_lock: Final = threading.Lock()
_now: Final[Counter[Work]] = Counter()
_refusals: Final[Counter[str]] = Counter()


@contextmanager
def counted(work: Work) -> Iterator[None]:
    """Count the block as one piece of *work* under way, in whatever thread."""
    with _lock:
        _now[work] += 1
    try:
        yield
    finally:
        with _lock:
            _now[work] -= 1


def under_way() -> dict[Work, int]:
    """How many pieces of each work are under way."""
    with _lock:
        return dict(_now)


def refused(rules: Iterable[str]) -> None:
    """The guard has refused a statement by these rules."""
    with _lock:
        _refusals.update(rules)


def take_refusals() -> dict[str, int]:
    """How often each rule has refused since this was last asked."""
    with _lock:
        found = dict(_refusals)
        _refusals.clear()
    return found


def give_back(refusals: dict[str, int]) -> None:
    """What was taken could not be told: keep it for the next time."""
    with _lock:
        _refusals.update(refusals)
