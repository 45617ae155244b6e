"""
Signed webhooks accepted per second, and how long each takes, on a real `assay serve`.

Arrivals are open-loop: each has its time, whatever became of those before it, on one of several
connections. The peer, in the same run, is a bare FastAPI route that reads the same body and only
stores it in the same server. `--burst SECONDS` sends ten times what a worker can do instead, and
looks at what is queued: nothing lost, each priority in the order of its arrival, memory flat.
With `--workers N` real workers take the runs, during the burst and after it, to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import random
import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import uvloop

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from agent.hooks import hooks_of  # noqa: E402
from agent.stores import Stores, open_stores  # noqa: E402
from services.settings import load_settings  # noqa: E402
from services.store import EmbeddedServer, Journal  # noqa: E402
from services.warehouse import build_sample  # noqa: E402
from services.webhooks import Source, key_of, new_secret  # noqa: E402

QUESTION = "NPL ratio by segment"
SECRET = new_secret()
KEY = key_of(SECRET)
PRIORITIES = ("high", "normal", "low")
BARE = """
import os
from fastapi import FastAPI, Request
from redis.asyncio import Redis
app = FastAPI()
redis = Redis(unix_socket_path=os.environ["BARE_SOCKET"])
@app.post("/v1/webhooks/{source}", status_code=202)
async def receive(request: Request, source: str) -> dict[str, str]:
    await redis.set(f"bare:{request.headers['webhook-id']}", await request.body())
    return {"run_id": request.headers["webhook-id"]}
"""


@dataclass
class Result:
    """What became of the calls of one round."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    cpu: float = 0.0
    """Seconds of a core that the server used: what it can do at most, whoever else is busy."""

    def line(self, title: str) -> str:
        ordered = sorted(self.latencies) or [float("nan")]
        p50, p99 = statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]
        rate = len(self.accepted) / self.seconds
        return (
            f"{title:<34}{rate:>9.0f}{p50 * 1000:>9.1f}{p99 * 1000:>9.1f}{ordered[-1] * 1000:>9.1f}"
            f"{self.cpu * 1000 / max(1, len(ordered)):>9.2f}"
            f"  {self.refused or 'none'}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="*", default=[100, 250, 500])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="of each server")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--burst", type=float, default=0, help="seconds of a burst")
    parser.add_argument(
        "--burst-rate", type=float, default=50, help="ten times a worker's capacity"
    )
    parser.add_argument("--workers", type=int, default=0, help="real ones, for the burst")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay bench ") as folder:
        os.environ |= {"ASSAY_HOME": f"{folder}/home", "ASSAY_OUTPUT": f"{folder}/out"}
        os.environ |= {"ASSAY_QUEUE_LIMIT": "1000000"}
        build_sample(load_settings().warehouse_dir)
        try:
            uvloop.run(measure(options))
        finally:
            EmbeddedServer(Path(folder) / "home").stop()


async def measure(options: argparse.Namespace) -> None:
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    settings = load_settings()
    async with open_stores(settings) as stores:
        await declare(stores)
        if options.burst:
            await burst(stores, options)
            return
        head = ("calls/s", "p50 ms", "p99 ms", "max ms", "cpu ms")
        print(f"{'':<34}{''.join(f'{name:>9}' for name in head)}  errors")
        rates = {}
        for name, command in servers(settings.home, options.processes).items():
            with serving(command) as (process, port):
                await fire(port, 50, 2, options.connections, "warm")
                for rate in options.rates:
                    used = cpu_of(process.pid)
                    done = await fire(port, rate, options.seconds, options.connections, name)
                    done.cpu = cpu_of(process.pid) - used
                    print(done.line(f"{name}, {rate} offered"))
                used = cpu_of(process.pid)
                done = await flat_out(port, options.seconds, options.connections, name)
                done.cpu = cpu_of(process.pid) - used
                print(done.line(f"{name}, {options.connections} callers flat out"))
                rates[name] = len(done.accepted) / done.seconds
        print(f"ratio flat out: {rates['assay'] / rates['bare']:.2f}")
        await check(stores)
    print(f"load {os.getloadavg()[0]:.1f}")


async def declare(stores: Stores) -> None:
    hooks = hooks_of(stores, load_settings())
    rules = {"question": {"pointer": "/ask"}, "formats": {"default": ["json"]}}
    for priority in PRIORITIES:
        document = {"name": f"bench-{priority}", "priority": priority, "request": rules}
        source = Source.model_validate(document)
        await hooks.sources.add(source, [SECRET], at=datetime.now(UTC))


def servers(home: Path, processes: int) -> dict[str, list[str]]:
    os.environ["BARE_SOCKET"] = str(EmbeddedServer(home).address())
    (home / "bare.py").write_text(BARE)
    options = ["--port", "PORT", "--log-level", "warning", "--workers", str(processes)]
    bare = [sys.executable, "-m", "uvicorn", "--app-dir", str(home), "bare:app", *options]
    serve = ["serve", "--port", "PORT", "--processes", str(processes)]
    return {"bare": bare, "assay": [sys.executable, "-m", "agent", *serve]}


@contextmanager
def serving(command: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    filled = [part.replace("PORT", str(port)) for part in command]
    process = subprocess.Popen(filled, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as one:
                one.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if one.recv(1):
                    break
            time.sleep(0.1)
            time.sleep(0.1)
        yield process, port
    finally:
        process.send_signal(2)
        process.wait(30)


def call(webhook_id: str, priority: str = "normal") -> bytes:
    """One signed call, as it goes over the wire."""
    body = json.dumps({"ask": QUESTION, "ref": webhook_id}).encode()
    stamp = str(int(time.time()))
    digest = hmac.digest(KEY, f"{webhook_id}.{stamp}.".encode() + body, hashlib.sha256)
    head = (
        f"POST /v1/webhooks/bench-{priority} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"webhook-id: {webhook_id}\r\nwebhook-timestamp: {stamp}\r\n"
        f"webhook-signature: v1,{base64.b64encode(digest).decode()}\r\n\r\n"
    )
    return head.encode() + body


class Caller:
    """One connection that is kept, as a sender has it."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, content: bytes) -> tuple[str, bytes]:
        self.writer.write(content)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return head[9:12].decode(), await self.reader.readexactly(length)

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def callers(port: int, count: int) -> AsyncIterator[list[Caller]]:
    made = [Caller(port) for _ in range(count)]
    for one in made:
        await one.open()
        await asyncio.sleep(0.005)
    try:
        yield made
    finally:
        for one in made:
            one.close()


def note(result: Result, began: float, status: str, body: bytes) -> None:
    result.latencies.append(time.perf_counter() - began)
    if status == "202":
        result.accepted.append(json.loads(body)["run_id"])
    else:
        result.refused[status] = result.refused.get(status, 0) + 1


async def fire(port: int, rate: int, seconds: float, connections: int, name: str) -> Result:
    """Calls at their times, by chance but *rate* a second; late is counted from when it was due."""
    result, at, due = Result(seconds), 0.0, []
    while at < seconds:
        due.append(at)
        at += random.expovariate(rate)
    ready: asyncio.Queue[Caller] = asyncio.Queue()
    async with callers(port, connections) as made:
        for one in made:
            ready.put_nowait(one)
        start = time.perf_counter() + 0.1

        async def one_call(moment: float) -> None:
            caller = await ready.get()
            answer = await caller.send(call(f"{name}-{secrets.token_hex(8)}"))
            ready.put_nowait(caller)
            note(result, start + moment, *answer)

        async with asyncio.TaskGroup() as calls:
            for moment in due:
                await asyncio.sleep(max(0.0, start + moment - time.perf_counter()))
                calls.create_task(one_call(moment))
        result.seconds = max(seconds, time.perf_counter() - start)
    return result


async def flat_out(port: int, seconds: float, connections: int, name: str) -> Result:
    """Each caller sends again once it is answered."""
    result = Result(seconds)
    async with callers(port, connections) as made:
        end = time.perf_counter() + seconds

        async def calling(caller: Caller) -> None:
            while (began := time.perf_counter()) < end:
                note(result, began, *await caller.send(call(f"{name}-{secrets.token_hex(8)}")))

        await asyncio.gather(*map(calling, made))
    return result


async def check(stores: Stores) -> None:
    """Whether every accepted run is stored, journaled, logged and queued."""
    journal = set(Journal(load_settings().home).runs())
    left = await stores.runs.left()
    queued = await stores.queue.holds(left)
    entries, _ = await stores.audit.global_head()
    print(
        f"accepted {len(left):,}: journal has {len(journal & left):,}, queue {len(queued):,}, audit log {entries:,}"
    )


async def burst(stores: Stores, options: argparse.Namespace) -> None:
    """More than workers can do, of all priorities; then what is queued, in which order."""
    sent: dict[str, list[str]] = {priority: [] for priority in PRIORITIES}
    memory: list[float] = []
    latencies: list[float] = []
    command = servers(load_settings().home, options.processes)["assay"]
    with serving(command) as (process, port), working(options.workers):
        async with callers(port, len(PRIORITIES)) as made:
            end = time.perf_counter() + options.burst

            async def calling(caller: Caller, priority: str) -> None:
                while time.perf_counter() < end:
                    began = time.perf_counter()
                    status, body = await caller.send(call(secrets.token_hex(8), priority))
                    assert status == "202", (status, body)
                    sent[priority].append(json.loads(body)["run_id"])
                    latencies.append(time.perf_counter() - began)
                    if priority == "high" and len(sent[priority]) % 10 == 1:
                        memory.append(resident(process.pid))
                    pause = len(PRIORITIES) / options.burst_rate
                    await asyncio.sleep(max(0.0, pause - latencies[-1]))

            await asyncio.gather(*map(calling, made, PRIORITIES))
        count = sum(map(len, sent.values()))
        p99 = sorted(latencies)[int(0.99 * (count - 1))] * 1000
        waiting = (await stores.queue.state()).waiting
        print(f"{count:,} accepted in {options.burst:.0f} s, p99 {p99:.0f} ms; {waiting:,} wait")
        print(f"server at first {memory[0]:.0f} MB, then {memory[-1]:.0f} MB")
        began = time.perf_counter()
        taken = await (worked_off if options.workers else taken_out)(stores)
        print(f"{len(taken):,} drained in {time.perf_counter() - began:.1f} s")
    wrong = max(out_of_order(runs, taken) for runs in sent.values())
    print(f"lost {count - len(set(taken))}; most places out of order within a priority: {wrong}")


def out_of_order(sent: list[str], taken: list[str]) -> int:
    """Most places by which a run of one priority was taken sooner or later than it came."""
    place = {run_id: number for number, run_id in enumerate(sent)}
    in_turn = [place[run_id] for run_id in taken if run_id in place]
    return max((abs(one - turn) for turn, one in enumerate(in_turn)), default=0)


@contextmanager
def working(count: int) -> Iterator[None]:
    """Real workers."""
    command = [sys.executable, "-m", "agent", "worker"]
    quiet = subprocess.DEVNULL
    workers = [subprocess.Popen(command, cwd=ROOT, stderr=quiet) for _ in range(count)]
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)


async def taken_out(stores: Stores) -> list[str]:
    """The runs in the order in which they are taken from the queue, here and by nobody else."""
    taken = []
    while (one := await stores.queue.take()) is not None:
        taken.append(one.run_id)
        await stores.queue.finish(one)
    return taken


async def worked_off(stores: Stores) -> list[str]:
    """The runs in the order in which workers took them, once the last has come to where a person decides."""
    while await stores.queue.state() != (0, 0):  # noqa: ASYNC110 (it is another process's)
        await asyncio.sleep(0.5)
    first: dict[str, datetime] = {}
    for run_id in await stores.audit.logs():
        entries = await stores.audit.entries(run_id)
        began = [entry.at for entry in entries if entry.event == "run.taken"]
        record = await stores.runs.get(run_id) if began else None
        if record is not None and record.status in ("waiting", "done"):
            first[run_id] = began[0]
    return sorted(first, key=first.__getitem__)


def cpu_of(pid: int) -> float:
    """Seconds of a core that a process and its children have used."""
    used = 0
    for one in family(pid):
        stat = Path(f"/proc/{one}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        used += int(stat[11]) + int(stat[12])
    return used / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Resident megabytes of a process and its children."""
    status = "".join(Path(f"/proc/{one}/status").read_text(encoding="ascii") for one in family(pid))
    return sum(int(found) for found in re.findall(r"VmRSS:\s+(\d+)", status)) / 1000


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(one for child in children for one in family(int(child)))]


if __name__ == "__main__":
    main()
