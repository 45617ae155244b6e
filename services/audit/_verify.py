"""Verification of what is stored. It reads in an order that lets runs append meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

from ._anchor import Anchor
from ._entry import START
from ._links import LinkChain
from ._log import AuditLog
from ._verdict import CHAIN, AuditVerdict, CheckedLog, Flaw, Ledger, check_log, judge
from .events import SYSTEM


async def verify_run(
    log: AuditLog, run_id: str, *, head: str | None = None, anchor: Anchor | None = None
) -> AuditVerdict:
    """
    Recompute a run's chain, and hold it against the log over all runs.

    A changed, missing, reordered, inserted or cut-off entry is named. With *head*, a digest noted
    elsewhere such as in a report, the log has to hold it.
    """
    reading = _Reading(log, anchor)
    await reading.follow()
    await reading.check(run_id)
    found = reading.logs[run_id]
    flaws = [] if head is None or head in found.heads else [_cut(run_id, found.entries)]
    return await reading.verdict(run_id, flaws)


async def verify_all(
    log: AuditLog, *, head: str | None = None, anchor: Anchor | None = None
) -> AuditVerdict:
    """
    Recompute every chain, and the one over them all.

    With *head* or *anchor*, noted earlier, the log over all runs has to hold it.
    """
    reading = _Reading(log, anchor, seek=[head] if head else [])
    await reading.follow()
    for name in sorted({*reading.chain.logs, *await log.logs()} - {SYSTEM}):
        await reading.check(name)
    known = head in (None, START) or head in reading.chain.found
    return await reading.verdict("", [] if known else [_cut(CHAIN, reading.chain.count)])


class _Reading:
    """
    One pass over the stored logs.

    Links first: each has its entry by then. A log that has more entries than links was appended to
    since, so the links are read on. The system's log comes last: it explains what is not there.
    """

    def __init__(self, log: AuditLog, anchor: Anchor | None, seek: Iterable[str] = ()) -> None:
        self.logs: dict[str, CheckedLog] = {}
        self._log = log
        self._anchor = anchor
        self.chain = LinkChain([*seek, *([anchor.head] if anchor else [])])

    async def follow(self) -> None:
        """Read the links that came since."""
        async for line in self._log.links(self.chain.count):
            self.chain.read(line)

    async def check(self, run_id: str) -> list[bytes]:
        """Check one log; its lines. One that is removed and begun anew meanwhile is read again."""
        while True:
            before = self.chain.current(run_id)
            expected = before.last if before else 0
            lines = await self._log.lines(run_id)
            personal = await self._log.hidden(run_id)
            await self.follow()
            linked = self.chain.current(run_id)
            if before is None or linked is before:
                break
        expected = expected if lines else 0  # none at all: removed or missing, as `absent` says
        log = check_log(run_id, lines, linked, expected=expected, personal=personal)
        log.absent = self.chain.absent(run_id, is_there=bool(lines) or before is None)
        self.logs[run_id] = log
        return lines

    async def verdict(self, run_id: str, flaws: Iterable[Flaw]) -> AuditVerdict:
        known = await self.check(SYSTEM)
        while (linked := self.chain.current(SYSTEM)) and linked.last > len(known) > 0:
            known = await self.check(SYSTEM)
        ledger = Ledger(known)
        if self._anchor is not None:
            flaws = [*flaws, *self._anchor.flaws(self.chain)]
        return judge(self.chain, self.logs, ledger, run=run_id, flaws=flaws)


def _cut(run: str, entries: int) -> Flaw:
    return Flaw(run=run, seq=entries + 1, reason="entries at the end are missing")
