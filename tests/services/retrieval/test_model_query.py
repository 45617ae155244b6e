"""Questions that only a model reads: what it may choose, and what of it is believed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from services.retrieval import Retriever, Understanding, interpret
from services.semantics import Filter, MetricQuery, Order, TimeRange
from tests.services.model_server import Hang, ModelServer, Status

AS_OF = date(2026, 9, 30)
ON_AS_OF = TimeRange(as_of=AS_OF)


def filled(*metrics: str, by: tuple[str, ...] = (), ranking: str = "none", **filters: Any) -> Any:
    """An answer; a filter is `field=value`."""
    return {
        "answer": {
            "metrics": list(metrics),
            "group_by": list(by),
            "filters": [{"field": field, "value": value} for field, value in filters.items()],
            "ranking": ranking,
        }
    }


@pytest.fixture
def asked(model_server: ModelServer, retriever: Retriever) -> Any:
    async def ask(question: str, answer: Any = None) -> Understanding:
        model_server.answers = [answer]
        writer = model_server.client("sql")
        return await interpret(retriever, question, as_of=AS_OF, writer=writer)

    return ask


async def test_what_the_parser_reads_needs_no_model(asked: Any, model_server: ModelServer) -> None:
    """A question that the parser understands is never sent to a model."""
    understanding = await asked("NPL ratio by segment")

    assert understanding.query is not None
    assert model_server.requests == []


async def test_what_is_ambiguous_is_for_the_asker(asked: Any, model_server: ModelServer) -> None:
    """A question with several readings is put to the asker, not to a model."""
    understanding = await asked("exposure by sector")

    assert len(understanding.options) == 3
    assert model_server.requests == []


async def test_a_model_reads_what_the_parser_does_not(asked: Any) -> None:
    """The model's choices become a query, and the restatement says what was left unused."""
    question = "How dangerous is the NPL ratio of each segment?"
    understanding = await asked(question, filled("npl_ratio", by=("segment",)))

    expected = MetricQuery(metrics=("npl_ratio",), dimensions=("segment",), time_range=ON_AS_OF)
    assert expected == understanding.query
    assert understanding.words == ("dangerous",)
    assert "Taken to say nothing: dangerous." in understanding.restatement


async def test_a_value_that_is_nearly_named_may_be_chosen(asked: Any) -> None:
    """A value that the question names in other letters or only in part may be filtered on."""
    understanding = await asked(
        "loan balance for houshold punters", filled("loan_balance", sector="Households")
    )

    assert understanding.query is not None
    assert understanding.query.filters == (Filter(field="sector", values=("Households",)),)
    assert understanding.words == ("punters",)


async def test_what_the_parser_is_certain_of_stays(asked: Any) -> None:
    """Values, periods and rankings that the parser read stay, whatever the model says."""
    understanding = await asked(
        "scary top 3 sectors by loan balance in Germany in June 2026", filled("loan_balance")
    )

    assert understanding.query is not None
    assert understanding.query.time_range == TimeRange(as_of=date(2026, 6, 30))
    assert Filter(field="country", values=("Germany",)) in understanding.query.filters
    assert understanding.query.dimensions == ("sector",)
    assert understanding.query.order == (Order(by="loan_balance", descending=True),)
    assert understanding.query.limit == 3


async def test_a_negation_is_the_parsers(asked: Any) -> None:
    """A value that the question leaves out is not filtered on again."""
    question = "grim NPL ratio by segment excluding Germany"
    understanding = await asked(question, filled("npl_ratio", by=("segment",), country="Germany"))

    assert understanding.query is not None
    assert understanding.query.filters == (Filter(field="country", op="ne", values=("Germany",)),)


async def test_a_ranking_may_be_the_models(asked: Any) -> None:
    """A ranking that only the model reads orders the rows."""
    question = "Which segments have the ugliest NPL ratio?"
    understanding = await asked(question, filled("npl_ratio", by=("segment",), ranking="largest"))

    assert understanding.query is not None
    assert understanding.query.order == (Order(by="npl_ratio", descending=True),)


REFUSED = [
    ("grim NPL ratio", filled("loan_balance")),
    ("exposure of Martians by desk", filled("net_exposure", by=("desk",))),
    ("grim NPL ratio by desk", filled("npl_ratio")),
    ("weird CET1 ratio", {"answer": {"cannot_answer": True}}),
]


@pytest.mark.parametrize(("question", "answer"), REFUSED)
async def test_a_wild_answer_is_refused(asked: Any, question: str, answer: Any) -> None:
    """Values, metrics and names that the question does not carry give no query."""
    understanding = await asked(question, answer)

    assert understanding.query is None
    assert understanding.problem
    assert understanding.suggestions


INVENTED = [
    filled("weather"),
    filled("npl_ratio", by=("continent",)),
    filled("npl_ratio", country="Atlantis"),
    filled("npl_ratio", country="Germany"),
    filled("npl_ratio", by=("sector",)),
    filled("fx_rate"),
]


@pytest.mark.parametrize("answer", INVENTED)
async def test_what_does_not_exist_cannot_be_chosen(asked: Any, answer: Any) -> None:
    """A metric, group or value that does not exist, or is not named, is no answer at all."""
    understanding = await asked("grim NPL ratio", answer)

    assert understanding.query is None
    assert understanding.words == ("grim",)


async def test_a_question_about_nothing_known_is_not_sent(
    asked: Any, model_server: ModelServer
) -> None:
    """Where no word of the question is near to a metric, there is nothing to ask a model."""
    understanding = await asked("What is the weather in Paris?")

    assert understanding.query is None
    assert model_server.requests == []


@pytest.mark.parametrize("answer", ["garbage", Status(500), Hang()])
async def test_a_failing_model_leaves_the_parsers_answer(
    model_server: ModelServer, retriever: Retriever, answer: Any
) -> None:
    """When the model fails, the question is answered as if there were none."""
    model_server.answers = [answer]
    writer = model_server.client("sql", model_timeout=timedelta(seconds=1))
    without = await interpret(retriever, "grim NPL ratio", as_of=AS_OF)

    assert without == await interpret(retriever, "grim NPL ratio", as_of=AS_OF, writer=writer)


async def test_no_date_is_in_the_prompt(asked: Any, model_server: ModelServer) -> None:
    """The model hears of no date: periods are the parser's."""
    await asked("grim NPL ratio since June", filled("npl_ratio"))

    (prompt,) = model_server.prompts()
    assert "2026" not in prompt
