"""Places where a test stops the world do so only when told, and then exactly there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from services import failpoints


@failpoints.failpoint("test.operation")
async def operation(done: list[str]) -> str:
    done.append("done")
    return "result"


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.set_traps("")


async def test_without_traps_an_operation_runs() -> None:
    """A decorated operation gives its result."""
    assert "result" == await operation([])


@pytest.mark.parametrize(("place", "expected"), [("before", []), ("after", ["done"])])
async def test_a_trap_stops_before_or_after_the_operation(place: str, expected: list[str]) -> None:
    """What stops before leaves nothing done, what stops after leaves it done."""
    failpoints.set_traps(f"test.operation:{place}=crash")
    done: list[str] = []
    with pytest.raises(failpoints.Crash):
        await operation(done)

    assert expected == done


async def test_a_trap_springs_at_its_count_only() -> None:
    """The second time is the second time."""
    failpoints.set_traps("test.operation:before=crash@2")
    assert "result" == await operation([])
    with pytest.raises(failpoints.Crash):
        await operation([])

    assert "result" == await operation([])


async def test_a_share_of_all_places_springs() -> None:
    """A star stands for every place."""
    failpoints.set_traps("*=crash~1")
    with pytest.raises(failpoints.Crash):
        await operation([])


def test_kill_ends_the_process_at_once() -> None:
    """No handler runs."""
    code = (
        "from services.failpoints import reached\ntry:\n reached('here')\nfinally:\n print('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "ASSAY_FAILPOINTS": "here=kill"},
        capture_output=True,
        check=False,
    )

    assert (-signal.SIGKILL, b"") == (done.returncode, done.stdout)


def test_a_misspelt_trap_is_told() -> None:
    """Arming nothing by mistake would make a chaos test pass."""
    with pytest.raises(ValueError, match="ASSAY_FAILPOINTS"):
        failpoints.set_traps("here=explode")


def test_places_are_known_by_name() -> None:
    """A suite can walk through all of them."""
    assert {"test.operation:before", "test.operation:after"} <= set(failpoints.names())
