"""A person's text in place of a finding's: what is taken, and which word is refused and why."""

from __future__ import annotations

import pytest

from services.analysis.build import Draft
from services.analysis.editing import LONGEST, TextEditor
from services.analysis.findings import SectionAnalysis
from services.analysis.verify import verify
from services.errors import NotFound, TextRefused

SPOT_NOW, SPOT_BEFORE = "2026-09-30|Spot", "2026-06-30|Spot"
SINCE = "Since {npl.change@since} it {npl.change:rose} by {npl.change@size}."
TEXT = f"{{npl@label}}: {{npl}} {{npl.vs_red:exceeds}} the limit of {{npl.red}}. {SINCE}"


@pytest.fixture
def analysis(draft: Draft) -> SectionAnalysis:
    """A limit that is breached, as the rules tell it: `TEXT`."""
    desks, limits = draft.context["desks"], draft.context["limits"]
    before = (desks, SPOT_BEFORE, "npl")
    draft.limit("npl", "NPL ratio", (desks, SPOT_NOW, "npl"), limits, "npl", previous=before)
    return draft.finish()


@pytest.fixture
def editor(draft: Draft, analysis: SectionAnalysis) -> TextEditor:
    verification = verify(analysis, draft.context.by_id, draft.context.computations)
    return TextEditor(analysis, verification, analysis.findings[0].id)


def against(editor: TextEditor, draft: Draft, text: str) -> dict[str, str]:
    """What stands against the text, by word."""
    with pytest.raises(TextRefused) as refused:
        editor.edited(text, draft.context.by_id.values())
    assert not text or text not in str(refused.value)
    return dict(refused.value.problems)


def test_a_text_is_shown_with_its_placeholders(editor: TextEditor) -> None:
    """Short names, what they print, which have to stay, and the true words."""
    shown = editor.shown
    by_name = {one.name: one for one in shown.placeholders}

    assert TEXT == shown.text
    assert "NPL ratio: 5.21\u00a0% exceeds the limit of 5.00\u00a0%." in shown.reads
    assert ("5.21\u00a0%", True) == (by_name["{npl}"].prints, by_name["{npl}"].needed)
    assert not by_name["{npl@label}"].needed
    assert "above" in by_name["{npl.vs_red:exceeds}"].words
    assert "within" not in by_name["{npl.vs_red:exceeds}"].words
    assert not by_name["{npl.owner}"].needed


@pytest.mark.parametrize(
    "text",
    [
        f"At {{npl}}, the NPL ratio is {{npl.vs_red:above}} its limit of {{npl.red}}. {SINCE}",
        f"The committee has seen it coming: {TEXT}",
        f"{TEXT} The plan of {{npl.owner}} is under way.",
        TEXT.replace("{npl}", "{market.npl}"),
        TEXT.replace(". ", ".\r\n\r\n "),
    ],
)
def test_other_words_are_taken_and_verify(draft: Draft, editor: TextEditor, text: str) -> None:
    """Words changed, placeholders moved or added: the section verifies, and says it was edited."""
    if text.split() == TEXT.split() or "{market.npl}" in text:
        assert {"": "This is the text as it stands."} == against(editor, draft, text)
        return
    edited = editor.edited(text, draft.context.by_id.values())

    assert edited.findings[0].edited
    assert verify(edited, draft.context.by_id, draft.context.computations).passed


@pytest.mark.parametrize(
    ("text", "word", "why"),
    [
        (f"{TEXT} It was 4.9 % before.", "4.9", "is a number that nothing proves"),
        (f"{TEXT} It took two years.", "two", "is a number in words"),
        (f"{TEXT} It was so in June.", "June", "is a date"),
        (f"{TEXT} It took twentyfive years.", "twentyfive", "is a number in words"),
        (f"{TEXT} It was so at the ten's time.", "ten", "is a number in words"),
        (f"{TEXT} It took t\u00e9n years.", "ten", "is a number in words"),
        (f"{TEXT} It took \u1d1b\u1d07\u0274 years.", "\u1d1b", "may not stand"),
        (f"{TEXT} It is \u01c0 now.", "\u01c0", "may not stand"),
        (f"{TEXT} It is basis-points.", "basis-points", "is a date"),
        (f"{TEXT} It is December's loss.", "December", "is a date"),
        (f"{TEXT} It was so in march.", "in march", "is a date"),
        (f"{TEXT} The book fell.", "fell", "compares or says a direction"),
        (f"{TEXT} The book plummeted.", "plummeted", "compares or says a direction"),
        (f"{TEXT} It is under its limit.", "under its limit", "compares"),
        (f"{TEXT} It meets the supervisor's limit.", "meets the supervisor's limit", "compares"),
        (TEXT.replace("{npl} ", "\u2013{npl} "), "\u2013", "reads as a minus"),
        (TEXT.replace("{npl} ", "- {npl} "), "-", "reads as a minus"),
        (TEXT.replace("{npl} ", "minus {npl} "), "minus", "changes the figure"),
        (TEXT.replace("{npl} ", "about ({npl}) "), "about", "changes the figure"),
        (TEXT.replace("{npl} ", "{npl} (dollars) "), "dollars", "its own unit"),
        (TEXT.replace("{npl} ", "{npl} in dollars "), "dollars", "its own unit"),
        (TEXT.replace("{npl.red}.", "{npl.red}?"), "?", "the sense"),
        (TEXT.replace("{npl} ", "{npl} n\u00f3t "), "not", "the sense"),
        (TEXT.replace("{npl} ", "about {npl} "), "about", "changes the figure"),
        (TEXT.replace("it {npl.change:rose}", "it never {npl.change:rose}"), "never", "the sense"),
        (TEXT.replace(":rose}", ":fell}"), "fell", "True are: "),
        (TEXT.replace("{npl.red}", "{npl.limit}"), "{npl.limit}", "is no placeholder"),
        (f"{TEXT} {{npl", "{npl", "is no placeholder"),
        (f"{TEXT} <script>", "<", "may not stand"),
        (f"{TEXT} \u202eevil", "\u202e", "may not stand"),
        (TEXT.replace(SINCE, ""), "{npl.change:rose}", "has to say 'rose'"),
        (TEXT.replace("{npl.red}", "the committee"), "{npl.red}", "has to say '5.00\u00a0%'"),
        (f"{TEXT} Spot is the desk.", "Spot", "is a name"),
        (f"{TEXT} So says Nordbank.", "Nordbank", "is a name"),
        (f"{TEXT} That is for ana ruiz.", "Ana Ruiz", "is a name"),
        (f"{TEXT} That is for ana-ruiz.", "Ana Ruiz", "is a name"),
        (TEXT.replace("{npl@label}: ", "Of it, "), "npl", "says what a figure is"),
        ("", "", "between one and"),
        (TEXT + " so" * LONGEST, "", "between one and 2,000"),
    ],
)
def test_what_is_not_proven_is_refused_by_word(
    draft: Draft, editor: TextEditor, text: str, word: str, why: str
) -> None:
    """Numbers, dates, names and directions outside placeholders, and placeholders that are gone."""
    assert why in against(editor, draft, text)[word]


def test_a_figure_is_not_called_by_anothers_name(draft: Draft, editor: TextEditor) -> None:
    """The limit and the measure keep their names, wherever the placeholders are put."""
    swapped = f"{{npl@label}}: {{npl.red}} {{npl.vs_red:exceeds}} the limit of {{npl}}. {SINCE}"

    assert any("name" in why for why in against(editor, draft, swapped).values())


def test_only_findings_that_are_there_are_edited(draft: Draft, analysis: SectionAnalysis) -> None:
    """Another's id is not found."""
    verification = verify(analysis, draft.context.by_id, draft.context.computations)

    with pytest.raises(NotFound):
        TextEditor(analysis, verification, "market.other")
