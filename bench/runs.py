"""
Runs per second with one, two and four workers, and what 10,000 stored runs cost.

Questions are accepted and left to real `assay worker` processes, on a real store and the sample
warehouse. The peer, in the same run, is the same graph and the same questions in a bare loop of one
process: LangGraph's saver in memory, one open warehouse, and neither queue, lease nor audit log.
Latency is from a run's being accepted to its waiting for a person, one run at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from langgraph.checkpoint.memory import InMemorySaver  # noqa: E402

from agent.driving import now, thread_of  # noqa: E402
from agent.graph import build_graph  # noqa: E402
from agent.intake import prepare  # noqa: E402
from agent.opening import open_retriever  # noqa: E402
from agent.request import Accepted  # noqa: E402
from agent.runner import Runner  # noqa: E402
from agent.state import RunState  # noqa: E402
from agent.stores import open_stores  # noqa: E402
from services.audit import AuditEntry, AuditLog  # noqa: E402
from services.review import Approve  # noqa: E402
from services.settings import load_settings  # noqa: E402
from services.store import EmbeddedServer, Lease  # noqa: E402
from services.warehouse import build_sample  # noqa: E402

QUESTION = "NPL ratio by segment"
BATCH = 500


def silent(event: object) -> None:
    """Watches a run, and says nothing."""


class NoAudit(AuditLog):
    """Writes nothing down."""

    async def append(self, run_id: str, event: str, fields: Any, **said: Any) -> AuditEntry:
        return AuditEntry.model_construct(
            seq=1, run=run_id, event=event, fields=fields, at=said["at"]
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=24, help="runs for each number of workers")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--latencies", type=int, default=12, help="runs to take the latency of")
    parser.add_argument("--stored", type=int, default=10_000, help="finished runs to be stored")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay bench ") as folder:
        os.environ |= {"ASSAY_HOME": f"{folder}/home", "ASSAY_OUTPUT": f"{folder}/out"}
        build_sample(load_settings().warehouse_dir)
        try:
            asyncio.run(measure(options))
        finally:
            EmbeddedServer(Path(folder) / "home").stop()


async def measure(options: argparse.Namespace) -> None:
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    async with opened() as (runner, accepted):
        bare = await bare_loop(runner, accepted, options.runs)
        print(f"{'':<28}{'runs/s':>8}{'ratio to the bare loop':>24}")
        print(f"{'bare loop, in memory':<28}{bare:>8.2f}{1:>24.2f}")
        for count in options.workers:
            rate = await throughput(runner, accepted, count, options.runs)
            print(f"{f'{count} workers':<28}{rate:>8.2f}{rate / bare:>24.2f}")
        print(
            f"\n{'':<28}{'p50 ms':>8}{'p95 ms':>8}{'worker MB':>11}{'store MB':>10}{'list ms':>9}"
        )
        await growth(runner, accepted, options.latencies, "few runs stored")
        began = time.perf_counter()
        await multiply(runner, accepted, options.stored)
        took = time.perf_counter() - began
        await growth(runner, accepted, options.latencies, f"{options.stored:,} more stored")
    print(f"\nload {os.getloadavg()[0]:.1f}; storing {options.stored:,} runs took {took:.0f} s")


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Runner, Accepted]]:
    settings = load_settings()
    accepted = prepare(settings, "bench", question=QUESTION, formats=["json"])
    async with open_stores(settings, patience=timedelta(seconds=30)) as stores:
        yield Runner(settings=settings, stores=stores, open_retriever=open_retriever), accepted


def named(accepted: Accepted, run_id: str) -> Accepted:
    """The same request of a run of another name, with a folder of its own."""
    folder = str(Path(accepted.request.output).with_name(run_id))
    return dataclasses.replace(
        accepted, request=accepted.request.model_copy(update={"output": folder})
    )


async def bare_loop(runner: Runner, accepted: Accepted, count: int) -> float:
    """Runs per second of the graph alone; the first run, which warms up, is not counted."""
    graph = build_graph(InMemorySaver())
    retriever = open_retriever(runner.settings, accepted.snapshot)
    audit = NoAudit(runner.stores.redis)
    began = 0.0
    for number in range(count + 1):
        if number == 1:
            began = time.perf_counter()
        name = f"bare-{number}"
        record = await runner.accept(name, named(accepted, name))
        lease = Lease(runner.stores.redis, name, timedelta(seconds=1))
        made = runner._deps(record, retriever, lease)  # noqa: SLF001 (as a driver gets them)
        deps = dataclasses.replace(made, audit=audit)
        first = RunState(request=record.request)
        await graph.ainvoke(first, thread_of(name), context=deps)
        assert (await graph.aget_state(thread_of(name))).interrupts
    retriever.close()
    return count / (time.perf_counter() - began)


@contextmanager
def working(count: int) -> Iterator[list[int]]:
    """That many workers, ready; their process ids."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "agent", "worker"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stderr is not None
            assert "worker ready" in process.stderr.readline()
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with process:
                process.communicate()


async def waits(runner: Runner, run_id: str) -> None:
    while (await runner.stores.runs.get(run_id)).status != "waiting":  # noqa: ASYNC110 (another process changes it)
        await asyncio.sleep(0.02)


async def throughput(runner: Runner, accepted: Accepted, workers: int, count: int) -> float:
    """Runs per second, from the first accepted to the last that waits; a warming run each before."""
    with working(workers):
        for stage, runs in (("warm", workers), ("run", count)):
            names = [f"{stage}-{workers}-{number}" for number in range(runs)]
            began = time.perf_counter()
            for name in names:
                await runner.accept(name, named(accepted, name), left=True)
            for name in names:
                await waits(runner, name)
    return count / (time.perf_counter() - began)


async def growth(runner: Runner, accepted: Accepted, count: int, title: str) -> None:
    """Latency of single runs, and memory, as the store is now."""
    seconds = []
    with working(1) as [pid]:
        for number in range(count + 1):
            name = f"{title.split(maxsplit=1)[0].replace(',', '')}-{number}"
            began = time.perf_counter()
            await runner.accept(name, named(accepted, name), left=True)
            await waits(runner, name)
            seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        await runner.stores.runs.list(limit=20)
        await runner.stores.reviews.list("open")
        listed = time.perf_counter() - began
        resident = memory(pid)
    first, *rest = sorted(seconds[1:])
    p50, p95 = statistics.median([first, *rest]), [first, *rest][int(0.95 * count)]
    used = (await runner.stores.redis.info("memory"))["used_memory_rss"] / 1e6
    print(
        f"{title:<28}{p50 * 1000:>8.0f}{p95 * 1000:>8.0f}{resident:>11.0f}{used:>10.0f}{listed * 1000:>9.1f}"
    )


def memory(pid: int) -> float:
    """Resident megabytes of a process."""
    with suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1000
    return float("nan")


async def multiply(runner: Runner, accepted: Accepted, count: int) -> None:
    """Store a published run's keys again under many names, and name those in the indexes."""
    stores, redis = runner.stores, runner.stores.redis
    await runner.accept("model", named(accepted, "model"))
    await runner.drive("model", silent)
    await runner.decide("model", Approve(), by="bench")
    record = await runner.drive("model", silent)
    [item] = await stores.reviews.of_run("model")
    others = (b"assay:run:model", b"assay:review:run:model")
    keys = [key async for key in redis.scan_iter(count=1000) if b"model" in key]
    dumps = {key: await redis.dump(key) for key in keys if key not in others}
    contents = await redis.smembers("assay:refs:model")
    journal = runner.settings.home / "accepted.jsonl"
    lines = []
    for start in range(0, count, BATCH):
        async with redis.pipeline(transaction=False) as commands:
            for number in range(start, min(start + BATCH, count)):
                name = f"stored-{number}"
                at = int(record.created_at.timestamp() * 1e6) - number
                copy = record.model_copy(update={"id": name})
                commands.set(f"assay:run:{name}", copy.model_dump_json())
                commands.zadd("assay:runs:time", {name: at})
                commands.zadd("assay:runs:name", {name: 0})
                other = item.model_copy(update={"id": f"rv-{number}", "run_id": name})
                commands.set(f"assay:review:item:{other.id}", other.model_dump_json())
                commands.zadd("assay:review:time", {other.id: at})
                commands.sadd(f"assay:review:run:{name}", other.id)
                for key, dump in dumps.items():
                    commands.restore(key.replace(b"model", name.encode()), 0, dump, replace=True)
                for content in contents:
                    commands.hincrby("assay:refcounts", content, 1)
                lines.append(
                    f'{{"event": "accepted", "run": "{name}", "at": "{now().isoformat()}"}}\n'
                )
            await commands.execute()
    with journal.open("a", encoding="utf-8") as file:
        file.writelines(lines)


if __name__ == "__main__":
    main()
