"""What a run did when: each try of each step, each wait for a person, and what was done to the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from services.audit import AuditEntry, events
from services.review import ReviewItem

Outcome: TypeAlias = Literal["done", "failed", "under way", "cut off"]

MARKS: Final = {
    events.RUN_ACCEPTED: "accepted",
    events.RUN_TAKEN: "taken up",
    events.RUN_TAKEN_OVER: "its worker died; taken over",
    events.RUN_CANCEL_ASKED: "asked to stop for good",
    events.RUN_CANCELLED: "cancelled",
    events.RUN_ROLLBACK_ASKED: "asked to go back",
    events.RUN_ROLLED_BACK: "gone back",
    events.RUN_FORKED: "copied from another run",
    events.STEP_FAILED: "its tries are spent",
    events.REPORT_PUBLISHED: "report published",
    events.REPORT_WITHDRAW_ASKED: "withdrawal asked for",
    events.REPORT_WITHDRAWN: "report withdrawn",
    events.EFFECT_COMPENSATED: "publication taken back",
}
"""Entries that say what became of the run as a whole."""
_ENDS: Final[dict[str, Outcome]] = {
    events.STEP_FINISHED: "done",
    events.ATTEMPT_FAILED: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a step."""

    seq: int
    """Of the entry that says it began."""
    step: str
    section: str
    number: int
    began: datetime
    ended: datetime | None = None
    outcome: Outcome = "under way"
    code: str = ""
    """Of the error that ended it, or that it waits for to be over."""
    again_at: datetime | None = None
    """When it asks again for what does not answer; None when it does not wait."""
    paused: timedelta = timedelta()
    """Between the failed try before it and this one."""
    queries: int = 0
    rows: int = 0
    refused: int = 0
    """Statements that the guard did not let through."""
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    claims: int = 0
    problems: int = 0

    @property
    def words(self) -> str:
        """What it did, for people."""
        said = (
            (self.again_at, f"waits: {self.code}"),
            (self.code and self.again_at is None, f"failed with {self.code}"),
            (self.queries, _counted(self.queries, "query", "queries")),
            (self.queries, _counted(self.rows, "row", "rows")),
            (self.refused, f"{_counted(self.refused, 'statement', 'statements')} refused"),
            (self.calls, _counted(self.calls, "model call", "model calls")),
            (self.claims, f"{_counted(self.claims, 'claim', 'claims')} checked"),
            (self.claims and self.problems, f"{self.problems:,} refused"),
        )
        return ", ".join(words for is_said, words in said if is_said)


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait for a person; one that is superseded ended when the run went another way."""

    item: ReviewItem
    ended: datetime | None

    @property
    def began(self) -> datetime:
        return self.item.created_at


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done to the run as a whole."""

    seq: int
    at: datetime
    what: str
    detail: str = ""
    section: str = ""

    @property
    def began(self) -> datetime:
        return self.at


Moment: TypeAlias = Attempt | Wait | Mark


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run's attempts, waits and marks, each in the order in which they began."""

    attempts: tuple[Attempt, ...]
    waits: tuple[Wait, ...]
    marks: tuple[Mark, ...]

    def moments(self) -> tuple[Moment, ...]:
        """All of them, the oldest first."""
        every: list[Moment] = [*self.attempts, *self.waits, *self.marks]
        return tuple(sorted(every, key=lambda moment: moment.began))

    @property
    def sections(self) -> tuple[str, ...]:
        """Sections in the order in which they began; the run outside its sections is not one."""
        names = (attempt.section for attempt in self.attempts if attempt.section)
        return tuple(dict.fromkeys(names))

    @property
    def away(self) -> tuple[Attempt, ...]:
        """Tries under way that wait for something that does not answer."""
        return tuple(one for one in self.attempts if one.again_at and one.outcome == "under way")

    @property
    def retries(self) -> tuple[Attempt, ...]:
        """Failed tries of steps that have not been tried again, nor given up, since."""
        latest = {(one.step, one.section): one for one in self.attempts}
        spent = max((m.at for m in self.marks if m.what in _SETTLED), default=None)
        return tuple(
            one
            for one in latest.values()
            if one.outcome == "failed" and (spent is None or one.began > spent)
        )


_SETTLED: Final = frozenset({MARKS[events.STEP_FAILED], MARKS[events.RUN_ROLLED_BACK]})


def timeline(
    entries: Sequence[AuditEntry], items: Iterable[ReviewItem], *, is_driven: bool
) -> Timeline:
    """
    The timeline that an audit log with revealed fields and the review items that the run waited for tell.

    A try without an end is under way while somebody drives the run, else it was cut off.
    """
    reading = _Reading()
    for entry in entries:
        reading.read(entry)
    if not is_driven:
        reading.cut_off()
    return Timeline(
        attempts=tuple(sorted(reading.attempts.values(), key=lambda one: (one.began, one.seq))),
        waits=tuple(Wait(item, _end_of(item, reading.marks)) for item in items if item.is_awaited),
        marks=tuple(reading.marks),
    )


_TURNS: Final = frozenset({MARKS[events.RUN_ROLLED_BACK], MARKS[events.RUN_CANCELLED]})


def _end_of(item: ReviewItem, marks: Iterable[Mark]) -> datetime | None:
    if item.status == "open" or item.decided_at is not None:
        return item.decided_at
    turns = (mark.at for mark in marks if mark.what in _TURNS and mark.at >= item.created_at)
    return next(turns, item.created_at)


@dataclass(slots=True)
class _Reading:
    """One pass over a log."""

    attempts: dict[int, Attempt] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    _open: dict[str, int] = field(default_factory=dict)
    """Section, and the try that is under way in it."""
    _failed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _last: datetime | None = None

    def read(self, entry: AuditEntry) -> None:
        fields, section = entry.fields, str(entry.fields.get("section") or "")
        if entry.event == events.RUN_TAKEN:
            self.cut_off()
        if entry.event == events.STEP_STARTED:
            self._begin(entry, section)
        elif entry.event in _ENDS:
            self._end(entry, section)
        elif section in self._open:
            number = self._open[section]
            self.attempts[number] = _with(self.attempts[number], entry)
        if entry.event in MARKS:
            words = entry.model_copy(update={"fields": _told(fields)}).words()
            self.marks.append(Mark(entry.seq, entry.at, MARKS[entry.event], words, section))
        self._last = entry.at

    def cut_off(self) -> None:
        """Whatever is open has ended with the process that was at it."""
        for number in self._open.values():
            cut = replace(self.attempts[number], ended=self._last, outcome="cut off")
            self.attempts[number] = cut
        self._open.clear()

    def _begin(self, entry: AuditEntry, section: str) -> None:
        step = str(entry.fields["step"])
        failed = self._failed.pop((step, section), None)
        self._open[section] = entry.seq
        self.attempts[entry.seq] = Attempt(
            seq=entry.seq,
            step=step,
            section=section,
            number=int(entry.fields["attempt"]),
            began=entry.at,
            paused=entry.at - failed if failed and entry.fields["attempt"] > 1 else timedelta(),
        )

    def _end(self, entry: AuditEntry, section: str) -> None:
        outcome = _ENDS[entry.event]
        number = self._open.pop(section, None)
        if number is None:
            return
        code = str(entry.fields.get("code", ""))
        ended = replace(
            self.attempts[number], ended=entry.at, outcome=outcome, code=code, again_at=None
        )
        self.attempts[number] = ended
        if outcome == "failed":
            self._failed[ended.step, section] = entry.at


def _with(attempt: Attempt, entry: AuditEntry) -> Attempt:
    """*attempt* with what an entry of its section adds to it."""
    said = entry.fields
    if entry.event == events.STEP_WAITS:
        again_at = entry.at + timedelta(seconds=float(said["seconds"]))
        return replace(attempt, code=str(said["code"]), again_at=again_at)
    if attempt.again_at is not None:
        attempt = replace(attempt, code="", again_at=None)
    match entry.event:
        case events.QUERY_RUN:
            return replace(
                attempt, queries=attempt.queries + 1, rows=attempt.rows + int(said["rows"])
            )
        case events.MODEL_CALLED:
            return replace(
                attempt,
                calls=attempt.calls + 1,
                tokens_in=attempt.tokens_in + int(said.get("input_tokens") or 0),
                tokens_out=attempt.tokens_out + int(said.get("output_tokens") or 0),
            )
        case events.CLAIMS_CHECKED:
            return replace(
                attempt, claims=int(said["claims"]), problems=_number(said.get("problems"))
            )
        case events.STATEMENT_CHECKED if said.get("verdict") == "refused":
            return replace(attempt, refused=attempt.refused + 1)
        case _:
            return attempt


def _number(said: Any) -> int:
    return len(said) if isinstance(said, list) else int(said or 0)


_PLUMBING: Final = frozenset(
    {
        "fence",
        "left",
        "entered",
        "request",
        "content",
        "effect",
        "digest",
        "template",
        "trigger",
        "section",
    }
)


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _PLUMBING}


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
