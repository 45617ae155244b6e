"""Snapshots: one digest for one content, and files that are whole or not there."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import OutputUnwritable
from services.warehouse import Snapshot, Warehouse, build_sample, current_snapshot, load_files
from services.warehouse._catalog import (
    CatalogColumn,
    CatalogTable,
    create_metadata_schema,
    write_metadata,
)
from services.warehouse._digest import logical_digest

ROOT = Path(__file__).parents[3]

LOAD = (
    "import sys; from pathlib import Path; from services.warehouse import load_files; "
    "load_files(Path(sys.argv[1]), [Path(sys.argv[2])])"
)
BUILD = (
    "import sys; from pathlib import Path; from services.warehouse import build_sample; "
    "build_sample(Path(sys.argv[1]))"
)

Row = tuple[str | None, float | None, int | None]


def digest_of(rows: list[Row], *, comment: str = "c", unit: str = "EUR", name: str = "t") -> str:
    with duckdb.connect() as connection:
        create_metadata_schema(connection)
        connection.execute(f"CREATE TABLE {name} (s VARCHAR, d DOUBLE, i BIGINT)")
        if rows:
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", rows)
        columns = (
            CatalogColumn(name="s", type="VARCHAR"),
            CatalogColumn(name="d", type="DOUBLE", unit=unit, comment=comment),
            CatalogColumn(name="i", type="BIGINT"),
        )
        write_metadata(connection, CatalogTable(name=name, columns=columns))
        return logical_digest(connection)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=4)
floats = st.floats(allow_nan=False)
integers = st.integers(-(2**63), 2**63 - 1)
rows = st.lists(st.tuples(st.none() | texts, st.none() | floats, st.none() | integers), max_size=8)


@settings(max_examples=15, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_count(rows: list[Row], random: object) -> None:
    """The same rows in any order have one digest."""
    shuffled = sorted(rows, key=lambda _: random.random())  # type: ignore[attr-defined]

    assert digest_of(rows) == digest_of(shuffled)


@settings(max_examples=15, deadline=None)
@given(rows, rows)
def test_other_rows_have_another_digest(one: list[Row], other: list[Row]) -> None:
    """Two tables have one digest only when they hold the same rows equally often."""

    def counted(rows: list[Row]) -> list[str]:
        return sorted(map(repr, rows))

    assert (counted(one) == counted(other)) == (digest_of(one) == digest_of(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([("ab", None, 1)], [("a", None, 1)]),
        ([("", None, 1)], [(None, None, 1)]),
        ([("a", 0.1, 1)], [("a", 0.1 + 2**-56, 1)]),
        ([("a", 1.0, 1)] * 2, [("a", 1.0, 1)]),
        ([("1:a", None, None)], [("1", None, None)]),
        ([("~", None, None)], [(None, None, None)]),
    ],
)
def test_near_misses_differ(one: list[Row], other: list[Row]) -> None:
    """Empty is not null, a row twice is not once, the last bit counts, and nothing runs together."""
    assert digest_of(one) != digest_of(other)


def test_names_comments_and_units_count() -> None:
    """A changed meaning is a changed snapshot."""
    digests = {
        digest_of([]),
        digest_of([], comment="other"),
        digest_of([], unit="USD"),
        digest_of([], name="u"),
    }

    assert len(digests) == 4


def test_rebuilding_changes_nothing(own_sample: Snapshot) -> None:
    """A second build gives the same snapshot, while a reader of the first reads on."""
    with Warehouse.open(own_sample.path.parent) as warehouse:
        again = build_sample(own_sample.path.parent)

        assert own_sample == again
        assert ((5,),) == warehouse.execute("SELECT count(*) FROM syn_desks").table.data


def test_rebuilding_repairs_a_damaged_file(own_sample: Snapshot) -> None:
    """The hint of an unreadable warehouse is true."""
    own_sample.path.write_bytes(b"damaged")
    build_sample(own_sample.path.parent)
    with Warehouse.open(own_sample.path.parent) as warehouse:
        assert own_sample == warehouse.snapshot


@pytest.mark.slow
def test_loads_of_several_processes_all_count(own_sample: Snapshot, tmp_path: Path) -> None:
    """Processes that load at once take turns: no table is lost."""
    home = own_sample.path.parent
    processes = []
    for name in ("one", "two", "three"):
        file = tmp_path / f"{name}.csv"
        file.write_text("x\n1\n", encoding="utf-8")
        command = [sys.executable, "-c", LOAD, str(home), str(file)]
        processes.append(subprocess.Popen(command, cwd=ROOT))

    assert [0, 0, 0] == [process.wait(timeout=240) for process in processes]
    with Warehouse.open(home) as warehouse:
        users = {table.name for table in warehouse.catalog().tables if table.origin == "user"}
    assert {"one", "two", "three"} == users


@pytest.mark.parametrize("delay", [0.5, 1.3])
def test_a_killed_build_leaves_the_warehouse_as_it_was(own_sample: Snapshot, delay: float) -> None:
    """Wherever a build dies, the current snapshot opens, and the next build cleans up."""
    home = own_sample.path.parent
    process = subprocess.Popen([sys.executable, "-c", BUILD, str(home)], cwd=ROOT)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    with Warehouse.open(home) as warehouse:
        assert own_sample == warehouse.snapshot

    (home / "a.csv").write_text("x\n1\n", encoding="utf-8")
    load_files(home, [home / "a.csv"])
    assert not (home / ".building").exists()


@pytest.mark.parametrize("megabytes", [0, 2])
def test_a_full_disk_leaves_no_half_file(
    own_sample: Snapshot, tmp_path: Path, megabytes: int
) -> None:
    """A build or load that cannot write ends in a clear error, and nothing is left of it."""
    home, empty = own_sample.path.parent, tmp_path / "empty"
    before = sorted(path.name for path in home.iterdir())
    table = tmp_path / "big.csv"
    table.write_text("x\n" + "12345678\n" * 10, encoding="utf-8")

    def cap() -> None:
        # A process that may not grow a file fails where one with a full disk does.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (megabytes * 2**20, megabytes * 2**20))

    for program, arguments in ((BUILD, [str(empty)]), (LOAD, [str(home), str(table)])):
        failed = subprocess.run(
            [sys.executable, "-B", "-c", program, *arguments],
            cwd=ROOT, preexec_fn=cap, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "services.errors.OutputUnwritable" in failed.stderr

    assert before == sorted(path.name for path in home.iterdir())
    assert own_sample == current_snapshot(home)
    assert [] == [path for path in empty.glob("*") if path.name != ".lock"]


def test_a_folder_that_cannot_be_made_is_unwritable(tmp_path: Path) -> None:
    """A file in the way of the warehouse folder is a clear error."""
    blocker = tmp_path / "file"
    blocker.write_text("in the way", encoding="utf-8")
    with pytest.raises(OutputUnwritable):
        build_sample(blocker / "warehouse")


def test_a_folder_with_a_quote_in_its_name_works(tmp_path: Path) -> None:
    """No path is ever read as SQL."""
    directory = tmp_path / 'o\'brien; "x" ünï [1] *'
    file = tmp_path / "a.csv"
    file.write_text("x\n1\n", encoding="utf-8")

    assert load_files(directory, [file]).path.parent == directory
