"""The sample warehouse: one identity, real data untouched, synthetic data that hang together."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from services.evidence import Scalar
from services.warehouse import Snapshot, Warehouse
from services.warehouse._sample import sample_tables

IDENTITY = "d5415a59ad5a4abfc590c226496ce06c6d13ba29bb4ff1ef693cf134a84f8301"
PROTECTED = {
    "sex",
    "age",
    "marriage",
    "personal_status_and_sex",
    "age_in_years",
    "foreign_worker",
}


def rows(warehouse: Warehouse, sql: str) -> list[tuple[Scalar, ...]]:
    return list(zip(*warehouse.execute(sql).table.data, strict=True))


def one(warehouse: Warehouse, sql: str) -> Scalar:
    return rows(warehouse, sql)[0][0]


def test_every_build_has_the_same_identity(sample: Snapshot, tmp_path: Path) -> None:
    """Another process, in another time zone and with another hash seed, builds the same snapshot."""
    program = (
        "import sys; from pathlib import Path; from services.warehouse import build_sample; "
        "print(build_sample(Path(sys.argv[1])).id)"
    )
    built = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=os.environ | {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "LC_ALL": "C"},
        cwd=Path(__file__).parents[3],
        check=True,
        capture_output=True,
        text=True,
    )

    assert [IDENTITY, IDENTITY] == [sample.id, built.stdout.strip()]


def test_the_file_is_named_by_its_digest(sample: Snapshot) -> None:
    """Sixteen digits of the snapshot's id name its file, and nothing else is left behind."""
    names = {path.name for path in sample.path.parent.iterdir()}

    assert {f"{sample.id[:16]}.duckdb", "current", ".lock"} == names


def test_every_table_and_column_explains_itself(warehouse: Warehouse) -> None:
    """Each table has a comment, source, terms and date, and each column a comment."""
    catalog = warehouse.catalog()
    silent = [
        (table.name, column.name)
        for table in catalog.tables
        for column in table.columns
        if not column.comment
    ]

    assert [] == silent
    assert all(t.comment and t.source and t.terms and t.as_of for t in catalog.tables)
    assert {"sample"} == {table.origin for table in catalog.tables}


def test_money_has_a_currency(warehouse: Warehouse) -> None:
    """A decimal column has a unit, unless the row itself names its currency."""
    without = [
        column.name
        for table in warehouse.catalog().tables
        for column in table.columns
        if column.type.startswith("DECIMAL") and not column.unit
    ]

    assert ["market_value_ccy"] == without


def test_the_catalog_file_is_the_catalog(warehouse: Warehouse) -> None:
    """What the file in the repository says of a table is what the warehouse tells."""
    told = tuple(t.model_copy(update={"row_count": 0}) for t in warehouse.catalog().tables)

    assert tuple(sorted(sample_tables(), key=lambda table: table.name)) == told


def test_synthetic_tables_are_named_so(warehouse: Warehouse) -> None:
    """A table is synthetic exactly when its name begins with syn_."""
    tables = warehouse.catalog().tables

    assert [t.name for t in tables if t.synthetic] == [
        t.name for t in tables if t.name.startswith("syn_")
    ]


def test_protected_attributes_are_nowhere(warehouse: Warehouse) -> None:
    """Neither the tables nor the Parquet files hold a protected attribute."""
    import duckdb

    import services.warehouse

    folder = Path(services.warehouse.__file__).with_name("sample")
    with duckdb.connect() as connection:
        in_files = {
            str(row[0]).lower().split("_0")[0]
            for path in folder.glob("*.parquet")
            for row in connection.execute(
                "DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]
            ).fetchall()
        }
    in_tables = {column.name for table in warehouse.catalog().tables for column in table.columns}

    assert set() == PROTECTED & (in_files | in_tables)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT count(*) FROM fx_rates", 221_702),
        ("SELECT max(rate_date) FROM fx_rates", date(2026, 10, 30)),
        (
            "SELECT rate_per_eur FROM fx_rates WHERE rate_date = '2026-09-30' AND ccy = 'USD'",
            1.1355,
        ),
        ("SELECT count(DISTINCT tenor) FROM treasury_curve", 11),
        ("SELECT max(curve_date) FROM treasury_curve", date(2017, 3, 29)),
        ("SELECT tenor_years FROM treasury_curve WHERE tenor = '6M' LIMIT 1", 0.5),
        ("SELECT count(*) FROM card_accounts WHERE default_next_month", 6_636),
        ("SELECT count(*) FROM card_accounts WHERE education = 'unknown'", 345),
        ("SELECT count(*) FROM card_history", 180_000),
        ("SELECT count(*) FROM card_history WHERE next_bucket IS NULL", 30_000),
        ("SELECT count(*) FROM small_loans WHERE is_bad", 300),
        (
            "SELECT rate FROM rating_transitions WHERE from_rating = 'AAA' AND to_rating = 'AAA'",
            0.8705,
        ),
    ],
)
def test_real_tables_hold_what_was_published(
    warehouse: Warehouse, query: str, expected: Scalar
) -> None:
    """Counts, dates and values are those of the sources."""
    assert expected == one(warehouse, query)


def test_next_bucket_is_the_bucket_of_the_next_month(warehouse: Warehouse) -> None:
    """The roll of each account agrees with its own later row."""
    query = """
        SELECT count(*) FROM card_history AS a JOIN card_history AS b
        ON a.account_id = b.account_id AND b.month = a.month + INTERVAL 1 MONTH
        WHERE a.next_bucket IS DISTINCT FROM b.bucket
    """

    assert one(warehouse, query) == 0


@pytest.mark.parametrize(
    "violations",
    [
        # Positions are converted at the real rate of their own date.
        """SELECT count(*) FROM syn_positions p JOIN fx_rates r ON r.rate_date = p.as_of AND r.ccy = p.ccy
           WHERE abs(p.market_value_eur - p.market_value_ccy / r.rate_per_eur) > 0.01""",
        "SELECT count(*) FROM syn_positions p ANTI JOIN fx_rates r ON r.rate_date = p.as_of AND r.ccy = p.ccy",
        "SELECT count(*) FROM syn_positions ANTI JOIN syn_desks USING (desk)",
        "SELECT count(*) FROM syn_positions ANTI JOIN syn_counterparties USING (counterparty_id)",
        "SELECT count(*) FROM syn_rate_sensitivities ANTI JOIN syn_desks USING (desk)",
        "SELECT count(*) FROM syn_rate_sensitivities ANTI JOIN treasury_curve USING (tenor)",
        # Exposure follows from its parts.
        """SELECT count(*) FROM syn_counterparty_exposures
           WHERE exposure <> greatest(mark_to_market - collateral, 0) + potential_future_exposure
              OR exposure_limit <= 0 OR potential_future_exposure < 0 OR collateral < 0""",
        # Loans agree with themselves, with their stage, and with their borrower.
        "SELECT count(*) FROM syn_loans WHERE (stage = 3) <> is_defaulted",
        "SELECT count(*) FROM syn_loans WHERE days_past_due >= 90 AND stage <> 3",
        "SELECT count(*) FROM syn_loans WHERE days_past_due > 30 AND stage = 1",
        "SELECT count(*) FROM syn_loans WHERE (stage = 3) <> (pd = 1) OR (stage = 3) <> (grade = 'Default')",
        "SELECT count(*) FROM syn_loans WHERE NOT pd BETWEEN 0 AND 1 OR NOT lgd BETWEEN 0 AND 1 OR eir <= 0",
        "SELECT count(*) FROM syn_loans WHERE balance < 0 OR undrawn < 0 OR allowance < 0 OR remaining_years <= 0",
        "SELECT count(*) FROM syn_loans WHERE NOT exposure_at_default BETWEEN balance AND balance + undrawn",
        "SELECT count(*) FROM syn_loans WHERE allowance > exposure_at_default",
        "SELECT count(*) FROM syn_loans WHERE originated_on >= as_of",
        "SELECT count(*) FROM syn_loans WHERE (segment = 'Corporate') <> (counterparty_id IS NOT NULL)",
        """SELECT count(*) FROM syn_loans l JOIN syn_counterparties c USING (counterparty_id)
           WHERE (l.sector, l.country) <> (c.sector, c.country)""",
        """SELECT count(*) FROM syn_loans a JOIN syn_loans b USING (loan_id)
           WHERE (a.segment, a.originated_on, a.lgd) <> (b.segment, b.originated_on, b.lgd)""",
        # Weighted amounts are amount times weight.
        "SELECT count(*) FROM syn_lcr_flows WHERE abs(weighted - balance * run_off) > 0.01",
        "SELECT count(*) FROM syn_stable_funding WHERE abs(weighted - amount * factor) > 0.01",
        "SELECT count(*) FROM syn_hqla WHERE abs(value_after_haircut - market_value * (1 - haircut)) > 0.01",
        # Limits warn before they are broken.
        "SELECT count(*) FROM syn_limits WHERE (direction = 'max' AND amber > red) OR (direction = 'min' AND amber < red)",
    ],
)  # fmt: skip
def test_synthetic_tables_agree_with_each_other(warehouse: Warehouse, violations: str) -> None:
    """No row breaks the identities that a real bank's books obey."""
    assert one(warehouse, violations) == 0


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("fx_rates", "rate_date, ccy"),
        ("treasury_curve", "curve_date, tenor"),
        ("card_history", "account_id, month"),
        ("rating_transitions", "from_rating, to_rating"),
        ("syn_positions", "as_of, position_id"),
        ("syn_rate_sensitivities", "as_of, desk, tenor"),
        ("syn_counterparties", "counterparty_id"),
        ("syn_counterparty_exposures", "as_of, counterparty_id"),
        ("syn_loans", "as_of, loan_id"),
        ("syn_limits", "limit_id"),
        ("syn_liquidity_flows", "as_of, bucket"),
        ("syn_lcr_flows", "as_of, item, direction"),
        ("syn_hqla", "as_of, asset"),
        ("syn_stable_funding", "as_of, item, side"),
        ("syn_capital", "as_of, item"),
        ("syn_rwa", "as_of, risk_type"),
    ],
)
def test_keys_are_unique(warehouse: Warehouse, table: str, key: str) -> None:
    """No table has two rows of one key."""
    query = f"SELECT count(*) FROM (SELECT {key} FROM {table} GROUP BY ALL HAVING count(*) > 1)"

    assert one(warehouse, query) == 0


def test_snapshot_tables_have_both_quarter_ends(warehouse: Warehouse) -> None:
    """Every synthetic table with an as-of date holds June and September of 2026."""
    tables = [
        table.name
        for table in warehouse.catalog().tables
        if table.synthetic and "as_of" in {column.name for column in table.columns}
    ]
    expected = (date(2026, 6, 30), date(2026, 9, 30))

    assert len(tables) == 10
    for table in tables:
        query = f"SELECT DISTINCT as_of FROM {table} ORDER BY 1"
        assert expected == warehouse.execute(query).table.values("as_of")


def test_the_traps_of_real_books_are_there(warehouse: Warehouse) -> None:
    """Some defaulted loans have no balance left, and some that are current have none drawn."""
    query = """
        SELECT count(*) FILTER (stage = 3), count(*) FILTER (stage < 3), count(*) FILTER (stage = 3 AND days_past_due < 90)
        FROM syn_loans WHERE as_of = '2026-09-30' AND (balance = 0 OR (stage = 3 AND days_past_due < 90))
    """

    assert all(isinstance(count, int) and count > 0 for count in rows(warehouse, query)[0])


@pytest.mark.parametrize(
    ("low", "high", "query"),
    [
        (1.30, 1.50, """
            SELECT (SELECT sum(value_after_haircut) FROM syn_hqla WHERE as_of = $as_of)
                / (SELECT sum(weighted) FILTER (direction = 'outflow') - sum(weighted) FILTER (direction = 'inflow')
                   FROM syn_lcr_flows WHERE as_of = $as_of)"""),
        (1.08, 1.20, """
            SELECT sum(weighted) FILTER (side = 'ASF') / sum(weighted) FILTER (side = 'RSF')
            FROM syn_stable_funding WHERE as_of = $as_of"""),
        (0.13, 0.14, """
            SELECT (SELECT amount FROM syn_capital WHERE item = 'CET1' AND as_of = $as_of)
                / (SELECT sum(rwa) FROM syn_rwa WHERE as_of = $as_of)"""),
        (0.015, 0.030, """
            SELECT sum(balance) FILTER (is_defaulted) / sum(balance) FROM syn_loans WHERE as_of = $as_of"""),
        (19e9, 22e9, "SELECT sum(balance)::DOUBLE FROM syn_loans WHERE as_of = $as_of"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_of", [date(2026, 6, 30), date(2026, 9, 30)])
def test_ratios_are_those_of_a_sound_mid_size_bank(
    warehouse: Warehouse, low: float, high: float, query: str, as_of: date
) -> None:
    """Liquidity, funding, capital and asset quality lie where a reader expects them."""
    value = warehouse.execute(query, {"as_of": as_of}).table.data[0][0]

    assert isinstance(value, float | Decimal)
    assert low <= value <= high


def test_own_funds_are_the_same_wherever_they_appear(warehouse: Warehouse) -> None:
    """Capital and the own funds of stable funding are one number."""
    query = """
        SELECT as_of FROM syn_stable_funding AS f
        WHERE item = 'Own funds' AND amount <> (
            SELECT sum(amount) FROM syn_capital AS c
            WHERE c.as_of = f.as_of AND item <> 'Leverage exposure'
        )
    """

    assert len(warehouse.execute(query).table) == 0


def test_some_counterparties_break_their_limit_and_some_come_near(warehouse: Warehouse) -> None:
    """At the default date two are above the limit, and four between 80 and 100 %."""
    query = """
        SELECT count(*) FILTER (exposure > exposure_limit),
            count(*) FILTER (exposure / exposure_limit BETWEEN 0.8 AND 1)
        FROM syn_counterparty_exposures WHERE as_of = '2026-09-30'
    """

    assert [(2, 4)] == rows(warehouse, query)
