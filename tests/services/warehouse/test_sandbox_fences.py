"""The fences of the operating system: each holds alone, and together they let queries through."""

from __future__ import annotations

import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from services.warehouse import Warehouse
from services.warehouse._sandbox.syscalls import seccomp_program

ROOT = Path(__file__).parents[3]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="fences of the Linux kernel")

# Raises the fence named first, then tries what is named after it; each line of output is one attempt.
PROGRAM = """
import ctypes, errno, os, signal, socket, subprocess, sys, threading
from services.warehouse._sandbox import fences

folder, bystander = sys.argv[1], int(sys.argv[2])
held = open(folder + "/held", "w+")

def connect():
    with socket.socket() as plug:
        plug.connect(("127.0.0.1", 9))

def write_more():
    held.write("x" * 10)
    held.flush()

def start_thread():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()

ATTEMPTS = {
    "read a file": lambda: open("/etc/hostname").close(),
    "make a file": lambda: open(folder + "/made", "w").close(),
    "empty a file": lambda: os.truncate(folder + "/kept", 0),
    "remove a file": lambda: os.unlink(folder + "/kept"),
    "write to an open file": write_more,
    "use the network": connect,
    "start a process": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "signal another process": lambda: os.kill(bystander, signal.SIGTERM),
    "ask for much memory": lambda: bytearray(6 << 30),
    "start a thread": start_thread,
    "look at the clock": lambda: __import__("time").time(),
}
raised = {
    "limits": lambda: fences._limit(1 << 30),
    "landlock": lambda: fences._prctl(38, 1) and fences._close_file_system(),
    "seccomp": lambda: fences._prctl(38, 1) and fences._filter_system_calls(),
    "network": fences._leave_network,
    "all": lambda: "no other system calls" in fences.raise_fences(1 << 29),
}[sys.argv[3]]()
print("raised" if raised else "not here", flush=True)
for name in sys.argv[4:]:
    try:
        ATTEMPTS[name]()
        print("done", flush=True)
    except MemoryError:
        print("ENOMEM", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
    except RuntimeError as error:
        print(error, flush=True)
os._exit(0)
"""


@linux_only
@pytest.mark.parametrize(
    ("fence", "refused"),
    [
        ("limits", ["write to an open file", "ask for much memory"]),
        ("landlock", ["read a file", "make a file", "empty a file", "remove a file"]),
        ("network", ["use the network"]),
        (
            "seccomp",
            [
                "read a file",
                "make a file",
                "empty a file",
                "remove a file",
                "use the network",
                "start a process",
                "signal another process",
            ],
        ),
        ("all", ["read a file", "write to an open file", "use the network", "start a process"]),
    ],
)
def test_each_fence_holds_alone(tmp_path: Path, fence: str, refused: list[str]) -> None:
    """With only one fence up, what it forbids fails, and what a query needs still works."""
    (tmp_path / "kept").write_text("kept")
    with subprocess.Popen(["sleep", "60"]) as bystander:
        allowed = ["start a thread", "look at the clock"]
        attempts = [*refused, *allowed]
        found = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path), str(bystander.pid), fence, *attempts],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        was_alive = bystander.poll() is None
        bystander.kill()
    if found[0] == "not here":
        pytest.skip(f"this kernel does not give the fence {fence}")

    results = dict(zip(attempts, found[1:], strict=True))
    assert {"done"} == {results[name] for name in allowed}, results
    assert "done" not in {results[name] for name in refused}, results
    assert was_alive
    assert ["kept", "kept"] == [path.read_text() for path in tmp_path.glob("kept")] * 2
    assert not (tmp_path / "made").exists()


@linux_only
@pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="no filter known")
def test_a_warehouse_says_which_fences_stand(warehouse: Warehouse) -> None:
    """Limits and the filter of system calls are there on every Linux of today."""
    assert {"limits", "no new privileges", "no other system calls"} <= set(warehouse.fences)


def run_filter(program: bytes, number: int, arch: int, first_argument: int = 0) -> int:
    """What the kernel's small machine answers to a call; the steps that we use, as it defines them."""
    steps = list(struct.iter_unpack("<HBBI", program))
    call = struct.pack("<iIQQ", number, arch, 0, first_argument)
    held, at = 0, 0
    while True:
        operation, then, otherwise, value = steps[at]
        at += 1
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            (held,) = struct.unpack_from("<I", call, value)
            continue
        holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[operation]
        at += then if holds else otherwise


ALLOW, KILL, NO_SUCH_CALL, FORBIDDEN = 0x7FFF0000, 0x80000000, 0x00050026, 0x00050001


@pytest.mark.parametrize(
    ("machine", "arch", "calls"),
    [
        ("x86_64", 0xC000003E, {"read": 0, "openat": 257, "clone": 56, "clone3": 435, "tgkill": 234}),
        ("aarch64", 0xC00000B7, {"read": 63, "openat": 56, "clone": 220, "clone3": 435, "tgkill": 131}),
    ],
)  # fmt: skip
def test_the_filter_answers_as_written(machine: str, arch: int, calls: dict[str, int]) -> None:
    """Threads are let through and processes are not; signals go to ourselves only."""
    program = seccomp_program(machine, process=4711)
    assert program is not None

    def answer(name: str, argument: int = 0, *, on: int = arch) -> int:
        return run_filter(program, calls[name], on, argument)

    assert [ALLOW, FORBIDDEN] == [answer("read"), answer("openat")]
    assert [ALLOW, FORBIDDEN] == [answer("clone", 0x10F00), answer("clone", 0x11)]
    assert [ALLOW, FORBIDDEN] == [answer("tgkill", 4711), answer("tgkill", 1)]
    assert [NO_SUCH_CALL, KILL] == [answer("clone3"), answer("read", on=0x40000003)]
    assert run_filter(program, 0x40000001, arch) == NO_SUCH_CALL


def test_an_unknown_instruction_set_has_no_filter() -> None:
    """Better no filter than one with another machine's numbers."""
    assert seccomp_program("riscv64") is None
