"""A user's own tables: what is taken over, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import (
    AssayError,
    FileUnreadable,
    InputConflict,
    NotFound,
    SnapshotGone,
    WarehouseBusy,
    WarehouseUnreadable,
)
from services.evidence import Scalar
from services.warehouse import Snapshot, Warehouse, current_snapshot, load_files
from services.warehouse._names import plain_name


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def database(path: Path, *statements: str) -> Path:
    with duckdb.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def loaded(snapshot: Snapshot, sql: str) -> list[tuple[Scalar, ...]]:
    with Warehouse.open(snapshot.path.parent, snapshot.id) as warehouse:
        return list(zip(*warehouse.execute(sql).table.data, strict=True))


def test_a_csv_becomes_a_table_beside_the_sample(own_sample: Snapshot, tmp_path: Path) -> None:
    """The file's name names the table, headings name columns, brackets give units."""
    file = write(tmp_path / "Our Book.csv", "Trade Date,Größe [EUR],ok\n2026-09-30,1.5,true\n")
    snapshot = load_files(own_sample.path.parent, [file])
    with Warehouse.open(own_sample.path.parent) as warehouse:
        table = warehouse.catalog().table("our_book")
        rows = list(warehouse.execute("SELECT * FROM our_book").table.rows())
        assert len(warehouse.catalog().tables) == 21

    assert [{"trade_date": date(2026, 9, 30), "grosse": 1.5, "ok": True}] == rows
    assert [("trade_date", "", "Trade Date"), ("grosse", "EUR", "Größe"), ("ok", "", "")] == [
        (column.name, column.unit, column.comment) for column in table.columns
    ]
    assert ("user", "Our Book.csv", False, 1) == (
        table.origin, table.source, table.synthetic, table.row_count,
    )  # fmt: skip
    assert snapshot == current_snapshot(own_sample.path.parent)


def test_the_earlier_snapshot_stays(own_sample: Snapshot, tmp_path: Path) -> None:
    """A run pinned to the snapshot before the load still finds it."""
    load_files(own_sample.path.parent, [write(tmp_path / "a.csv", "x\n1\n")])

    assert [(60,)] == loaded(own_sample, "SELECT count(*) FROM syn_counterparties")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("semicolon.csv", "a;b\n1;2,5\n"),
        ("pipe.csv", "a|b\n1|2,5\n"),
        ("tab.tsv", "a\tb\n1\t2,5\n"),
        ("bom.csv", "\ufeffa;b\r\n1;2,5\r\n"),
        ("quoted.csv", 'a,b\n1,"2,5"\n'),
    ],
)
def test_the_header_tells_the_separator(tmp_path: Path, name: str, content: str) -> None:
    """Commas, semicolons, bars and tabs all separate."""
    snapshot = load_files(tmp_path / "home", [write(tmp_path / name, content)])

    assert [(1, "2,5")] == loaded(snapshot, f"SELECT a, b FROM {Path(name).stem}")


def test_a_path_with_pattern_characters_is_one_file(tmp_path: Path) -> None:
    """Stars, brackets, quotes and spaces in a path are no pattern and no SQL."""
    folder = tmp_path / "it's [a] *folder*"
    folder.mkdir()
    write(folder / "other.csv", "x\n9\n")
    snapshot = load_files(tmp_path / "home", [write(folder / "*.csv", "x\n1\n")])

    assert [(1,)] == loaded(snapshot, "SELECT x FROM n")


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    """Decimals and dates come over exactly; moments are kept in UTC."""
    file = tmp_path / "book.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT 1.25::DECIMAL(18,2) AS amount, DATE '2026-09-30' AS day, "
            f"TIMESTAMPTZ '2026-09-30 01:30:00+02' AS moment) TO '{file}' (FORMAT parquet)"
        )
    snapshot = load_files(tmp_path / "home", [file])

    assert [(Decimal("1.25"), date(2026, 9, 30), "2026-09-29T23:30:00")] == loaded(
        snapshot, "SELECT * FROM book"
    )


def test_a_duckdb_file_gives_its_tables_and_their_comments(tmp_path: Path) -> None:
    """Tables of every schema come over with comments and units; views stay behind."""
    file = database(
        tmp_path / "bank.duckdb",
        "CREATE SCHEMA other",
        "CREATE TABLE deals (amount DECIMAL(18,2), kind ENUM('a', 'b'))",
        "INSERT INTO deals VALUES (1.5, 'b')",
        "COMMENT ON TABLE deals IS 'Deals of the day'",
        "COMMENT ON COLUMN deals.amount IS 'Amount agreed [USD]'",
        "CREATE TABLE other.rates AS SELECT 0.5 AS rate",
        "CREATE VIEW seen AS SELECT * FROM deals",
    )
    snapshot = load_files(tmp_path / "home", [file])
    with Warehouse.open(snapshot.path.parent) as warehouse:
        catalog = warehouse.catalog()

    assert ["deals", "rates"] == [table.name for table in catalog.tables]
    amount = catalog.table("deals").column("amount")
    assert ("Deals of the day", "Amount agreed", "USD", "VARCHAR") == (
        catalog.table("deals").comment,
        amount.comment,
        amount.unit,
        catalog.table("deals").column("kind").type,
    )


def test_rows_that_were_not_yet_written_back_are_loaded(tmp_path: Path) -> None:
    """A DuckDB file with a write-ahead log beside it gives what was committed."""
    file = tmp_path / "live.duckdb"
    connection = duckdb.connect(file)
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    connection.execute("CREATE TABLE deals AS SELECT 7 AS x")
    connection.close()
    assert file.with_name("live.duckdb.wal").exists()

    assert [(7,)] == loaded(load_files(tmp_path / "home", [file]), "SELECT x FROM deals")


def test_loading_again_replaces_the_users_table(tmp_path: Path) -> None:
    """The second load of a name wins, and the first content comes back under its own digest."""
    home = tmp_path / "home"
    first = load_files(home, [write(tmp_path / "a.csv", "x\n1\n")])
    second = load_files(home, [write(tmp_path / "a.csv", "y\n2\n3\n")])
    third = load_files(home, [write(tmp_path / "a.csv", "x\n1\n")])

    assert [(2,), (3,)] == loaded(second, "SELECT y FROM a ORDER BY 1")
    assert first == third != second


def test_a_load_can_start_from_another_snapshot(tmp_path: Path) -> None:
    """`base` decides what the new snapshot holds besides the files."""
    home = tmp_path / "home"
    base = load_files(home, [write(tmp_path / "a.csv", "x\n1\n")])
    load_files(home, [write(tmp_path / "b.csv", "x\n1\n")])
    snapshot = load_files(home, [write(tmp_path / "c.csv", "x\n1\n")], base=base)
    with Warehouse.open(home, snapshot.id) as warehouse:
        names = [table.name for table in warehouse.catalog().tables]

    assert ["a", "c"] == names


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", ""),
        ("header.csv", "a,b\n"),
        ("ragged.csv", "a,b\n1,2\n3,4,5\n"),
        ("short.csv", "a,b\n1,2\n3\n"),
        ("prose.csv", "only some text\nand, here, more\n"),
        ("quote.csv", 'a,b\n1,"x\n2,3\n'),
        ("utf16.csv", "a,b\n1,2\n".encode("utf-16")),
        ("binary.csv", bytes(range(256)) * 40),
        ("text.parquet", "a,b\n1,2\n"),
        ("magic.parquet", b"PAR1" + b"\x00" * 100 + b"PAR1"),
        ("text.duckdb", "a,b\n1,2\n" * 3_000),
        ("sqlite.db", b"SQLite format 3\x00" + b"\x00" * 5_000),
        ("book.xlsx", b"PK\x03\x04"),
        ("none", "a,b\n1,2\n"),
    ],
)
def test_a_file_that_is_not_what_it_claims_changes_nothing(
    tmp_path: Path, name: str, content: str | bytes
) -> None:
    """The error names the file, and the warehouse stays as it was."""
    home = tmp_path / "home"
    earlier = load_files(home, [write(tmp_path / "earlier.csv", "x\n1\n")])
    before = sorted(path.name for path in home.iterdir())
    good = write(tmp_path / "good.csv", "x\n1\n")
    with pytest.raises(FileUnreadable, match=name):
        load_files(home, [good, write(tmp_path / name, content)])

    assert before == sorted(path.name for path in home.iterdir())
    assert earlier == current_snapshot(home)


def test_the_line_that_does_not_fit_is_named(tmp_path: Path) -> None:
    """A mistake far down in a file can be found."""
    content = "a,b\n" + "1,2\n" * 30_000 + "3\n"
    with pytest.raises(FileUnreadable, match="line 30002"):
        load_files(tmp_path / "home", [write(tmp_path / "long.csv", content)])


def test_a_database_without_tables_is_unreadable(tmp_path: Path) -> None:
    """There is nothing to load from it."""
    with pytest.raises(FileUnreadable, match="no table"):
        load_files(tmp_path / "home", [database(tmp_path / "void.duckdb")])


def test_a_database_that_is_open_for_writing_is_busy(tmp_path: Path) -> None:
    """Another try may work once its owner has closed it."""
    import subprocess
    import sys

    file = database(tmp_path / "held.duckdb", "CREATE TABLE t AS SELECT 1 AS x")
    program = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(WarehouseBusy):
            load_files(tmp_path / "home", [file])
        holder.communicate(timeout=120)


@pytest.mark.parametrize("name", ["fx_rates.csv", "FX Rates.csv", "syn_more.csv", "sqlite_master.csv", "pg_class.csv"])  # fmt: skip
def test_reserved_names_are_refused(own_sample: Snapshot, tmp_path: Path, name: str) -> None:
    """A user's table can neither replace the sample nor pass for it or for the engine's own."""
    with pytest.raises(InputConflict):
        load_files(own_sample.path.parent, [write(tmp_path / name, "x\n1\n")])


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """Neither wins silently."""
    files = [write(tmp_path / "a b.csv", "x\n1\n"), write(tmp_path / "A-B.csv", "x\n2\n")]
    with pytest.raises(InputConflict):
        load_files(tmp_path / "home", files)


def test_what_is_not_there_is_said(own_sample: Snapshot, tmp_path: Path) -> None:
    """No file, a missing file, a folder, and a base that is gone."""
    home = own_sample.path.parent
    with pytest.raises(FileUnreadable):
        load_files(home, [])
    for missing in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(NotFound):
            load_files(home, [missing])
    gone = own_sample.model_copy(update={"id": "0" * 64})
    with pytest.raises(SnapshotGone):
        load_files(home, [write(tmp_path / "a.csv", "x\n1\n")], base=gone)


def test_a_damaged_base_is_unreadable(own_sample: Snapshot, tmp_path: Path) -> None:
    """The fault is the warehouse's, not the file's that was to be loaded."""
    own_sample.path.write_bytes(b"damaged" * 1_000)
    with pytest.raises(WarehouseUnreadable):
        load_files(own_sample.path.parent, [write(tmp_path / "a.csv", "x\n1\n")])


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_name_becomes_a_plain_one(text: str) -> None:
    """Lower-case ASCII that begins with a letter; a plain name stays itself."""
    name = plain_name(text)

    assert name.isascii()
    assert name[0].isalpha()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert name == plain_name(name)


@settings(max_examples=8, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_load_or_end_in_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Whatever a file holds, nothing but our own errors come out."""
    folder = tmp_path_factory.mktemp("any")
    named = []
    for name in ("a.csv", "b.parquet", "c.duckdb"):
        try:
            load_files(folder / "home", [write(folder / name, content)])
        except AssayError as error:
            named.append(name in str(error))

    assert all(named)
