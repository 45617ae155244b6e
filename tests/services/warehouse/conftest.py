"""One sample warehouse for the tests of this folder; who changes files takes a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.warehouse import Snapshot, Warehouse, build_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return build_sample(tmp_path_factory.mktemp("sample warehouse"))


@pytest.fixture(scope="session")
def warehouse(sample: Snapshot) -> Iterator[Warehouse]:
    with Warehouse.open(sample.path.parent) as opened:
        yield opened


@pytest.fixture
def own_sample(sample: Snapshot, tmp_path: Path) -> Snapshot:
    """A copy of the sample that a test may damage or add to."""
    directory = tmp_path / "own warehouse"
    shutil.copytree(sample.path.parent, directory)
    return sample.model_copy(update={"path": directory / sample.path.name})
