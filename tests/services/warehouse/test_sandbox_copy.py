"""The served copy: a warehouse in which what may not be read does not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import InputConflict, NotFound, QueryInvalid
from services.warehouse import Snapshot, Warehouse, find_snapshot, policy_tables, serve_copy
from sql_guard import GuardPolicy

POLICY = GuardPolicy(
    tables={
        "main.syn_desks": {"desk": "VARCHAR"},
        "main.SYN_COUNTERPARTIES": {"counterparty_id": "", "Name": "", "country": ""},
    },
    deny=("main.SYN_COUNTERPARTIES.country",),
)


def test_a_copy_holds_what_the_policy_lists(sample: Snapshot, tmp_path: Path) -> None:
    """Listed columns are there with their rows and meaning; all else is unknown to the engine."""
    served = serve_copy(sample, tmp_path / "served", POLICY)
    with Warehouse.open(tmp_path / "served") as copy, Warehouse.open(sample.path.parent) as whole:
        catalog = copy.catalog()
        sql = "SELECT counterparty_id, name FROM syn_counterparties"

        assert served == copy.snapshot
        assert {
            "main.syn_counterparties": ["counterparty_id", "name"],
            "main.syn_desks": ["desk"],
        } == {name: list(columns) for name, columns in policy_tables(catalog).items()}
        assert whole.execute(sql).table == copy.execute(sql).table
        origin = whole.catalog().table("syn_desks")
        assert (origin.comment, origin.column("desk"), origin.as_of, origin.origin) == (
            catalog.table("syn_desks").comment,
            catalog.table("syn_desks").column("desk"),
            catalog.table("syn_desks").as_of,
            catalog.table("syn_desks").origin,
        )
        for hidden in ("SELECT country FROM syn_counterparties", "SELECT * FROM syn_loans"):
            with pytest.raises(QueryInvalid):
                copy.execute(hidden)


def test_nothing_hidden_is_left_in_the_file(sample: Snapshot, tmp_path: Path) -> None:
    """Not even the names of what was left out stand in the bytes of the copy."""
    served = serve_copy(sample, tmp_path / "served", POLICY)
    content = served.path.read_bytes()

    assert b"syn_desks" in content
    assert [b"syn_loans" in content, b"sector" in content] == [False, False]


def test_a_copy_without_policy_equals_the_snapshot(sample: Snapshot, tmp_path: Path) -> None:
    """The same contents have the same digest."""
    assert sample.id == serve_copy(sample, tmp_path / "served").id


def test_a_copy_needs_a_folder_of_its_own(own_sample: Snapshot) -> None:
    """The warehouse is not replaced by a part of itself."""
    with pytest.raises(InputConflict):
        serve_copy(own_sample, own_sample.path.parent, POLICY)


def test_a_copy_replaces_no_other_warehouse(
    sample: Snapshot, own_sample: Snapshot, tmp_path: Path
) -> None:
    """Only a folder of served copies takes another; whoever works on a warehouse keeps it."""
    served = tmp_path / "served"
    loose = serve_copy(sample, served)
    strict = serve_copy(sample, served, POLICY)
    with pytest.raises(InputConflict):
        serve_copy(sample, own_sample.path.parent, POLICY)

    assert loose.id != strict.id == find_snapshot(served, None).id
    assert own_sample.id == find_snapshot(own_sample.path.parent, None).id


def test_no_value_left_out_stands_in_the_bytes(sample: Snapshot, tmp_path: Path) -> None:
    """Heads of desks and groups of counterparties, found in the whole file, are nowhere in the copy."""
    with Warehouse.open(sample.path.parent) as whole:
        left_out = "SELECT head AS x FROM syn_desks UNION SELECT group_name FROM syn_counterparties"
        kept = "SELECT string_agg(name) AS x FROM syn_counterparties"
        [[names]] = whole.execute(kept).table.data
        hidden = {
            str(value).encode()
            for value in whole.execute(left_out).table.data[0]
            if value and str(value) not in str(names)
        }
    source = sample.path.read_bytes()
    content = serve_copy(sample, tmp_path / "served", POLICY).path.read_bytes()

    assert len({value for value in hidden if value in source}) > 5
    assert set() == {value for value in hidden if value in content}


def test_a_policy_that_lists_what_is_not_there_is_refused(sample: Snapshot, tmp_path: Path) -> None:
    """A copy that lacks a listed table would fail later, and less clearly."""
    policy = GuardPolicy(tables={"main.nowhere": {"a": ""}})
    with pytest.raises(NotFound, match=r"main\.nowhere"):
        serve_copy(sample, tmp_path / "served", policy)

    assert [] == list((tmp_path / "served").glob("*.duckdb"))
