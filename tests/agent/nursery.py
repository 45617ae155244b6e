"""
`assay` in processes of their own that need not import it first.

A process that has imported everything forks for each command. What it forks is a process like any
other, with an environment, folder, files and signals of its own: it can be stopped and killed. Only
what depends on how Python itself starts, such as the seed of its hashes, needs `python -m agent`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

_IMPORTED = (
    *("agent.cli.app", "agent.graph", "agent.intake", "agent.opening", "agent.runner"),
    *("agent.worker", "agent.web.server", "duckdb", "reports.render", "rich.table", "uvicorn"),
)
_DIGITS = 10


class Command:
    """A running command, to be used like a `Popen` in text mode."""

    def __init__(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path
    ) -> None:
        self.returncode: int | None = None
        order = {"arguments": list(arguments), "environment": dict(environment)}
        self._answers = socket.socket(socket.AF_UNIX)
        self._answers.connect(_nursery())
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (kept open)
        reader, writer = os.pipe()
        self.stderr = os.fdopen(reader, encoding="utf-8")
        order["folder"] = str(folder)
        with os.fdopen(writer):
            files = [self._output.fileno(), writer]
            socket.send_fds(self._answers, [json.dumps(order).encode()], files)
            self._answers.shutdown(socket.SHUT_WR)
            self.pid = int(self._answers.recv(_DIGITS, socket.MSG_WAITALL))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it if it still runs, and close its files."""
        self.kill()
        self.wait()
        for file in (self._output, self.stderr, self._answers):
            file.close()

    def output(self) -> str:
        """What it has written to stdout so far."""
        self._output.seek(0)
        return self._output.read()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        try:
            return self.wait(0.001)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._answers.settimeout(timeout)
            try:
                self.returncode = int(self._answers.recv(_DIGITS))
            except TimeoutError:
                raise subprocess.TimeoutExpired("assay", timeout or 0) from None
        return self.returncode


@cache
def _nursery() -> str:
    """The socket of the process that forks: it is started for the first command, and ends with us."""
    path = Path(tempfile.mkdtemp(prefix="nursery-")) / "socket"
    nursery = subprocess.Popen(
        [sys.executable, "-m", __name__, str(path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    while not path.exists():
        assert nursery.poll() is None
        time.sleep(0.02)

    def close() -> None:
        nursery.communicate()  # the end of its stdin is its own
        path.unlink()
        path.parent.rmdir()

    atexit.register(close)
    return str(path)


def _serve(path: str) -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    assert 1 == threading.active_count(), "threads do not survive a fork"
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who attends to a command
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen()
    Path(f"{path}.new").rename(path)
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        asked, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _attend(asked)
        asked.close()


def _attend(asked: socket.socket) -> None:
    """Fork the command; say which process it is, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order, files, _, _ = socket.recv_fds(asked, 1_000_000, 2)
    while part := asked.recv(1_000_000):
        order += part
    child = os.fork()
    if child == 0:
        asked.close()
        _become(json.loads(order), files)
    for file in files:
        os.close(file)
    asked.sendall(f"{child:{_DIGITS}}".encode())
    _, status = os.waitpid(child, 0)
    asked.sendall(f"{os.waitstatus_to_exitcode(status)}".encode())
    os._exit(0)


def _become(order: dict[str, Any], files: Sequence[int]) -> None:
    """Run the command, and exit as it does."""
    from agent.cli import main
    from services import failpoints

    # Whoever started the tests may ignore Ctrl-C; a user's shell does not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, *files)):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    failpoints.set_traps(os.environ.get("ASSAY_FAILPOINTS", ""))
    sys.argv = ["assay", *order["arguments"]]
    try:
        main()
    finally:
        stop = sys.exception()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        # Taking a whole interpreter down takes longer than most commands.
        os._exit((stop.code or 0) if isinstance(stop, SystemExit) else 1)


if __name__ == "__main__":
    _serve(sys.argv[1])
    os._exit(0)
