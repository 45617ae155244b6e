"""
A finding's text as a person words it anew: its placeholders, and what may not stand in it.

A person may choose other words and move the placeholders. The checks are those of a model's
sentences, but for one: a person may use plain words that the finding does not have. Names they may
not, unless a placeholder prints them. The whole section is verified again afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

from services.analysis import _lexicon as lexicon
from services.analysis._binding import Binding
from services.analysis._saying import Saying
from services.analysis._slots import rename_slots, slots_of
from services.analysis.claims import evidence_of
from services.analysis.context import Exhibit
from services.analysis.findings import Finding, SectionAnalysis, Severity
from services.analysis.prose import Problem, check_prose
from services.analysis.verify import Verification
from services.errors import NotFound, TextRefused
from services.evidence import Frozen

__all__ = ["LONGEST", "EditableText", "Placeholder", "TextEditor"]

LONGEST: Final = 2_000
"""Characters of a text, its placeholders included."""
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_UNNAMED: Final = frozenset({"label", "method"})
"""What a text may leave out: the words of a label are kept in words."""
_WHY: Final = {
    "prose.digit": "is a number that nothing proves. Figures stand in placeholders.",
    "prose.number_word": "is a number in words. Figures stand in placeholders.",
    "prose.date": "is a date or a period. Dates stand in placeholders.",
    "prose.direction": "compares or says a direction. Only a placeholder may say it, because it is "
    "checked against the figure.",
    "prose.hedge": "changes the figure behind it. Leave it out.",
    "prose.negation": "turns the sense of a checked word. Say what is so.",
    "prose.symbol": "may not stand in a sentence of a report.",
}
"""What a person is told, where the checker's own words are for whoever writes slots."""


class Placeholder(Frozen):
    """A piece of a text that is bound to evidence."""

    name: str
    """As it is typed, such as `{npl_ratio}`."""
    prints: str
    label: str
    needed: bool
    """Whether the text has it now, and has to keep it."""
    words: tuple[str, ...] = ()
    """What else may stand behind its colon: the words that are true of its figure."""


class EditableText(Frozen):
    """A finding's text, and everything that may stand in it."""

    finding: str
    section: str
    title: str
    """Of the section."""
    subject: str
    severity: Severity
    text: str
    """With placeholders."""
    reads: str
    """As the report prints it."""
    edited: bool
    placeholders: tuple[Placeholder, ...]


class TextEditor:
    """The text of one finding of a verified section; `NotFound` when there is no such finding."""

    def __init__(self, analysis: SectionAnalysis, verification: Verification, finding: str) -> None:
        self._analysis = analysis
        self._finding = _finding(analysis, finding)
        claims = {claim.id: claim for claim in analysis.claims}
        names = [n for n in self._finding.claims if verification.outcomes[n].verified]
        every = " ".join(f"{{{name}}}" for name in names)
        self._saying = Saying(
            {name: claims[name] for name in names},
            {name: verification.outcomes[name] for name in names},
            Binding(every, claims, verification.outcomes),
        )

    @property
    def shown(self) -> EditableText:
        finding = self._finding
        return EditableText(
            finding=finding.id,
            section=self._analysis.section,
            title=self._analysis.title,
            subject=finding.subject,
            severity=finding.severity,
            text=self._short(finding.prose),
            reads=self._saying.prints(finding.prose),
            edited=finding.edited,
            placeholders=tuple(self._placeholders()),
        )

    @property
    def evidence(self) -> tuple[str, ...]:
        """Ids of what the finding rests on: its rows hold the names that are to be bound."""
        claims = self._saying.claims.values()
        return tuple(dict.fromkeys(name for claim in claims for name in evidence_of(claim)))

    def edited(self, text: str, exhibits: Iterable[Exhibit]) -> SectionAnalysis:
        """
        The section with *text* in place of the finding's, which is to be verified as a whole.

        Raises `TextRefused`, with every word that cannot stand and why.
        """
        whole = rename_slots(" ".join(text.split()), self._qualified)
        found = tuple(dict.fromkeys(self._problems(whole, exhibits)))
        if found:
            count = "One thing stands" if len(found) == 1 else f"{len(found)} things stand"
            raise TextRefused(
                f"The text is not taken: {count} against it.",
                hint="Change it, and send it again; nothing was recorded.",
                problems=found,
            )
        changed = self._finding.model_copy(update={"prose": whole, "edited": True})
        findings = (changed if f.id == changed.id else f for f in self._analysis.findings)
        return self._analysis.model_copy(update={"findings": tuple(findings)})

    def _placeholders(self) -> Iterator[Placeholder]:
        present = dict.fromkeys(slot.written for slot in slots_of(self._finding.prose))
        other = (f"{{{name}}}" for name in self._saying.claims)
        for written in dict.fromkeys([*present, *other]):
            (slot,) = slots_of(written)
            true = self._saying.true_words(slot.claim) if slot.word else []
            yield Placeholder(
                name=self._short(written),
                prints=self._saying.prints(written),
                label=self._saying.claims[slot.claim].label,
                needed=written in present and slot.name not in _UNNAMED,
                words=tuple(word for word in true if word != slot.word),
            )

    def _problems(self, text: str, exhibits: Iterable[Exhibit]) -> Iterator[tuple[str, str]]:
        if not text or len(text) > LONGEST:
            yield "", f"A text has between one and {LONGEST:,} characters; this has {len(text):,}."
            return
        if text == " ".join(self._finding.prose.split()):
            yield "", "This is the text as it stands."
            return
        found = check_prose(text, self._saying.claims, self._saying.outcomes)
        yield from (self._said(problem) for problem in found)
        told = {problem.word for problem in found}
        yield from (name for name in self._names(text, exhibits) if name[0] not in told)
        if not any(problem.code == "prose.slot" for problem in found):
            yield from self._lost(text)
            yield from self._misnamed(text)

    def _said(self, problem: Problem) -> tuple[str, str]:
        """A problem of the checker for a person."""
        word = self._short(problem.word)
        if problem.code == "prose.word":
            true = problem.message.partition("true words: ")[2]
            return word, f"is not true of this figure. True are: {true}."
        if "{" in word or "}" in word:
            return word, "is no placeholder of this text."
        return word, _WHY.get(problem.code) or problem.message.replace("slot", "placeholder")

    def _names(self, text: str, exhibits: Iterable[Exhibit]) -> Iterator[tuple[str, str]]:
        """Names that *text* types: those of the evidence, and whatever else looks like one."""
        bare = _outside(text)
        why = "is a name. Names stand in placeholders, bound to evidence."
        printed = {o.text for o in self._saying.outcomes.values() if o.text is not None}
        typed = {name for name in printed if _stands(name, bare, re.IGNORECASE)}
        known = {v for e in exhibits for v in _texts(e) if v.lower() != v}
        typed |= {
            name
            for name in known
            if _stands(name, bare, re.IGNORECASE if " " in name else re.NOFLAG)
            and not self._is_known(name)
        }
        typed = {name for name in typed if not _stands(name, _outside(self._finding.prose))}
        said = {word for name in typed for word in _WORD.findall(name)}
        for word in _capitalised(bare):
            if word not in said and not self._is_known(word):
                typed.add(word)
        yield from ((name, why) for name in sorted(typed))

    def _is_known(self, name: str) -> bool:
        return self._vocabulary.issuperset(_WORD.findall(name.lower()))

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        """Words that the text has outside its placeholders, and those of the subject and labels."""
        labels = (claim.label for claim in self._saying.claims.values())
        said = " ".join((_outside(self._finding.prose), self._finding.subject, *labels)).lower()
        return frozenset(_WORD.findall(said))

    def _lost(self, text: str) -> Iterator[tuple[str, str]]:
        draft = self._finding.prose
        wanted = [slot for slot in slots_of(draft) if slot.name not in _UNNAMED]
        for slot in self._saying.lost(wanted, text):
            prints = self._saying.prints(slot.written)
            yield self._short(slot.written), f"is missing: the text has to say '{prints}' still."

    def _misnamed(self, text: str) -> Iterator[tuple[str, str]]:
        """Figures that *text* calls by another's name, where labels tell them apart."""
        draft, claims = self._finding.prose, self._saying.claims
        binding = Binding(f"{draft} {text}", claims, self._saying.outcomes)
        if not binding.is_clear:
            return
        for word in binding.lost(draft, text):
            yield word, "is missing: it says what a figure is."
        # A name in its placeholder names a figure before it too: it counts as its words do.
        known = {*binding.problems(draft, ())}
        spelled = {*binding.problems(self._spelled(text), ())} - known
        for problem in binding.problems(text, ()):
            if problem in spelled:
                yield "", f"{problem[0].upper()}{problem[1:]}."

    def _spelled(self, text: str) -> str:
        """*text* with the names of figures written out."""
        for slot in reversed(slots_of(text)):
            if slot.name == "label":
                label = self._saying.claims[slot.claim].label
                text = f"{text[: slot.start]}{label}{text[slot.end :]}"
        return text

    def _short(self, text: str) -> str:
        """Placeholders without the section's name, which they all share."""
        return rename_slots(text, lambda name: name.removeprefix(f"{self._analysis.section}."))

    def _qualified(self, name: str) -> str:
        return name if name in self._saying.claims else f"{self._analysis.section}.{name}"


def _finding(analysis: SectionAnalysis, name: str) -> Finding:
    for finding in analysis.findings:
        if finding.id == name:
            return finding
    raise NotFound("The report has no such finding.", hint="See `assay review texts ITEM`.")


def _outside(text: str) -> str:
    """*text* with a gap for each placeholder and term of art."""
    for slot in reversed(slots_of(text)):
        text = f"{text[: slot.start]}_{text[slot.end :]}"
    return lexicon.TERMS.sub("_", text)


def _texts(exhibit: Exhibit) -> Iterator[str]:
    for column, values in zip(exhibit.table.columns, exhibit.table.data, strict=True):
        if column.type == "string":
            yield from (value for value in set(values) if isinstance(value, str))


def _stands(name: str, text: str, flags: re.RegexFlag = re.NOFLAG) -> bool:
    """Whether *text* says *name* in whole words, whatever stands between them."""
    words = name.split()
    if not words or words[0].lower() not in text.lower():
        return False
    said = r"\W+".join(re.escape(word) for word in words)
    return re.search(rf"(?<!\w){said}(?!\w)", text, flags) is not None


def _capitalised(text: str) -> Iterator[str]:
    """Words with a capital letter that no sentence begins with."""
    for sentence in _SENTENCE_END.split(text):
        for match in _WORD.finditer(sentence):
            is_first = not sentence[: match.start()].strip("\"'(\u201c\u2018 ")
            if match[0].lower() != match[0] and not is_first and len(match[0]) > 1:
                yield match[0]
