"""
The log over all runs: one link for each entry of each log, chained in the order they were made.

A link is the line `RUN SEQ DIGEST LINK`: which entry it stands for, and SHA-256 of the link before
it followed by SHA-256 of `RUN SEQ DIGEST`. So it is found when a run's log is gone, or its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from ._entry import START

_DIGEST_SIZE: Final = 32
_UNKNOWN: Final = bytes(_DIGEST_SIZE)


def link_text(run: str, seq: int, digest: str) -> str:
    """What a link says of the entry it stands for."""
    return f"{run} {seq} {digest}"


def link_content(text: str) -> str:
    """The digest of what a link says."""
    return hashlib.sha256(text.encode()).hexdigest()


def link_digest(previous: str, content: str) -> str:
    """The digest of a link that follows *previous*."""
    return hashlib.sha256(bytes.fromhex(previous) + bytes.fromhex(content)).hexdigest()


@dataclass(slots=True)
class Linked:
    """Entries of one log that have links, without a gap: from *first* on, 32 bytes for each."""

    first: int
    digests: bytearray = field(default_factory=bytearray)

    @property
    def last(self) -> int:
        """The last entry that has a link."""
        return self.first + len(self.digests) // _DIGEST_SIZE - 1

    @property
    def head(self) -> str:
        """The digest of that entry."""
        return self.digests[-_DIGEST_SIZE:].hex()

    def digest(self, seq: int) -> str:
        """What the entry's digest has to be; empty when it has no link."""
        if not self.first <= seq <= self.last:
            return ""
        start = (seq - self.first) * _DIGEST_SIZE
        raw = self.digests[start : start + _DIGEST_SIZE]
        return "" if raw == _UNKNOWN else raw.hex()

    def put(self, seq: int, raw: bytes) -> None:
        """Note a digest wherever it belongs; entries between have no link."""
        self.digests += _UNKNOWN * (seq - self.last)
        start = (seq - self.first) * _DIGEST_SIZE
        self.digests[start : start + _DIGEST_SIZE] = raw


class LinkChain:
    """Reads links in order: checks each, and remembers what they say of each log."""

    def __init__(self, seek: Collection[str] = ()) -> None:
        self.count = 0
        self.head = START
        """The digest of the last link."""
        self.broken = 0
        """The first link that is not sound; 0 while all are."""
        self.reason = ""
        self.logs: dict[str, list[Linked]] = {}
        """For each log its linked entries; more than one when a log was removed and begun anew."""
        self.found: dict[str, int] = {}
        """The place of those links that were looked for."""
        self._seek = frozenset(seek)

    def read(self, line: bytes) -> None:
        """Take the next link. Behind one that is not sound the chain is taken up again."""
        self.count += 1
        try:
            run, number, digest, link = line.decode().rsplit(" ", 3)
            seq, raw = int(number), bytes.fromhex(digest)
            expected = link_digest(self.head, link_content(link_text(run, seq, digest)))
            sound = (
                len(raw) == _DIGEST_SIZE and seq > 0 and len(bytes.fromhex(link)) == _DIGEST_SIZE
            )
        except ValueError:
            sound = False
        if not sound:
            self._spoil("the link cannot be read")
            return
        if link != expected:
            self._spoil("the link does not continue the one before it")
        self.head = link
        if link in self._seek:
            self.found[link] = self.count
        self._place(run, seq, raw)

    def current(self, run: str) -> Linked | None:
        """The linked entries of a log as it should be now."""
        linked = self.logs.get(run)
        return linked[-1] if linked else None

    def absent(self, run: str, *, is_there: bool) -> tuple[Linked, ...]:
        """What stood under the name *run* and should not now, or is not there."""
        linked = self.logs.get(run, [])
        return tuple(linked[:-1] if is_there else linked)

    def _place(self, run: str, seq: int, raw: bytes) -> None:
        linked = self.logs.setdefault(run, [])
        if linked and seq != 1 and seq != linked[-1].last + 1:
            self._spoil(f"it stands for entry {seq} of {run}, {linked[-1].last + 1} is the next")
        if not linked or (seq == 1 and not self.broken):
            linked.append(Linked(seq))
        if seq >= linked[-1].first:
            linked[-1].put(seq, raw)

    def _spoil(self, reason: str) -> None:
        if not self.broken:
            self.broken, self.reason = self.count, reason
