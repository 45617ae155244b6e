"""
The system calls that a worker keeps after opening its file, as a filter for Linux's seccomp.

What is left is memory, threads of its own, clocks, and reading and writing what is already open.
Opening, creating or removing files, sockets, new processes and signals to others all fail.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
from typing import Final, NamedTuple


class Machine(NamedTuple):
    """How the kernel tells one instruction set from another, and where it keeps its calls."""

    audit_arch: int
    column: int


_MACHINES: Final = {"x86_64": Machine(0xC000003E, 0), "aarch64": Machine(0xC00000B7, 1)}

# Numbers on x86_64 and on aarch64; None where an instruction set has no such call.
_ALLOWED: Final[dict[str, tuple[int | None, int | None]]] = {
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcpu": (309, 168),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "lseek": (8, 62),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "poll": (7, None),
    "ppoll": (271, 73),
    "pread64": (17, 67),
    "preadv": (295, 69),
    "read": (0, 63),
    "readv": (19, 65),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "set_robust_list": (273, 99),
    "sigaltstack": (131, 132),
    "sysinfo": (99, 179),
    "time": (201, None),
    "write": (1, 64),
    "writev": (20, 66),
}
_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)
_TGKILL: Final = (234, 131)
_CLONE_THREAD: Final = 0x00010000
_OTHER_ABI: Final = 0x40000000

# Operations of the filter's machine, and the answers it may give.
_LOAD: Final = 0x20
_IF_EQUAL: Final = 0x15
_IF_AT_LEAST: Final = 0x35
_IF_SET: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_FAIL: Final = 0x00050000
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
"""Where a call's number, instruction set and first argument stand."""


def seccomp_program(machine: str | None = None, process: int | None = None) -> bytes | None:
    """The filter for this instruction set, or None where we know none."""
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    column = known.column
    program = [
        _step(_LOAD, _ARCH),
        *_unless(_IF_EQUAL, known.audit_arch, _KILL),
        _step(_LOAD, _NUMBER),
        *_when(_IF_AT_LEAST, _OTHER_ABI, _FAIL | errno.ENOSYS),
        # As if the call did not exist, so that the C library takes the older one.
        *_when(_IF_EQUAL, _CLONE3[column], _FAIL | errno.ENOSYS),
    ]
    for numbers in _ALLOWED.values():
        number = numbers[column]
        if number is not None:
            program += _when(_IF_EQUAL, number, _ALLOW)
    program += _argument_decides(_CLONE[column], _IF_SET, _CLONE_THREAD)
    program += _argument_decides(_TGKILL[column], _IF_EQUAL, process or os.getpid())
    program.append(_step(_RETURN, _FAIL | errno.EPERM))
    return b"".join(program)


def _argument_decides(number: int, test: int, value: int) -> list[bytes]:
    """Allow call *number* when its first argument passes *test*, and end the program either way."""
    return [
        _step(_IF_EQUAL, number, otherwise=4),
        _step(_LOAD, _FIRST_ARGUMENT),
        *_when(test, value, _ALLOW),
        _step(_RETURN, _FAIL | errno.EPERM),
    ]


def _when(test: int, value: int, answer: int) -> list[bytes]:
    return [_step(test, value, otherwise=1), _step(_RETURN, answer)]


def _unless(test: int, value: int, answer: int) -> list[bytes]:
    return [_step(test, value, then=1), _step(_RETURN, answer)]


def _step(operation: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", operation, then, otherwise, value)
