"""The store goes away in the middle of runs, comes back, or comes back with older data."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.store import RunQueue, connect
from tests.agent.homes import Home
from tests.agent.servers import Server, free_port

QUESTION = "NPL ratio by segment"
PATIENCE = 180.0
LOCKS = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("locked", flush=True)
sys.stdin.read()
"""


@dataclasses.dataclass(frozen=True)
class ServedHome(Home):
    """A home whose store is a server elsewhere."""

    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "ASSAY_REDIS_URL": self.url}


class Process:
    """`assay` in the background; what it says on stderr is kept as it comes."""

    def __init__(self, home: Home, *arguments: str) -> None:
        self.lines: list[str] = []
        self._command = home.start(*arguments)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def says(self, *parts: str) -> str:
        """The first line that has all *parts*, once it is there."""
        end = time.monotonic() + PATIENCE
        while not (found := [line for line in self.lines if all(p in line for p in parts)]):
            assert time.monotonic() < end, f"never said {parts}: {self.lines}"
            time.sleep(0.02)
        return found[0]

    def wait(self) -> int:
        return self._command.wait(PATIENCE)

    def end(self) -> None:
        self._command.kill()
        self._reader.join()
        with self._command:
            self._command.wait()

    def _read(self) -> None:
        self.lines.extend(line.rstrip() for line in self._command.stderr)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "server")
    made.start()
    yield made
    made.end()


@pytest.fixture
def served(home: Home, server: Server) -> ServedHome:
    return ServedHome(home.folder, server.url)


@pytest.fixture
def started(served: ServedHome) -> Iterator[Any]:
    """Starts processes of the home, which end with the test."""
    made: list[Process] = []

    def start(*arguments: str) -> Process:
        made.append(Process(served, *arguments))
        return made[-1]

    yield start
    for process in made:
        process.end()


def away(server: Server, how: str, seconds: float) -> None:
    """Have the server not answer for a while."""
    server.kill() if how == "killed" else server.freeze()
    time.sleep(seconds)
    server.start() if how == "killed" else server.thaw()


def digest_of(home: Home, run_id: str) -> str:
    return str(home.json("run", "show", run_id)["report_digest"])


def names(home: Home, run_id: str) -> list[str]:
    return [entry["event"] for entry in home.json("audit", "show", run_id)]


def until_status(home: Home, run_id: str, status: str) -> None:
    end = time.monotonic() + PATIENCE
    while (found := home.json("run", "show", run_id)["status"]) != status:
        assert time.monotonic() < end, found
        time.sleep(0.3)


def check_waited_out(home: Home, run_id: str, digest: str) -> None:
    """The run came through an outage as if there had been none, and is published once."""
    assert "waiting" == home.json("run", "show", run_id)["status"]
    assert 0 == home.run("review", "approve", run_id).returncode
    events = names(home, run_id)

    assert digest == digest_of(home, run_id)
    assert not {"attempt.failed", "step.failed", "run.taken_over"} & set(events)
    assert 1 == events.count("effect.done") == events.count("report.published")
    assert 1 == events.count("run.accepted")


def outage_in_the_midst(
    served: ServedHome, server: Server, started: Any, how: str, seconds: float
) -> None:
    """A worker's long run and a short one in front of a person are under way when the store goes."""
    workers = started("worker"), started("worker")
    for worker in workers:
        worker.says("worker ready")
    served.run("run", "start", "--run-id", "left")
    shown = started("report", QUESTION, "--run-id", "shown", "--no-input")
    shown.says("ok", "plan")
    away(server, how, seconds)
    assert 3 == shown.wait()
    until_status(served, "left", "waiting")
    served.run("report", "--no-input", "--run-id", "calm-left")
    served.run("report", QUESTION, "--no-input", "--run-id", "calm-shown")
    said = [*workers[0].lines, *workers[1].lines]

    for lines in (said, shown.lines):
        assert any("The store does not answer" in line for line in lines)
    check_waited_out(served, "left", digest_of(served, "calm-left"))
    check_waited_out(served, "shown", digest_of(served, "calm-shown"))
    assert 0 == served.run("audit", "verify").returncode


def test_a_run_waits_for_the_store_and_goes_on(
    served: ServedHome, server: Server, started: Any
) -> None:
    """Longer than a lease; no try is used up, and the report is the same."""
    shown = started("report", QUESTION, "--run-id", "shown", "--no-input")
    shown.says("ok", "plan")
    away(server, "killed", 6.0)
    assert 3 == shown.wait()
    shown.says("The store does not answer")
    served.run("report", QUESTION, "--no-input", "--run-id", "calm")

    check_waited_out(served, "shown", digest_of(served, "calm"))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_workers_wait_for_the_store_and_go_on(
    served: ServedHome, server: Server, started: Any, how: str
) -> None:
    """No worker counts as dead, and the runs under way are as if nothing had been."""
    outage_in_the_midst(served, server, started, how, 10.0)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_long_outage_is_waited_out(
    served: ServedHome, server: Server, started: Any, how: str
) -> None:
    """Half a minute; a silent server is given up on after half of that, each time anew."""
    outage_in_the_midst(served, server, started, how, 30.0)


@pytest.mark.slow
def test_a_run_that_the_store_lost_is_not_begun_again(
    served: ServedHome, server: Server, started: Any
) -> None:
    """Its worker says so and goes on with others; what was published stays as it is."""
    assert 3 == served.run("report", QUESTION, "--run-id", "old").returncode
    then = server.keep_copy()
    assert 0 == served.run("review", "approve", "old").returncode
    published = served.report("old")
    worker = started("worker")
    worker.says("worker ready")
    served.run("run", "start", "--template", "quarterly", "--run-id", "lost")
    worker.says("ok", "plan")
    server.set_back(then)
    worker.says("lost", "no longer knows it")
    resumed = served.run("run", "resume", "lost")
    served.run("run", "start", QUESTION, "--run-id", "next")
    until_status(served, "next", "waiting")

    assert (3, True) == (resumed.returncode, "A207" in resumed.stderr)
    assert ["next", "old"] == [run["id"] for run in served.json("run", "list")]
    assert "run.taken" not in served.run("audit", "show", "lost", "--json").stdout
    assert "waiting" == served.json("run", "show", "old")["status"]
    assert published == served.report("old")
    assert 0 == served.run("audit", "verify").returncode


async def test_a_queued_run_without_a_record_is_dropped(
    served: ServedHome, server: Server, started: Any
) -> None:
    """And said to be."""
    async with connect(server.url, served.folder / "home") as redis:
        queue = RunQueue(redis)
        await queue.put("ghost")
        worker = started("worker")
        worker.says("ghost", "no run of that id")
        time.sleep(0.5)

        assert (0, 0) == await queue.state()


def test_a_worker_that_finds_no_store_says_so(home: Home, started: Any, server: Server) -> None:
    """At its start it ends with the sentence: whoever looks after it starts it again."""
    server.kill()
    began = time.monotonic()
    worker = started("worker")

    assert 1 == worker.wait()
    assert time.monotonic() - began < 15
    worker.says("The store does not answer")


def post(port: int, run_id: str) -> tuple[int, dict[str, Any], float]:
    """Ask for a run over HTTP; the status, the answer, and how long it took."""
    body = {"question": QUESTION, "formats": ["json"], "run_id": run_id}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/runs",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer), time.monotonic() - began
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), time.monotonic() - began


def test_while_the_store_is_away_requests_are_refused_at_once(
    served: ServedHome, server: Server, started: Any
) -> None:
    """With the sentence, whether it is gone or silent; what was accepted goes on when it is back."""
    port = free_port()
    web = started("serve", "--port", str(port))
    web.says("listening")
    end = time.monotonic() + 60
    while True:
        try:
            accepted = post(port, "before")
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.2)
    server.kill()
    gone = post(port, "gone")
    server.start()
    server.freeze()
    silent = post(port, "silent")
    server.thaw()
    after = post(port, "after")
    started("worker")
    for run_id in ("before", "after"):
        until_status(served, run_id, "waiting")

    assert [202, 503, 503, 202] == [accepted[0], gone[0], silent[0], after[0]]
    assert "does not answer" in gone[1]["title"]
    assert "does not answer" in silent[1]["title"]
    assert max(gone[2], silent[2]) < 5


@pytest.mark.slow
def test_a_run_whose_warehouse_is_locked_is_put_off(served: ServedHome, started: Any) -> None:
    """It has not failed, and goes on once the lock is gone."""
    served.run("run", "start", QUESTION, "--run-id", "r1")
    [file] = (served.folder / "home" / "warehouse").glob("*.duckdb")
    locker = subprocess.Popen(
        [sys.executable, "-c", LOCKS, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with locker:
        assert locker.stdout is not None
        assert "locked\n" == locker.stdout.readline()
        worker = started("worker")
        worker.says("r1", "waits")
        put_off = served.json("run", "show", "r1")
    until_status(served, "r1", "waiting")

    assert "queued" == put_off["status"]
    assert not {"attempt.failed", "step.failed", "run.taken_over"} & set(names(served, "r1"))
