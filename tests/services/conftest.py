"""The sample warehouse, built once a session, for the tests that read it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.warehouse import Warehouse, build_sample


@pytest.fixture(scope="session")
def sample_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The sample warehouse, open for reading."""
    directory = tmp_path_factory.mktemp("sample warehouse")
    build_sample(directory)
    with Warehouse.open(directory) as warehouse:
        yield warehouse
