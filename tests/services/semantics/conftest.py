"""Metric queries run on the sample warehouse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from services.evidence import Table
from services.semantics import MetricQuery, compile_query, sample_model
from services.warehouse import Warehouse

Ask: TypeAlias = Callable[[Mapping[str, Any]], Table]
Rows: TypeAlias = Callable[[str], list[tuple[Any, ...]]]

JUNE = "2026-06-30"
SEPTEMBER = "2026-09-30"


@pytest.fixture
def ask(sample_warehouse: Warehouse) -> Ask:
    """Compile a query and run it."""

    def run(query: Mapping[str, Any]) -> Table:
        compiled = compile_query(sample_model(), MetricQuery.model_validate(query))
        columns = {column.name: column for column in compiled.columns}
        return sample_warehouse.execute(compiled.sql, columns=columns, key=compiled.key).table

    return run


@pytest.fixture
def rows(sample_warehouse: Warehouse) -> Rows:
    """Run a statement written by hand."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        return list(zip(*sample_warehouse.execute(sql).table.data, strict=True))

    return run
