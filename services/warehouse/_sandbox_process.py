"""One worker process as its parent sees it: started, asked, interrupted, killed, and understood."""

from __future__ import annotations

import fcntl
import importlib.util
import math
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Final

from services.errors import AssayError, WarehouseBusy

from ._errors import opening_errors, query_error, raise_from_worker
from ._sandbox.fences import NAMES
from ._sandbox.wire import (
    INTERRUPT,
    LARGEST_REPLY,
    LENGTH,
    Failure,
    Opened,
    Opening,
    Reply,
    UnintelligibleReply,
    decode_reply,
    encode_request,
)
from ._sandbox_group import FENCES as GROUP_FENCES
from ._sandbox_group import WorkerGroup, own_hierarchies

_BOOTSTRAP: Final = "import sys; sys.path += sys.argv[1:]; from _sandbox.worker import main; main()"
_START_LIMIT: Final = timedelta(seconds=60)
_PIPE_SIZE: Final = 1 << 20
_TIMED: Final = "processor time of each query"
FENCES: Final = (*NAMES, _TIMED, *GROUP_FENCES.values())
"""All fences that the operating system may set around a worker, in the order in which they are told."""
_PROCESSOR_CLOCK: Final = 2
"""The kernel's clock of the processor time of a process, in the number that names it by process."""
_LONGEST_WAIT: Final = 50
"""Milliseconds."""


class WorkerDied(Exception):
    """A worker ended, or was ended, before it had answered."""

    def __init__(self, status: int | None, *, timed_out: bool = False) -> None:
        super().__init__(f"worker process ended with status {status}")
        self._status = status
        self._timed_out = timed_out

    def meaning(self) -> AssayError:
        """What the death says of the query that was running."""
        if self._timed_out or self._status == -signal.SIGXCPU:
            return query_error("InterruptException")
        if self._status in _OVERWHELMED:
            return query_error("OutOfMemoryException")
        return WarehouseBusy(
            "The process that ran the query ended.", hint="Try again; another has taken its place."
        )


_OVERWHELMED: Final = {-signal.SIGKILL, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS}
"""How a process ends that ran out of memory or stack, or that the kernel chose to end for want of it."""


class Worker:
    """One worker process, as its parent sees it; starting waits until it has opened the file."""

    def __init__(self, opening: Opening) -> None:
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and program)
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOTSTRAP, *_import_path()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            # Nothing of the parent's surroundings is there to be read.
            env={k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        _widen(self._replies.fileno())
        self._poll = select.poll()
        self._poll.register(self._replies, select.POLLIN)
        self._processors = opening.threads + 1
        self._group = WorkerGroup(self._process.pid, own_hierarchies())
        try:
            self.opened = self._open(opening)
            self.fences = (*self.opened.fences, *self._bound(opening.threads))
        except BaseException:
            self.end()
            raise

    def _open(self, opening: Opening) -> Opened:
        name = Path(opening.path).name
        try:
            reply = self.ask(encode_request(opening), _START_LIMIT, timedelta(0))
        except WorkerDied as death:
            raise WarehouseBusy(
                "A process for queries could not be started.",
                hint="Check that there is memory to start it, and try again.",
            ) from death
        if isinstance(reply, Failure):
            with opening_errors(name):
                raise_from_worker(reply.kinds, reply.text)
        assert isinstance(reply, Opened)
        return reply

    def _bound(self, threads: int) -> tuple[str, ...]:
        """Raise the fences that a parent can raise around its child, and name those that stand."""
        stand = self._group.bound(self.opened.memory, threads)
        is_timed = self._grant(_START_LIMIT)
        return (_TIMED, *stand) if is_timed else stand

    def _grant(self, time_span: timedelta) -> bool:
        """
        Have the kernel end the process when it has used its processors for longer than *time_span*.

        That holds even while this process, whose timer comes first, is stopped or busy.
        """
        if sys.platform != "linux":
            return False
        clock = ~self._process.pid << 3 | _PROCESSOR_CLOCK
        try:
            used = time.clock_gettime(clock)
            total = math.ceil(used + time_span.total_seconds() * self._processors) + 1
            _, most = resource.prlimit(self._process.pid, resource.RLIMIT_CPU)
            bound = total if most == resource.RLIM_INFINITY else min(total, most)
            resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (bound, most))
        except OSError:
            return False
        return True

    @property
    def is_ready(self) -> bool:
        """Whether the process lives and has said nothing that it was not asked."""
        return self._process.poll() is None and not self._poll.poll(0)

    def ask(self, request: bytes, timeout: timedelta, grace: timedelta) -> Reply:
        """The reply to *request*; `WorkerDied` when there will be none."""
        try:
            self._grant(timeout + grace)
            self._write(request)
            interrupt_at = time.monotonic() + timeout.total_seconds()
            if not self._speaks_by(interrupt_at):
                self._write(INTERRUPT)
            return decode_reply(self._read_frame(interrupt_at + grace.total_seconds()))
        except TimeoutError as error:
            raise WorkerDied(self.kill(), timed_out=True) from error
        except (EOFError, BrokenPipeError) as error:
            raise WorkerDied(self.kill()) from error
        except UnintelligibleReply as error:
            self.kill()
            raise WorkerDied(None) from error

    def kill(self) -> int:
        """End the process, which holds nothing that is worth keeping, and say how it ended."""
        self._process.kill()
        status = self._process.wait()
        self._group.remove()
        return status

    def end(self) -> None:
        """Kill the process and put away its pipes; nobody may be waiting for an answer."""
        self.kill()
        self._requests.close()
        self._replies.close()

    def _speaks_by(self, deadline: float) -> bool:
        """Wait until there is something to read, or the pipe has ended, or it is *deadline*."""
        while not (event := self._poll.poll(_LONGEST_WAIT)) and time.monotonic() < deadline:
            # Another thread may have taken a signal; Python acts on it here, as on Ctrl-C.
            continue
        return bool(event)

    def _write(self, request: bytes) -> None:
        rest = memoryview(LENGTH.pack(len(request)) + request)
        while rest:
            rest = rest[self._requests.write(rest) :]

    def _read_frame(self, deadline: float) -> memoryview:
        (size,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if size > LARGEST_REPLY:
            raise UnintelligibleReply(f"a reply of {size} bytes")
        return self._read(size, deadline + _READING)

    def _read(self, size: int, deadline: float) -> memoryview:
        content = memoryview(bytearray(size))
        filled = 0
        while filled < size:
            if not self._speaks_by(deadline):
                raise TimeoutError
            count = os.readv(self._replies.fileno(), [content[filled:]])
            if not count:
                raise EOFError
            filled += count
        return content


_READING: Final = 30.0
"""Seconds more that a reply which has begun may take to arrive."""


def _import_path() -> list[str]:
    """Where a worker finds its own modules and the engine; the standard library it finds itself."""
    engine = importlib.util.find_spec("_duckdb")
    assert engine is not None
    assert engine.origin is not None
    return [str(Path(__file__).parent), str(Path(engine.origin).parent)]


def _widen(pipe: int) -> None:
    """Let whole results stand in the pipe, where the system can."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        except OSError:
            return


def starter() -> ThreadPoolExecutor:
    """The one thread of this process that starts workers: they die with the thread that did."""
    with _starting:
        return _starter_of(os.getpid())


_starting: Final = threading.Lock()


@cache
def _starter_of(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix=f"warehouse-workers-{process}")
