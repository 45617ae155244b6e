"""One file that holds named contents, and proves at its end that they are what was put in."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, cast

from pydantic import ValidationError

from services.errors import FileUnreadable, InputConflict, OutputUnwritable
from services.evidence import Frozen

from ._objects import flush_folder

FORMAT: Final = 1
_HEAD: Final = "assay-backup.json"
_MANIFEST: Final = "manifest.json"
_PIECE: Final = 1 << 20


class About(Frozen):
    """What a file says of itself, before anything else."""

    format: int = FORMAT
    layout: int
    assay: str
    made_at: str


class Manifest(Frozen):
    """What a file holds: the SHA-256 of each content by its name."""

    about: About
    contents: dict[str, str]
    facts: dict[str, Any]


class ArchiveWriter:
    """
    Writes a new file; it gets its name when it is whole and on disk.

    A tar file, compressed by gzip. The first member says what it is, the last lists all others
    with their digests: a file without its last member is no archive.
    """

    def __init__(self, path: Path, about: About) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._about = about
        self._digests: dict[str, str] = {}
        self.facts: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if self._path.exists():
            raise InputConflict(
                f"{self._path} exists, and a backup never replaces another file.",
                hint="Choose another name.",
            )
        with _writing(self._path):
            handle = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(handle, "wb")
            self._packed = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=1, mtime=0)
            self._tar = tarfile.open(fileobj=self._packed, mode="w|")
            self._add(_HEAD, io.BytesIO(self._about.model_dump_json().encode()), None)
        return self

    def add(self, name: str, content: bytes) -> None:
        with _writing(self._path):
            self._add(name, io.BytesIO(content), None)

    def add_file(self, name: str, path: Path) -> None:
        """Add what is in a file now; `FileNotFoundError` when there is none."""
        with path.open("rb") as file, _writing(self._path):
            self._add(name, file, os.fstat(file.fileno()).st_size)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                with _writing(self._path):
                    self._finish()
        finally:
            with suppress(OSError, ValueError):  # what is half written is not worth a second error
                self._tar.close()
                self._packed.close()
            self._file.close()
            self._partial.unlink(missing_ok=True)

    def _finish(self) -> None:
        manifest = Manifest(about=self._about, contents=dict(self._digests), facts=self.facts)
        self._add(_MANIFEST, io.BytesIO(manifest.model_dump_json().encode()), None)
        self._tar.close()
        self._packed.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.rename(self._path)
        flush_folder(self._path.absolute().parent)

    def _add(self, name: str, source: IO[bytes], size: int | None) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = size if size is not None else len(cast("io.BytesIO", source).getbuffer())
        hashing = _Hashing(source)
        self._tar.addfile(entry, cast("IO[bytes]", hashing))
        if name not in (_HEAD, _MANIFEST):
            self._digests[name] = hashing.digest.hexdigest()


class Archive:
    """Reads a file that `ArchiveWriter` wrote, and nothing else. Every error is `FileUnreadable`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def verify(self) -> Manifest:
        """Read it all; what it holds, once every byte is proven."""
        manifest: Manifest | None = None
        found: dict[str, str] = {}
        for name, content in self._members():
            if name == _MANIFEST:
                manifest = self._manifest(b"".join(content))
                continue
            if manifest is not None or name in found:
                raise self._damaged()
            digest = hashlib.sha256()
            for piece in content:
                digest.update(piece)
            found[name] = digest.hexdigest()
        if manifest is None or manifest.contents != found:
            raise self._damaged()
        return manifest

    def contents(self, manifest: Manifest) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Every content, in order, and checked again; each is to be read to its end."""
        for name, content in self._members():
            if name != _MANIFEST:
                yield name, self._checked(content, manifest.contents.get(name))

    def _checked(self, content: Iterator[bytes], expected: str | None) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for piece in content:
            digest.update(piece)
            yield piece
        if digest.hexdigest() != expected:
            raise self._damaged()

    def _members(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        with (
            self._reading(),
            gzip.open(self._path, "rb") as packed,
            tarfile.open(fileobj=packed, mode="r|") as tar,
        ):
            self._recognise(tar)
            while (entry := tar.next()) is not None:
                source = tar.extractfile(entry) if entry.isreg() else None
                if source is None:
                    raise self._damaged()
                yield entry.name, self._pieces(source)
            while packed.read(_PIECE):  # to the very end: there stands the last check
                pass

    def _pieces(self, source: IO[bytes]) -> Iterator[bytes]:
        with self._reading():
            while piece := source.read(_PIECE):
                yield piece

    def _recognise(self, tar: tarfile.TarFile) -> None:
        """Read the first member, which says what the file is."""
        entry = tar.next()
        source = tar.extractfile(entry) if entry is not None and entry.name == _HEAD else None
        if source is None:
            raise FileUnreadable(
                f"{self._path} is no backup of Assay.", hint="`assay store backup FILE` makes one."
            )
        format_ = json.loads(source.read()).get("format")
        if not isinstance(format_, int) or format_ > FORMAT:
            raise FileUnreadable(
                f"{self._path} was written by a newer Assay (format {format_}; this one reads {FORMAT}).",
                hint="Restore it with that version, or a newer one.",
            )

    def _manifest(self, content: bytes) -> Manifest:
        try:
            return Manifest.model_validate_json(content)
        except ValidationError as error:
            raise self._damaged() from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except gzip.BadGzipFile as error:
            message = "no backup of Assay" if "Not a gzipped" in str(error) else "damaged"
            raise FileUnreadable(f"{self._path} is {message}.", hint=_ANOTHER) from error
        except (EOFError, zlib.error, tarfile.TarError, ValueError) as error:
            raise self._damaged() from error
        except OSError as error:
            raise FileUnreadable(
                f"{self._path} cannot be read: {error.strerror}.", hint=_ANOTHER
            ) from error

    def _damaged(self) -> FileUnreadable:
        return FileUnreadable(
            f"{self._path} is cut short, damaged or changed; nothing was restored.", hint=_ANOTHER
        )


_ANOTHER: Final = "Take another backup."


class _Hashing:
    """Reads from a file, and digests what it read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(size)
        self.digest.update(piece)
        return piece


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(
            f"The backup {path} cannot be written: {error.strerror}.",
            hint="Choose another folder, or free some space.",
        ) from error
