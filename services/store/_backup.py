"""A whole store in one file, and back: taken at one moment, put back at one moment."""

from __future__ import annotations

import marshal
import re
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final

from redis.asyncio import Redis

from services.errors import FileUnreadable, InputConflict, StoreUnavailable
from services.evidence import Frozen
from services.failpoints import failpoint

from ._archive import About, Archive, ArchiveWriter, Manifest
from ._connection import redis_errors
from ._layout import LAYOUT, open_layout
from ._objects import ObjectStore
from ._portable import Entry, entry_of, from_line, key_of, members_of, read_keys, to_line, write_key
from ._references import HOLD, KINDS, OBJECT, PREFIX
from ._stillness import LEASES, extend, held, paused

_INCOMING: Final = b"assay:incoming:"
_REFS: Final = b"assay:refs:"
_COUNTS: Final = b"assay:refcounts"
_RESTORED: Final = "assay:restored"
_PASSING: Final = (b"assay:limit:", b"assay:workers:")
_OF_THE_MOMENT: Final = (
    *(LEASES, _INCOMING, _COUNTS, HOLD.encode(), _RESTORED.encode()),
    *_PASSING,
)
"""Keys that a backup leaves out: processes of now, and what is made anew from the rest."""
_CONTENTS: Final = tuple((PREFIX + kind).encode() for kind in KINDS)

_PAGE: Final = 500
_CONTENTS_AT_ONCE: Final = 20
"""Each may be as large as a result that is not yet a file."""
_CHUNK: Final = 4_000_000
_NAMES: Final = re.compile(r"keys/\d{6}\.jsonl|objects/[0-9a-f]{64}|extra/[A-Za-z0-9._-]+")

# A retry after a lost answer finds its own token. Keys with a time to live get it only now.
_SWAP: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
local incoming = redis.call('KEYS', 'assay:incoming:*')
if #incoming ~= tonumber(ARGV[2]) then return -1 end
local old = {}
for _, key in ipairs(redis.call('KEYS', 'assay:*')) do
  if string.sub(key, 1, 12) == 'assay:lease:' then return -2 end
  if string.sub(key, 1, 15) ~= 'assay:incoming:' and key ~= KEYS[2] then
    if ARGV[3] == '0' and key ~= 'assay:layout' then return -3 end
    old[#old + 1] = key
  end
end
for _, key in ipairs(old) do redis.call('UNLINK', key) end
for _, key in ipairs(incoming) do redis.call('RENAME', key, 'assay:' .. string.sub(key, 16)) end
for i = 4, #ARGV, 2 do redis.call('PEXPIRE', ARGV[i], ARGV[i + 1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', 3600000)
return 1
"""


class Summary(Frozen):
    """What a backup holds."""

    made_at: str
    keys: int
    objects: int
    missing: tuple[str, ...] = ()
    """Large results that a run refers to and the folder does not hold."""
    extra: tuple[str, ...] = ()
    """Other files, by name."""


class Backup:
    """Copies a store, its folder of large results, and *extra* files beside them by name."""

    def __init__(self, redis: Redis, objects: ObjectStore) -> None:
        self._redis = redis
        self._objects = objects

    async def write(self, path: Path, extra: dict[str, Path], *, at: datetime) -> Summary:
        """
        Write a new file at *path*.

        Runs may go on: all that changes is read while writers wait, at most for seconds, so every
        run is in the file as it stood at one and the same moment. Contents never change, and
        nothing is let go until they are read.
        """
        about = About(layout=LAYOUT, assay=version("assay"), made_at=at.astimezone(UTC).isoformat())
        async with held(self._redis) as token:
            with ArchiveWriter(path, about) as archive:
                writer = _KeyWriter(archive)
                wanted = await self._write_frozen(writer)
                await self._write_contents(writer, token)
                found, missing = self._add_objects(archive, wanted)
                kept = [name for name, file in extra.items() if _added(archive, name, file)]
                await extend(self._redis, token)
                summary = Summary(
                    made_at=about.made_at,
                    keys=writer.count,
                    objects=found,
                    missing=tuple(missing),
                    extra=tuple(kept),
                )
                archive.facts.update(summary.model_dump(mode="json"))
        return summary

    async def _write_frozen(self, writer: _KeyWriter) -> frozenset[str]:
        """All keys but contents, as of one moment; the large results that runs refer to."""
        wanted: set[str] = set()
        with tempfile.TemporaryFile() as spool:
            pages = await self._read_frozen(spool)
            spool.seek(0)
            for _ in range(pages):
                for raw in marshal.load(spool):  # noqa: S302 (our own, of a moment ago)
                    entry = entry_of(raw)
                    writer.add(entry)
                    if raw[0].startswith(_REFS):
                        wanted |= {member.decode() for member in members_of(entry)}
        return frozenset(name.removeprefix(OBJECT) for name in wanted if name.startswith(OBJECT))

    async def _read_frozen(self, spool: IO[bytes]) -> int:
        """Put all keys but contents aside, a page at a time, while writers wait; how many pages."""
        pages = 0
        async with paused(self._redis) as is_paused:
            with redis_errors():
                keys = [
                    key
                    async for key in self._redis.scan_iter(b"assay:*", count=5000)
                    if not key.startswith((*_CONTENTS, *_OF_THE_MOMENT))
                ]
            for page in _pages(sorted(set(keys))):
                marshal.dump(await read_keys(self._redis, page), spool)
                pages += 1
                if not is_paused():
                    raise StoreUnavailable(
                        "The store is too large to be copied at one moment while runs go on.",
                        hint="Stop the workers, then take the backup again.",
                    )
        return pages

    async def _write_contents(self, writer: _KeyWriter, token: str) -> None:
        seen: set[bytes] = set()
        for kind in _CONTENTS:
            page: list[bytes] = []
            with redis_errors():
                async for key in self._redis.scan_iter(kind + b"*", count=1000):
                    if key not in seen:
                        seen.add(key)
                        page.append(key)
                    if len(page) == _CONTENTS_AT_ONCE:
                        await self._write_page(writer, page, token)
                        page = []
            await self._write_page(writer, page, token)
        writer.flush()

    @failpoint("backup.page")
    async def _write_page(self, writer: _KeyWriter, keys: list[bytes], token: str) -> None:
        for raw in await read_keys(self._redis, keys):
            writer.add(entry_of(raw))
        await extend(self._redis, token)

    def _add_objects(self, archive: ArchiveWriter, wanted: frozenset[str]) -> tuple[int, list[str]]:
        missing = []
        for digest in sorted(wanted):
            path = self._objects.path_of(digest)
            if path is None:
                missing.append(digest)
            else:
                archive.add_file(f"objects/{digest}", path)
        return len(wanted) - len(missing), missing


class Restore:
    """Puts a backup back. Until its last step nothing is changed, and that step is one."""

    def __init__(self, redis: Redis, objects: ObjectStore, path: Path) -> None:
        self._redis = redis
        self._objects = objects
        self._archive = Archive(path)
        self._path = path

    def verify(self) -> Manifest:
        """What the file holds; `FileUnreadable` when any of it is not what was written."""
        manifest = self._archive.verify()
        if manifest.about.layout > LAYOUT:
            raise FileUnreadable(
                f"{self._path} is of a newer layout ({manifest.about.layout}; this Assay knows {LAYOUT}).",
                hint="Upgrade Assay, then restore it.",
            )
        if any(not _NAMES.fullmatch(name) for name in manifest.contents):
            raise FileUnreadable(f"{self._path} holds what no backup of Assay does.")
        return manifest

    async def put_back(self, extra: Path, *, force: bool) -> Summary:
        """
        Replace the store by what the file holds; other files are left in the folder *extra*.

        A store that holds anything is left alone unless *force* says to replace it. Killed at any
        point, it leaves the store as it was, and doing it again starts anew.
        """
        manifest = self.verify()
        await self._check_free(force=force)
        async with held(self._redis) as token:
            await self._clear_incoming()
            staged = await self._stage(manifest, extra, token)
            await self._swap(staged, force=force)
        await open_layout(self._redis)  # what was put back may be of an earlier one
        return Summary.model_validate(manifest.facts)

    async def _check_free(self, *, force: bool) -> None:
        with redis_errors():
            async for key in self._redis.scan_iter(b"assay:*", count=1000):
                if key.startswith(LEASES):
                    raise _driven()
                if not force and not key.startswith((_INCOMING, b"assay:layout", HOLD.encode())):
                    raise _occupied()

    async def _clear_incoming(self) -> None:
        with redis_errors():
            async for key in self._redis.scan_iter(_INCOMING + b"*", count=1000):
                await self._redis.unlink(key)

    async def _stage(self, manifest: Manifest, extra: Path, token: str) -> _Staged:
        staged = _Staged()
        for name, content in self._archive.contents(manifest):
            kind, _, rest = name.partition("/")
            if kind == "objects":
                await self._objects.put(self._objects.stage(rest, content))
            elif kind == "extra":
                _write_file(extra / rest, content)
            else:
                await self._stage_keys(b"".join(content), staged)
            await extend(self._redis, token)
        with redis_errors():
            if staged.counts:
                mapping: Any = dict(staged.counts)
                await self._redis.hset(_incoming(_COUNTS), mapping=mapping)
                staged.keys += 1
        return staged

    @failpoint("restore.keys")
    async def _stage_keys(self, content: bytes, staged: _Staged) -> None:
        entries = [from_line(line) for line in content.splitlines()]
        with redis_errors():
            for page in _pages(entries):
                async with self._redis.pipeline(transaction=False) as commands:
                    for entry in page:
                        staged.note(entry)
                        commands.delete(_incoming(key_of(entry)))
                        write_key(commands, _incoming(key_of(entry)), entry)
                    await commands.execute()

    @failpoint("restore.swap")
    async def _swap(self, staged: _Staged, *, force: bool) -> None:
        with redis_errors():
            answer = await self._redis.register_script(_SWAP)(
                keys=[_RESTORED, HOLD],
                args=[secrets.token_hex(16), staged.keys, int(force), *staged.expiring],
            )
        if answer == -2:
            raise _driven()
        if answer == -3:
            raise _occupied()
        if answer != 1:
            raise StoreUnavailable(
                "Another process wrote to the store while it was being restored; nothing was replaced.",
                hint="Stop what uses it, then restore again.",
            )


class _Staged:
    """What is in place under other names, until all of it gets its own."""

    def __init__(self) -> None:
        self.keys = 0
        self.counts: Counter[bytes] = Counter()
        self.expiring: list[bytes | int] = []

    def note(self, entry: Entry) -> None:
        self.keys += 1
        if entry["ttl"] is not None:
            self.expiring += [key_of(entry), entry["ttl"]]
        if key_of(entry).startswith(_REFS):
            self.counts.update(members_of(entry))


class _KeyWriter:
    """Gathers keys into contents of a few megabytes."""

    def __init__(self, archive: ArchiveWriter) -> None:
        self._archive = archive
        self._lines: list[bytes] = []
        self._size = 0
        self._chunks = 0
        self.count = 0

    def add(self, entry: Entry) -> None:
        line = to_line(entry)
        self._lines.append(line)
        self._size += len(line)
        self.count += 1
        if self._size >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            self._archive.add(f"keys/{self._chunks:06d}.jsonl", b"".join(self._lines))
            self._chunks += 1
        self._lines, self._size = [], 0


def _added(archive: ArchiveWriter, name: str, path: Path) -> bool:
    try:
        archive.add_file(f"extra/{name}", path)
    except FileNotFoundError:
        return False
    return True


def _write_file(path: Path, content: Iterator[bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("wb") as file:
            for piece in content:
                file.write(piece)
    except OSError as error:
        raise StoreUnavailable(
            f"The home cannot be written: {error.strerror}.", hint="Free some space."
        ) from error


def _incoming(key: bytes) -> bytes:
    return _INCOMING + key.removeprefix(PREFIX.encode())


def _pages(items: list[Any]) -> Iterator[list[Any]]:
    for at in range(0, len(items), _PAGE):
        yield items[at : at + _PAGE]


def _driven() -> InputConflict:
    return InputConflict(
        "Runs are being driven on this store; nothing was restored.",
        hint="Stop the workers, and wait ten seconds for what was killed.",
    )


def _occupied() -> InputConflict:
    return InputConflict(
        "The store is not empty; nothing was restored.",
        hint="With --force it is replaced. Take a backup of it first.",
    )
