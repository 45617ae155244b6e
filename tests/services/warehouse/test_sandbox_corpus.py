"""Every attack that the guard has cases for, with the guard off: what the sandbox alone holds."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import duckdb
import pytest

from services.errors import AssayError
from services.warehouse._sandbox.wire import Rows
from services.warehouse._sandbox_pool import WorkerLimits, WorkerPool
from services.warehouse._serving import copy_listed
from sql_guard import GuardPolicy

FIXTURES = Path(__file__).parents[2] / "sql_guard" / "fixtures"
LIMITS = WorkerLimits(
    memory_limit="256MB",
    timeout=timedelta(milliseconds=150),
    grace=timedelta(milliseconds=150),
)

WRITTEN = ("pwned*", "*.csv", "*.parquet", "*.json", "*.log", "*.duckdb*", "d", "out*", "tmp*")
"""Names that the attacks give to what they try to write."""

STOPPED = {
    "attach", "call", "copy", "ddl", "dml", "dml_cte", "dos_sleep", "engine_escape", "extension",
    "garbage", "macro", "network", "prepare", "replacement_scan", "setting", "stacked", "txn",
}  # fmt: skip
"""Kinds of attack of which not one case gives a row, whatever the guard would say."""

ONLY_THE_GUARD = {
    "catalog", "catalog_cte_shadow", "comment", "cte_shadow", "denied_col_alias",
    "denied_col_direct", "denied_col_row", "denied_col_star", "denied_table",
    "denied_table_nested", "jinja_smuggle", "meta_stmt", "more", "pivot_denied", "show_smuggle", "string_sql",
    "templates", "unicode", "unicode_smuggle",
}  # fmt: skip
"""Kinds of which cases read other tables, columns or the catalog of the same file."""


# All tests here look at one attack.
pytestmark = pytest.mark.xdist_group("sandbox corpus")


def block_cases() -> Iterator[tuple[str, str]]:
    """The kind and text of every case that a guard has to block."""
    for path in sorted((FIXTURES / "cases").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            if case["verdict"] == "block":
                yield path.stem.removeprefix("block_"), case["sql"]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables of the cases, secret ones too, alone in its folder."""
    path = tmp_path_factory.mktemp("attacked") / "warehouse.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute((FIXTURES / "warehouse.sql").read_text(encoding="utf-8"))
    return path


@pytest.fixture(scope="module")
def served(attacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the policy lists, and nothing else."""
    path = tmp_path_factory.mktemp("served") / "warehouse.duckdb"
    policy = GuardPolicy.load((FIXTURES / "policy.yaml").read_text(encoding="utf-8"))
    with duckdb.connect(path) as connection:
        connection.execute(f"ATTACH '{attacked}' AS source (READ_ONLY)")
        copy_listed(connection, "source", policy)
    return path


class World:
    """What an attack might change: the file, the folders around it, and another process."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.bystander = subprocess.Popen(["sleep", "600"])

    def state(self) -> dict[str, Any]:
        return {
            "file": hashlib.sha256(self.file.read_bytes()).hexdigest(),
            "beside": sorted(self.file.parent.iterdir()),
            "elsewhere": sorted(
                found
                for folder in (Path("/"), Path(), Path.home())
                for pattern in WRITTEN
                for found in folder.glob(pattern)
            ),
            "bystander": self.bystander.poll(),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bystander.kill()
        self.bystander.wait()


@dataclass
class Aftermath:
    """How each attack ended on one file, by kind, and the world before and after."""

    rows: dict[str, list[tuple[str, Rows | None]]]
    """The text of each attack, and its rows, or None where it failed; another end is a defect."""
    before: dict[str, Any]
    after: dict[str, Any]
    answers: Rows
    """What the service says to an honest query afterwards."""

    @property
    def leaks(self) -> dict[str, list[str]]:
        """The texts whose rows hold something hidden that they did not bring along."""
        found = {
            kind: [
                sql for sql, rows in ends if rows and hidden_words(rows.data) - hidden_words(sql)
            ]
            for kind, ends in self.rows.items()
        }
        return {kind: texts for kind, texts in found.items() if texts}


def attack(file: Path, cases: Iterable[tuple[str, str]]) -> Aftermath:
    pool = WorkerPool(file, "SELECT 'no digest'", LIMITS)

    def end(sql: str) -> Rows | None:
        try:
            return pool.run(sql, max_rows=200)
        except AssayError:
            return None

    kinds, texts = zip(*cases, strict=True)
    with World(file) as world, ThreadPoolExecutor(2) as threads:
        before = world.state()
        rows: dict[str, list[tuple[str, Rows | None]]] = defaultdict(list)
        for kind, sql, found in zip(kinds, texts, threads.map(end, texts), strict=True):
            rows[kind].append((sql, found))
        answers = pool.run("SELECT 1", max_rows=1)
        pool.close()
        return Aftermath(rows, before, world.state(), answers)


def hidden_words(found: object) -> set[str]:
    """Values, tables and columns that the policy does not list, as they stand in *found*."""
    return set(re.findall(r"(?:SECRET|salar|customers_pii|ssn)\w*", repr(found)))


@pytest.fixture(scope="module")
def alone(attacked: Path) -> Aftermath:
    return attack(attacked, block_cases())


def test_the_sandbox_holds_alone(alone: Aftermath) -> None:
    """Guard off: nothing is written, no other process is hurt, and the service goes on."""
    assert alone.before == alone.after
    assert alone.answers.data == ((1,),)


def test_whole_kinds_of_attacks_get_nothing(alone: Aftermath) -> None:
    """Statements that are no query, files, the network and settings are out of reach."""
    assert set() == STOPPED - set(alone.rows)
    assert [] == [sql for kind in STOPPED for sql, rows in alone.rows[kind] if rows is not None]


def test_only_reading_of_the_same_file_is_left_to_the_guard(alone: Aftermath) -> None:
    """The kinds that show what a policy hides are known, and all of them only read."""
    assert set() == set(alone.leaks) - ONLY_THE_GUARD


def test_a_served_copy_closes_what_is_left(alone: Aftermath, served: Path) -> None:
    """On a copy of what is listed, guard off, none of those attacks shows anything hidden."""
    left = [(kind, sql) for kind, texts in alone.leaks.items() for sql in texts]
    again = attack(served, left)

    assert len(left) > 100
    assert again.before == again.after
    assert {} == again.leaks
