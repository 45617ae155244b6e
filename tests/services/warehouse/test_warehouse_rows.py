"""What DuckDB's values become in evidence."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal

import pytest

from services.errors import QueryTooLarge
from services.evidence import Column, Scalar
from services.warehouse import Warehouse


@pytest.mark.parametrize(
    ("expression", "type_", "value"),
    [
        ("1::TINYINT", "integer", 1),
        ("170141183460469231731687303715884105727::HUGEINT", "integer", 2**127 - 1),
        ("18446744073709551615::UBIGINT", "integer", 2**64 - 1),
        ("sum(1)", "integer", 1),
        ("1.50::DECIMAL(18,2)", "decimal", Decimal("1.50")),
        ("sum(0.1::DECIMAL(18,2))", "decimal", Decimal("0.10")),
        ("0.1::DOUBLE", "double", 0.1),
        ("0.5::FLOAT", "double", 0.5),
        ("'nan'::DOUBLE", "double", None),
        ("'-inf'::DOUBLE", "double", None),
        ("true", "boolean", True),
        ("DATE '2026-09-30'", "date", date(2026, 9, 30)),
        ("TIMESTAMP '2026-09-30 00:00:00'", "date", date(2026, 9, 30)),
        ("TIMESTAMP '2026-09-30 17:45:00'", "string", "2026-09-30T17:45:00"),
        ("NULL::TIMESTAMP", "date", None),
        ("NULL::DECIMAL(18,2)", "decimal", None),
        ("NULL", "string", None),
        ("'text'", "string", "text"),
        ("'b'::ENUM('a', 'b')", "string", "b"),
        ("[1, NULL]", "string", "[1, null]"),
        ("{'a': DATE '2026-09-30'}", "string", '{"a": "2026-09-30"}'),
        ("'\\xAB'::BLOB", "string", "ab"),
        ("TIME '10:30:00'", "string", "10:30:00"),
        ("INTERVAL 2 DAY", "string", "2 days, 0:00:00"),
        ("DATE '0044-03-15 (BC)'", "string", "0044-03-15 (BC)"),
        ("TIMESTAMP '294246-12-31 00:00:00'", "string", "294246-12-31 00:00:00"),
        ("TIMESTAMPTZ '2026-09-30 02:00:00+02'", "date", date(2026, 9, 30)),
        ("TIMETZ '10:00:00+02'", "string", "10:00:00+02:00"),
        ("'x'::UNION(a INT, b VARCHAR)", "string", "x"),
        ("'101'::BIT", "string", "101"),
        ("['\\xAB'::BLOB]", "string", '["ab"]'),
        ("MAP{'k': 1}", "string", '{"k": 1}'),
        ("MAP{[1]: 2}", "string", '{"key": [[1]], "value": [2]}'),
        ("'inf'::FLOAT", "double", None),
        (
            "'550e8400-e29b-41d4-a716-446655440000'::UUID",
            "string",
            "550e8400-e29b-41d4-a716-446655440000",
        ),
        ("'a' || chr(0)", "string", "a\0"),
    ],
)
def test_types_become_column_types(
    warehouse: Warehouse, expression: str, type_: str, value: Scalar
) -> None:
    """Every type of the engine has one column type, and no value is NaN or infinite."""
    table = warehouse.execute(f"SELECT {expression} AS x").table

    assert (type_, ((value,),)) == (table.column("x").type, table.data)


def test_columns_lend_unit_label_and_sensitivity(warehouse: Warehouse) -> None:
    """A result column keeps its own type and takes the rest from the caller."""
    hint = Column(name="total", type="string", unit="EUR", label="Total", sensitivity="public")
    result = warehouse.execute(
        "SELECT 'k' AS name, 1.5::DECIMAL(18,2) AS total", columns={"total": hint}, key=["name"]
    )

    assert (
        Column(name="name", type="string"),
        Column(name="total", type="decimal", unit="EUR", label="Total", sensitivity="public"),
    ) == result.table.columns
    assert Decimal("1.5") == result.table.value("k", "total")


def test_a_repeated_name_gets_a_number(warehouse: Warehouse) -> None:
    """Two result columns of one name can both be cited."""
    table = warehouse.execute("SELECT 1 AS a, 2 AS a, 3 AS a_1").table

    assert ["a", "a_1", "a_1_1"] == [column.name for column in table.columns]


def test_a_date_outside_the_calendar_makes_its_column_text(warehouse: Warehouse) -> None:
    """The other dates of the column are written alike, and gaps stay."""
    sql = "SELECT unnest([DATE '2026-09-30', '10000-01-01'::DATE, NULL]) AS x"
    table = warehouse.execute(sql).table

    assert ("string", (("2026-09-30", "10000-01-01", None),)) == (
        table.column("x").type,
        table.data,
    )


def test_very_many_columns_are_named_in_time(warehouse: Warehouse) -> None:
    """Thousands of one name do not keep the service busy; what is no table is too large."""
    names = ", ".join(["1 AS c"] * 5_000)
    began = time.monotonic()
    table = warehouse.execute(f"SELECT {names}").table

    assert ("c_4999", 5_000) == (table.columns[-1].name, len(table.columns))
    assert time.monotonic() - began < 10
    with pytest.raises(QueryTooLarge):
        warehouse.execute("SELECT " + ", ".join(["1"] * 10_001))


def test_no_rows_still_have_columns(warehouse: Warehouse) -> None:
    """An empty result knows its columns and their types."""
    table = warehouse.execute("SELECT balance FROM syn_loans WHERE false").table

    assert (("decimal",), 0) == (tuple(column.type for column in table.columns), len(table))
