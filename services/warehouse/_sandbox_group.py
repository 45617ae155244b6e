"""
Control groups around the workers: bounds on memory, threads and processors that the kernel keeps.

They are made where this process may make them, within the groups that are its own, so that every bound
around it stands around its workers too. Where it may not, nothing is made and nothing fails.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_ROOM: Final = 1 << 30
"""Memory over the engine's own limit: the interpreter, rows on their way out, values outside its books."""
_SPARE_THREADS: Final = 16
_SPARE_PROCESSORS: Final = 1
_PERIOD: Final = 100_000
"""Microseconds over which the kernel counts processor time."""

_PREFIX: Final = "assay-"
FENCES: Final = {
    "memory": "memory in a cgroup",
    "pids": "threads in a cgroup",
    "cpu": "processors in a cgroup",
}
"""What the bound of each controller is called among the fences."""
_numbers: Final = itertools.count(1)


class Hierarchy(NamedTuple):
    """A group whose children can be bounded by *controllers*; `unified` for the kernel's second version."""

    base: Path
    controllers: Sequence[str]
    unified: bool


class WorkerGroup:
    """The groups that *process* is put into, one in each of *hierarchies* that lets it; maybe none."""

    def __init__(self, process: int, hierarchies: Iterable[Hierarchy]) -> None:
        name = f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
        self._places = [
            (place, hierarchy)
            for hierarchy in hierarchies
            if _moved(process, place := hierarchy.base / name)
        ]

    def bound(self, memory: int, threads: int) -> tuple[str, ...]:
        """
        Bound the process by the engine's *memory* limit in bytes and its number of *threads*.

        Returns the names of the fences that now stand.
        """
        return tuple(
            FENCES[controller]
            for place, hierarchy in self._places
            for controller in hierarchy.controllers
            if _is_set(place, _bounds(controller, memory, threads, unified=hierarchy.unified))
        )

    def remove(self) -> None:
        """Remove the groups of a process that has ended; removing twice is harmless."""
        for place, _ in self._places:
            with suppress(OSError):
                place.rmdir()


def own_hierarchies(proc: Path = Path("/proc/self")) -> list[Hierarchy]:
    """Where this process may make groups, cleared of what dead ones have left there."""
    try:
        groups = (proc / "cgroup").read_text(encoding="utf-8").splitlines()
        mounts = (proc / "mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = [h for h in _hierarchies(groups, mounts) if os.access(h.base, os.W_OK)]
    for hierarchy in found:
        _clear(hierarchy.base)
    return found


def _hierarchies(groups: Sequence[str], mounts: Sequence[str]) -> Iterator[Hierarchy]:
    for line in groups:
        _, names, path = line.split(":", 2)
        controllers = [name for name in names.split(",") if name in FENCES]
        if names and not controllers:
            continue
        own = _mounted(path, controllers, mounts)
        if own is None:
            continue
        if names:
            yield Hierarchy(own, controllers, unified=False)
        elif (base := _handing_on(own)) is not None:
            yield base


def _mounted(path: str, controllers: Sequence[str], mounts: Sequence[str]) -> Path | None:
    """The folder of the group *path*, where the hierarchy of *controllers* is mounted and shows it."""
    for line in mounts:
        fields = line.split()
        kind, _, options = fields[fields.index("-") + 1 :][:3]
        root, point = fields[3:5]
        wanted = (
            kind == "cgroup" and set(controllers) <= set(options.split(","))
            if controllers
            else kind == "cgroup2"
        )
        if wanted and Path(path).is_relative_to(root):
            return Path(point) / Path(path).relative_to(root)
    return None


def _handing_on(own: Path) -> Hierarchy | None:
    """
    The group whose children the second version lets us bound: ours, or the one above if it is ours too.

    A group that holds processes hands no controller on, but for the topmost. So a service manager
    gives us the group above (systemd: `Delegate=yes` with `DelegateSubgroup=`) and marks it so.
    """
    for base in (own, own.parent):
        if base != own and not _is_delegated(base):
            continue
        with suppress(OSError):
            if base != own:
                _hand_on(base)
            handed = (base / "cgroup.subtree_control").read_text(encoding="ascii").split()
            if controllers := [name for name in FENCES if name in handed]:
                return Hierarchy(base, controllers, unified=True)
    return None


def _is_delegated(group: Path) -> bool:
    for mark in ("user.delegate", "trusted.delegate"):
        with suppress(OSError, AttributeError):  # macOS has no such call
            if os.getxattr(group, mark) == b"1":
                return True
    return False


def _hand_on(group: Path) -> None:
    control = group / "cgroup.subtree_control"
    offered = (group / "cgroup.controllers").read_text(encoding="ascii").split()
    handed = control.read_text(encoding="ascii").split()
    for name in FENCES:
        if name in offered and name not in handed:
            with suppress(OSError):
                control.write_text(f"+{name}", encoding="ascii")


def _clear(base: Path) -> None:
    """Remove what processes that were killed have left; a group that holds a process stays."""
    for place in base.glob(f"{_PREFIX}*-*"):
        owner = place.name.split("-")[1]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            with suppress(OSError):
                place.rmdir()


def _moved(process: int, place: Path) -> bool:
    """Make the group at *place* and put *process* into it; leave nothing where that fails."""
    try:
        place.mkdir()
        (place / "cgroup.procs").write_text(str(process), encoding="ascii")
    except OSError:
        with suppress(OSError):
            place.rmdir()
        return False
    return True


def _bounds(controller: str, memory: int, threads: int, *, unified: bool) -> dict[str, str]:
    """What to write into which file; the first is the bound, the others make it tighter where they exist."""
    resident = str(memory + _ROOM)
    quota = (threads + _SPARE_PROCESSORS) * _PERIOD
    if controller == "pids":
        return {"pids.max": str(threads + _SPARE_THREADS)}
    if controller == "cpu":
        return {"cpu.max": f"{quota} {_PERIOD}"} if unified else {"cpu.cfs_quota_us": str(quota)}
    if unified:
        return {"memory.max": resident, "memory.swap.max": "0"}
    return {"memory.limit_in_bytes": resident, "memory.memsw.limit_in_bytes": resident}


def _is_set(place: Path, bounds: dict[str, str]) -> bool:
    done = []
    for file, value in bounds.items():
        try:
            (place / file).write_text(value, encoding="ascii")
            done.append(True)
        except OSError:
            done.append(False)
    return done[0]
