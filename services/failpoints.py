"""
Named places where a test stops the world. Nothing happens unless `ASSAY_FAILPOINTS` says so.

`ASSAY_FAILPOINTS` is a list, separated by semicolons, of `NAME=ACTION@COUNT` (at the COUNT-th time
the place is reached, the first when left out) and `NAME=ACTION~SHARE` (by chance, each time). NAME
may be `*`. ACTION is `kill`, which ends the process as `kill -9` does, `crash`, which raises `Crash`, or
`stall`, which holds the whole process up for longer than any lease lasts. They stand for a machine
that stops between two instructions, or that sleeps and wakes up late.
"""

from __future__ import annotations

import functools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_VARIABLE: Final = "ASSAY_FAILPOINTS"
_STALL: Final = 7.0
_names: Final[set[str]] = set()
_counts: Final[Counter[str]] = Counter()


class Crash(BaseException):
    """A process that ended here. No error handler catches it, and none may."""


@dataclass(frozen=True, slots=True)
class _Trap:
    name: str
    action: str
    count: int = 0
    share: float = 0.0

    def springs(self, name: str, count: int) -> bool:
        if self.name not in ("*", name):
            return False
        return count == self.count if self.count else random.random() < self.share  # noqa: S311 (which process dies is no secret)


def names() -> tuple[str, ...]:
    """Every place known so far, that is of all modules imported so far."""
    return tuple(sorted(_names))


def set_traps(text: str) -> None:
    """Arm the places that *text* names, in the form of `ASSAY_FAILPOINTS`; none when it is empty."""
    _counts.clear()
    _traps[:] = [_parsed(part.strip()) for part in text.split(";") if part.strip()]


def reached(name: str) -> None:
    """Stop the world here, if a trap is set."""
    if not _traps:
        return
    _counts[name] += 1
    for trap in _traps:
        if trap.springs(name, _counts[name]):
            _stop(name, trap.action)


def failpoint(
    name: str,
) -> Callable[[Callable[_P, Awaitable[_T]]], Callable[_P, Coroutine[Any, Any, _T]]]:
    """Decorates an operation with two places: `NAME:before` and `NAME:after`."""
    before, after = f"{name}:before", f"{name}:after"
    _names.update((before, after))

    def decorated(
        operation: Callable[_P, Awaitable[_T]],
    ) -> Callable[_P, Coroutine[Any, Any, _T]]:
        @functools.wraps(operation)
        async def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            reached(before)
            result = await operation(*args, **kwargs)
            reached(after)
            return result

        return run

    return decorated


def _stop(name: str, action: str) -> None:
    match action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stall":
            time.sleep(_STALL)
        case _:
            raise Crash(name)


def _parsed(part: str) -> _Trap:
    name, _, rest = part.partition("=")
    action, at, number = rest.partition("~" if "~" in rest else "@")
    if not name or action not in ("kill", "crash", "stall"):
        raise ValueError(f"{_VARIABLE} has NAME=kill@COUNT or NAME=crash~SHARE, not {part!r}")
    if at == "~":
        return _Trap(name, action, share=float(number))
    return _Trap(name, action, count=int(number or 1))


_traps: Final[list[_Trap]] = []
set_traps(os.environ.get(_VARIABLE, ""))
