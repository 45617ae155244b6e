"""Which runs a journal mentions, kept up to date by reading only what was added to it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import Final

_NAMED: Final = re.compile(rb'"run": "([^"]*)"')


class Mentions:
    """
    The names in one journal file, as hashes: a few bytes a run, however often it is asked.

    It may hold a name that is not there any more, and never misses one that is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._forget(0)

    def of(
        self, run_ids: Collection[str], reading: Callable[[], AbstractContextManager[None]]
    ) -> frozenset[str]:
        """Those of *run_ids* that are mentioned; *reading* holds writers off."""
        with self._lock:
            if not self._path.exists():
                return frozenset()
            with reading():
                self._follow()
            return frozenset(name for name in run_ids if hash(name.encode()) in self._hashes)

    def _follow(self) -> None:
        with self._path.open("rb") as file:
            about = os.fstat(file.fileno())
            if about.st_ino != self._inode or about.st_size < self._read:
                self._forget(about.st_ino)
            file.seek(self._read)
            added = file.read()
        self._hashes.update(map(hash, _NAMED.findall(added)))
        # A line that a kill cut short may yet be continued by another line: it is read again.
        self._read += added.rfind(b"\n") + 1

    def _forget(self, inode: int) -> None:
        self._inode = inode
        self._read = 0
        self._hashes: set[int] = set()
