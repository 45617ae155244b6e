"""
What a checkpointer costs: ours beside the published ones, in one run, on the embedded Valkey.

A graph of six nodes under asyncio with `durability="sync"`, the append-only file written every
second. Each peer runs in an environment of its own, which is made the first time and kept in the
system's folder for temporary files. Times are milliseconds a step over the same graph without a
checkpointer, measured in turns with it; of several rounds the median is told. Round trips are
counted on the wire by a relay, bytes are what the server says its keys take after one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

ROOT = Path(__file__).resolve().parents[1]
VENVS = Path(tempfile.gettempdir()) / "assay-bench-checkpoint"
STEPS = 6
LOADS = {
    "20 KB written at each step": "written",
    "20 KB carried, little written": "carried",
    "1 MB carried, 20 KB written": "table",
}
PEERS = {
    "ours": [],
    "in memory": [],
    "aws valkey": ["langgraph-checkpoint-aws[valkey]==1.2.6"],
    "plainredis": ["langgraph-checkpoint-plainredis==0.1.0", "redis>=8.1,<9"],
    "sqlite": ["langgraph-checkpoint-sqlite==3.1.2"],
}


class State(TypedDict, total=False):
    rows: list[dict[str, Any]]
    table: list[dict[str, Any]]
    step: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40, help="runs of each load in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--measure", nargs=2, metavar=("PEER", "SOCKET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(asyncio.run(measure(*options.measure, options.runs))))
        return
    from services.store import EmbeddedServer

    pythons = {peer: environment(peer) for peer in options.peers}
    found: dict[str, list[dict[str, Any]]] = {peer: [] for peer in options.peers}
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        server = EmbeddedServer(Path(folder))
        try:
            address = server.ensure().removeprefix("unix://")
            for number in range(options.rounds):
                for peer, python in pythons.items():
                    print(f"round {number + 1}: {peer}", file=sys.stderr)
                    found[peer].append(measured(python, peer, address, options.runs))
        finally:
            server.stop()
    tell(found)


def environment(peer: str) -> str:
    """The interpreter that has what *peer* needs; ours and what comes with LangGraph are here."""
    if not PEERS[peer]:
        return sys.executable
    from importlib.metadata import version

    python = VENVS / peer.replace(" ", "-") / "bin" / "python"
    if not python.with_name("ready").exists():
        print(f"making an environment for {peer}", file=sys.stderr)
        same = [f"{name}=={version(name)}" for name in ("langgraph", "langgraph-checkpoint")]
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*command, *same, *PEERS[peer]], check=True)
        python.with_name("ready").touch()
    return str(python)


def measured(python: str, peer: str, address: str, runs: int) -> dict[str, Any]:
    command = [python, __file__, "--runs", str(runs), "--measure", peer, address]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def tell(found: dict[str, list[dict[str, Any]]]) -> None:
    floors = [each["floor"] for each in found.get("ours", [])]
    if floors:
        print(
            f"\nas many bare round trips as ours makes: {statistics.median(floors):.2f} ms a step"
        )
    for load, name in LOADS.items():
        print(f"\n{load}")
        print(f"  {'saver':<12}{'ms a step p50':>14}{'p95':>8}{'trips a run':>13}{'KB a run':>10}")
        for peer, rounds in found.items():
            results = [each[name] for each in rounds]
            p50, p95 = (statistics.median(each[key] for each in results) for key in ("p50", "p95"))
            trips, size = results[-1]["trips"], results[-1]["bytes"]
            print(
                f"  {peer:<12}{p50:>14.2f}{p95:>8.2f}{trips or '-':>13}"
                f"{f'{size / 1000:,.0f}' if size else '-':>10}"
            )


async def measure(peer: str, address: str, runs: int) -> dict[str, Any]:
    """In the peer's own environment: each load's times, round trips and bytes."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        for load in LOADS.values():
            async with saver_of(peer, address, Path(folder) / load) as saver:
                times = await timed(saver, load, runs)
            trips, size = None, None
            if peer in ("ours", "aws valkey", "plainredis"):
                trips, size = await counted(peer, address, load, Path(folder))
            if peer == "sqlite":
                path = Path(folder) / "one"
                async with saver_of(peer, address, path) as saver:
                    await graph_of(saver).ainvoke(
                        input_of(load, 0), config_of("one"), durability="sync"
                    )
                size = sum(file.stat().st_size for file in path.parent.glob("one*"))
                for file in path.parent.glob("one*"):
                    file.unlink()
            results[load] = {**times, "trips": trips, "bytes": size}
        if peer == "ours":
            results["floor"] = await floor(address, results["written"]["trips"])
    return results


async def floor(address: str, trips: int) -> float:
    """Milliseconds a step of as many round trips that ask nothing, by the client that ours uses."""
    from services.store import connect

    times = []
    async with connect(f"unix://{address}", Path()) as redis:
        for _ in range(60):
            begun = time.perf_counter()
            for _ in range(trips):
                await redis.get("nothing")
            times.append((time.perf_counter() - begun) * 1000 / STEPS)
    return statistics.median(times)


async def timed(saver: Any, load: str, runs: int) -> dict[str, float]:
    graphs = {"with": graph_of(saver), "without": graph_of(None)}
    times: dict[str, list[float]] = {name: [] for name in graphs}
    for number in range(runs + 5):
        for name, graph in graphs.items():
            config = config_of(f"{load}-{number}") if name == "with" else {}
            given = input_of(load, number)
            durability = {"durability": "sync"} if name == "with" else {}
            begun = time.perf_counter()
            await graph.ainvoke(given, config, **durability)
            if number >= 5:  # the first ones warm up
                times[name].append((time.perf_counter() - begun) * 1000 / STEPS)
    bare = statistics.median(times["without"])
    shares = statistics.quantiles(times["with"], n=20)
    return {"p50": statistics.median(times["with"]) - bare, "p95": shares[18] - bare}


async def counted(peer: str, address: str, load: str, folder: Path) -> tuple[int, int]:
    """Round trips and bytes of one run, after another that made connections and loaded scripts."""
    wire = Wire(address)
    with relay(address, folder / "relay.sock") as trips:
        async with saver_of(peer, str(folder / "relay.sock"), folder / "unused") as saver:
            graph = graph_of(saver)
            await graph.ainvoke(input_of(load, 0), config_of("warm"), durability="sync")
            wire.ask("FLUSHDB")
            before = trips[0]
            await graph.ainvoke(input_of(load, 1), config_of("counted"), durability="sync")
            count = trips[0] - before
    keys = wire.ask("KEYS", "*")
    size = sum(wire.ask("MEMORY", "USAGE", key, "SAMPLES", "0") for key in keys)
    wire.ask("FLUSHDB")
    return count, size


def graph_of(saver: Any) -> Any:
    from langgraph.graph import START, StateGraph

    made = [rows_of(number, 170) for number in range(64)]

    async def work(state: State) -> State:
        number = state["step"] + 1
        if len(state["rows"]) > 1:
            return {"rows": made[number % len(made)], "step": number}
        return {"step": number}

    graph = StateGraph(State)
    graph.add_sequence([(f"node_{number}", work) for number in range(STEPS)])
    graph.add_edge(START, "node_0")
    return graph.compile(checkpointer=saver)


def input_of(load: str, number: int) -> State:
    if load == "carried":
        return {"rows": [{"all": rows_of(number, 170)}], "step": number}
    state: State = {"rows": rows_of(number, 170), "step": number}
    return {**state, "table": rows_of(number, 9000)} if load == "table" else state


def rows_of(seed: int, count: int) -> list[dict[str, Any]]:
    """Rows as a query of exposures answers them, about 120 bytes each in JSON."""
    dice = random.Random(seed)
    return [
        {
            "counterparty": f"CP-{dice.randint(1, 400):04d}",
            "exposure_usd": f"{dice.uniform(1e3, 9e6):.2f}",
            "rating": dice.choice(["AAA", "AA", "A", "BBB"]),
            "as_of": "2026-09-30",
            "default_probability": round(dice.random() / 50, 6),
        }
        for _ in range(count)
    ]


def config_of(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


@asynccontextmanager
async def saver_of(peer: str, address: str, path: Path) -> AsyncIterator[Any]:
    if peer == "ours":
        from services.checkpointer import make_checkpointer
        from services.store import connect

        async with connect(f"unix://{address}", Path()) as redis:
            yield make_checkpointer(redis)
    elif peer == "in memory":
        from langgraph.checkpoint.memory import InMemorySaver

        yield InMemorySaver()
    elif peer == "plainredis":
        from langgraph_checkpoint_plainredis import AsyncRedisSaver
        from redis.asyncio import Redis

        async with Redis.from_url(f"unix://{address}") as client:
            yield AsyncRedisSaver(client)
    elif peer == "aws valkey":
        from langgraph_checkpoint_aws import AsyncValkeySaver

        async with AsyncValkeySaver.from_conn_string(f"unix://{address}") as saver:
            yield saver
    else:
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            yield saver


@contextmanager
def relay(address: str, path: Path) -> Iterator[list[int]]:
    """Passes on what goes over a socket, and counts how often a question follows an answer."""
    trips = [0]
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def pass_on(
        source: socket.socket, target: socket.socket, asked: list[bool], asks: bool
    ) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 20):
                if asks and not asked[0]:
                    trips[0] += 1
                asked[0] = asks
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(address)
                asked = [False]
                for args in ((client, server, asked, True), (server, client, asked, False)):
                    threading.Thread(target=pass_on, args=args, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield trips
    finally:
        listener.close()


class Wire:
    """Just enough of a client to ask the server about itself, whatever else is installed."""

    def __init__(self, address: str) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address)
        self._file = connection.makefile("rwb")

    def ask(self, *parts: str | bytes) -> Any:
        raw = [part.encode() if isinstance(part, str) else part for part in parts]
        self._file.write(b"*%d\r\n" % len(raw))
        for part in raw:
            self._file.write(b"$%d\r\n%s\r\n" % (len(part), part))
        self._file.flush()
        return self._answer()

    def _answer(self) -> Any:
        kind, rest = (line := self._file.readline())[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._answer() for _ in range(int(rest))]
        return rest


if __name__ == "__main__":
    main()
