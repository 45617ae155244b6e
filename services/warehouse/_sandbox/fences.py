"""
The fences of the operating system around a worker: what it may still do when the engine would let it.

Each is raised where the kernel allows it without root, and named in what `raise_fences` returns.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from .syscalls import seccomp_program

ROOM: Final = 2 << 30
"""Address space over the engine's own memory limit: code, stacks, and values outside its books."""
_OPEN_FILES: Final = 16
_LIMITS: Final = "limits"

_SET_PARENT_DEATH_SIGNAL, _SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES = 1, 4, 22, 38
_NEW_USERS, _NEW_NETWORK = 0x10000000, 0x40000000
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446


def die_with(parent: int) -> None:
    """Have the kernel end this process when the thread that started it ends."""
    if sys.platform == "linux":
        _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def raise_fences(memory: int) -> tuple[str, ...]:
    """
    Give up what a query never needs; call it with one thread, and all files open.

    *memory* is the engine's limit in bytes. Returns the names of the fences that now stand.
    """
    attempts: dict[str, Callable[[], bool]] = {_LIMITS: lambda: _limit(memory + ROOM)}
    attempts |= _of_linux()
    return tuple(name for name, attempt in attempts.items() if attempt())


def _of_linux() -> dict[str, Callable[[], bool]]:
    """How each fence of the Linux kernel is raised; the last ones take away what the first need."""
    if sys.platform != "linux":
        return {}
    return {
        "no new privileges": lambda: _prctl(_SET_NO_NEW_PRIVILEGES, 1),
        "not inspectable": lambda: _prctl(_SET_DUMPABLE, 0),
        "first to go when memory is short": _volunteer,
        "no network": _leave_network,
        "no files": _close_file_system,
        "no other system calls": _filter_system_calls,
    }


def _limit(address_space: int) -> bool:
    wanted = [
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_AS, address_space),
    ]
    stands = [_lower(limit, value) for limit, value in wanted]
    return all(stands)


def _lower(limit: int, value: int) -> bool:
    _, hard = resource.getrlimit(limit)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(limit, (bound, bound))
    except (ValueError, OSError):  # macOS knows some of these limits by name only
        return False
    return True


def _volunteer() -> bool:
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:  # noqa: PTH123
        score.write("1000")
        return True
    return False


def _leave_network() -> bool:
    """An empty network of its own: with root directly, else by way of a user namespace."""
    unshare = _libc().unshare
    return any(unshare(flags) == 0 for flags in (_NEW_NETWORK, _NEW_USERS | _NEW_NETWORK))


def _close_file_system() -> bool:
    """Landlock without a single exception: no path can be opened, made, changed or removed."""
    syscall = _libc().syscall
    version = syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rules = b"".join(_landlock_rules(version))
    handle = syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(len(rules)), 0)
    if handle < 0:
        return False
    try:
        return bool(syscall(_LANDLOCK_RESTRICT, handle, 0) == 0)
    finally:
        os.close(handle)


def _landlock_rules(version: int) -> Iterator[bytes]:
    """Everything that *version* can forbid: on files, on TCP, on sockets and signals to others."""
    kinds = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    yield struct.pack("=Q", (1 << kinds) - 1)
    if version >= 4:
        yield struct.pack("=Q", 0b11)
    if version >= 6:
        yield struct.pack("=Q", 0b11)


def _filter_system_calls() -> bool:
    program = seccomp_program()
    if program is None:
        return False
    steps = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(steps))
    return _prctl(_SET_SECCOMP, 2, header)


def _prctl(option: int, value: int, argument: bytes | int = 0) -> bool:
    word = ctypes.c_ulong
    last = argument if isinstance(argument, bytes) else word(argument)
    return bool(_libc().prctl(option, word(value), last, word(0), word(0)) == 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


NAMES: Final = (_LIMITS, *_of_linux())
"""The fences that this system may have."""
