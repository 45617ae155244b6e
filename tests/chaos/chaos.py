"""
Kills whatever it can while runs are under way, and then checks that nothing was lost or done twice.

    python tests/chaos/chaos.py --kills 500
    python tests/chaos/chaos.py --sweep

Workers, the web process and the store are killed with -9 at random; workers also end by themselves
at named places (`services.failpoints`). Runs are posted over HTTP and approved as they come to wait.
At the end every accepted run must be published or wait for a person, each publication must have
happened once, reports must equal those of an undisturbed run, the audit log must verify, and no
lease or queue entry may be left. The seed is printed; the exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from agent.stores import Stores, open_stores  # noqa: E402
from services.audit import verify_all, verify_run  # noqa: E402
from services.errors import AssayError  # noqa: E402
from services.review import Approve  # noqa: E402
from services.settings import Settings, load_settings  # noqa: E402
from services.store import EmbeddedServer, RunRecord  # noqa: E402
from services.warehouse import build_sample  # noqa: E402

QUESTIONS = (
    "NPL ratio by segment",
    "top 5 counterparties by exposure",
    "loan balance by sector",
    "expected loss by grade",
)
ASSAY = (sys.executable, "-m", "agent")
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
PATIENCE = 900.0
"""Seconds that the runs may take to end once nothing is killed any more."""


@dataclasses.dataclass
class Crew:
    """The processes: workers and one web server, each started anew when it has ended."""

    environment: dict[str, str]
    workers: int
    share: float
    port: int
    place: str = ""
    """Where the next processes to be started end, if they come by it."""
    processes: dict[str, subprocess.Popen[bytes]] = dataclasses.field(default_factory=dict)

    def tend(self) -> int:
        """Start what does not run; how many had ended."""
        ended = 0
        for name in ("web", *(f"worker {number}" for number in range(self.workers))):
            process = self.processes.get(name)
            if process is not None and process.poll() is None:
                continue
            ended += process is not None
            self.processes[name] = self._start(name)
        return ended

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        traps = ""
        if self.place:
            traps = f"{self.place}=kill"
        elif self.share and name != "web":
            traps = f"*=kill~{self.share}"
        command = ("serve", "--port", str(self.port)) if name == "web" else ("worker",)
        environment = self.environment | {"ASSAY_FAILPOINTS": traps}
        return subprocess.Popen([*ASSAY, *command], env=environment, cwd=ROOT, **QUIET)

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


def post(port: int, name: str, question: str) -> bool:
    """Ask for a run over HTTP; whether it was accepted."""
    body = {"question": question, "formats": ["json", "md"], "run_id": name}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/runs",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bool(answer.status == 202)
    except (OSError, urllib.error.HTTPError):
        return False


async def ask(options: argparse.Namespace, port: int, accepted: dict[str, str]) -> None:
    """Ask for one run after another, each until it is accepted, as a caller with patience would."""
    random_ = random.Random(options.seed + 1)
    for number in range(options.runs):
        name, question = f"run-{number}", random_.choice(QUESTIONS)
        while not await asyncio.to_thread(post, port, name, question):
            await asyncio.sleep(0.3)
        accepted[name] = question
        await asyncio.sleep(random_.uniform(0, options.pause))


async def approve_all(stores: Stores) -> int:
    """Approve what waits, as a person would; how many."""
    items = await stores.reviews.list("open")
    for item in items:
        await stores.decide(item.id, Approve(), by="Ada", at=item.created_at)
        record = await stores.runs.get(item.run_id)
        await stores.queue.put(item.run_id, tenant=record.tenant, priority=record.priority)
    return len(items)


def victims(random_: random.Random, crew: Crew) -> Iterator[str]:
    """Whom to kill next: mostly a worker, sometimes the web server or the store."""
    while True:
        kind = random_.choices(("worker", "web", "store"), (8, 1, 1))[0]
        yield f"worker {random_.randrange(crew.workers)}" if kind == "worker" else kind


async def storm(options: argparse.Namespace, settings: Settings, crew: Crew) -> dict[str, str]:
    """Kill until the number is reached; the accepted runs and what each asks."""
    random_ = random.Random(options.seed)
    accepted: dict[str, str] = {}
    killed: Counter[str] = Counter()
    server = EmbeddedServer(settings.home)
    began, told = time.monotonic(), 0
    crew.tend()
    asking = asyncio.create_task(ask(options, crew.port, accepted))
    while not accepted:
        await asyncio.sleep(0.2)
    for victim in victims(random_, crew):
        # Those that ended by themselves came to a named place.
        killed["failpoint"] += crew.tend()
        if killed.total() >= options.kills:
            break
        await asyncio.sleep(random_.uniform(0.2, options.pause))
        if victim == "store":
            pid = server.status().pid
            if pid:
                os.kill(pid, signal.SIGKILL)
                killed["store"] += 1
        else:
            crew.kill(victim)
            killed[victim.partition(" ")[0]] += 1
        try:
            async with open_stores(settings) as stores:
                await approve_all(stores)
        except AssayError:
            continue
        if killed.total() // 25 > told:
            told = killed.total() // 25
            sys.stderr.write(
                f"{killed.total()} killed {dict(killed)}, {len(accepted)} accepted, "
                f"{time.monotonic() - began:.0f} s\n"
            )
    sys.stderr.write(f"killed {killed.total()}: {dict(killed)}\n")
    asking.cancel()
    async with open_stores(settings) as stores:
        # One whose answer was lost is accepted all the same.
        stored = await stores.runs.list(limit=options.runs + len(QUESTIONS))
        asked = {r.id: r.request["question"] for r in stored if r.id.startswith("run-")}
    return asked | accepted


async def calm(settings: Settings, crew: Crew, names: list[str]) -> None:
    """Let the crew finish what was accepted."""
    end = time.monotonic() + PATIENCE
    async with open_stores(settings) as stores:
        while time.monotonic() < end:
            crew.tend()
            await approve_all(stores)
            records = [await stores.runs.get(name) for name in names]
            state = await stores.queue.state()
            if all(record.status == "done" for record in records) and state == (0, 0):
                return
            await asyncio.sleep(0.5)


async def faults(settings: Settings, names: dict[str, str], expected: dict[str, str]) -> list[str]:
    """What is not as promised."""
    found = []
    async with open_stores(settings) as stores:
        for name, question in names.items():
            record = await stores.runs.get(name)
            found += [
                f"{name}: {fault}" for fault in await _faults(stores, record, expected[question])
            ]
        if (state := await stores.queue.state()) != (0, 0):
            found.append(f"the queue is left with {state}")
        if not (await verify_all(stores.audit)).ok:
            found.append("the audit log over all runs does not verify")
        known = {record.id for record in await stores.runs.list(limit=100_000)}
        found += [f"a key has no owner: {key}" for key in await _ownerless(stores, known)]
        leases = [key async for key in stores.redis.scan_iter("assay:lease:*")]
        found += [f"a lease is left: {key!r}" for key in leases]
    return found


async def _ownerless(stores: Stores, known: set[str]) -> list[str]:
    """Keys of single runs that no record stands for."""
    kinds = ("effects", "spent", "fence", "checkpoint", "refs", "audit", "run")
    found = []
    async for name in stores.redis.scan_iter("assay:*", count=1_000):
        parts = name.decode().split(":")
        run = parts[2].strip("{}") if len(parts) > 2 and parts[1] in kinds else ""
        if run and not run.startswith("@") and run not in known:
            found.append(name.decode())
    return found


async def _faults(stores: Stores, record: RunRecord, digest: str) -> list[str]:
    found = []
    effects = await stores.effects.of_run(record.id)
    if record.status != "done":
        found.append(f"is {record.status}")
    if [(effect.step, effect.state) for effect in effects] != [("publish", "done")]:
        found.append(f"has the effects {[(e.step, e.state) for e in effects]}")
    if record.report_digest != digest:
        found.append("its report is not that of an undisturbed run")
    for file in (record.receipt or {}).get("files", ()):
        path = Path(file["path"])
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
            found.append(f"{path.name} is not what was published")
    if not (await verify_run(stores.audit, record.id)).ok:
        found.append("its audit log does not verify")
    return found


async def undisturbed(settings: Settings, crew: Crew) -> dict[str, str]:
    """The digest of each question's report where nobody is killed."""
    calm_crew = dataclasses.replace(crew, share=0.0, processes={})
    names = {f"calm-{number}": question for number, question in enumerate(QUESTIONS)}
    calm_crew.tend()
    try:
        for name, question in names.items():
            while not await asyncio.to_thread(post, crew.port, name, question):
                await asyncio.sleep(0.2)
        await calm(settings, calm_crew, list(names))
    finally:
        calm_crew.end()
    async with open_stores(settings) as stores:
        return {
            question: (await stores.runs.get(name)).report_digest or ""
            for name, question in names.items()
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def run(options: argparse.Namespace, folder: Path) -> int:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")},
        "ASSAY_HOME": str(folder / "home"),
        "ASSAY_OUTPUT": str(folder / "reports"),
        # A run may meet hundreds of dead workers here; in earnest three would be too many.
        "ASSAY_WORKER_DEATHS": "100000",
    }
    os.environ.update({k: v for k, v in environment.items() if k.startswith("ASSAY_")})
    settings = load_settings()
    build_sample(settings.warehouse_dir)
    crew = Crew(environment, options.workers, options.share, free_port())
    expected = await undisturbed(settings, crew)
    try:
        if options.sweep:
            from sweep import sweep

            crew = dataclasses.replace(crew, workers=1, share=0.0, processes={})
            accepted = await sweep(settings, crew)
        else:
            accepted = await storm(options, settings, crew)
        crew.share = 0.0
        await calm(settings, crew, list(accepted))
    finally:
        crew.end()
    await asyncio.sleep(5)
    found = await faults(settings, accepted, expected)
    for fault in found:
        sys.stdout.write(f"{fault}\n")
    sys.stderr.write(f"seed {options.seed}: {len(accepted)} runs accepted, {len(found)} faults\n")
    EmbeddedServer(settings.home).stop()
    return 1 if found or not accepted else 0


def main() -> int:
    """Raise a storm, let it pass, and look at what is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--runs", type=int, default=60, help="most runs to ask for")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--pause", type=float, default=2.5, help="longest seconds between kills")
    parser.add_argument(
        "--share", type=float, default=0.01, help="chance that a worker ends at a named place"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--sweep", action="store_true", help="end processes at each named place in turn instead"
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="assay-chaos-"))
    sys.stderr.write(f"seed {options.seed} in {folder}\n")
    try:
        return asyncio.run(run(options, folder))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
