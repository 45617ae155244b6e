"""Checking a run's log for whoever asks a server, which has other work to do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from services.audit import CHAIN, AuditLog, AuditVerdict, Flaw, verify_run
from services.errors import Invalid, TooManyRequests

_MOST_LINKS: Final = 200_000
"""Entries of all logs that are read to check one: a few seconds of the process."""
_ELSEWHERE: Final = Flaw(run=CHAIN, seq=0, reason="it is not as it was written")
"""What a tenant is told of logs that are not its own: their flaws name runs."""


@dataclass(frozen=True, slots=True)
class LogChecks:
    """Checks one log at a time: each reads the log over all runs, as far as that is not too long."""

    _checking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def can_be(self, log: AuditLog) -> bool:
        """Whether the log over all runs is short enough to be read here."""
        count, _ = await log.global_head()
        return count <= _MOST_LINKS

    async def verdict(self, log: AuditLog, run_id: str, *, tenant: str | None) -> AuditVerdict:
        """
        Whether the log of a run is sound, in words for whoever is of *tenant*.

        Raises `TooManyRequests` while another is checked, `Invalid` where it would take too long.
        """
        if not await self.can_be(log):
            raise Invalid(
                "The log over all runs is too long to be checked here.",
                hint=f"`assay audit verify {run_id}` does it.",
            )
        if self._checking.locked():
            raise TooManyRequests(
                "Another log is being checked.", hint="Check this one in a moment.", retry_after=5
            )
        async with self._checking:
            found = await verify_run(log, run_id)
        if not tenant:
            return found
        told = dict.fromkeys(f if f.run == run_id else _ELSEWHERE for f in found.flaws)
        return found.model_copy(update={"flaws": tuple(told)})
