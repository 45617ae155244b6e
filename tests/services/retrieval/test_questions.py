"""Questions in an analyst's words, and what they are read as."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import Ambiguous, QuestionNotUnderstood
from services.retrieval import (
    Comparison,
    Retriever,
    Understanding,
    interpret,
    understand,
    understand_or_raise,
)
from services.semantics import MetricQuery, compile_query

AS_OF = date(2026, 9, 30)
CASES = yaml.safe_load(
    (Path(__file__).parent / "fixtures" / "questions.yaml").read_text(encoding="utf-8")
)
QUERY_PARTS = tuple(MetricQuery.model_fields)


def _read(retriever: Retriever, question: str) -> Understanding:
    return understand(retriever.model, question, as_of=AS_OF, values=retriever.known_values)


def _expected_query(case: dict[str, Any]) -> dict[str, Any] | None:
    parts = {part: case[part] for part in QUERY_PARTS if part in case}
    return _plain(MetricQuery.model_validate(parts)) if parts else None


def _plain(query: MetricQuery | None) -> dict[str, Any] | None:
    return None if query is None else query.model_dump(mode="json")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["ask"])
def test_a_question_is_read_as_expected(retriever: Retriever, case: dict[str, Any]):
    """Each question gives its query, its choice of readings, or its refusal."""
    read = _read(retriever, case["ask"])

    assert _expected_query(case) == _plain(read.query)
    assert tuple(case.get("words", ())) == read.words
    assert len(case.get("options", ())) == len(read.options)
    if "options" in case:
        assert tuple(case["options"]) == read.suggestions
    else:
        assert case.get("problem", "") == read.problem
    if "compares" in case:
        previous, current = case["compares"]
        assert Comparison(previous=previous, current=current) == read.comparison


@pytest.mark.parametrize(
    "case", [case for case in CASES if "metrics" in case], ids=lambda case: case["ask"]
)
def test_an_understood_question_has_evidence(retriever: Retriever, case: dict[str, Any]):
    """What is understood passes the guard and runs."""
    query = _read(retriever, case["ask"]).query
    assert query is not None
    evidence, table = retriever.retrieve(query, as_of=AS_OF)

    assert (len(table), table.digest) == (evidence.row_count, evidence.digest)


@pytest.mark.parametrize(
    "case", [case for case in CASES if "metrics" not in case], ids=lambda case: case["ask"]
)
def test_a_refusal_says_why_and_what_to_ask_instead(retriever: Retriever, case: dict[str, Any]):
    """No refusal leaves the asker without a reason and a suggestion."""
    read = _read(retriever, case["ask"])

    assert read.problem
    assert read.suggestions


RESTATED = {
    "top 5 counterparties by exposure on 30 June 2026": (
        "Counterparty exposure (EUR) by counterparty, where counterparty is known, "
        "as of 30 June 2026, the 5 largest."
    ),
    "NPL ratio by segment": ("NPL ratio by segment, as of 30 September 2026 (no date was named)."),
    "change in loan balance by stage since June": (
        "Loan balance (EUR) by stage, on 30 September 2026 against 30 June 2026."
    ),
    "number of loans with balance above 1 million in Germany or France": (
        "Number of loans, where country is one of Germany, France and balance above 1,000,000, "
        "as of 30 September 2026 (no date was named)."
    ),
    "which desk has the lowest net exposure?": (
        "Net exposure (EUR) by desk, as of 30 September 2026 (no date was named), "
        "the smallest only."
    ),
    "usd exchange rate since August": (
        "Rate per euro, where currency is USD, on each date from 1 August 2026 to "
        "30 September 2026."
    ),
}


@pytest.mark.parametrize(("question", "restated"), RESTATED.items())
def test_what_was_understood_is_said(retriever: Retriever, question: str, restated: str):
    """The restatement names figure, groups, conditions, dates and order, and what was assumed."""
    assert restated == _read(retriever, question).restatement


def test_a_question_that_is_not_understood_raises(retriever: Retriever):
    """The error holds none of the question's own words: errors are logged."""
    with pytest.raises(QuestionNotUnderstood) as refusal:
        understand_or_raise(
            retriever.model, "weather in Berlin", as_of=AS_OF, values=retriever.known_values
        )

    assert "Berlin" not in f"{refusal.value.message} {refusal.value.hint}"


def test_a_question_with_two_readings_asks(retriever: Retriever):
    """Two figures that fit equally well are for a person to choose between."""
    with pytest.raises(Ambiguous):
        understand_or_raise(
            retriever.model, "capital ratio", as_of=AS_OF, values=retriever.known_values
        )


def test_a_question_can_be_too_long(retriever: Retriever):
    """A text of a million words is refused at once."""
    assert _read(retriever, "exposure " * 1_000_000).query is None


async def test_interpret_reads_on_the_retrievers_own_values(retriever: Retriever):
    """Values of the warehouse are known without being passed."""
    read = await interpret(retriever, "net exposure of the EM FX desk", as_of=AS_OF)

    assert read.query is not None
    assert ("EM FX",) == read.query.filters[0].values


WORDS = st.sampled_from(
    [
        "net",
        "exposure",
        "exposures",
        "loan",
        "loans",
        "balance",
        "npl",
        "ratio",
        "by",
        "per",
        "and",
        "or",
        "not",
        "excluding",
        "sector",
        "country",
        "Germany",
        "France",
        "stage",
        "3",
        "2",
        "top",
        "5",
        "largest",
        "lowest",
        "above",
        "below",
        "1",
        "million",
        "30",
        "days",
        "past",
        "due",
        "since",
        "June",
        "2026",
        "last",
        "quarter",
        "versus",
        "change",
        "between",
        "from",
        "to",
        "how",
        "many",
        "number",
        "of",
        "which",
        "the",
        "of",
        "in",
        "EM",
        "FX",
        "desk",
        "rating",
        "BBB",
        "counterparties",
        "limit",
        "utilisation",
        "80%",
        ",",
        "<",
        "rate",
        "USD",
        "trend",
    ]
)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.lists(WORDS, max_size=12))
def test_any_mixture_of_words_is_read_or_refused(retriever: Retriever, words: list[str]):
    """Nothing crashes the reader, and whatever it gives compiles."""
    read = _read(retriever, " ".join(words))

    assert (read.query is None) == bool(read.problem)
    if read.query is not None:
        assert read.restatement
        compile_query(retriever.model, read.query)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=80))
def test_any_text_is_read_or_refused(retriever: Retriever, text: str):
    """Letters, signs and digits of any kind end in an understanding."""
    read = _read(retriever, text)

    assert (read.query is None) == bool(read.problem)
