from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analysis.claims import (
    ChangeClaim,
    ComparisonClaim,
    Outcome,
    RankClaim,
    ShareClaim,
    ValueClaim,
)
from services.analysis.prose import Run, check_label, check_prose, render_prose
from services.evidence import Cell

DAY = date(2026, 9, 30)
CELL = Cell(evidence="ev_1", row="0", column="x")
SAID = {"label": "NPL ratio", "as_of": DAY}
CLAIMS = {
    claim.id: claim
    for claim in (
        ValueClaim(
            id="c.npl",
            unit="ratio",
            cell=CELL,
            method="rule",
            parameters={"confidence": "0.975"},
            **SAID,
        ),
        ValueClaim(id="c.owner", cell=CELL, **SAID),
        ChangeClaim(
            id="c.rise",
            unit="pp",
            cell=CELL,
            base=CELL,
            better="lower",
            parameters={"since": "2026-06-30"},
            **SAID,
        ),
        ChangeClaim(id="c.flat", unit="pp", cell=CELL, base=CELL, **SAID),
        ComparisonClaim(
            id="c.over",
            unit="ratio",
            cell=CELL,
            threshold=CELL,
            relation="above",
            limit="max",
            **SAID,
        ),
        ComparisonClaim(
            id="c.kept",
            unit="ratio",
            cell=CELL,
            threshold=CELL,
            relation="at_or_above",
            limit="min",
            **SAID,
        ),
        RankClaim(id="c.rank", unit="count", cell=CELL, **SAID),
        ShareClaim(id="c.share", unit="ratio", part=(CELL,), whole=(CELL,), **SAID),
        ValueClaim(id="c.failed", cell=CELL, **SAID),
    )
}


def _outcome(name, value=None, display="", verified=True, **fields):
    return Outcome(claim=name, verified=verified, value=value, display=display, **fields)


OUTCOMES = {
    "c.npl": _outcome("c.npl", "0.0521", "5.21 %"),
    "c.owner": _outcome("c.owner", None, "Ana Ruiz", text="Ana Ruiz"),
    "c.rise": _outcome("c.rise", "0.21", "+0.21 pp"),
    "c.flat": _outcome("c.flat", "0.001", "0.00 pp"),
    "c.over": _outcome("c.over", "0.0521", "5.21 %"),
    "c.kept": _outcome("c.kept", "1.2", "120.00 %"),
    "c.rank": _outcome("c.rank", "1", "1st"),
    "c.share": _outcome("c.share", "0.6", "60.00 %"),
    "c.failed": _outcome("c.failed", verified=False, reason="no such cell"),
}

ACCEPTED = """
{c.npl@label} is {c.npl}; since {c.rise@since} it {c.rise:rose} by {c.rise@size}.
{c.owner}, the owner, should explain the movement and confirm the outlook.
The measure ({c.npl}) {c.over:exceeds} its limit and {c.over:breaches} appetite.
The ratio is {c.kept:within} its limit, and {c.flat:unchanged} against the previous quarter-end.
It has the {c.rank:highest} value and holds the {c.share:majority}: {c.share}.
Under IFRS 9 the loans in Stage 2 carry a lifetime loss; Tier 1 and CET1 are reported under BCBS 239.
Net stable funding and L2A assets are described below investment grade, other than single-name limits.
The model may be reviewed, and the march of events is noted at {c.npl@confidence}.
Credit quality {c.rise:worsened}, in the view of the third-party provider.
Losses on the book's loans aren't {c.npl}.
"""

REFUSED = [
    ("The ratio is 5.21 %.", "prose.digit"),
    ("The ratio is \u0665.", "prose.digit"),
    ("The ratio is \u00bd of it.", "prose.digit"),
    ("The ratio is \uff15.", "prose.digit"),
    ("Quarter \u2167 was calm.", "prose.digit"),
    ("Stage 4 loans matter.", "prose.digit"),
    ("Tier 1.5 capital matters.", "prose.digit"),
    ("CET12 matters.", "prose.digit"),
    ("Five desks matter.", "prose.number_word"),
    ("Twenty-five desks matter.", "prose.number_word"),
    ("A third of the book is retail.", "prose.number_word"),
    ("Losses doubled.", "prose.number_word"),
    ("About half is retail.", "prose.number_word"),
    ("It moved twofold.", "prose.number_word"),
    ("A dozen names matter.", "prose.number_word"),
    ("Two billion euros.", "prose.number_word"),
    ("It is ten percent.", "prose.number_word"),
    ("It moved by basis points.", "prose.date"),
    ("A quarter of the book is retail.", "prose.date"),
    ("In September the book moved.", "prose.date"),
    ("In May the book moved.", "prose.date"),
    ("On Fridays it moves.", "prose.date"),
    ("The book moved last quarter.", "prose.date"),
    ("The book moved the previous reporting year.", "prose.date"),
    ("It moved year-on-year.", "prose.date"),
    ("It is currently calm.", "prose.date"),
    ("The ratio rose.", "prose.direction"),
    ("The ratio is increasing.", "prose.direction"),
    ("There was a sharp decline.", "prose.direction"),
    ("The ratio is above its limit.", "prose.direction"),
    ("The limit is breached.", "prose.direction"),
    ("It is the largest desk.", "prose.direction"),
    ("More exposure is held here.", "prose.direction"),
    ("Quality improved.", "prose.direction"),
    ("All is within appetite.", "prose.direction"),
    ("The status is green.", "prose.direction"),
    ("The position is in excess of it.", "prose.direction"),
    ("The ratio is > the limit.", "prose.symbol"),
    ("The share is % of it.", "prose.symbol"),
    ("The ratio is \u2212{c.npl}.", "prose.symbol"),
    ("The ratio is -{c.npl}.", "prose.slot"),
    ("The amount is {c.npl}m.", "prose.slot"),
    ("The amount is {c.npl} million.", "prose.slot"),
    ("The amount is {c.npl} times that.", "prose.slot"),
    ("The amount is {c.npl}{c.share}.", "prose.slot"),
    ("The amount is nearly {c.npl}.", "prose.hedge"),
    ("The amount is over {c.npl}.", "prose.hedge"),
    ("The amount is {c.unknown}.", "prose.slot"),
    ("The amount is {c.npl@window}.", "prose.slot"),
    ("The amount is {C.NPL}.", "prose.slot"),
    ("The amount is {c.failed}.", "prose.unverified"),
    ("The ratio {c.rise:fell}.", "prose.word"),
    ("The ratio {c.flat:rose}.", "prose.word"),
    ("Quality {c.rise:improved}.", "prose.word"),
    ("Quality {c.flat:improved}.", "prose.word"),
    ("It is {c.over:below} the limit.", "prose.word"),
    ("It {c.kept:breaches} the limit.", "prose.word"),
    ("It is the {c.rank:lowest}.", "prose.word"),
    ("It is the {c.npl:highest}.", "prose.word"),
    ("It has not {c.rise:risen}.", "prose.word"),
    ("It never {c.rise:rose}.", "prose.negation"),
    ("It hasn't, in fact, {c.rise:increased}.", "prose.negation"),
    ("It is fi\u200bve.", "prose.symbol"),
    ("It is t\u0435n.", "prose.symbol"),
    ("It is \uff46\uff49\uff56\uff45.", "prose.symbol"),
    ("It is \ufb01ve.", "prose.number_word"),
    ("It is \ue000.", "prose.symbol"),
]


@pytest.mark.parametrize("sentence", ACCEPTED.strip().splitlines())
def test_slotted_prose_is_accepted(sentence):
    """Words of the trade, checked words and slots pass."""
    assert () == check_prose(sentence, CLAIMS, OUTCOMES)


@pytest.mark.parametrize(("sentence", "code"), REFUSED)
def test_what_no_claim_holds_is_refused(sentence, code):
    """Digits, number-words, dates and comparisons outside slots, and words that are not true."""
    assert code in {problem.code for problem in check_prose(sentence, CLAIMS, OUTCOMES)}


def test_a_refusal_tells_how_to_repair_the_sentence():
    """A wrong word is answered with the words that are true."""
    (problem,) = check_prose("The ratio {c.rise:fell}.", CLAIMS, OUTCOMES, where="here")

    assert "here" == problem.where
    assert (
        "'fell' is not true of claim c.rise; true words: climbed, deteriorated" in problem.message
    )


def test_sentences_on_method_may_compare():
    """They define a comparison and do not make one; numbers stay refused."""
    text = "An exception is a day whose loss exceeds the measure over {c.npl@confidence}."

    assert () == check_prose(text, CLAIMS, OUTCOMES, directions=False)
    assert check_prose("It exceeds ten.", CLAIMS, OUTCOMES, directions=False)


def test_prose_renders_its_slots_in_place():
    """Each slot becomes a run that names its figure."""
    runs = render_prose("{c.npl@label} {c.rise:rose} to {c.npl}.", CLAIMS, OUTCOMES)

    assert (
        Run("NPL ratio", "c.npl"),
        Run(" "),
        Run("rose", "c.rise"),
        Run(" to "),
        Run("5.21 %", "c.npl"),
        Run("."),
    ) == runs


def test_attributes_of_a_claim_render():
    """Dates in words, a confidence in percent, a change without its sign."""
    text = "{c.npl@as_of}|{c.npl@confidence}|{c.rise@since}|{c.rise@size}|{c.npl@method}"
    runs = render_prose(text, CLAIMS, OUTCOMES)

    assert "30 September 2026|97.5 %|30 June 2026|0.21 pp|rule" == "".join(
        run.text for run in runs
    ).replace("\u00a0", " ")


def test_a_label_holds_only_the_numbers_it_is_exempt_for():
    """A parameter may be named in a label; any other number is no claim."""
    exempt = frozenset({"99", "99.0"})

    assert () == check_label("Largest VaR, 99 % of Tier 1", where="x", exempt=exempt)
    assert ["prose.digit"] == [p.code for p in check_label("VaR, 98 %", where="x", exempt=exempt)]


@given(st.sampled_from(ACCEPTED.strip().splitlines()), st.data())
@settings(max_examples=120)
def test_a_digit_anywhere_is_refused(sentence, data):
    """Put into any place of any good sentence, a digit of any script does not pass."""
    place = data.draw(st.integers(0, len(sentence)))
    digit = data.draw(st.characters(categories=["Nd", "Nl", "No"]))

    assert check_prose(sentence[:place] + digit + sentence[place:], CLAIMS, OUTCOMES)


def test_text_of_the_warehouse_is_never_read_as_a_slot():
    """A name that looks like one prints as it is."""
    outcomes = {**OUTCOMES, "c.owner": _outcome("c.owner", display="{c.npl}", text="{c.npl}")}

    assert (Run("{c.npl}", "c.owner"), Run(" acts.")) == render_prose(
        "{c.owner} acts.", CLAIMS, outcomes
    )
