"""What tests of several rooms stand on: a real Valkey of their own, which ends with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.store import EmbeddedServer, connect


@pytest.fixture(scope="session")
def valkey_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose embedded server runs for the session, and not longer."""
    home = tmp_path_factory.mktemp("valkey home")
    yield home
    EmbeddedServer(home).stop()
    assert not EmbeddedServer(home).status().running


@pytest.fixture
async def redis(valkey_home: Path) -> AsyncIterator[Redis]:
    """A client of an empty store."""
    async with connect(None, valkey_home) as client:
        await client.flushall()
        yield client
