"""A model's sentences: which take the place of the template's, and which never do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from services.analysis.build import Draft
from services.analysis.context import SectionContext
from services.analysis.findings import Author, SectionAnalysis
from services.analysis.narrator import narrate
from services.analysis.prose import Problem, render_prose
from services.analysis.verify import verify
from tests.services.model_server import Answer, Hang, ModelServer, Status

SPOT_NOW, SPOT_BEFORE = "2026-09-30|Spot", "2026-06-30|Spot"
BREACH = "NPL ratio: 5.21 % exceeds the limit of 5.00 %."
MOVE = "Since 30 June 2026 it rose by 0.21 pp."


@pytest.fixture
def analysis(draft: Draft) -> SectionAnalysis:
    """A limit that is breached, as the rules tell it: `BREACH` and `MOVE`."""
    desks, limits = draft.context["desks"], draft.context["limits"]
    before = (desks, SPOT_BEFORE, "npl")
    draft.limit("npl", "NPL ratio", (desks, SPOT_NOW, "npl"), limits, "npl", previous=before)
    return draft.finish()


async def run(
    server: ModelServer, context: SectionContext, analysis: SectionAnalysis, *answers: Answer
) -> Any:
    server.answers = [{"sentence": a} if isinstance(a, str) else a for a in answers]
    return await narrate(server.client("narrator"), context, analysis, ())


def printed(context: SectionContext, analysis: SectionAnalysis) -> str:
    """The first finding's sentences as they print, once all of it verifies."""
    outcome = verify(analysis, context.by_id, context.computations)
    assert outcome.passed, outcome.problems
    claims = {claim.id: claim for claim in analysis.claims}
    runs = render_prose(analysis.findings[0].prose, claims, outcome.outcomes)
    return "".join(run.text for run in runs).replace("\u00a0", " ")


async def test_the_model_is_shown_one_sentence_at_a_time(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """A prompt holds a sentence as it prints, what stands before it, and the words that are true."""
    await run(model_server, context, analysis, BREACH, MOVE)

    first, second = (prompt.replace("\u00a0", " ") for prompt in model_server.prompts())
    assert f"Sentence: {BREACH}" in first
    assert "True words: above, breach, " in first
    assert f"Before it: {BREACH}" in second
    assert f"Sentence: {MOVE}" in second


async def test_a_sentence_that_passes_takes_the_place_of_the_template(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """What the model copies is bound to the claims; the sentence is its own, and so is its author."""
    written, credit = await run(
        model_server,
        context,
        analysis,
        "At 5.21 %, the NPL ratio is above its limit of 5.00 %.",
        "It increased by 0.21 pp since 30 June 2026.",
    )

    (finding,) = written.findings
    assert finding.prose == (
        "At {market.npl}, the NPL ratio is {market.npl.vs_red:above} its limit of {market.npl.red}. "
        "It {market.npl.change:increased} by {market.npl.change@size} since "
        "{market.npl.change@since}."
    )
    assert finding.prose_author == Author(kind="model", name="tiny-1")
    assert finding.author == Author()
    assert (credit.offered, credit.kept) == (2, 2)


async def test_a_sentence_that_fails_stands_beside_one_that_passes(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """Each sentence is judged by itself: the template's stays where the model's fails."""
    bad, good = "The NPL ratio is 5.21 %.", "It increased by 0.21 pp since 30 June 2026."

    written, credit = await run(model_server, context, analysis, bad, bad, good)

    assert printed(context, written) == f"{BREACH} {good}"
    assert (credit.offered, credit.kept) == (2, 1)


async def test_only_the_wording_changes(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """Claims, severity, action and everything else of the section stay."""
    written, _ = await run(
        model_server, context, analysis, BREACH, "It grew by 0.21 pp since 30 June 2026."
    )

    (before,), (after,) = analysis.findings, written.findings
    same = {"prose": after.prose, "prose_author": after.prose_author}
    assert before.model_copy(update=same) == after
    assert analysis.model_copy(update={"findings": written.findings}) == written
    assert before != after


async def test_figures_may_be_typed_with_other_spaces(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """A copy with another space, or without its full stop, is still a copy."""
    written, credit = await run(
        model_server,
        context,
        analysis,
        "With an NPL ratio of 5.21%, it exceeds its limit of 5.00\u202f%",
        MOVE,
    )

    expected = f"With an NPL ratio of 5.21 %, it exceeds its limit of 5.00 %. {MOVE}"
    assert printed(context, written) == expected
    assert credit.kept == 1


REFUSED = {
    "another figure": "The NPL ratio of 5.22 % exceeds its limit of 5.00 %.",
    "a rounded figure": "The NPL ratio of 5.2 % exceeds its limit of 5.00 %.",
    "a figure more": "The NPL ratio of 5.21 % exceeds its limit of 5.00 % by 0.21 %.",
    "an invented figure": "The NPL ratio of 5.21 % exceeds its limit of 5.00 % in 12 desks.",
    "a number-word": "The NPL ratio of 5.21 % exceeds its limit of five percent.",
    "a date": "The NPL ratio of 5.21 % exceeds its limit of 5.00 % in September.",
    "a false word": "The NPL ratio of 5.21 % is below its limit of 5.00 %.",
    "an unchecked word": "The NPL ratio of 5.21 % is far better than its limit of 5.00 %.",
    "a negation": "The NPL ratio of 5.21 % never exceeds its limit of 5.00 %.",
    "the breach is dropped": "The NPL ratio is 5.21 % and its limit is 5.00 %.",
    "a figure is dropped": "The NPL ratio exceeds its limit of 5.00 %.",
    "the name is dropped": "At 5.21 % it exceeds its limit of 5.00 %.",
    "a cause": "The NPL ratio of 5.21 % exceeds its limit of 5.00 % because of defaults.",
    "advice": "The NPL ratio of 5.21 % exceeds its limit of 5.00 % and must be reduced.",
    "figures swapped": "The NPL ratio of 5.00 % exceeds its limit of 5.21 %.",
    "called by another name": "The NPL ratio limit of 5.21 % exceeds its limit of 5.00 %.",
    "a figure without name": "The NPL ratio exceeds its limit of 5.00 %, at 5.21 %.",
    "turned round": "The limit of 5.00 % exceeds the NPL ratio of 5.21 %.",
    "an old breach": "The NPL ratio of 5.21 % exceeds its limit of 5.00 % since 30 June 2026.",
    "a slot of another section": "The NPL ratio of {credit.npl} exceeds its limit of 5.00 %.",
    "braces": "The NPL ratio of {5.21 %} exceeds its limit of 5.00 %.",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
async def test_a_sentence_that_fails_never_stands(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis, text: str
) -> None:
    """A sentence that fails goes back with the reason; when it comes again, the template's stays."""
    written, credit = await run(model_server, context, analysis, text, text, MOVE)

    assert written == analysis
    assert (credit.offered, credit.kept) == (1, 0)
    assert "That cannot stand" in model_server.prompts()[1]


MISPLACED = {
    "the limit moved": "The limit rose by 0.21 pp since 30 June 2026.",
    "a level of the change": "At 0.21 pp it rose since 30 June 2026.",
    "the other way": "It fell by 0.21 pp since 30 June 2026.",
}


@pytest.mark.parametrize("text", MISPLACED.values(), ids=MISPLACED)
async def test_a_change_stays_with_what_changed(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis, text: str
) -> None:
    """A word of change is said of the measure alone, and the way it went."""
    written, credit = await run(model_server, context, analysis, BREACH, text, text)

    assert written == analysis
    assert (credit.offered, credit.kept) == (1, 0)


async def test_a_sentence_goes_back_twice_at_most(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """Three wordings that fail are enough, and the template's stays."""
    bad = [f"The NPL ratio is {figure} %." for figure in ("1.00", "2.00", "3.00")]

    written, credit = await run(model_server, context, analysis, *bad, MOVE)

    assert written == analysis
    assert (credit.offered, credit.kept) == (1, 0)
    assert len(model_server.requests) == 4


async def test_a_repaired_sentence_stands(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """A sentence that the reasons led to is kept."""
    good = "At 5.21 %, the NPL ratio is above its limit of 5.00 %."

    _, credit = await run(model_server, context, analysis, REFUSED["a cause"], good, MOVE)

    assert (credit.offered, credit.kept) == (1, 1)


async def test_the_draft_repeated_is_the_rules(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """A model that repeats the draft has written nothing."""
    written, credit = await run(model_server, context, analysis, BREACH, MOVE)

    assert written == analysis
    assert (credit.offered, credit.kept) == (0, 0)


async def test_equal_figures_are_told_apart_by_their_names(
    model_server: ModelServer, context: SectionContext
) -> None:
    """Two figures that print alike stay bound to their own claims."""
    draft = Draft(context)
    spot = draft.value("a", "Trades of Metals", context["desks"], "2026-09-30|Metals", "trades")
    old = draft.value("b", "Earlier trades", context["desks"], "2026-06-30|Metals", "trades")
    prose = f"Trades of Metals: {spot.slot}; earlier trades: {old.slot}."
    draft.finding("trades", "observation", "info", "Trades", prose)
    text = "Trades of Metals are 4, and earlier trades were 4."

    written, _ = await run(model_server, context, draft.finish(), text)

    expected = "Trades of Metals are {market.a}, and earlier trades were {market.b}."
    assert written.findings[0].prose == expected


async def test_names_that_cannot_be_told_apart_stay_with_the_rules(
    model_server: ModelServer, context: SectionContext
) -> None:
    """Where two figures have the same label no check could tell them apart: no model words it."""
    draft = Draft(context)
    spot = draft.value("spot", "Rate", context["desks"], SPOT_NOW, "npl")
    metals = draft.value("metals", "Rate", context["desks"], "2026-09-30|Metals", "npl")
    prose = f"Spot has a rate of {spot.slot}, Metals a rate of {metals.slot}."
    draft.finding("rates", "observation", "info", "Rates", prose)

    _, credit = await run(model_server, context, draft.finish(), "Metals has a rate of 5.21 %.")

    assert model_server.requests == []
    assert credit.offered == 0


async def test_a_refused_finding_keeps_its_template(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """A finding among the problems of an earlier attempt is not worded again."""
    problem = Problem(code="prose.word", where="findings/market.npl.limit/prose", message="no")

    written, _ = await narrate(model_server.client("narrator"), context, analysis, (problem,))

    assert written == analysis
    assert model_server.requests == []


UNAVAILABLE: list[Answer] = [Status(500), Hang(), "garbage", {"text": "other field"}]


@pytest.mark.parametrize("answer", UNAVAILABLE, ids=["500", "hang", "garbage", "other"])
async def test_a_failing_model_leaves_the_templates(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis, answer: Any
) -> None:
    """A model that fails changes no sentence."""
    model_server.answers = [answer]
    client = model_server.client("narrator", model_timeout=timedelta(seconds=1))

    written, credit = await narrate(client, context, analysis, ())

    assert written == analysis
    assert credit.kept == 0


async def test_garbage_is_not_asked_for_for_ever(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """After three sentences in a row without a usable answer the model is left alone, as is said."""
    (finding,) = analysis.findings
    many = analysis.model_copy(update={"findings": (finding,) * 9})

    _, credit = await run(model_server, context, many, {"text": "other field"})

    assert len(model_server.requests) == 6
    assert "rules' own" in credit.note


async def test_the_same_finding_is_asked_for_in_the_same_bytes(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """Two runs on the same evidence send the same requests."""
    await run(model_server, context, analysis, BREACH)
    requests = list(model_server.requests)
    await run(model_server, context, analysis, BREACH)

    assert json.dumps(requests) == json.dumps(model_server.requests[len(requests) :])
