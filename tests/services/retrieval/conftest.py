"""A retriever on the sample warehouse."""

from __future__ import annotations

import pytest

from services.retrieval import Retriever
from services.warehouse import Warehouse


@pytest.fixture(scope="session")
def retriever(sample_warehouse: Warehouse) -> Retriever:
    return Retriever.on(sample_warehouse)
