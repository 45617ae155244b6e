"""Contents too large for the server's memory: files named by their digest."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from services.errors import NotFound, StoreUnavailable
from services.failpoints import failpoint

DEFAULT_LEAST_BYTES: Final = 8_000_000
_INCOMING: Final = ".incoming"
_LEAVING: Final = ".leaving"
_PIECE: Final = 65_536
_FORGOTTEN_SECONDS: Final = 86_400.0
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Staged:
    """A content that is on disk as a whole, and does not have its name yet."""

    digest: str
    path: Path


class ObjectStore:
    """
    Contents by their digest, in a folder that all machines of one store share.

    A file is flushed, then renamed to its digest: it is there as a whole or not at all, however
    the machine stops. What a digest is taken of is the affair of who puts and who reads: the
    reader checks it. `least` is the size from which the other stores put a content here.
    """

    def __init__(self, folder: Path, *, least: int = DEFAULT_LEAST_BYTES) -> None:
        self.folder = folder
        self.least = least

    def stage(self, digest: str, pieces: Iterable[bytes]) -> Staged:
        """Write a content aside; memory holds one piece at a time."""
        with self._errors():
            incoming = _made(self.folder / _INCOMING)
            handle, name = tempfile.mkstemp(dir=incoming)
            try:
                with os.fdopen(handle, "wb") as file:
                    for piece in pieces:
                        file.write(piece)
                    _flush(file)
            except BaseException:
                with suppress(OSError):
                    Path(name).unlink()
                raise
            return Staged(digest, Path(name))

    @failpoint("objects.put")
    async def put(self, staged: Staged) -> None:
        """Give a staged content its name. A content that has it already is written over."""
        await asyncio.to_thread(self._put, staged)

    def path_of(self, digest: str) -> Path | None:
        """Where a content is now, or None when there is no such content."""
        return next((path for path in self._places(digest) if path.is_file()), None)

    def size(self, digest: str) -> int | None:
        """Its bytes, or None when there is no such content."""
        for path in self._places(digest):
            with suppress(FileNotFoundError), self._errors():
                return path.stat().st_size
        return None

    def pieces(self, digest: str) -> Iterator[bytes]:
        """The bytes that were put under *digest*, or `NotFound`; checking them is the reader's."""
        with self._opened(digest) as file:
            while piece := file.read(_PIECE):
                yield piece

    def digests(self) -> Iterator[str]:
        """The name of every content, in order."""
        with self._errors():
            for shelf in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
                yield from sorted(path.name for path in shelf.iterdir() if is_digest(path.name))

    @failpoint("objects.remove")
    async def remove(self, digest: str, is_wanted: Callable[[], Awaitable[bool]]) -> bool:
        """
        Remove a content that *is_wanted* denies, asked once more when the file has lost its name.

        Who wants a content says so before giving it its name. So whoever comes too late for that
        question finds the name free, and writes the content anew.
        """
        with self._errors():
            # A name of its own: of two removals at once, neither removes what the other gave back.
            leaving = _made(self.folder / _LEAVING) / f"{digest}.{secrets.token_hex(8)}"
            try:
                self._path(digest).rename(leaving)
            except FileNotFoundError:
                return False
            if await is_wanted():
                with suppress(FileNotFoundError):  # whoever tidied meanwhile has put it back
                    leaving.replace(self._path(digest))
                return False
            leaving.unlink(missing_ok=True)
            return True

    def tidy(self) -> None:
        """Put back what a killed removal left nameless, and drop what a killed writer left."""
        with self._errors():
            for path in (self.folder / _LEAVING).glob("*"):
                digest = path.name.partition(".")[0]
                with suppress(FileNotFoundError):  # its removal still lives, and goes on
                    path.replace(_made(self._path(digest).parent) / digest)
            for path in (self.folder / _INCOMING).glob("*"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < time.time() - _FORGOTTEN_SECONDS:
                        path.unlink()

    def _put(self, staged: Staged) -> None:
        with self._errors():
            shelf = _made(self._path(staged.digest).parent)
            staged.path.replace(shelf / staged.digest)
            flush_folder(shelf)

    @contextmanager
    def _opened(self, digest: str) -> Iterator[BinaryIO]:
        file = None
        for path in self._places(digest):
            with suppress(FileNotFoundError), self._errors():
                file = path.open("rb")
                break
        if file is None:
            raise NotFound(
                f"The folder of large results holds no content with digest {digest[:12]}.",
                hint=f"All machines of one store share one folder; here it is {self.folder} (ASSAY_OBJECTS).",
            )
        with file:
            yield file

    def _places(self, digest: str) -> Iterator[Path]:
        """Where a content may be: a removal takes the name away, and may give it back."""
        yield self._path(digest)
        yield from (self.folder / _LEAVING).glob(f"{digest}.*")
        yield self._path(digest)

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreUnavailable(
                f"The folder of large results {self.folder} cannot be used: {error.strerror}.",
                hint="Free some space or make it writable; runs go on once it is.",
            ) from error


def is_digest(text: str) -> bool:
    """Whether *text* is a SHA-256 as we write it."""
    return len(text) == 64 and set(text) <= _HEX


def flush_folder(folder: Path) -> None:
    """Let the names in *folder* outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _made(folder: Path) -> Path:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        flush_folder(folder.parent)
    return folder
