from datetime import date

import pytest

from services.analysis.sections import ANALYSTS
from services.analysis.templates import (
    ReportPlan,
    load_template,
    plan_question,
    plan_report,
    template_names,
)
from services.errors import NotFound, UnknownTemplate
from services.semantics import MetricQuery, compile_query, sample_model

AS_OF, PREVIOUS = date(2026, 9, 30), date(2026, 6, 30)


@pytest.mark.parametrize("name", template_names())
@pytest.mark.parametrize("previous", [PREVIOUS, None])
def test_every_query_of_a_template_compiles(name, previous):
    """With and without a previous period, against the sample's semantic model."""
    plan = plan_report(load_template(name), as_of=AS_OF, previous=previous)

    for section in plan.sections:
        assert section.analyst in ANALYSTS
        for query in section.queries.values():
            assert compile_query(sample_model(), MetricQuery.model_validate(query)).sql


def test_tokens_become_dates():
    """Also with days added or taken away; a list drops a date that there is not."""
    template = load_template("quarterly")
    query = {
        "values": ["$as_of", "$previous"],
        "start": "$as_of-10d",
        "end": "$as_of+1d",
        "x": date(2020, 1, 1),
    }
    section = template.sections[0].model_copy(
        update={"queries": {"both": query, "earlier": {"as_of": "$previous"}}}
    )
    small = template.model_copy(update={"sections": (section,)})

    first = plan_report(small, as_of=AS_OF, previous=PREVIOUS).sections[0].queries
    alone = plan_report(small, as_of=AS_OF, previous=None).sections[0].queries

    assert {
        "both": {
            "values": ["2026-09-30", "2026-06-30"],
            "start": "2026-09-20",
            "end": "2026-10-01",
            "x": "2020-01-01",
        },
        "earlier": {"as_of": "2026-06-30"},
    } == first
    assert ["2026-09-30"] == alone["both"]["values"]
    assert {"both"} == alone.keys()


def test_an_unknown_template_is_answered_with_a_close_name():
    """And never looked for outside the templates."""
    with pytest.raises(UnknownTemplate) as close:
        load_template("quartely")
    with pytest.raises(UnknownTemplate) as far:
        load_template("../quarterly")

    assert "did you mean quarterly?" == close.value.hint
    assert "quarterly" in far.value.hint


def test_a_plan_survives_storage():
    """A plan is a document that reads back equal."""
    plan = plan_report(load_template("quarterly"), as_of=AS_OF, previous=PREVIOUS)

    assert plan == ReportPlan.model_validate_json(plan.model_dump_json())
    with pytest.raises(NotFound):
        plan.section("weather")


def test_a_question_is_planned_as_one_section():
    """The query comes back as it went in."""
    query = MetricQuery(metrics=("net_exposure",), dimensions=("desk",))
    plan = plan_question("Net exposure by desk?", query, as_of=AS_OF)

    assert query == MetricQuery.model_validate(plan.section("answer").queries["rows"])
    assert "SELECT 1" == plan_question("q", "SELECT 1", as_of=AS_OF).sections[0].queries["rows"]
