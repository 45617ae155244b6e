"""On a server that is a cluster's, which refuses a script whose keys lie in two slots."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis
from redis.exceptions import ConnectionError as NotYet
from redis.exceptions import ResponseError

from services.checkpointer import Fence, make_checkpointer
from services.store import connect
from services.store._embedded import server_binary
from tests.services.checkpointer.conftest import NO_REDIS
from tests.services.checkpointer.test_conformance import validated
from tests.services.checkpointer.threads import LONG, at, listed, put


@pytest.fixture(params=["valkey", "redis"])
def cluster_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A cluster of one node that has all the slots."""
    binary = str(server_binary()) if request.param == "valkey" else shutil.which("redis-server")
    if binary is None:
        pytest.skip(NO_REDIS)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as free:
        bus = free.getsockname()[1]
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--logfile", "log"]
    process = subprocess.Popen(command, cwd=tmp_path)
    try:
        with BlockingRedis(port=port) as client:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                with suppress(NotYet, ResponseError):
                    if "ok" == client.execute_command("CLUSTER INFO")["cluster_state"]:
                        break
                    client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
                time.sleep(0.05)
            else:
                pytest.fail("the cluster does not come up")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


async def test_each_operation_stays_in_one_slot(cluster_url: str) -> None:
    """The whole suite passes there, copies between slots too."""
    async with connect(cluster_url, Path()) as redis:
        with pytest.raises(Exception, match=r"hash to the same slot|CROSSSLOT"):
            await redis.mset({"a": 1, "b": 2})

        await validated(make_checkpointer(redis))


async def test_a_fence_in_the_thread_s_slot_works(cluster_url: str) -> None:
    """A fence key with the thread's name in braces may be compared by the thread's scripts."""
    async with connect(cluster_url, Path()) as redis:
        await redis.set("assay:fence:{r-1}", 5)
        saver = make_checkpointer(redis, fence=Fence(key="assay:fence:{r-1}", token=5))
        await put(saver, at(), text=LONG)

        assert 1 == len(await listed(saver))
