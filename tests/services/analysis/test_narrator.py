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
from services.analysis.prose import Problem
from services.analysis.verify import verify
from tests.services.model_server import Answer, Hang, ModelServer, Status

SPOT_NOW, SPOT_BEFORE = "2026-09-30|Spot", "2026-06-30|Spot"
DRAFT = (
    "{c1@label}: {c1} {c2:exceeds} the limit of {c3}. Since {c4@since} it {c4:rose} by {c4@size}."
)


@pytest.fixture
def analysis(draft: Draft) -> SectionAnalysis:
    """A limit that is breached, as the rules tell it."""
    desks, limits = draft.context["desks"], draft.context["limits"]
    before = (desks, SPOT_BEFORE, "npl")
    draft.limit("npl", "NPL ratio", (desks, SPOT_NOW, "npl"), limits, "npl", previous=before)
    return draft.finish()


async def run(
    server: ModelServer, context: SectionContext, analysis: SectionAnalysis, *answers: Answer
) -> Any:
    said = [{"prose": answer} if isinstance(answer, str) else answer for answer in answers]
    server.answers = list(said)
    return await narrate(server.client("narrator"), context, analysis, ())


GOOD = (
    "{c1@label} stands at {c1} and {c2:exceeds} its limit of {c3}; "
    "since {c4@since} it {c4:rose} by {c4@size}."
)


async def test_the_model_is_shown_slots_and_what_they_print(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """The prompt holds the draft, the slots with what they print, and those to keep."""
    await run(model_server, context, analysis, GOOD)

    (prompt,) = model_server.prompts()
    assert f"Draft: {DRAFT}" in prompt
    assert "{c1} prints 5.21\u00a0%: NPL ratio. Also {c1@label}" in prompt
    assert "Keep all of: {c2:exceeds} {c4@since}" in prompt


async def test_a_sentence_that_passes_takes_the_place_of_the_template(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """The model's sentence, with the claims' own ids, is the finding's, and so is its author."""
    written, credit = await run(model_server, context, analysis, GOOD)

    (finding,) = written.findings
    assert finding.prose == (
        "{market.npl@label} stands at {market.npl} and {market.npl.vs_red:exceeds} its limit of "
        "{market.npl.red}; since {market.npl.change@since} it {market.npl.change:rose} by "
        "{market.npl.change@size}."
    )
    assert finding.prose_author == Author(kind="model", name="tiny-1")
    assert finding.author == Author()
    assert (credit.offered, credit.kept) == (1, 1)
    assert verify(written, context.by_id, context.computations).passed


async def test_only_the_wording_changes(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """Claims, severity, action and everything else of the section stay."""
    written, _ = await run(model_server, context, analysis, GOOD)

    (before,), (after,) = analysis.findings, written.findings
    same = {"prose": after.prose, "prose_author": after.prose_author}
    assert before.model_copy(update=same) == after
    assert analysis.model_copy(update={"findings": written.findings}) == written


MENDED = {
    "written out": "{c1@label} stands at 5.21\u00a0% and {c2:exceeds} its limit of 5.00 %; since 30 June 2026 it {c4:rose} by {c4@size}.",
    "bare word": "{c1@label} stands at {c1} and {c2:exceeds} its limit of {c3}; since {c4@since} it rose by {c4@size}.",
    "loose braces": "{{c1@label}} stands at { c1 } and {c2: exceeds} its limit of {c3} ; since {c4@since} it {c4:rose} by {c4@size} .",
}


@pytest.mark.parametrize("text", MENDED.values(), ids=MENDED)
async def test_what_is_plainly_meant_is_put_right(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis, text: str
) -> None:
    """A figure or a word that has one slot becomes it, and is checked like any other."""
    written, credit = await run(model_server, context, analysis, text)

    assert credit.kept == 1
    assert len(model_server.requests) == 1
    assert "{market.npl.vs_red:exceeds} its limit of {market.npl.red}" in written.findings[0].prose


KEPT = "Since {c4@since} it {c4:rose} by {c4@size}."
REFUSED = {
    "a digit": "{c1@label} of {c1} {c2:exceeds} its limit of 5. " + KEPT,
    "another figure": "{c1@label} of 9.99 % {c2:exceeds} its limit of {c3}. " + KEPT,
    "a number-word": "{c1@label} of {c1} {c2:exceeds} its limit of five percent. " + KEPT,
    "an unchecked word": "{c1@label} of {c1} is far higher than its limit of {c3}. " + KEPT,
    "a false word": "{c1@label} of {c1} is {c2:below} its limit of {c3}. " + KEPT,
    "the breach is dropped": "{c1@label} is {c1}, with a limit of {c3}. " + KEPT,
    "the date is dropped": "{c1@label} of {c1} {c2:exceeds} its limit of {c3}.",
    "an invented claim": "{c1@label} of {c1} {c2:exceeds} its limit of {c9}. " + KEPT,
    "a cause": "{c1@label} of {c1} {c2:exceeds} its limit of {c3} because of defaults. " + KEPT,
    "advice": "{c1@label} of {c1} {c2:exceeds} its limit of {c3} and must come back. " + KEPT,
    "figures swapped": "{c1@label} of {c3} {c2:exceeds} its limit of {c1}. " + KEPT,
    "a limit called ratio": "{c1@label} of {c1} {c2:exceeds} the NPL ratio of {c3}. " + KEPT,
    "a figure without name": "{c1@label} {c2:exceeds} its limit of {c3} at {c1}. " + KEPT,
    "turned round": "The limit of {c3} {c2:exceeds} the NPL ratio of {c1}. " + KEPT,
    "the limit moved": "{c1@label} of {c1} {c2:exceeds} its limit of {c3}, which {c4:rose} since {c4@since}.",
    "the limit rose": "{c1@label} of {c1} {c2:exceeds} its limit of {c3}. The limit {c4:rose} since {c4@since}.",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
async def test_a_sentence_that_fails_never_stands(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis, text: str
) -> None:
    """A sentence that fails goes back twice with the reason; then the template's stays."""
    written, credit = await run(model_server, context, analysis, text)

    assert written == analysis
    assert credit.kept == 0
    assert credit.offered >= 1
    assert len(model_server.requests) == 3
    assert "This cannot be printed" in model_server.prompts()[-1]


async def test_a_repaired_sentence_stands(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """A sentence that the reasons led to is kept."""
    _, credit = await run(model_server, context, analysis, REFUSED["a digit"], GOOD)

    assert (credit.offered, credit.kept) == (1, 1)


async def test_the_draft_repeated_is_the_rules(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """A model that repeats the draft has written nothing."""
    written, credit = await run(model_server, context, analysis, DRAFT)

    assert written == analysis
    assert (credit.offered, credit.kept) == (0, 0)


async def test_names_that_cannot_be_told_apart_stay_with_the_rules(
    model_server: ModelServer, context: SectionContext
) -> None:
    """Where two figures have the same label no check could tell them apart: no model words it."""
    draft = Draft(context)
    desks = context["desks"]
    spot = draft.value("spot", "Rate", desks, SPOT_NOW, "npl")
    metals = draft.value("metals", "Rate", desks, "2026-09-30|Metals", "npl")
    prose = f"Spot has {spot.slot}, Metals {metals.slot}."
    draft.finding("rates", "observation", "info", "Rates", prose)

    _, credit = await run(model_server, context, draft.finish(), GOOD)

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
    """After three findings in a row without a usable answer the model is left alone, and it is said."""
    (finding,) = analysis.findings
    many = analysis.model_copy(update={"findings": (finding,) * 9})

    _, credit = await run(model_server, context, many, {"text": "other field"})

    assert len(model_server.requests) == 6
    assert "rules' own" in credit.note


async def test_the_same_prompt_gives_the_same_request(
    model_server: ModelServer, context: SectionContext, analysis: SectionAnalysis
) -> None:
    """Two runs on the same evidence send the same bytes."""
    await run(model_server, context, analysis, GOOD)
    await run(model_server, context, analysis, GOOD)

    first, second = map(json.dumps, model_server.requests)
    assert first == second
