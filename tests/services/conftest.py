"""What tests of several services stand on: the sample warehouse, and a model server of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.warehouse import Warehouse, build_sample
from tests.services.model_server import ModelServer, serving


@pytest.fixture(scope="session")
def sample_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The sample warehouse, open for reading."""
    directory = tmp_path_factory.mktemp("sample warehouse")
    build_sample(directory)
    with Warehouse.open(directory) as warehouse:
        yield warehouse


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A server that answers what the test puts into it."""
    with serving() as server:
        yield server
