"""A store that cannot write refuses what is new, in words, and keeps what it accepted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from services.store import EmbeddedServer
from tests.agent.conftest import close_home, make_home
from tests.agent.homes import Home


@contextmanager
def serving(home: Home) -> Iterator[str]:
    """The HTTP door of *home*, on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with home.start("serve", "--port", str(port)) as process:
        deadline = time.monotonic() + 60
        while call(f"{url}/readyz")[0] != 200:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def call(url: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """Status and document of one request; a POST with a body."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def ask(url: str, run_id: str) -> tuple[int, dict[str, Any]]:
    return call(f"{url}/v1/runs", {"question": "NPL ratio by segment", "run_id": run_id})


def until_accepted(url: str, run_id: str) -> None:
    deadline = time.monotonic() + 20
    while ask(url, run_id)[0] != 202:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_store_without_memory_answers_503(home: Home) -> None:
    """Over HTTP a full store is told as such; runs stay readable, and new ones come in once it can."""
    with serving(home) as url:
        assert 202 == ask(url, "before")[0]
        with Redis.from_url(EmbeddedServer(home.folder / "home").ensure()) as redis:
            redis.config_set("maxmemory", "1mb")
            status, problem = ask(url, "refused")
            assert (503, "A101") == (status, problem["code"])
            assert "no memory left" in problem["title"]
            assert problem["detail"]
            assert 200 == call(f"{url}/v1/runs/before")[0]
            assert 404 == call(f"{url}/v1/runs/refused")[0]
            redis.config_set("maxmemory", "0")
        until_accepted(url, "refused")


def can_mount(folder: Path) -> bool:
    """Whether a small disk can be made here."""
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]
    return not subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk_answers_503_and_loses_no_accepted_run(tmp_path: Path, sample: Path) -> None:
    """On a real full disk new runs are refused, accepted ones survive kill -9 of the server."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.getuid() or not can_mount(disk):
        pytest.skip("THE FULL DISK WAS NOT TESTED: a small tmpfs needs root and CAP_SYS_ADMIN")
    try:
        home = make_home(disk, sample)
        environment = {"ASSAY_OUTPUT": str(tmp_path / "reports")}
        home = _Elsewhere(disk, environment)
        with serving(home) as url:
            accepted = [f"run-{n}" for n in range(3) if ask(url, f"run-{n}")[0] == 202]
            filler = disk / "filler"
            with pytest.raises(OSError, match="space"):
                fill(filler)
            refused = []
            for number in range(40):
                status, problem = ask(url, f"late-{number}")
                (accepted if status == 202 else refused).append(f"late-{number}")
                if status != 202:
                    assert (503, "A101") == (status, problem["code"]), problem
                    assert "disk" in problem["title"] or "No space" in problem["title"]
            assert len(refused) > 20
            assert 200 == call(f"{url}/v1/runs/run-0")[0]
            filler.unlink()
            until_accepted(url, "after")
            with Redis.from_url(EmbeddedServer(disk / "home").ensure()) as redis:
                assert [1, 0] == redis.execute_command("WAITAOF", 1, 0, 5000)
            os.kill(EmbeddedServer(disk / "home").status().pid, 9)
            time.sleep(0.2)
            for run_id in (*accepted, "after"):
                assert 200 == call(f"{url}/v1/runs/{run_id}")[0], run_id
        close_home(home)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


class _Elsewhere(Home):
    """A home whose reports are on another disk."""

    def __init__(self, folder: Path, extra: dict[str, str]) -> None:
        super().__init__(folder)
        object.__setattr__(self, "_extra", extra)

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | self._extra  # type: ignore[attr-defined]
