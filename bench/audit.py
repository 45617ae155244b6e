"""
What an entry of the audit log costs, with nine sections of one run appending at once.

Beside it the other way to chain all runs, in the same run: each writer reads the end of the chain,
makes the link itself, and tries again when another was faster.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.audit import START, AuditLog, verify_all
from services.audit._links import link_content, link_digest, link_text
from services.store import EmbeddedServer, Redis, connect

SECTIONS: Final = 9
FIELDS: Final = {
    "section": "credit",
    "sql": "ab" * 32,
    "tables": ["main.syn_loans"],
    "verdict": "allowed",
    "rules": [],
}
OPTIMISTIC: Final = """
if redis.call('LINDEX', KEYS[1], -1) ~= (ARGV[1] ~= '' and ARGV[1]) then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[2])
return 1
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=216, help="of each run")
    entries = parser.parse_args().entries
    print(f"{'':<60}{'ms an entry':>12}{'tries':>8}")
    with tempfile.TemporaryDirectory(prefix="assay bench ") as folder:
        for workers in (1, 4):
            for name, work in (("ours", ours), ("read, link, compare", optimistic)):
                milliseconds, tries = measured(Path(folder), work, workers, entries)
                label = f"{workers} runs at once, {SECTIONS} sections each: {name}"
                print(f"{label:<60}{milliseconds:>12.2f}{tries:>8.2f}")
        asyncio.run(check(Path(folder)))
        EmbeddedServer(Path(folder)).stop()


def measured(home: Path, work, workers: int, entries: int) -> tuple[float, float]:
    """Milliseconds an entry, all workers together, and how often an entry was tried."""
    EmbeddedServer(home).ensure()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.starmap(run, [(home, work, f"warm-{n}", SECTIONS) for n in range(workers)])
        names = [f"{work.__name__}-{workers}-{n}" for n in range(workers)]
        before = asyncio.run(scripts(home))
        began = time.perf_counter()
        pool.starmap(run, [(home, work, name, entries) for name in names])
        spent = time.perf_counter() - began
        tries = asyncio.run(scripts(home)) - before
    return spent * 1e3 / (workers * entries), tries / (workers * entries)


async def scripts(home: Path) -> int:
    """How many scripts the server has run so far."""
    async with connect(None, home) as redis:
        return (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]


def run(home: Path, work, name: str, entries: int) -> None:
    async def sections() -> None:
        async with connect(None, home) as redis:
            await work(redis, name, entries)

    asyncio.run(sections())


async def ours(redis: Redis, name: str, entries: int) -> None:
    log = AuditLog(redis)

    async def section() -> None:
        for _ in range(entries // SECTIONS):
            await log.append(name, "statement.checked", FIELDS, at=datetime.now(UTC))

    await asyncio.gather(*(section() for _ in range(SECTIONS)))


async def optimistic(redis: Redis, name: str, entries: int) -> None:
    script = redis.register_script(OPTIMISTIC)

    async def section() -> None:
        for number in range(entries // SECTIONS):
            stored = False
            while not stored:
                last = await redis.lindex("bench:chain", -1)
                previous = last.decode()[-64:] if last else START
                text = link_text(name, number, START)
                link = f"{text} {link_digest(previous, link_content(text))}"
                stored = await script(keys=["bench:chain"], args=[last or "", link])

    await asyncio.gather(*(section() for _ in range(SECTIONS)))


async def check(home: Path) -> None:
    async with connect(None, home) as redis:
        began = time.perf_counter()
        found = await verify_all(AuditLog(redis))
        spent = time.perf_counter() - began
    print(f"\nverified {found.entries} entries in {spent:.2f} s: {'ok' if found.ok else 'BROKEN'}")


if __name__ == "__main__":
    main()
