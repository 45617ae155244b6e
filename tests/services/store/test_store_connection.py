"""The client: which URLs it takes, and what the errors of the server become."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from redis import exceptions as foreign

from services.errors import SettingInvalid, StoreUnavailable
from services.store import EmbeddedServer, connect, redis_errors
from services.store._connection import _translate

BUGS = {
    "ResponseError",
    "RedisError",
    "DataError",
    "PubSubError",
    "WatchError",
    "NoScriptError",
    "ExecAbortError",
    "ModuleError",
    "NoSuchFieldsetError",
    "LockError",
    "LockNotOwnedError",
    "AuthenticationWrongNumberOfArgsError",
    "ClusterError",
    "AskError",
    "MovedError",
    "ClusterCrossSlotError",
}
"""What only our own mistakes can cause, and must not look like an outage."""


@pytest.mark.parametrize("scheme", ["unix", "valkey", "redis", "rediss", "valkeys"])
async def test_every_known_scheme_is_taken(scheme: str, tmp_path: Path) -> None:
    """Redis and Valkey schemes make a client; nothing is sent before the first command."""
    client = connect(f"{scheme}://localhost:6379/3", tmp_path)
    await client.aclose()
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("url", ["localhost:6379", "http://x", "redis://host:port", ""])
def test_other_urls_are_refused_as_settings(url: str, tmp_path: Path) -> None:
    """What is no URL of a server is an invalid setting, and is not repeated in the message."""
    with pytest.raises(SettingInvalid, match="not understood"):
        connect(url, tmp_path)


async def test_a_url_reaches_the_server_it_names(valkey_home: Path, tmp_path: Path) -> None:
    """A unix URL attaches to a server that runs, without starting another."""
    async with connect(EmbeddedServer(valkey_home).ensure(), tmp_path) as client:
        assert await client.ping()
    assert not (tmp_path / "store").exists()


async def test_a_server_that_is_away_is_unavailable_within_seconds(tmp_path: Path) -> None:
    """A refused connection is tried again for a moment, then reported in our words."""
    begun = time.monotonic()
    async with connect("redis://127.0.0.1:1/0", tmp_path) as client:
        with pytest.raises(StoreUnavailable, match="does not answer"), redis_errors():
            await client.ping()

    assert time.monotonic() - begun < 4


async def test_a_client_brings_a_killed_server_back(home: Path) -> None:
    """A client that holds a connection rides out kill -9 of the embedded server."""
    async with connect(None, home) as client:
        await client.set("assay:x", "kept")
        await client.execute_command("WAITAOF", 1, 0, 5000)
        first = EmbeddedServer(home).status().pid
        os.kill(first, signal.SIGKILL)

        assert b"kept" == await client.get("assay:x")
    assert first != EmbeddedServer(home).status().pid


async def test_a_cancelled_command_is_cancelled(redis) -> None:
    """A task that is told to stop stops, whatever it is waiting for."""

    async def work() -> None:
        while True:
            await redis.ping()

    for delay in range(40):
        task = asyncio.create_task(work())
        await asyncio.sleep(delay / 20_000)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=1)

        assert {task} == done


async def test_a_silent_server_is_unavailable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs is given up once patience is over."""
    monkeypatch.setattr("services.store._connection._ANSWER_SECONDS", 0.2)
    async with connect(None, home, patience=timedelta(seconds=1)) as client:
        await client.ping()
        pid = EmbeddedServer(home).status().pid
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable, match="in time"), redis_errors():
                await client.ping()

            assert 0.2 < time.monotonic() - begun < 3
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_why_the_embedded_server_is_absent_is_told(home: Path) -> None:
    """A client whose server cannot start raises the supervisor's own reason."""
    home.write_text("in the way")
    async with connect(None, home) as client:
        with pytest.raises(StoreUnavailable, match="cannot be used"), redis_errors():
            await client.ping()
    home.unlink()


async def test_a_wrong_password_is_named(home: Path) -> None:
    """Credentials that are not accepted are reported as that, and never shown."""
    async with connect(None, home) as client:
        await client.config_set("requirepass", "right")
    url = f"unix://{home}/store/server.sock?password=guessed"
    async with connect(url, home) as client:
        with pytest.raises(StoreUnavailable, match="name or password") as caught, redis_errors():
            await client.ping()
    assert "guessed" not in str(caught.value)


async def test_a_server_out_of_memory_or_disk_is_unavailable(home: Path) -> None:
    """A full server is an outage with a way out; it is no bug."""
    async with connect(None, home) as client:
        await client.config_set("maxmemory", "1mb")
        with pytest.raises(StoreUnavailable, match="no memory left"), redis_errors():
            await client.set("assay:x", b"x" * 2_000_000)

    unwritable = foreign.ResponseError("MISCONF Errors writing to the AOF file: No space left")
    assert "disk" in str(_translate(unwritable))


async def test_our_own_mistakes_stay_bugs(redis) -> None:
    """A command on the wrong type passes the seam unchanged."""
    await redis.set("assay:x", "1")

    with pytest.raises(foreign.ResponseError, match="WRONGTYPE"), redis_errors():
        await redis.lpush("assay:x", "1")


def test_every_foreign_error_is_translated_or_known_as_a_bug() -> None:
    """No error of the client library was overlooked."""
    errors = {
        name: error
        for name, error in vars(foreign).items()
        if inspect.isclass(error) and issubclass(error, foreign.RedisError)
    }
    untranslated = {
        name for name, error in errors.items() if _translate(error.__new__(error)) is None
    }

    assert BUGS == untranslated
