"""Homes for tests of the doors."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from agent.opening import open_retriever
from agent.runner import Runner
from agent.stores import open_stores
from services.access import _users
from services.settings import load_settings
from services.store import EmbeddedServer
from services.warehouse import build_sample
from tests.agent.homes import Home


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample warehouse, built once; homes copy it."""
    folder = tmp_path_factory.mktemp("sample")
    build_sample(folder)
    return folder


def make_home(folder: Path, sample: Path) -> Home:
    shutil.copytree(sample, folder / "home" / "warehouse")
    return Home(folder)


def close_home(home: Home) -> None:
    server = EmbeddedServer(Path(home.environment["ASSAY_HOME"]))
    server.stop()
    deadline = time.monotonic() + 5
    while server.status().running and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server.status().running


@pytest.fixture
def home(tmp_path: Path, sample: Path) -> Iterator[Home]:
    """A home of one test, with a space in its path; no server outlives it."""
    made = make_home(tmp_path / "a home", sample)
    yield made
    close_home(made)


@pytest.fixture
def make_runner(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AbstractAsyncContextManager[Runner]]:
    """Makes a runner of this process on the home, with settings of the test's own."""
    for name, value in home.environment.items():
        if name.startswith(("ASSAY_", "XDG_")):
            monkeypatch.setenv(name, value)

    @asynccontextmanager
    async def made(**settings: Any) -> AsyncIterator[Runner]:
        chosen = load_settings(**settings)
        async with open_stores(chosen) as stores:
            yield Runner(settings=chosen, stores=stores, open_retriever=open_retriever)

    return made


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of passwords that cost next to nothing, for tests that sign in often."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(_users, "_hasher", lambda: hasher)
    monkeypatch.setattr(_users, "_nobody", _users._nobody.__wrapped__)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Home]:
    """A home that tests share when they only add to it."""
    made = make_home(tmp_path_factory.mktemp("shared home"), sample)
    yield made
    close_home(made)


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Home]:
    """A home of one test file."""
    made = make_home(tmp_path_factory.mktemp("own home"), sample)
    yield made
    close_home(made)


@pytest.fixture
async def own_runner(own_home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runner]:
    """A runner on the test file's home, whose store it finds empty."""
    for name, value in own_home.environment.items():
        if name.startswith(("ASSAY_", "XDG_")):
            monkeypatch.setenv(name, value)
    settings = load_settings()
    async with open_stores(settings) as stores:
        await stores.redis.flushall()
        yield Runner(settings=settings, stores=stores, open_retriever=open_retriever)
