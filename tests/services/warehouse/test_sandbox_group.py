"""Control groups around workers: where they may be made they hold, elsewhere nothing fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from services.errors import QueryTimedOut, QueryTooLarge
from services.warehouse import Snapshot, Warehouse
from services.warehouse._sandbox_group import (
    Hierarchy,
    WorkerGroup,
    _hierarchies,
    own_hierarchies,
)
from services.warehouse._sandbox_pool import WorkerLimits, WorkerPool
from services.warehouse._sandbox_process import FENCES

ROOT = Path(__file__).parents[3]
DIGEST = "SELECT digest FROM _assay.snapshot"
CONTROLLERS = {name for hierarchy in own_hierarchies() for name in hierarchy.controllers}
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")


def needs(controller: str) -> pytest.MarkDecorator:
    reason = f"NO CGROUP: this process may make none with the controller {controller!r}"
    return pytest.mark.skipif(controller not in CONTROLLERS, reason=reason)


def left_by(process: int) -> list[Path]:
    """The groups that *process* has made and not removed."""
    return [place for h in own_hierarchies() for place in h.base.glob(f"assay-{process}-*")]


HUNGRY = """
import sys
sys.stdin.readline()
held = []
for _ in range(int(sys.argv[1])):
    held.append(b"x" * (1 << 20))
print("fed", flush=True)
"""
CROWDED = """
import sys, threading
sys.stdin.readline()
stop = threading.Event()
try:
    for _ in range(100):
        threading.Thread(target=stop.wait).start()
    print("crowded", flush=True)
except RuntimeError:
    print("refused", flush=True)
stop.set()
"""
BUSY = """
import sys, threading, time, zlib
sys.stdin.readline()
data = bytes(1 << 20)
def work():
    while time.monotonic() < end:
        zlib.crc32(data)
end = time.monotonic() + 1
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(time.process_time(), flush=True)
"""


def run_bounded(
    program: str, *arguments: str, memory: int = 0, threads: int = 1
) -> tuple[str, int]:
    """What *program* prints, and how it ends, when nothing but its group bounds it."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        group = WorkerGroup(process.pid, own_hierarchies())
        group.bound(memory, threads)
        said, _ = process.communicate("go\n")
    group.remove()
    return said.strip(), process.returncode


@needs("memory")
def test_the_group_alone_ends_a_hungry_process() -> None:
    """With no limit of its own, a process ends at the bound of its group, and not before it."""
    before = left_by(os.getpid())

    assert ("fed", 0) == run_bounded(HUNGRY, "700")
    assert ("", -signal.SIGKILL) == run_bounded(HUNGRY, "1300")
    assert before == left_by(os.getpid())


@needs("pids")
def test_the_group_alone_bounds_the_threads() -> None:
    """A process that a query has taken over cannot fill the machine with threads."""
    assert ("refused", 0) == run_bounded(CROWDED)


@needs("cpu")
def test_the_group_alone_bounds_the_processors() -> None:
    """Four busy threads get the processors of their group, whatever the machine has."""
    used, _ = run_bounded(BUSY, threads=0)

    assert float(used) < 1.5


@needs("memory")
def test_a_hungry_query_is_ended_by_its_group(sample: Snapshot) -> None:
    """What fits in the addresses but not in the group is killed, and another worker takes over."""
    pool = WorkerPool(sample.path, DIGEST, WorkerLimits(memory_limit="100MB", workers=1))
    [worker] = pool._workers
    try:
        with pytest.raises(QueryTooLarge):
            pool.run("SELECT length(repeat('x', 1_300_000_000))", max_rows=1)

        assert worker._process.returncode == -signal.SIGKILL
        assert ((1,),) == pool.run("SELECT 1", max_rows=1).data
    finally:
        pool.close()


@needs("memory")
def test_a_warehouse_names_its_groups_and_leaves_none(sample: Snapshot) -> None:
    """Each worker has groups of its own, which go when it goes."""
    before = left_by(os.getpid())
    with Warehouse.open(sample.path.parent) as warehouse:
        made = set(left_by(os.getpid())) - set(before)
        [pid] = [worker._process.pid for worker in warehouse._pool._workers]

        assert "memory in a cgroup" in warehouse.fences
        assert set(FENCES) == {*warehouse.fences, *warehouse.absent_fences}
        assert {str(pid)} == {(place / "cgroup.procs").read_text().strip() for place in made}

    assert [] == [place for place in made if place.exists()]


PARENT = """
import os, sys
from pathlib import Path
from services.warehouse import Warehouse
warehouse = Warehouse.open(Path(sys.argv[1]))
print(os.getpid(), flush=True)
os.kill(os.getpid(), 9)
"""


@needs("memory")
def test_groups_of_a_killed_parent_are_cleared_by_the_next(sample: Snapshot) -> None:
    """After kill -9 the folders stand empty until another service starts."""
    said = subprocess.run(
        [sys.executable, "-c", PARENT, str(sample.path.parent)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    deadline = time.monotonic() + 15
    # The workers die with their parent, in their own time.
    while left_by(int(said)) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert [] == left_by(int(said))


@linux_only
def test_the_kernel_itself_ends_a_query_out_of_processor_time(
    sample: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when its parent forgets the time: the limit is set anew for each query."""
    pool = WorkerPool(sample.path, DIGEST, WorkerLimits(workers=1))
    [worker] = pool._workers
    grant = worker._grant
    monkeypatch.setattr(worker, "_grant", lambda _: grant(timedelta(seconds=0.1)))
    try:
        assert "processor time of each query" in pool.fences
        for _ in range(20):
            assert ((1,),) == pool.run("SELECT 1", max_rows=1).data
        with pytest.raises(QueryTimedOut):
            pool.run("SELECT sum(range) FROM range(1_000_000_000_000)", max_rows=1)

        assert worker._process.returncode == -signal.SIGXCPU
    finally:
        pool.close()


GROUPS = ["4:memory:/jobs/one", "1:cpu,cpuacct:/", "9:name=systemd:/", "0::/service/main"]


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """Folders laid out as both versions of the kernel's groups are."""
    for place in ("memory/one", "cpu", "unified/service/main"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "unified/service/main/cgroup.subtree_control").write_text("")
    (tmp_path / "unified/service/cgroup.subtree_control").write_text("memory pids")
    (tmp_path / "unified/service/cgroup.controllers").write_text("memory pids io")
    return tmp_path


def mounts(kernel: Path) -> list[str]:
    return [
        f"35 24 0:31 /jobs {kernel}/memory rw - cgroup cgroup rw,memory",
        f"36 24 0:32 / {kernel}/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct",
        f"37 24 0:33 / {kernel}/unified rw - cgroup2 cgroup2 rw",
    ]


def test_groups_are_made_below_our_own(kernel: Path) -> None:
    """Each hierarchy of the first version where it is mounted, and the second where it is handed on."""
    assert [
        Hierarchy(kernel / "memory/one", ["memory"], unified=False),
        Hierarchy(kernel / "cpu", ["cpu"], unified=False),
    ] == list(_hierarchies(GROUPS, mounts(kernel)))


def test_the_group_above_is_used_when_it_was_given_to_us(kernel: Path) -> None:
    """A service manager marks what it has delegated; nobody else's group is touched."""
    above = kernel / "unified/service"
    try:
        os.setxattr(above, "user.delegate", b"1")
    except (OSError, AttributeError):
        pytest.skip("NO EXTENDED ATTRIBUTES on the file system of the tests")
    found = list(_hierarchies(["0::/service/main"], mounts(kernel)))

    assert [Hierarchy(above, ["memory", "pids"], unified=True)] == found


def test_a_group_that_is_not_mounted_here_is_left_alone(kernel: Path) -> None:
    """In a container the path may lie outside of what it sees."""
    assert [] == list(_hierarchies(["4:memory:/elsewhere"], mounts(kernel)))
    assert [] == own_hierarchies(kernel)


def test_a_group_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    """The worker goes on without, and the fences say so."""
    gone = Hierarchy(tmp_path / "gone", ["memory"], unified=False)
    group = WorkerGroup(os.getpid(), [gone])

    assert () == group.bound(1 << 20, 1)
    group.remove()
