"""
Where snapshots live: a folder of immutable DuckDB files named by their digest.

A file is written aside, by the one process that holds the folder's lock, and moved in when it is
whole. `current` names the snapshot that new runs use.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from services.errors import SnapshotGone, WarehouseBusy, WarehouseUnreadable
from services.evidence import Frozen

from ._errors import REBUILD_HINT, writing_errors

NAME_DIGITS: Final = 16
CURRENT: Final = "current"
_LOCK: Final = ".lock"
_BUILDING: Final = ".building"
_LOCK_WAIT: Final = timedelta(minutes=2)
_GRACE: Final = timedelta(hours=1)
_MAGIC: Final = b"DUCK"
"""At the ninth byte of every DuckDB file."""


class Snapshot(Frozen):
    """One state of the warehouse; `id` is the SHA-256 of its logical contents."""

    id: str
    path: Path

    @property
    def short_id(self) -> str:
        """The part of the id that names the file."""
        return self.id[:NAME_DIGITS]


def current_snapshot(directory: Path) -> Snapshot | None:
    """The snapshot that new runs use, or None when the folder holds no warehouse."""
    try:
        digest = (directory / CURRENT).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        message = f"The pointer to the current warehouse in {directory} cannot be read."
        raise WarehouseUnreadable(message, hint=REBUILD_HINT) from error
    if not _is_digest(digest):
        message = f"The pointer to the current warehouse in {directory} is damaged."
        raise WarehouseUnreadable(message, hint=REBUILD_HINT)
    return Snapshot(id=digest, path=_path_of(directory, digest))


def find_snapshot(directory: Path, snapshot_id: str | None) -> Snapshot:
    """
    The snapshot to open: the one named, or the current one.

    Raises `SnapshotGone` when a named one is not there, `WarehouseUnreadable` when there is no
    current one.
    """
    if snapshot_id is None:
        snapshot = current_snapshot(directory)
        if snapshot is None or not snapshot.path.is_file():
            message = f"There is no warehouse in {directory}."
            raise WarehouseUnreadable(message, hint="Run `assay warehouse build` first.")
        return snapshot
    path = _path_of(directory, snapshot_id)
    if not _is_digest(snapshot_id) or not path.is_file():
        raise SnapshotGone(
            f"The warehouse snapshot {snapshot_id[:NAME_DIGITS]!r} is no longer in {directory}.",
            hint="Build or load it again, or start a new run on the current snapshot.",
        )
    return Snapshot(id=snapshot_id, path=path)


def check_current(directory: Path) -> None:
    """Raise `WarehouseUnreadable` unless the current snapshot's file can be read and is DuckDB's."""
    path = find_snapshot(directory, None).path
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        message = f"The warehouse file {path} cannot be read."
        raise WarehouseUnreadable(message, hint=REBUILD_HINT) from error
    if head[8:] != _MAGIC:
        raise WarehouseUnreadable(f"{path} is no DuckDB file.", hint=REBUILD_HINT)


@contextmanager
def building(directory: Path) -> Iterator[Path]:
    """
    The path for a new file, while this process alone may change the folder.

    What is left of unfinished work, ours or that of a process that was killed, is removed.
    """
    with writing_errors(str(directory)):
        directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory):
        workshop = directory / _BUILDING
        shutil.rmtree(workshop, ignore_errors=True)
        try:
            with writing_errors(str(directory)):
                workshop.mkdir()
            yield workshop / "warehouse.duckdb"
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


def publish(temporary: Path, directory: Path, digest: str) -> Snapshot:
    """Give the finished file its name and make it current; call it inside `building`."""
    snapshot = Snapshot(id=digest, path=_path_of(directory, digest))
    before = current_snapshot(directory)
    with writing_errors(str(directory)):
        if before is not None and before.path.exists():
            os.utime(before.path)  # it was current until now: `prune_snapshots` counts from here
        _flush(temporary)
        temporary.replace(snapshot.path)
        pointer = temporary.with_name(CURRENT)
        pointer.write_text(digest + "\n", encoding="ascii")
        _flush(pointer)
        pointer.replace(directory / CURRENT)
        _flush(directory)
    return snapshot


def prune_snapshots(
    directory: Path, needed: Collection[str], *, dry_run: bool = False
) -> tuple[Path, ...]:
    """
    Remove the files of snapshots that are neither *needed* (ids) nor current; those files.

    A file that was made, or was current, within the last hour stays: a run that was prepared on
    it may not be registered yet.
    """
    if not directory.is_dir():
        return ()
    with _locked(directory), writing_errors(str(directory)):
        current = current_snapshot(directory)
        kept = {name[:NAME_DIGITS] for name in (*needed, current.id if current else "")}
        young = time.time() - _GRACE.total_seconds()
        files = [
            path
            for path in sorted(directory.glob("*.duckdb"))
            if _is_digest(path.stem) and path.stem not in kept and path.stat().st_mtime < young
        ]
        for path in () if dry_run else files:
            path.unlink()
        return tuple(files)


def _path_of(directory: Path, digest: str) -> Path:
    return directory / f"{digest[:NAME_DIGITS]}.duckdb"


def _is_digest(text: str) -> bool:
    return len(text) in {NAME_DIGITS, 64} and set(text) <= set("0123456789abcdef")


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with writing_errors(str(directory)):
        handle = (directory / _LOCK).open("ab")
    with handle:
        deadline = time.monotonic() + _LOCK_WAIT.total_seconds()
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    message = f"Another process is writing to the warehouse in {directory}."
                    raise WarehouseBusy(message) from None
                time.sleep(0.05)
        yield


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
