"""Findings that a model adds: what it may choose, what holds, and what becomes of the rest."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from services.analysis.build import Draft
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import Author, SectionAnalysis
from services.analysis.model_analyst import propose
from services.analysis.prose import Problem, render_prose
from services.analysis.verify import verify
from services.evidence import Column, MetricSource, Table, make_evidence
from tests.services.model_server import Answer, Hang, ModelServer, Status

AS_OF, PREVIOUS = date(2026, 9, 30), date(2026, 6, 30)


@pytest.fixture
def analysis(draft: Draft) -> SectionAnalysis:
    """One finding of the rules, on the exposure of Spot."""
    value = draft.value(
        "spot", "Exposure of Spot", draft.context["desks"], "2026-09-30|Spot", "exposure"
    )
    draft.finding("spot", "observation", "low", "Spot", f"{value.at('label')} is {value.slot}.")
    return draft.finish()


def claim(kind: str, cell: str, other: str = "") -> dict[str, str]:
    return {"kind": kind, "cell": cell, **({"other": other} if other else {})}


def finding(*claims: dict[str, str], severity: str = "medium") -> dict[str, Any]:
    return {"severity": severity, "claims": list(claims)}


def answered(*findings: dict[str, Any]) -> dict[str, Any]:
    return {"answer": {"findings": list(findings)}}


NOTHING = {"answer": {"nothing_to_add": True}}
GROWS = finding(claim("change", "T1.1.exposure"), claim("highest", "T1.1.exposure"))


async def run(
    server: ModelServer, context: SectionContext, analysis: SectionAnalysis, *answers: Answer
) -> Any:
    server.answers = list(answers)
    return await propose(server.client("analyst"), context, analysis, ())


def printed(context: SectionContext, analysis: SectionAnalysis, index: int) -> str:
    outcome = verify(analysis, context.by_id, context.computations)
    assert outcome.passed, outcome.problems
    claims = {claim.id: claim for claim in analysis.claims}
    runs = render_prose(analysis.findings[index].prose, claims, outcome.outcomes)
    return "".join(run.text for run in runs).replace("\u00a0", " ")


async def test_a_finding_of_the_model_is_added(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """The model's choice becomes claims, a sentence and a kind, all of which verify."""
    written, credit = await run(model_server, context, analysis, answered(GROWS))

    expected = (
        "Exposure of Spot is EUR 12.3m; since 30 June 2026 it rose by EUR 2.3m; "
        "it is the highest of its kind."
    )
    assert printed(context, written, 0) == expected
    assert written.findings[0].kind == "concentration"
    assert written.findings[0].author == Author(kind="model", name="tiny-1")
    assert written.findings[0].id == "market.model.1"
    assert (credit.offered, credit.kept) == (1, 1)


async def test_what_the_rules_said_stays(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """Claims and findings of the rules are all there, unchanged."""
    written, _ = await run(model_server, context, analysis, answered(GROWS))

    assert set(analysis.findings) <= set(written.findings)
    assert written.claims[: len(analysis.claims)] == analysis.claims


async def test_the_model_may_have_nothing_to_add(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """Nothing to add leaves the analysis as it is."""
    written, credit = await run(model_server, context, analysis, NOTHING)

    assert written == analysis
    assert (credit.offered, credit.kept) == (0, 0)


SENSELESS = {
    "other units": finding(claim("comparison", "T1.1.exposure", "T1.1.npl")),
    "other dates": finding(claim("comparison", "T1.1.exposure", "T1.4.exposure")),
    "equal": finding(claim("comparison", "T1.1.exposure", "T1.1.exposure")),
    "neither line nor column": finding(claim("comparison", "T1.1.exposure", "T2.1.total")),
}


@pytest.mark.parametrize("choice", SENSELESS.values(), ids=SENSELESS)
async def test_a_senseless_finding_is_dropped(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis, choice: Any
) -> None:
    """A choice that says nothing true goes back once with the reason, and is dropped after that."""
    context.compute("total_exposure", {"desks": context["desks"]})

    written, credit = await run(model_server, context, analysis, answered(choice))

    assert written == analysis
    assert (credit.offered, credit.kept) == (1, 0)
    assert "cannot stand" in model_server.prompts()[1]
    assert len(model_server.requests) == 2


IMPOSSIBLE = {
    "not the highest": finding(claim("highest", "T1.2.exposure")),
    "no earlier date": finding(claim("change", "T1.4.exposure")),
    "two dates are no trend": finding(claim("trend", "T1.1.exposure")),
    "negative parts": finding(claim("share", "T1.1.exposure")),
    "a ratio is no part": finding(claim("share", "T1.1.npl")),
    "a table that is not there": finding(claim("change", "T9.1.exposure")),
    "a column that is not there": finding(claim("change", "T1.1.weather")),
    "a number of its own": finding({**claim("change", "T1.1.exposure"), "number": "12"}),
    "too severe": finding(GROWS["claims"][0], severity="critical"),
}


@pytest.mark.parametrize("choice", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_what_cannot_be_claimed_cannot_be_chosen(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis, choice: Any
) -> None:
    """The schema offers a kind of claim only for the cells of which it can be true."""
    written, credit = await run(model_server, context, analysis, answered(choice))

    assert written == analysis
    assert credit.note.endswith("The rules' findings stand alone.")


async def test_a_better_finding_takes_the_place_of_a_failed_one(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """What the model proposes after the reasons counts like what it proposed first."""
    failed = SENSELESS["equal"]
    written, credit = await run(model_server, context, analysis, answered(failed), answered(GROWS))

    assert len(written.findings) == 2
    assert (credit.offered, credit.kept) == (1, 1)


async def test_what_is_said_already_is_not_said_again(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """The same claims proposed twice are one finding."""
    written, credit = await run(model_server, context, analysis, answered(GROWS, GROWS), NOTHING)

    assert (credit.offered, credit.kept) == (2, 1)
    assert len(written.findings) == 2


async def test_parts_of_a_whole_have_shares(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """A count among counts has a share, a cell beside another is above or below it."""
    choice = finding(
        claim("share", "T1.1.trades"), claim("comparison", "T1.1.trades", "T1.2.trades")
    )
    written, _ = await run(model_server, context, analysis, answered(choice))

    expected = "Trades of Spot is 10; its share of the sum is 71.43 %; it is above Trades of Metals, which is 4."
    assert printed(context, written, 0) == expected


async def test_a_trend_needs_three_dates(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """Three dates of one line make a trend."""
    days = [date(2026, 3, 31), PREVIOUS, AS_OF]
    columns = [
        Column(name="as_of", type="date"),
        Column(name="balance", type="decimal", unit="EUR"),
    ]
    rows = [
        [day, amount] for day, amount in zip(days, (3_000_000, 2_000_000, 1_000_000), strict=True)
    ]
    table = Table.from_rows(columns, rows, key=("as_of",))
    evidence = make_evidence(table, source=MetricSource(query={}), snapshot="snap", as_of=AS_OF)
    context.exhibits = {"loans": Exhibit(evidence, table)}
    context.computed.clear()
    bare = analysis.model_copy(update={"claims": (), "findings": (), "evidence": ()})

    written, _ = await run(
        model_server, context, bare, answered(finding(claim("trend", "T1.1.balance")))
    )

    expected = "Loans: balance is EUR 1.0m; over the dates from 31 March 2026 it fell by EUR 2.0m."
    assert printed(context, written, 0) == expected
    assert written.findings[0].kind == "trend"


UNAVAILABLE: list[Answer] = ["no JSON", Status(500), Hang()]


async def test_a_figure_of_another_time_says_when(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """A figure that is not of the report's date carries its own."""
    choice = finding(claim("lowest", "T1.5.exposure"))
    written, _ = await run(model_server, context, analysis, answered(choice))

    expected = (
        "Exposure of Metals is EUR \u22125.0m as of 30 June 2026; it is the lowest of its kind."
    )
    assert printed(context, written, 0) == expected


@pytest.mark.parametrize("answer", UNAVAILABLE, ids=map(str, range(len(UNAVAILABLE))))
async def test_a_failing_model_leaves_the_rules(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis, answer: Answer
) -> None:
    """A model that hangs, fails or answers garbage changes nothing, and it is said."""
    model_server.answers = [answer]
    client = model_server.client("analyst", model_timeout=timedelta(seconds=1))

    written, credit = await propose(client, context, analysis, ())

    assert written == analysis
    assert credit.note.endswith("The rules' findings stand alone.")


async def test_after_a_refusal_the_model_is_not_asked_again(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """When a finding of the model failed verification, the next attempt is the rules' alone."""
    problem = Problem(code="claim.failed", where="claims/market.model.1.1.change", message="no")
    written, _ = await propose(model_server.client("analyst"), context, analysis, (problem,))

    assert written == analysis
    assert model_server.requests == []


async def test_the_prompt_holds_the_tables_and_says_what_was_cut(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """The model sees each table with its count of rows, and what the rules said."""
    await run(model_server, context, analysis, NOTHING)

    (prompt,) = model_server.prompts()
    assert "T1 desks (5 of 5 rows)" in prompt
    assert "1 | 2026-09-30 | Spot | 12.3 | 5.21 | 10" in prompt
    assert "- Spot: Exposure of Spot" in prompt
