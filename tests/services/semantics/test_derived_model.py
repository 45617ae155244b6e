"""Tables that nobody described can be asked about at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from services.semantics import MetricQuery, compile_query, derive_model, sample_model
from services.warehouse import Catalog, CatalogColumn, CatalogTable, Warehouse

CATALOG = Catalog(
    tables=(
        CatalogTable(
            name="order",
            comment="What was sold",
            columns=(
                CatalogColumn(name="order_id", type="BIGINT"),
                CatalogColumn(name="Sold on", type="DATE"),
                CatalogColumn(name="town", type="VARCHAR", sensitivity="confidential"),
                CatalogColumn(name="price", type="DECIMAL(18,2)", unit="EUR"),
                CatalogColumn(name="weight", type="DOUBLE"),
                CatalogColumn(name="year", type="INTEGER"),
                CatalogColumn(name="paid", type="BOOLEAN"),
            ),
        ),
    )
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(tmp_path / "shop.duckdb") as connection:
        connection.execute(
            'CREATE TABLE "order" (order_id BIGINT, "Sold on" DATE, town VARCHAR, '
            "price DECIMAL(18, 2), weight DOUBLE, year INTEGER, paid BOOLEAN)"
        )
        connection.execute(
            "INSERT INTO \"order\" VALUES (1, '2026-01-05', 'Ulm', 10.50, 0.1, 2026, true), "
            "(2, '2026-01-06', 'Ulm', 4.50, 0.2, 2026, false), "
            "(3, '2026-01-06', 'Bonn', NULL, NULL, 2026, true)"
        )
        yield connection


def test_numbers_that_add_up_become_metrics():
    """Counts, totals and averages are derived; keys and years are not summed."""
    names = [metric.name for metric in derive_model(CATALOG).metrics]

    assert [
        "count_order",
        "total_order_price",
        "average_order_price",
        "total_order_weight",
        "average_order_weight",
    ] == names


def test_the_one_date_is_the_time_field_and_the_rest_are_dimensions():
    """Units, comments and sensitivity come from the catalog."""
    (dataset,) = derive_model(CATALOG).datasets

    assert ("Sold on", False) == (dataset.time_field, dataset.time_is_snapshot)
    assert ["order_id", "Sold on", "town", "year", "paid"] == [
        field.name for field in dataset.fields if field.is_dimension
    ]
    assert ("EUR", "confidential") == (
        dataset.field("price").unit,
        dataset.field("town").sensitivity,
    )


def test_derived_metrics_compile_whatever_the_names(shop: duckdb.DuckDBPyConnection):
    """Reserved words and spaces in names are quoted; averages are of what is known."""
    query = MetricQuery(
        metrics=("count_order", "total_order_price", "average_order_price", "total_order_weight"),
        dimensions=("town",),
    )
    compiled = compile_query(derive_model(CATALOG), query)
    found = [
        tuple(None if value is None else float(value) for value in row[1:])
        for row in shop.execute(compiled.sql).fetchall()
    ]

    assert [(1.0, None, None, None), (2.0, 15.0, 7.5, 0.3)] == found


def test_moments_are_grouped_by_their_day(tmp_path: Path):
    """A timestamp is a date to whoever asks."""
    column = CatalogColumn(name="made at", type="TIMESTAMP")
    model = derive_model(Catalog(tables=(CatalogTable(name="deal", columns=(column,)),)))
    query = MetricQuery.model_validate(
        {"metrics": ["count_deal"], "time_range": {"as_of": "2026-09-30"}}
    )
    with duckdb.connect(tmp_path / "deals.duckdb") as connection:
        connection.execute('CREATE TABLE deal ("made at" TIMESTAMP)')
        connection.execute("INSERT INTO deal VALUES ('2026-09-30 17:45'), ('2026-10-01 00:00')")

        assert [(1,)] == connection.execute(compile_query(model, query).sql).fetchall()


def test_the_sample_keeps_its_own_model(sample_warehouse: Warehouse):
    """Tables that the sample's model describes are described as it does."""
    assert sample_model() == derive_model(sample_warehouse.catalog())


def test_user_tables_stand_beside_the_sample(sample_warehouse: Warehouse):
    """A loaded table adds its metrics and takes nothing away."""
    tables = (*sample_warehouse.catalog().tables, *CATALOG.tables)
    model = derive_model(Catalog(tables=tables))

    assert sample_model().metrics == model.metrics[: len(sample_model().metrics)]
    assert model.has_metric("total_order_price")


def test_a_table_that_only_shares_a_name_is_not_taken_for_the_sample():
    """Without the columns of the sample's table, a table is described by its own."""
    table = CATALOG.tables[0].model_copy(update={"name": "syn_loans"})
    model = derive_model(Catalog(tables=(table,)))

    assert not model.has_metric("loan_balance")
    assert model.has_metric("total_syn_loans_price")
