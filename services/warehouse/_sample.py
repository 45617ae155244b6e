"""Builds the sample warehouse: real tables from Parquet, synthetic ones from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ._catalog import CatalogColumn, CatalogTable, create_metadata_schema, quoted, write_metadata
from ._errors import writing_errors
from ._snapshots import Snapshot, building, publish
from ._synthetic_values import QUARTER_ENDS, Rows
from ._writing import seal, writable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SAMPLE: Final = Path(__file__).with_name("sample")

# How each real table is made from its Parquet file, in the column order of the catalog.
_REAL: Final = {
    "fx_rates": (
        "SELECT date::DATE, ccy, rate_per_eur FROM read_parquet($folder || '/fx_rates.parquet') "
        "ORDER BY date, ccy"
    ),
    "treasury_curve": """
        SELECT
            date::DATE,
            replace(replace(tenor, 'month', 'M'), 'year', 'Y'),
            round(regexp_extract(tenor, '[0-9]+')::INTEGER / if(tenor LIKE '%month', 12, 1), 6)
                AS tenor_years,
            par_yield
        FROM read_parquet($folder || '/treasury_curve.parquet')
        ORDER BY date, tenor_years
    """,
    "card_accounts": """
        SELECT
            ID,
            LIMIT_BAL,
            CASE
                WHEN EDUCATION_1 = 1 THEN 'graduate school'
                WHEN EDUCATION_2 = 1 THEN 'university'
                WHEN EDUCATION_3 = 1 THEN 'high school'
                WHEN EDUCATION_4 = 1 THEN 'other'
                ELSE 'unknown'
            END,
            BILL_AMT1,
            PAY_AMT1,
            PAY_0,
            "default-payment-next-month" = 1
        FROM read_parquet($folder || '/card_default.parquet')
        ORDER BY ID
    """,
    "card_history": """
        WITH accounts AS (
            SELECT
                ID,
                [PAY_6, PAY_5, PAY_4, PAY_3, PAY_2, PAY_0] AS status,
                [BILL_AMT6, BILL_AMT5, BILL_AMT4, BILL_AMT3, BILL_AMT2, BILL_AMT1] AS bill,
                [PAY_AMT6, PAY_AMT5, PAY_AMT4, PAY_AMT3, PAY_AMT2, PAY_AMT1] AS paid
            FROM read_parquet($folder || '/card_default.parquet')
        ),
        months AS (
            SELECT
                ID,
                make_date(2005, 3 + n, 1) AS month,
                status[n] AS status,
                CASE
                    WHEN status[n] <= 0 THEN 'current'
                    WHEN status[n] = 1 THEN '1 month'
                    WHEN status[n] = 2 THEN '2 months'
                    ELSE '3+ months'
                END AS bucket,
                bill[n] AS bill,
                paid[n] AS paid
            FROM accounts, (SELECT unnest([1, 2, 3, 4, 5, 6]) AS n)
        )
        SELECT ID, month, status, bucket,
            lead(bucket) OVER (PARTITION BY ID ORDER BY month), bill, paid
        FROM months
        ORDER BY ID, month
    """,
    "small_loans": """
        SELECT
            loan_id,
            purpose,
            status_of_existing_checking_account,
            savings_account_and_bonds,
            credit_history,
            present_employment_since,
            duration_in_month,
            credit_amount,
            round(installment_rate_in_percentage_of_disposable_income / 100, 2),
            other_debtors_or_guarantors,
            property,
            other_installment_plans,
            housing,
            number_of_existing_credits_at_this_bank,
            job,
            creditability = 'bad'
        FROM read_parquet($folder || '/german_credit.parquet')
        ORDER BY loan_id
    """,
    "rating_transitions": """
        SELECT from_rating, to_rating, round(pct / 100, 6)
        FROM read_parquet($folder || '/sp_transition_1y.parquet')
        ORDER BY from_rating, to_rating
    """,
}


def build_sample(directory: Path) -> Snapshot:
    """
    Build the sample warehouse in *directory*, make it current, and return its snapshot.

    Every build has the same snapshot id, though the bytes of the file differ.
    """
    with building(directory) as temporary, writing_errors(str(directory)):
        with writable(temporary) as connection:
            create_metadata_schema(connection)
            _fill(connection)
            digest = seal(connection)
        return publish(temporary, directory, digest)


def sample_tables() -> tuple[CatalogTable, ...]:
    """The tables of the sample warehouse, as its catalog file tells them."""
    document = _document("catalog.yaml")
    return tuple(
        _catalog_table(name, entry, document["sources"][entry["from"]])
        for name, entry in document["tables"].items()
    )


def _catalog_table(name: str, entry: Mapping[str, Any], source: Mapping[str, Any]) -> CatalogTable:
    return CatalogTable(
        name=name,
        comment=entry["comment"],
        origin="sample",
        source=source["source"],
        terms=source["terms"],
        synthetic=source.get("synthetic", False),
        as_of=source["as_of"],
        columns=tuple(
            CatalogColumn(
                name=column,
                type=type_,
                unit=unit,
                comment=comment,
                sensitivity=sensitivity[0] if sensitivity else source["sensitivity"],
            )
            for column, (type_, unit, comment, *sensitivity) in entry["columns"].items()
        ),
    )


def _fill(connection: DuckDBPyConnection) -> None:
    from ._synthetic import synthetic_tables

    tables = {table.name: table for table in sample_tables()}
    for table in tables.values():
        columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in table.columns)
        connection.execute(f"CREATE TABLE {quoted(table.name)} ({columns})")
    for name, query in _REAL.items():
        connection.execute(f"INSERT INTO {quoted(name)} {query}", {"folder": str(_SAMPLE)})
    for name, rows in synthetic_tables(_document("bank.yaml"), _rates(connection)).items():
        _insert(connection, tables[name], rows)
    for table in tables.values():
        write_metadata(connection, table)


def _rates(connection: DuckDBPyConnection) -> dict[tuple[date, str], Decimal]:
    query = "SELECT rate_date, ccy, rate_per_eur::VARCHAR FROM fx_rates WHERE rate_date IN (?, ?)"
    found = connection.execute(query, list(QUARTER_ENDS)).fetchall()
    return {(rate_date, ccy): Decimal(rate) for rate_date, ccy, rate in found}


def _insert(connection: DuckDBPyConnection, table: CatalogTable, rows: Rows) -> None:
    """Insert *rows* as text that DuckDB casts: one scan, and exact for every type."""
    import numpy as np

    texts = {
        f"c{index}": np.array([None if value is None else str(value) for value in values], object)
        for index, values in enumerate(zip(*rows, strict=True))
    }
    connection.register("incoming", texts)
    casts = ", ".join(f"c{index}::{column.type}" for index, column in enumerate(table.columns))
    connection.execute(f"INSERT INTO {quoted(table.name)} SELECT {casts} FROM incoming")  # noqa: S608
    connection.unregister("incoming")


def _document(name: str) -> Any:
    import yaml

    return yaml.safe_load((_SAMPLE / name).read_text(encoding="utf-8"))
