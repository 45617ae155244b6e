"""A timeline laid out for a picture: lanes of bars, with long idle stretches folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from agent.timeline import Attempt, Timeline, Wait

_FOLD: Final = 6.0
"""Per cent of the width that a folded stretch takes, unless there are many."""
_FOLDED: Final = 45.0
"""Per cent that all of them together take at most."""
_IDLE: Final = timedelta(seconds=1)
_NARROWEST: Final = 0.6
_ROOM: Final = 7.0
"""Per cent that a bar's name needs, whatever the width."""

Span: TypeAlias = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a lane; places are per cent of its width."""

    start: float
    width: float
    what: Attempt | Wait

    @property
    def has_room(self) -> bool:
        """Whether its name fits into it."""
        return self.width >= _ROOM


@dataclass(frozen=True, slots=True)
class Lane:
    """What went on in one section, in the run outside its sections, or with people."""

    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """A stretch in which no step ran, drawn short however long it was."""

    start: float
    width: float
    lasted: timedelta

    @property
    def middle(self) -> float:
        return self.start + self.width / 2


@dataclass(frozen=True, slots=True)
class Lanes:
    """The whole picture."""

    lanes: tuple[Lane, ...]
    folds: tuple[Fold, ...]
    began: datetime
    ended: datetime


def lanes(told: Timeline, *, now: datetime) -> Lanes | None:
    """The picture of a run as it is *now*; None while no step has begun."""
    if not told.attempts:
        return None
    scale = _Scale.of([(a.began, max(a.ended or now, a.began)) for a in told.attempts], told, now)
    rows: list[tuple[str, Sequence[Attempt | Wait]]] = [
        ("Report", [a for a in told.attempts if not a.section]),
        *((name, [a for a in told.attempts if a.section == name]) for name in told.sections),
        ("People", list(told.waits)),
    ]
    laid = tuple(Lane(name, tuple(scale.bar(one, now) for one in row)) for name, row in rows if row)
    return Lanes(laid, scale.folds, scale.began, scale.ended)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From moments to places: busy stretches in proportion, idle ones at one width."""

    busy: tuple[Span, ...]
    folds: tuple[Fold, ...]
    per_second: float

    @classmethod
    def of(cls, spans: Sequence[Span], told: Timeline, now: datetime) -> _Scale:
        last = max([end for _, end in spans] + [w.ended or now for w in told.waits])
        busy = _joined(spans)
        ends = [end for _, end in busy]
        gaps = [(end, start) for end, (start, _) in zip(ends, busy[1:], strict=False)]
        if last - ends[-1] > _IDLE:
            gaps.append((ends[-1], last))
        worked = sum((end - start).total_seconds() for start, end in busy) or 1e-6
        fold = min(_FOLD, _FOLDED / max(len(gaps), 1))
        per_second = (100 - fold * len(gaps)) / worked
        folds, at = [], 0.0
        for (start, end), gap in zip(busy, [*gaps, None], strict=False):
            at += (end - start).total_seconds() * per_second
            if gap is not None:
                folds.append(Fold(at, fold, gap[1] - gap[0]))
                at += fold
        if len(gaps) == len(busy):
            busy = [*busy, (last, last)]
        return cls(tuple(busy), tuple(folds), per_second)

    @property
    def began(self) -> datetime:
        return self.busy[0][0]

    @property
    def ended(self) -> datetime:
        return self.busy[-1][1]

    def bar(self, what: Attempt | Wait, now: datetime) -> Bar:
        start = self.place(what.began)
        end = self.place(what.ended or now)
        width = max(end - start, _NARROWEST)
        return Bar(round(min(start, 100 - width), 3), round(width, 3), what)

    def place(self, at: datetime) -> float:
        """Where a moment lies; one in a folded stretch lies in proportion in the fold."""
        here = 0.0
        for number, (start, end) in enumerate(self.busy):
            if at <= end:
                return here + max((at - start).total_seconds(), 0.0) * self.per_second
            here += (end - start).total_seconds() * self.per_second
            if number < len(self.folds):
                fold = self.folds[number]
                if at < end + fold.lasted:
                    return here + fold.width * ((at - end) / fold.lasted)
                here += fold.width
        return 100.0


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Overlapping and neighbouring spans as one; what lies between the others is idle."""
    total = sum(((end - start) for start, end in spans), timedelta())
    near = max(_IDLE, total / 5)
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] <= near:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
