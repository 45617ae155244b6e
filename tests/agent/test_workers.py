"""Workers as an operator runs them: their own processes, killed, stopped and stalled."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

from tests.agent.homes import Home
from tests.agent.nursery import Command

QUESTION = "NPL ratio by segment"
PATIENCE = 120.0


class Crew:
    """Workers of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.processes: list[Command] = []

    def worker(self, failpoints: str = "") -> Command:
        """One more worker, once it is ready."""
        process = self.home.start("worker", ASSAY_FAILPOINTS=failpoints)
        self.processes.append(process)
        assert "worker ready" in process.stderr.readline()
        return process


@pytest.fixture
def crew(home: Home) -> Iterator[Crew]:
    with ExitStack() as ends:
        made = Crew(home)
        yield made
        for process in made.processes:
            ends.enter_context(process)


def start(home: Home, run_id: str, *arguments: str) -> None:
    done = home.run("run", "start", *(arguments or (QUESTION,)), "--run-id", run_id)
    assert 0 == done.returncode, done.stderr


def until(found: Callable[[], Any]) -> Any:
    """What *found* gives once it gives something."""
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.2)
    return value


def waits(home: Home, run_id: str) -> dict[str, Any]:
    """The run, once it waits for a person."""

    def shown() -> Any:
        run = home.json("run", "show", run_id)
        return run if run["status"] == "waiting" else None

    return dict(until(shown))


def events(home: Home, run_id: str) -> list[dict[str, Any]]:
    return list(home.json("audit", "show", run_id))


def seconds_between(first: dict[str, Any], second: dict[str, Any]) -> float:
    moments = [datetime.fromisoformat(entry["at"]) for entry in (first, second)]
    return (moments[1] - moments[0]).total_seconds()


@pytest.mark.slow
def test_a_killed_workers_run_goes_on_elsewhere(home: Home, crew: Crew) -> None:
    """The other worker takes it over at the step that was under way, and ends it."""
    start(home, "r1")
    doomed = crew.worker("step.analyse:before=kill")
    assert -signal.SIGKILL == doomed.wait(PATIENCE)
    crew.worker()
    waits(home, "r1")
    log = events(home, "r1")
    names = [entry["event"] for entry in log]
    steps = [entry["fields"]["step"] for entry in log if entry["event"] == "step.finished"]

    assert 1 == names.count("run.taken_over")
    assert 1 == steps.count("retrieve")
    assert 1 == steps.count("compose")


def test_with_another_worker_alive_a_run_is_taken_over_within_five_seconds(
    home: Home, crew: Crew
) -> None:
    """From the death of the one to the other's first word about it."""
    doomed = crew.worker("step.compose:before=kill")
    start(home, "r1", "--template", "quarterly")
    next(line for line in doomed.stderr if "retrieve" in line)
    crew.worker()
    assert -signal.SIGKILL == doomed.wait(PATIENCE)
    waits(home, "r1")
    log = events(home, "r1")
    taken = next(entry for entry in log if entry["event"] == "run.taken_over")
    before = [entry for entry in log if entry["seq"] < taken["seq"]]

    assert seconds_between(before[-1], taken) < 5


def test_a_stopped_worker_finishes_its_steps_and_hands_over(home: Home, crew: Crew) -> None:
    """SIGTERM in the midst of a report loses no finished step, and another worker ends it."""
    first = crew.worker()
    start(home, "r1", "--template", "quarterly")
    for line in first.stderr:
        if "retrieve" in line:
            break
    first.send_signal(signal.SIGTERM)
    assert 0 == first.wait(60)
    handed_over = home.json("run", "show", "r1")
    crew.worker()
    waits(home, "r1")
    log = events(home, "r1")
    finished = [
        (entry["fields"]["step"], entry["fields"]["section"])
        for entry in log
        if entry["event"] == "step.finished"
    ]

    assert "queued" == handed_over["status"]
    assert "run.taken_over" not in [entry["event"] for entry in log]
    assert 1 == finished.count(("plan", ""))


@pytest.mark.slow
def test_a_poisoned_run_waits_for_a_person_and_stops_no_other(home: Home, crew: Crew) -> None:
    """After three dead workers it is put aside, the next run goes on, and a person decides."""
    start(home, "poison")
    for _ in range(3):
        assert -signal.SIGKILL == crew.worker("step.plan:before=kill").wait(PATIENCE)
    start(home, "good")
    crew.worker()
    waits(home, "good")
    held = waits(home, "poison")["items"]
    home.run("review", "approve", "poison")
    mended = waits(home, "poison")["items"]

    assert [("held", "A206")] == [(item["kind"], item["code"]) for item in held]
    assert "publication" == mended[-1]["kind"]


@pytest.mark.slow
def test_a_worker_that_slept_through_its_lease_writes_nothing(home: Home, crew: Crew) -> None:
    """Another took the run over; the late one is told, and the run has one end."""
    crew.worker("step.analyse:before=stall")
    start(home, "r1")
    time.sleep(1)
    crew.worker()
    waits(home, "r1")
    time.sleep(3)
    steps = [e["fields"]["step"] for e in events(home, "r1") if e["event"] == "step.finished"]

    assert 1 == steps.count("compose")
    assert 1 == steps.count("review")


def test_a_cancelled_run_ends_wherever_it_is(home: Home, crew: Crew) -> None:
    """Waiting for a worker, or in the midst of its steps."""
    start(home, "queued")
    waiting = home.json("run", "cancel", "queued", "--reason", "not needed")
    worker = crew.worker()
    start(home, "busy", "--template", "quarterly")
    for line in worker.stderr:
        if "retrieve" in line:
            break
    busy = home.json("run", "cancel", "busy")
    again = home.run("run", "resume", "busy")

    assert ("cancelled", "cancelled") == (waiting["status"], busy["status"])
    assert "cancelled" == home.json("run", "show", "busy")["status"]
    assert [] == home.json("review", "list")
    assert 0 == again.returncode
