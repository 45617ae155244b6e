"""
The watch over an embedded server: it stops a server that nobody uses any more.

It runs as a script of its own, beside the server and in the server's folder, on the standard
library alone, so that it starts in milliseconds. `Wire` is also what the supervisor talks with.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

SOCKET: Final = "server.sock"
START_LOCK: Final = "start.lock"
WATCH_NAME: Final = "assay-idle-watch"


class WireError(Exception):
    """The server answered an error, such as that it is still loading."""


class Wire:
    """One connection that speaks just enough of the Redis protocol for short, plain commands."""

    def __init__(self, path: str, seconds: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(seconds)
        try:
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise
        self._replies = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._replies.close()
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self, command: str) -> str:
        """The text of a status, number or bulk reply; `OSError` when the server went away."""
        self._socket.sendall(command.encode() + b"\r\n")
        return self._reply()

    def config(self, name: str) -> str:
        """The value of one setting of the server."""
        self.ask(f"CONFIG GET {name}")
        self._reply()
        return self._reply()

    def _reply(self) -> str:
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server closed the connection")
        kind, text = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise WireError(text)
        if kind != b"$":
            return text
        return self._replies.read(int(text) + 2)[:-2].decode()

    def info(self) -> dict[str, str]:
        lines = self.ask("INFO").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold the lock that serialises starting and stopping; the kernel frees it with its owner."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def watch(wire: Wire, idle_seconds: float) -> None:
    """Return when the server is gone, or once nobody has used it for *idle_seconds*."""
    seen, quiet = _connections(wire), 0.0
    pause = max(min(idle_seconds / 4, 30.0), 0.05)
    while True:
        # Nothing is ever sent unasked: a readable socket means that the server closed it.
        if select.select([wire], [], [], pause)[0]:
            return
        if not Path(SOCKET).exists():  # its folder was removed: nobody can reach it any more
            wire.ask("SHUTDOWN NOSAVE")
        now = _connections(wire)
        quiet = quiet + pause if _unused(wire) and now == seen else 0.0
        seen = now
        if quiet >= idle_seconds and _stop(wire, seen):
            return


def _connections(wire: Wire) -> int:
    return int(wire.info()["total_connections_received"])


def _unused(wire: Wire) -> bool:
    return int(wire.info()["connected_clients"]) <= 1


def _stop(wire: Wire, seen: int) -> bool:
    """Stop the server, unless somebody came since; nobody can start or attach meanwhile."""
    with locked(START_LOCK):
        if _connections(wire) != seen or not _unused(wire):
            return False
        wire.ask("SHUTDOWN NOSAVE")
    return True


def main(idle_seconds: float) -> None:
    with Wire(SOCKET, 10.0) as wire:
        wire.ask(f"CLIENT SETNAME {WATCH_NAME}")
        # The starter waits for this process: it leaves a connected watch behind, and no zombie.
        if os.fork():
            return
        try:
            watch(wire, idle_seconds)
        except (OSError, WireError):
            return


if __name__ == "__main__":
    main(float(sys.argv[1]))
