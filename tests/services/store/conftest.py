"""Homes whose embedded server a test may start, break and kill; none outlives its test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.store import EmbeddedServer


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of this test alone, with a space in its path."""
    home = tmp_path / "a home"
    yield home
    EmbeddedServer(home).stop()
    end = time.monotonic() + 5
    while (left := processes_in(home)) and time.monotonic() < end:
        time.sleep(0.01)  # the watch hears of the server's end, and leaves too
    assert [] == left


def processes_in(home: Path) -> list[int]:
    """Every process that works in the store of *home*: the server and its watch."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == home / "store":
                found.append(int(process.name))
    return found
