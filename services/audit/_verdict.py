"""Whether logs are as they were written, and if not, where they are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from services.evidence import Frozen

from ._entry import START, AuditEntry
from ._links import LinkChain, Linked
from ._personal import holds, references
from .events import DATA_ERASED, LOG_REMOVED

CHAIN: Final = "@global"
"""What a flaw names when it is in the log over all runs."""


class Flaw(Frozen):
    """Something that is not as it was written: in which log, at which entry or link."""

    run: str
    seq: int
    reason: str


class AuditVerdict(Frozen):
    """Whether a log, or all of them, is as it was written."""

    ok: bool
    run: str = ""
    """The log that was asked for; empty for all."""
    logs: int = 1
    entries: int
    head: str
    """The digest of the last sound entry, or of the last sound link when all were asked for."""
    flaws: tuple[Flaw, ...] = ()
    erased: int = 0
    """Personal values that were erased, each with an entry that says so."""
    older: int = 0
    """Entries from before there was a log over all runs: their own chain alone holds them."""
    removed: int = 0
    """Logs that were removed, each with an entry that says so."""

    @property
    def broken_seq(self) -> int | None:
        """Where the first flaw is."""
        return self.flaws[0].seq if self.flaws else None

    @property
    def reason(self) -> str:
        return self.flaws[0].reason if self.flaws else ""


@dataclass(slots=True)
class CheckedLog:
    """One log as it was found. `flaw` is the first place where it is not as it was written."""

    run: str
    entries: int = 0
    head: str = START
    older: int = 0
    has_links: bool = True
    flaw: Flaw | None = None
    absent: tuple[Linked, ...] = ()
    """What stood under this name by its links, and does not: removed, or missing."""
    heads: set[str] = field(default_factory=lambda: {START})
    gone: list[tuple[int, str]] = field(default_factory=list)
    """Personal values that are not there: the entry, and the reference."""


def check_log(
    run: str,
    lines: Iterable[bytes],
    linked: Linked | None,
    *,
    expected: int,
    personal: Mapping[str, bytes] | None = None,
    has_links: bool = True,
    is_part: bool = False,
) -> CheckedLog:
    """
    Recompute one chain, and hold it against its links and personal values.

    It has to have the *expected* entries at least. Without *personal* those values are left out,
    without *has_links* the links. A part of a log begins with whatever entry it begins with.
    """
    found = CheckedLog(run, has_links=has_links)
    for line in lines:
        if is_part and not found.entries:
            _begin(found, line)
        found.entries += 1
        if found.flaw is None:
            _check_entry(found, line, linked, personal)
    if found.flaw is None and found.entries < expected:
        _spoil(found, found.entries + 1, "entries at the end are missing")
    return found


def _begin(found: CheckedLog, line: bytes) -> None:
    """Take the place where a part of a log begins from its first entry."""
    with suppress(ValidationError):
        first = AuditEntry.model_validate_json(line)
        found.entries, found.head = first.seq - 1, first.previous


def _check_entry(
    found: CheckedLog,
    line: bytes,
    linked: Linked | None,
    personal: Mapping[str, bytes] | None,
) -> None:
    seq = found.entries
    try:
        entry = AuditEntry.model_validate_json(line)
    except ValidationError:
        _spoil(found, seq, "the entry cannot be read")
        return
    reason = _chained(entry, seq, found.head) or _standing(entry, found, linked)
    if reason:
        _spoil(found, seq, reason)
        return
    for reference in references(entry) if personal is not None else ():
        assert personal is not None
        stored = personal.get(reference)
        if stored is None:
            found.gone.append((seq, reference))
        elif not holds(reference, stored):
            _spoil(found, seq, "what it says of a person is not what was written")
            return
    found.head = entry.digest
    found.heads.add(entry.digest)


def _chained(entry: AuditEntry, seq: int, previous: str) -> str:
    if entry.seq != seq:
        return f"entry {entry.seq} stands where entry {seq} belongs"
    if entry.previous != previous:
        return "the entry does not continue the one before it"
    if entry.digest != entry.computed_digest():
        return "the entry is not what was written"
    return ""


def _standing(entry: AuditEntry, found: CheckedLog, linked: Linked | None) -> str:
    """Whether the entry belongs to this log, and the log over all runs knows it so."""
    if entry.run not in ("", found.run):
        return f"the entry belongs to the log of {entry.run}"
    if not found.has_links:
        return ""
    known = linked.digest(entry.seq) if linked else ""
    if known:
        return "" if known == entry.digest else "the log over all runs knows another entry here"
    if entry.run or (linked and entry.seq > linked.last):
        return "the log over all runs does not know the entry"
    found.older += 1
    return ""


def _spoil(found: CheckedLog, seq: int, reason: str) -> None:
    found.flaw = Flaw(run=found.run, seq=seq, reason=reason)


class Ledger:
    """What the system's log says was taken away on purpose."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.removed: set[tuple[str, int, str]] = set()
        self.erased: set[tuple[str, str]] = set()
        for line in lines:
            try:
                self._note(AuditEntry.model_validate_json(line))
            except (ValidationError, LookupError, TypeError):
                continue

    def _note(self, entry: AuditEntry) -> None:
        fields = entry.fields
        if entry.event == LOG_REMOVED:
            self.removed.add((fields["run"], fields["entries"], fields["head"]))
        elif entry.event == DATA_ERASED:
            self.erased |= {(fields["run"], value) for value in fields["values"]}

    def unexplained(self, log: CheckedLog) -> tuple[Flaw, ...]:
        """Personal values that nobody erased, and that are not there."""
        return tuple(
            Flaw(run=log.run, seq=seq, reason="what it says of a person is gone, and not erased")
            for seq, reference in log.gone
            if (log.run, reference) not in self.erased
        )

    def missing(self, log: CheckedLog) -> tuple[Flaw, ...]:
        """Logs that nobody removed, and that are not there."""
        return tuple(
            Flaw(run=log.run, seq=1, reason="the log is missing")
            for gone in log.absent
            if (log.run, gone.last, gone.head) not in self.removed
        )


def judge(
    chain: LinkChain,
    logs: Mapping[str, CheckedLog],
    ledger: Ledger,
    *,
    run: str = "",
    flaws: Iterable[Flaw] = (),
) -> AuditVerdict:
    """One verdict on *logs*: that of *run* and the system's, or all that there are."""
    found = [flaw for log in logs.values() if (flaw := log.flaw)]
    if chain.broken:
        found.append(Flaw(run=CHAIN, seq=chain.broken, reason=chain.reason))
    missing = [flaw for log in logs.values() for flaw in ledger.missing(log)]
    unexplained = [flaw for log in logs.values() for flaw in ledger.unexplained(log)]
    found += [*missing, *unexplained, *flaws]
    asked = [logs[run]] if run else [log for log in logs.values() if log.entries]
    return AuditVerdict(
        ok=not found,
        run=run,
        logs=len(asked),
        entries=sum(log.entries for log in asked),
        head=asked[0].head if run else chain.head,
        flaws=tuple(sorted(found, key=lambda flaw: flaw.run not in (run, CHAIN))),
        erased=sum(len(log.gone) - len(ledger.unexplained(log)) for log in asked),
        older=sum(log.older for log in asked),
        removed=sum(len(log.absent) for log in logs.values()) - len(missing),
    )
