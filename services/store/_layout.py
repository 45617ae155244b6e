"""Which version of the layout a home and its store have, and how an earlier one becomes ours."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from services.errors import SettingInvalid, StoreUnavailable

from ._connection import redis_errors
from ._objects import flush_folder
from ._references import References
from ._reindexing import index_what_is_there
from ._values import as_bytes

LAYOUT: Final = 3
"""1 had no mark, and no references of runs to contents; 2 no indexes by tenant, and none of forks."""
LAYOUT_KEY: Final = "assay:layout"

# Somebody may have brought it further meanwhile.
_MARK: Final = """
if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
"""

_FILE: Final = "layout"
_RUNS: Final = "assay:runs:time"
_CHECKPOINTS: Final = "assay:checkpoint:{"
_DIGEST: Final = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_EVIDENCE: Final = re.compile(rb"ev_[0-9a-f]{24}")


def check_home(home: Path) -> None:
    """Raise `SettingInvalid` when *home* was made by a newer version; a home without a mark is not."""
    with suppress(FileNotFoundError):
        _check(_read(home), f"The home {home}", "ASSAY_HOME")


def open_home(home: Path) -> None:
    """Check the home, and mark it as ours at first use."""
    check_home(home)
    mark = home / _FILE
    if mark.exists():
        return
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = home / f".{_FILE}.{secrets.token_hex(4)}"
        fresh.write_text(f"{LAYOUT}\n", encoding="ascii")
        fresh.replace(mark)
        flush_folder(home)
    except OSError as error:
        raise StoreUnavailable(
            f"The home {home} cannot be used: {error.strerror}.",
            hint="Make it writable, free some space, or set ASSAY_HOME to another.",
        ) from error


async def open_layout(redis: Redis) -> None:
    """
    Check the layout of a store, and bring one of an earlier version to ours.

    Raises `SettingInvalid` when a newer version wrote it.
    """
    with redis_errors():
        found = await redis.get(LAYOUT_KEY)
    text = "1" if found is None else as_bytes(found).decode()
    _check(text, "The store", "ASSAY_REDIS_URL or ASSAY_HOME")
    if (layout := int(text)) == LAYOUT:
        return
    if layout < 2:
        await _refer_to_what_is_there(redis)
    await index_what_is_there(redis)
    with redis_errors():
        await redis.register_script(_MARK)(keys=[LAYOUT_KEY], args=[LAYOUT])


def _read(home: Path) -> str:
    try:
        return (home / _FILE).read_text(encoding="ascii")
    except (NotADirectoryError, PermissionError, UnicodeDecodeError) as error:
        raise StoreUnavailable(
            f"The home {home} cannot be read.", hint="Set ASSAY_HOME to a folder of yours."
        ) from error


def _check(text: str, what: str, setting: str) -> None:
    if not text.strip().isdigit() or int(text) > LAYOUT:
        raise SettingInvalid(
            f"{what} was made by a newer version of Assay (layout {text.strip()[:10]}; this one knows {LAYOUT}).",
            hint=f"Upgrade Assay, or set {setting} to another one. Nothing was changed.",
        )


async def _refer_to_what_is_there(redis: Redis) -> None:
    """
    Give the runs of layout 1 references to what they need, or the first collection would take it.

    Their checkpoints and documents name contents by digest, in clear: whatever looks like the
    name of a content that exists counts as one. Doing it twice, or in two processes, is as once.
    """
    references = References(redis)
    with redis_errors():
        runs = [as_bytes(run).decode() for run in await redis.zrange(_RUNS, 0, -1)]
    for run_id in runs:
        needed: dict[str, bytes] = {}
        waiting = [found async for found in _checkpointed(redis, run_id)]
        while waiting:
            names = set(_names(waiting)) - set(needed)
            waiting = []
            for name in sorted(names):
                with redis_errors():
                    content = await redis.get(f"assay:{name}")
                if content is not None:
                    needed[name] = b""
                    # Rows are compressed values: they name nothing.
                    waiting += [] if name.startswith("rows:") else [as_bytes(content)]
        if needed:
            await references.put(run_id, {}, also=list(needed))


async def _checkpointed(redis: Redis, run_id: str) -> AsyncIterator[bytes]:
    with redis_errors():
        escaped = re.sub(r"([*?\[\]\\])", r"\\\1", run_id)
        async for key in redis.scan_iter(f"{_CHECKPOINTS}{escaped}}}:*", count=1000, _type="hash"):
            for value in await redis.hvals(key):
                yield as_bytes(value)


def _names(contents: Iterable[bytes]) -> Iterator[str]:
    for content in contents:
        for digest in _DIGEST.findall(content):
            yield f"blob:{digest.decode()}"
            yield f"rows:{digest.decode()}"
        for evidence in _EVIDENCE.findall(content):
            yield f"evidence:{evidence.decode()}"
