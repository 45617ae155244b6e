"""From a query to evidence: compiled, guarded, run, dated and described."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from services.errors import AsOfOutOfRange, QueryInvalid, QueryRefused, StoreUnavailable
from services.evidence import MetricSource, SqlSource
from services.retrieval import (
    CheckedStatement,
    Retriever,
    check_as_of,
    default_as_of,
    previous_period,
    resolve_as_of,
    snapshot_dates,
    understand,
)
from services.semantics import MetricQuery, TimeRange
from services.warehouse import Warehouse, load_files

JUNE = date(2026, 6, 30)
SEPTEMBER = date(2026, 9, 30)
BY_DESK = MetricQuery(
    metrics=("net_exposure",), dimensions=("desk",), time_range=TimeRange(as_of=JUNE)
)


def test_a_metric_query_becomes_evidence(retriever: Retriever):
    """Evidence holds the query, the statement that ran, the columns' meaning and the tables."""
    evidence, table = retriever.retrieve(BY_DESK, as_of=SEPTEMBER)

    assert isinstance(evidence.source, MetricSource)
    assert BY_DESK == MetricQuery.model_validate(evidence.source.query)
    assert ("EUR", "Net exposure") == (
        table.column("net_exposure").unit,
        table.column("net_exposure").label,
    )
    assert (("desk",), ("syn_positions",)) == (evidence.key, evidence.tables)
    assert retriever.warehouse.snapshot.id == evidence.snapshot
    assert (len(table), True) == (evidence.row_count, evidence.complete)


def test_the_same_query_gives_the_same_evidence(retriever: Retriever):
    """Query value, mapping and repetition lead to one id."""
    first, _ = retriever.retrieve(BY_DESK, as_of=SEPTEMBER)
    second, _ = retriever.retrieve(BY_DESK.model_dump(mode="json"), as_of=SEPTEMBER)

    assert first.id == second.id


def test_evidence_carries_the_date_that_the_query_names(retriever: Retriever):
    """A figure of June is dated June, whatever the report's date."""
    evidence, _ = retriever.retrieve(BY_DESK, as_of=SEPTEMBER)

    assert JUNE == evidence.as_of


def test_old_books_are_dated_by_their_own_end(retriever: Retriever):
    """Card accounts of 2005 are never dated 2026."""
    evidence, _ = retriever.retrieve({"metrics": ["card_default_rate"]}, as_of=SEPTEMBER)

    assert date(2005, 9, 30) == evidence.as_of


def test_free_sql_is_guarded_and_marked(retriever: Retriever):
    """A statement runs in the guard's own words, and its rows say that they are free SQL."""
    sql = "select desk, sum(market_value_eur) as total from syn_positions group by 1 order by 1"
    evidence, table = retriever.retrieve(sql, as_of=SEPTEMBER)

    assert isinstance(evidence.source, SqlSource)
    assert retriever.guard.check(sql).sql == evidence.sql
    assert ("0", "1", "2", "3", "4") == table.row_keys
    assert ("syn_positions",) == evidence.tables


def test_free_sql_is_as_sensitive_as_what_it_reads(retriever: Retriever):
    """A new name does not make a confidential name less confidential."""
    sql = "select upper(name) as label from syn_counterparties order by 1 limit 1"
    _, table = retriever.retrieve(sql, as_of=SEPTEMBER)

    assert "confidential" == table.column("label").sensitivity


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE syn_loans",
        "SELECT * FROM '/etc/passwd'",
        "SELECT 1; SELECT 2",
        "SELECT * FROM _assay.snapshot",
        "SELECT getenv('HOME')",
    ],
)
def test_a_refused_statement_never_runs(retriever: Retriever, sql: str):
    """The guard's sentence comes back as the error, without the statement's text."""
    with pytest.raises(QueryRefused) as refusal:
        retriever.retrieve(sql, as_of=SEPTEMBER)

    assert refusal.value.message
    assert sql not in str(refusal.value)


@pytest.mark.parametrize("query", [{}, {"metrics": "x"}, {"metrics": ["x"], "limit": -1}])
def test_a_malformed_query_is_an_input_error(retriever: Retriever, query):
    """A mapping that is no metric query is refused as such."""
    with pytest.raises(QueryInvalid):
        retriever.retrieve(query, as_of=SEPTEMBER)


def test_the_dates_of_the_sample(retriever: Retriever):
    """The sample holds two quarter-ends; the later is the default, the earlier comes before it."""
    assert (JUNE, SEPTEMBER) == snapshot_dates(retriever)
    assert SEPTEMBER == default_as_of(retriever) == resolve_as_of(retriever, None)
    assert JUNE == previous_period(retriever, SEPTEMBER)
    assert previous_period(retriever, JUNE) is None


def test_a_date_means_the_last_snapshot_before_it(retriever: Retriever):
    """A day between two quarter-ends is read on the earlier one."""
    assert JUNE == check_as_of(retriever, date(2026, 8, 15))


def test_a_date_before_the_data_is_refused(retriever: Retriever):
    """There is nothing to report as of a day before the first snapshot."""
    with pytest.raises(AsOfOutOfRange) as refusal:
        resolve_as_of(retriever, date(2020, 1, 1))

    assert "2026-06-30" in refusal.value.hint


@pytest.fixture
def own_data(tmp_path: Path) -> Iterator[Retriever]:
    """A warehouse that holds nothing but a user's file."""
    file = tmp_path / "sales.csv"
    file.write_text(
        "sold_on,town,price\n2026-01-05,Ulm,10.5\n2026-01-06,Ulm,4.5\n2026-01-06,Bonn,7\n",
        encoding="utf-8",
    )
    load_files(tmp_path / "warehouse", [file])
    with Warehouse.open(tmp_path / "warehouse") as warehouse:
        yield Retriever.on(warehouse)


OWN_QUESTIONS = {
    "number of sales": {"count_sales": [3]},
    "how many sales in Ulm": {"count_sales": [2]},
    "total price by town": {"town": ["Bonn", "Ulm"], "total_sales_price": [7, 15]},
    "average price on 6 January 2026": {"average_sales_price": [5.75]},
    "top 1 town by price": {"town": ["Ulm"], "total_sales_price": [15]},
}


@pytest.mark.parametrize(("question", "expected"), OWN_QUESTIONS.items())
def test_a_users_own_table_can_be_asked_at_once(own_data: Retriever, question: str, expected):
    """Names and values of a loaded file are understood without a model file."""
    read = understand(
        own_data.model, question, as_of=date(2026, 1, 31), values=own_data.known_values
    )
    assert read.query is not None, read.problem
    _, table = own_data.retrieve(read.query, as_of=date(2026, 1, 31))

    assert expected == {name: list(table.values(name)) for name in expected}


def test_a_watch_is_told_of_each_statement_before_it_runs(retriever: Retriever):
    """It hears the canonical statement and its tables; refused ones with their rules."""
    heard: list[CheckedStatement] = []
    watched = retriever.watched(heard.append)
    evidence, _ = watched.retrieve(BY_DESK, as_of=SEPTEMBER)
    with pytest.raises(QueryRefused):
        watched.retrieve("SELECT * FROM '/etc/passwd'", as_of=SEPTEMBER)
    retriever.retrieve(BY_DESK, as_of=SEPTEMBER)

    assert [(evidence.sql, True, ("main.syn_positions",), ())] == [
        (s.sql, s.allowed, s.tables, s.rules) for s in heard[:1]
    ]
    assert [(False, ())] == [(s.allowed, s.tables) for s in heard[1:]]
    assert heard[1].rules


def test_a_statement_that_cannot_be_recorded_does_not_run(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
):
    """Where the watch fails, nothing reaches the warehouse."""

    def away(_: CheckedStatement) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(retriever.warehouse, "execute", None)

    with pytest.raises(StoreUnavailable):
        retriever.watched(away).retrieve(BY_DESK, as_of=SEPTEMBER)
