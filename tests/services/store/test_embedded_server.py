"""The embedded server: one for a home, whoever starts it, whatever is killed."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Disconnected

from services.errors import StoreUnavailable
from services.store import EmbeddedServer, connect
from services.store._idle import WATCH_NAME

ROOT = Path(__file__).parents[3]
ENSURE = """
import sys
from pathlib import Path
from services.store import EmbeddedServer, connect
print(EmbeddedServer(Path(sys.argv[1])).ensure(), flush=True)
"""


def client(home: Path) -> Redis:
    return Redis.from_url(EmbeddedServer(home).ensure())


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def kill_server(home: Path) -> None:
    """kill -9, once what was written is on disk: while a sync runs it may take up to two seconds."""
    with client(home) as redis:
        assert [1, 0] == redis.execute_command("WAITAOF", 1, 0, 5000)
    os.kill(EmbeddedServer(home).status().pid, signal.SIGKILL)
    assert until(lambda: not EmbeddedServer(home).status().running)


def test_a_server_starts_once_and_is_private(home: Path) -> None:
    """The second call attaches to the first server; only its owner may reach it, and no network."""
    server = EmbeddedServer(home)
    url = server.ensure()
    first = server.status()

    assert url == server.ensure()
    assert first.pid == server.status().pid
    assert 0o700 == stat.S_IMODE(Path(first.socket).stat().st_mode)
    assert 0o700 == stat.S_IMODE(server.folder.stat().st_mode)
    with client(home) as redis:
        assert {"port": "0"} == redis.config_get("port")
        assert {"maxmemory-policy": "noeviction"} == redis.config_get("maxmemory-policy")
        assert {"appendonly": "yes"} == redis.config_get("appendonly")


async def test_flushing_each_write_reaches_a_running_server(home: Path) -> None:
    """A client that wants it turns it on, others do not turn it off, a new start does."""
    async with connect(None, home) as first:
        await first.ping()
        assert "everysec" == EmbeddedServer(home).status().fsync
        async with connect(None, home, fsync="always") as second:
            await second.ping()
        async with connect(None, home) as third:
            await third.ping()
        assert "always" == EmbeddedServer(home).status().fsync
    EmbeddedServer(home).stop()
    EmbeddedServer(home).ensure()
    assert "everysec" == EmbeddedServer(home).status().fsync
    EmbeddedServer(home).stop()
    EmbeddedServer(home, fsync="always").ensure()
    assert "always" == EmbeddedServer(home).status().fsync


def test_status_says_what_is_there(home: Path) -> None:
    """Status names version, size, keys and clients of a running server, and a stopped one's data."""
    assert not EmbeddedServer(home).status().running
    with client(home) as redis:
        redis.set("assay:x", "1")
        status = EmbeddedServer(home).status()

        assert (True, 1, 1) == (status.running, status.keys, status.clients)
        assert status.version.startswith("9.")
        assert status.memory_bytes > 100_000
        assert status.data_bytes > 0
    EmbeddedServer(home).stop()

    stopped = EmbeddedServer(home).status()
    assert (False, 0, status.folder) == (stopped.running, stopped.pid, stopped.folder)
    assert stopped.data_bytes > 0


def test_stop_is_confirmed_and_keeps_the_data(home: Path) -> None:
    """After stop nothing runs, a second stop has nothing to do, and a new server has the data."""
    with client(home) as redis:
        redis.set("assay:x", "kept")

    assert EmbeddedServer(home).stop()
    assert not EmbeddedServer(home).stop()
    with client(home) as redis:
        assert b"kept" == redis.get("assay:x")


def test_looking_at_a_home_that_was_never_used_creates_nothing(home: Path) -> None:
    """Status and stop leave an unused home alone."""
    assert not EmbeddedServer(home).status().running
    assert not EmbeddedServer(home).stop()
    assert not home.exists()


def test_processes_that_start_at_once_share_one_server(home: Path) -> None:
    """Of several processes that start the server at the same moment, one does and all use it."""
    starters = [
        subprocess.Popen([sys.executable, "-c", ENSURE, home], cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    urls = {starter.communicate(timeout=60)[0] for starter in starters}

    assert {0} == {starter.returncode for starter in starters}
    assert 1 == len(urls)
    assert 1 == (EmbeddedServer(home).folder / "server.log").read_text().count("Server initialized")


def test_the_server_survives_a_killed_starter(home: Path) -> None:
    """kill -9 of the process that started the server, and of its whole group, leaves it running."""
    starter = subprocess.Popen(
        [sys.executable, "-c", ENSURE + "import time; time.sleep(60)", home],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert starter.stdout is not None
    starter.stdout.readline()
    pid = EmbeddedServer(home).status().pid
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()

    EmbeddedServer(home).ensure()
    assert pid == EmbeddedServer(home).status().pid


def test_a_killed_server_is_started_again_with_its_data(home: Path) -> None:
    """kill -9 of the server leaves a stale socket and pid; the next start has every written key."""
    with client(home) as redis:
        redis.mset({f"assay:{number}": number for number in range(100)})
    kill_server(home)
    assert (EmbeddedServer(home).folder / "server.sock").exists()

    with client(home) as redis:
        assert 100 == redis.dbsize()


def test_a_server_whose_socket_was_removed_is_replaced(home: Path) -> None:
    """A server that nobody can reach any more leaves in good order; its successor has the data."""
    with client(home) as redis:
        redis.set("assay:x", "kept")
    before = EmbeddedServer(home).status()
    Path(before.socket).unlink()

    with client(home) as redis:
        assert b"kept" == redis.get("assay:x")
    assert before.pid != EmbeddedServer(home).status().pid


def test_a_cut_tail_of_the_file_is_repaired(home: Path) -> None:
    """A last write that only half reached the disk is dropped; all before it is kept."""
    with client(home) as redis:
        redis.set("assay:first", "1")
        redis.set("assay:last", "2" * 1000)
    kill_server(home)
    log = next((EmbeddedServer(home).folder / "appendonlydir").glob("*.incr.aof"))
    os.truncate(log, log.stat().st_size - 500)

    with client(home) as redis:
        assert [b"assay:first"] == redis.keys()


def test_a_damaged_file_is_said_to_be_damaged(home: Path) -> None:
    """A server that cannot read its data says so, in words, with the path of its log."""
    with client(home) as redis:
        redis.set("assay:first", "1")
        redis.set("assay:last", "2" * 1000)
    kill_server(home)
    log = next((EmbeddedServer(home).folder / "appendonlydir").glob("*.incr.aof"))
    content = bytearray(log.read_bytes())
    content[20:40] = b"?" * 20
    log.write_bytes(content)

    with pytest.raises(StoreUnavailable, match="damaged") as caught:
        EmbeddedServer(home).ensure()
    assert str(EmbeddedServer(home).log_path) in caught.value.hint


def test_a_long_path_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home deeper than a socket's path may be works, from two processes with other surroundings."""
    home = tmp_path / ("deep " * 30) / "home"
    server = EmbeddedServer(home)
    try:
        with client(home) as redis:
            redis.set("assay:x", "1")
        assert len(server.status().socket) <= 100
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        with client(home) as redis:
            assert b"1" == redis.get("assay:x")
    finally:
        assert server.stop()


def test_a_squatted_short_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in place of our private folder and is not private is not used."""
    base = Path("/tmp") / f"assay-test-{os.getpid()}"
    squatted = base / f"assay-{os.getuid()}"
    squatted.mkdir(parents=True)
    squatted.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    try:
        with pytest.raises(StoreUnavailable, match="not a private folder"):
            EmbeddedServer(tmp_path / ("deep" * 30)).ensure()
        squatted.rmdir()
        squatted.symlink_to(tmp_path)
        with pytest.raises(StoreUnavailable, match="not a private folder"):
            EmbeddedServer(tmp_path / ("deep" * 30)).ensure()
    finally:
        squatted.unlink()
        base.rmdir()


def test_an_unused_server_stops_itself(home: Path) -> None:
    """With no client for the time that is set, the server and its watch are gone."""
    with Redis.from_url(EmbeddedServer(home, idle=timedelta(seconds=0.4)).ensure()) as redis:
        redis.set("assay:x", "kept")
        time.sleep(1.2)
        assert redis.ping()

    assert until(lambda: not EmbeddedServer(home).folder.joinpath("server.pid").exists())
    with client(home) as redis:
        assert b"kept" == redis.get("assay:x")


def test_a_server_whose_home_was_removed_stops_itself(home: Path) -> None:
    """Removing a home leaves no server behind."""
    server = EmbeddedServer(home, idle=timedelta(seconds=1))
    server.ensure()
    pid = server.status().pid
    shutil.rmtree(home)

    assert until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_killed_watch_is_replaced(home: Path) -> None:
    """The next process that attaches brings back a watch that was killed, once."""
    with client(home) as redis:
        watches = [item for item in redis.client_list() if item["name"] == WATCH_NAME]
        assert 1 == len(watches)
        redis.client_kill_filter(_id=watches[0]["id"])
        EmbeddedServer(home).ensure()
        EmbeddedServer(home).ensure()

        assert 1 == [item["name"] for item in redis.client_list()].count(WATCH_NAME)


def test_a_home_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    """A file in the way of the store's folder is a clear error with a way out."""
    home = tmp_path / "home"
    home.write_text("in the way")

    with pytest.raises(StoreUnavailable, match="cannot be used") as caught:
        EmbeddedServer(home).ensure()
    assert "ASSAY_HOME" in caught.value.hint


BECOME_NOBODY = """
import os
import services.store
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become an ordinary user")
def test_an_ordinary_user_is_told_of_a_home_of_somebody_else(tmp_path: Path) -> None:
    """A user who may not write the home is told so."""
    result = subprocess.run(
        [sys.executable, "-c", BECOME_NOBODY + ENSURE, tmp_path / "home"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "StoreUnavailable" in result.stderr
    assert "Permission denied" in result.stderr


def nobody_may_run_python() -> bool:
    """Whether the interpreter is readable for others; a private one in /root is not."""
    try:
        subprocess.run([sys.executable, "-c", ""], user=65534, group=65534, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@pytest.mark.skipif(not nobody_may_run_python(), reason="needs root, and a Python open to all")
def test_an_ordinary_user_has_a_server_too(tmp_path: Path) -> None:
    """The server runs as the user who started it."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    os.chown(tmp_path, 65534, 65534)
    result = subprocess.run(
        [sys.executable, "-c", ENSURE, tmp_path],
        cwd=ROOT,
        user=65534,
        group=65534,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        assert "" == result.stderr
        pid = EmbeddedServer(tmp_path).status().pid
        assert 65534 == Path(f"/proc/{pid}").stat().st_uid
    finally:
        EmbeddedServer(tmp_path).stop()


def test_a_machine_without_a_wheel_is_told_what_to_set(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no embedded server, the error names the setting for another one."""
    monkeypatch.setattr("platform.machine", lambda: "riscv64")

    with pytest.raises(StoreUnavailable, match="riscv64") as caught:
        EmbeddedServer(home).ensure()
    assert "ASSAY_REDIS_URL" in caught.value.hint


def test_a_client_of_a_stopped_server_is_cut_off(home: Path) -> None:
    """Stop ends the server even while clients are connected."""
    with client(home) as redis:
        redis.ping()
        assert EmbeddedServer(home).stop()
        with pytest.raises(Disconnected):
            redis.ping()
