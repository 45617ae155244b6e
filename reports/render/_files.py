"""Writing a report's files so that a reader finds whole files or none."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.errors import OutputUnwritable
from services.evidence import Frozen


class WrittenFile(Frozen):
    """A file of a report, as it lies on disk."""

    path: Path
    format: str
    sha256: str
    size: int


def write_all(folder: Path, contents: Mapping[str, bytes]) -> tuple[WrittenFile, ...]:
    """
    Put each format's bytes in *folder* as `report.FORMAT`.

    Every file is written whole under another name first; they take their names only when all are
    on disk. `OutputUnwritable` leaves the files that were there before as they were.
    """
    with _unwritable_told(folder), contextlib.ExitStack() as cleanup:
        folder.mkdir(parents=True, exist_ok=True)
        staged = []
        for format_, content in contents.items():
            target = folder / f"report.{format_}"
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
            part = folder / f".{target.name}.{os.getpid()}.part"
            cleanup.callback(part.unlink, missing_ok=True)
            _write_durably(part, content)
            staged.append((part, _written(target, format_, content)))
        for part, file in staged:
            part.replace(file.path)
        _sync_folder(folder)
    return tuple(file for _, file in staged)


def _written(path: Path, format_: str, content: bytes) -> WrittenFile:
    digest = hashlib.sha256(content).hexdigest()
    return WrittenFile(path=path, format=format_, sha256=digest, size=len(content))


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _unwritable_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(
            f"The report cannot be written to {folder}: {_reason(error)}.",
            hint="Make room there, or choose another folder (`--out`); the run can be resumed.",
        ) from error


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return "permission denied"
        case errno.EROFS:
            return "the file system is read-only"
        case errno.ENOSPC | errno.EDQUOT:
            return "no space is left"
        case errno.EISDIR | errno.EEXIST | errno.ENOTDIR:
            return "a file or folder of that name is in the way"
        case _:
            return (error.strerror or "the system refused").lower()
