"""The sections on the real sample warehouse: planned, retrieved through the guard, analysed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from services.analysis.computations import COMPUTATIONS
from services.analysis.context import Exhibit, SectionContext
from services.analysis.templates import load_template, plan_report
from services.evidence import Table, make_evidence
from services.retrieval import Retriever
from services.warehouse import Warehouse, build_sample

AS_OF, PREVIOUS = date(2026, 9, 30), date(2026, 6, 30)
Edit = Callable[[str, Table], Table]


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    home = tmp_path_factory.mktemp("sample")
    build_sample(home)
    with Warehouse.open(home) as opened:
        yield opened


@pytest.fixture(scope="session")
def rows(warehouse: Warehouse) -> Callable[[str], list[tuple[Any, ...]]]:
    """Rows of a statement of the test's own, independent of the semantic model."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in warehouse.execute(sql).table.rows()]

    return run


@pytest.fixture(scope="session")
def section(warehouse: Warehouse) -> Callable[..., SectionContext]:
    """Makes the context of a section; `edit` changes a query's table before it is evidence."""
    retriever = Retriever.on(warehouse)
    known: dict[str, Exhibit] = {}

    def retrieved(query: Any, as_of: date) -> Exhibit:
        key = json.dumps([query, str(as_of)], sort_keys=True, default=str)
        if key not in known:
            known[key] = Exhibit(*retriever.retrieve(query, as_of=as_of))
        return known[key]

    def make(
        name: str, edit: Edit = lambda _, table: table, *, previous: date | None = PREVIOUS
    ) -> SectionContext:
        plan = plan_report(load_template("quarterly"), as_of=AS_OF, previous=previous)
        part = plan.section(name)
        return SectionContext(
            section=part.id,
            title=part.title,
            as_of=AS_OF,
            previous=previous,
            snapshot=warehouse.snapshot.id,
            exhibits={
                alias: edited(retrieved(query, AS_OF), alias, edit)
                for alias, query in part.queries.items()
            },
            computations=COMPUTATIONS,
        )

    return make


def edited(exhibit: Exhibit, alias: str, edit: Edit) -> Exhibit:
    """*exhibit* with its table changed: evidence of its own."""
    table, old = edit(alias, exhibit.table), exhibit.evidence
    if table is exhibit.table:
        return exhibit
    evidence = make_evidence(
        table,
        source=old.source,
        snapshot=old.snapshot,
        as_of=old.as_of,
        sql=old.sql,
        tables=old.tables,
    )
    return Exhibit(evidence, table)
