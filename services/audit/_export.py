"""
Logs as JSON Lines, and their verification without a store.

The first line says what was asked for, the last how much there is. Between stand the links of the
log over all runs (when all were asked for) and the entries, each log's together, the system's last.
What entries say of persons stays in the store.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from services.errors import FileUnreadable
from services.evidence import canonical_json

from ._anchor import Anchor
from ._entry import START, AuditEntry
from ._links import LinkChain
from ._log import AuditLog
from ._verdict import CHAIN, AuditVerdict, CheckedLog, Flaw, Ledger, check_log, judge
from .events import SYSTEM

_VERSION: Final = 1
_FILE: Final = "(file)"
"""What a flaw names when it is in the form of the file; `seq` is then the line."""


async def export(
    log: AuditLog, run_id: str = "", *, at: datetime, since: datetime | None = None
) -> AsyncIterator[str]:
    """The lines of an export: of a run's log, or of all; entries from *since* on."""
    opening = {"kind": "audit", "version": _VERSION, "run": run_id, "at": at.isoformat()}
    yield _line({**opening, "since": since.isoformat() if since else None})
    counts = {"entries": 0, "links": 0}
    if run_id:
        names = [run_id]
    else:
        async for link in _links(log, counts):
            yield link
        names = [*sorted(await log.logs() - {SYSTEM}), SYSTEM]
    for name in names:
        for stored in await log.lines(name):
            entry = _entry(stored)
            if since is None or entry is None or entry.at >= since:
                counts["entries"] += 1
                yield _exported(name, stored, entry)
    if not run_id:  # those that were made while the entries were read
        async for link in _links(log, counts):
            yield link
    yield _line({"kind": "end", **counts})


async def _links(log: AuditLog, counts: dict[str, int]) -> AsyncIterator[str]:
    async for link in log.links(counts["links"]):
        counts["links"] += 1
        yield _line({"kind": "link", "link": link.decode(errors="replace")})


def _exported(run: str, stored: bytes, entry: AuditEntry | None) -> str:
    if entry is None:
        return _line({"kind": "entry", "log": run, "damaged": stored.decode(errors="replace")})
    return _line({"kind": "entry", "log": run, "entry": json.loads(stored)})


def _entry(stored: bytes) -> AuditEntry | None:
    try:
        return AuditEntry.model_validate_json(stored)
    except ValidationError:
        return None


def _line(document: dict[str, Any]) -> str:
    return canonical_json(document).decode() + "\n"


def verify_file(
    file: Path, *, head: str | None = None, anchor: Anchor | None = None
) -> AuditVerdict:
    """
    Verify an export as `verify_run` or `verify_all` would its logs; raises `FileUnreadable`.

    A part of a log, as of an export with *since*, is verified from its first entry on.
    """
    found = _File(file, LinkChain([name for name in (head, anchor and anchor.head) if name]))
    found.read_links()
    flaws = [*found.flaws, *(anchor.flaws(found.chain) if anchor else ())]
    logs, ledger = found.check()
    run = found.run
    heads = {START, *(logs[run].heads if run else found.chain.found)}
    if head is not None and head not in heads:
        place = (run, logs[run].entries) if run else (CHAIN, found.chain.count)
        flaws.append(Flaw(run=place[0], seq=place[1] + 1, reason="entries at the end are missing"))
    return judge(found.chain, logs, ledger, run=run, flaws=flaws)


@dataclass(slots=True)
class _File:
    """An export, read twice: for its links, then for its entries."""

    path: Path
    chain: LinkChain
    run: str = ""
    is_part: bool = False
    flaws: list[Flaw] = field(default_factory=list)

    def read_links(self) -> None:
        """Read the links, and check that the file is whole."""
        entries, number, kind = 0, 0, ""
        for number, document in self._documents():
            kind = document.get("kind", "")
            if number == 1:
                self._open(document)
            elif kind == "link":
                self.chain.read(str(document.get("link")).encode())
            elif kind == "entry":
                entries += 1
            elif kind == "end":
                if (document.get("entries"), document.get("links")) != (entries, self.chain.count):
                    self._spoil(number, "the file has lost lines, or has too many")
            else:
                self._spoil(number, "the line cannot be read")
        if number == 0:
            self._open({})
        if kind != "end":
            self._spoil(number + 1, "the file ends early")

    def check(self) -> tuple[dict[str, CheckedLog], Ledger]:
        """Each log of the file, and what the system's says was taken away."""
        logs: dict[str, CheckedLog] = {}
        ledger = Ledger([])
        entries = (d for _, d in self._documents() if d.get("kind") == "entry")
        for name, group in groupby(entries, key=lambda document: str(document.get("log"))):
            stored: Iterator[bytes] = (_stored(document) for document in group)
            if name == SYSTEM:
                lines = list(stored)
                ledger, stored = Ledger(lines), iter(lines)
            if name in logs:
                self._spoil(1, f"the entries of {name} do not stand together")
            logs[name] = self._checked(name, stored)
        if self.run:
            logs.setdefault(self.run, CheckedLog(self.run))
        if not self.is_part:  # of what a part leaves out nothing can be said
            names = {self.run} if self.run else self.chain.logs.keys()
            for name in names:
                log = logs.setdefault(name, CheckedLog(name))
                log.absent = self.chain.absent(name, is_there=log.entries > 0)
        return logs, ledger

    def _checked(self, name: str, lines: Iterator[bytes]) -> CheckedLog:
        linked = self.chain.current(name)
        return check_log(
            name,
            lines,
            linked,
            expected=linked.last if linked else 0,
            has_links=not self.run,
            is_part=self.is_part,
        )

    def _open(self, document: dict[str, Any]) -> None:
        if document.get("kind") != "audit" or document.get("version") != _VERSION:
            raise FileUnreadable(
                f"The file {self.path} is no export of an audit log.",
                hint="`assay audit export` writes one",
            )
        self.run = str(document.get("run") or "")
        self.is_part = document.get("since") is not None

    def _documents(self) -> Iterator[tuple[int, dict[str, Any]]]:
        try:
            with self.path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, start=1):
                    yield number, _document(line)
        except (OSError, UnicodeDecodeError) as error:
            raise FileUnreadable(f"The file {self.path} cannot be read.") from error

    def _spoil(self, line: int, reason: str) -> None:
        self.flaws.append(Flaw(run=_FILE, seq=line, reason=reason))


def _document(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _stored(document: dict[str, Any]) -> bytes:
    if "entry" in document:
        return canonical_json(document["entry"])
    return str(document.get("damaged")).encode()
