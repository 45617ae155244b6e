"""A store that is away is an error, and never an empty thread."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from services.checkpointer import make_checkpointer
from services.errors import StoreUnavailable
from services.store import EmbeddedServer, connect
from tests.services.checkpointer.conftest import RedisServer
from tests.services.checkpointer.threads import THREAD, at, listed, put, state, words_graph


class Valkey:
    """The embedded server, started and stopped by hand."""

    def __init__(self, home: Path) -> None:
        self._server = EmbeddedServer(home)
        self.url = ""

    def start(self) -> None:
        self.url = self._server.ensure()

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture(params=["valkey", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[Valkey | RedisServer]:
    """A server of this test alone, which it may stop and start."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        server = (Valkey if request.param == "valkey" else RedisServer)(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


async def test_an_outage_raises_and_passes(server: Valkey | RedisServer) -> None:
    """While the server is away every operation says so; when it is back, all goes on."""
    async with Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as redis:
        saver = make_checkpointer(redis)
        graph = words_graph(saver)
        before = await graph.ainvoke({"words": []}, THREAD, durability="sync")
        server.stop()
        checkpoint: Any = state(text="late")
        answers = await asyncio.gather(
            saver.aget_tuple(at()),
            listed(saver),
            saver.alist(None).__anext__(),
            saver.aput(at(), checkpoint, {}, {"text": 1}),
            saver.aput_writes(at("1"), [("text", "x")], "task"),
            saver.adelete_thread("r-1"),
            saver.acopy_thread("r-1", "r-2"),
            saver.aprune(["r-1"]),
            graph.ainvoke({"words": ["late"]}, THREAD, durability="sync"),
            return_exceptions=True,
        )
        server.start()
        after = await graph.ainvoke({"words": ["again"]}, THREAD, durability="sync")

    assert [StoreUnavailable] * 9 == [type(answer) for answer in answers]
    assert ["added", "added"] == before["words"]
    assert ["again", "added", "added"] == after["words"]


async def test_a_short_outage_is_ridden_out(server: Valkey | RedisServer) -> None:
    """A server that is back within a second is waited for, in the middle of a run."""
    async with connect(server.url, Path()) as redis:
        saver = make_checkpointer(redis)
        await put(saver, at(), text="early")
        server.stop()
        later = asyncio.create_task(asyncio.to_thread(server.start))
        found = await saver.aget_tuple(at())
        await later

    assert found is not None
    assert "early" == found.checkpoint["channel_values"]["text"]


def test_the_blocking_half_raises_too(server: Valkey | RedisServer) -> None:
    """Without asyncio an outage is the same error."""
    with BlockingRedis.from_url(server.url) as client:
        saver = make_checkpointer(blocking=client)
        assert None is saver.get_tuple(at())
        server.stop()

        with pytest.raises(StoreUnavailable):
            saver.get_tuple(at())
        with pytest.raises(StoreUnavailable):
            list(saver.list(None))
