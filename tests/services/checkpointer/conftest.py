"""Both servers that the checkpointer is made for: the embedded Valkey, and a real Redis 7."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotYet

from services.store import EmbeddedServer, connect

NO_REDIS = "NOT TESTED on Redis 7: there is no redis-server; `make redis` installs it where root and apt are at hand"


class RedisServer:
    """Debian's Redis on a socket in a folder of its own, never a service of the system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            pytest.skip(NO_REDIS)
        self._process = subprocess.Popen(
            [
                *(binary, "--port", "0", "--unixsocket", "redis.sock", "--save", ""),
                *("--appendonly", "yes", "--daemonize", "no", "--logfile", "redis.log"),
            ],
            cwd=self.folder,
        )
        end = time.monotonic() + 10
        with BlockingRedis.from_url(self.url) as client:
            while time.monotonic() < end:
                with suppress(NotYet, FileNotFoundError):
                    if client.ping():
                        return
                time.sleep(0.01)
        pytest.fail("redis-server does not answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis 7 for the session. The path is short, as a socket's must be."""
    with tempfile.TemporaryDirectory(prefix="assay-redis-") as folder:
        server = RedisServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(params=["valkey", "redis"])
def server_url(request: pytest.FixtureRequest) -> str:
    """Each server in turn."""
    if request.param == "redis":
        return request.getfixturevalue("redis_server").url
    return EmbeddedServer(request.getfixturevalue("valkey_home")).ensure()


@pytest.fixture
async def redis(server_url: str) -> AsyncIterator[Redis]:
    """An asyncio client of an empty server."""
    async with connect(server_url, Path()) as client:
        await client.flushall()
        yield client


@pytest.fixture
def blocking(server_url: str, redis: Redis) -> Iterator[BlockingRedis]:
    """A blocking client of the same server."""
    with BlockingRedis.from_url(server_url) as client:
        yield client
