"""Phrases that the semantic model and the known values give a meaning to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from services.evidence import Scalar
from services.semantics import SemanticModel

from ._words import IGNORED, Word, forms

_T = TypeVar("_T")
KnownValues: TypeAlias = Mapping[str, Sequence[Scalar]]
"""Values that occur, by `dataset.field`."""


@dataclass(frozen=True, slots=True)
class ValueOf:
    """A value that occurs in a field."""

    field: str
    value: str
    exact: bool = False
    """Whether it reads like an ordinary word, so that only its own spelling names it."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """Everything a phrase can stand for; fields are `dataset.field`."""

    metrics: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    values: tuple[ValueOf, ...] = ()
    datasets: tuple[str, ...] = ()


class Lexicon:
    """Looks phrases up; the longest phrase that starts at a word wins."""

    def __init__(self, model: SemanticModel, values: KnownValues) -> None:
        self.model = model
        self._metrics: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self._fields: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self._values: dict[tuple[str, ...], list[ValueOf]] = defaultdict(list)
        self._datasets: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for metric in model.metrics:
            for phrase in {metric.name, metric.label, *metric.synonyms}:
                _add(self._metrics, phrase, metric.name)
        for dataset in model.datasets:
            for phrase in {dataset.label, *dataset.synonyms}:
                _add(self._datasets, phrase, dataset.name)
            for field in dataset.fields:
                for phrase in {field.name, field.label, *field.synonyms}:
                    _add(self._fields, phrase, f"{dataset.name}.{field.name}")
        self._add_values(values)
        self._longest = max(
            (len(phrase) for table in self._tables() for phrase in table), default=0
        )

    def _tables(self) -> tuple[Mapping[tuple[str, ...], object], ...]:
        return self._metrics, self._fields, self._values, self._datasets

    def _add_values(self, values: KnownValues) -> None:
        for name, occurring in values.items():
            for value in occurring:
                if isinstance(value, str) and (key := forms(value)):
                    known = ValueOf(name, value, _reads_like_a_word(key))
                    self._values[key].append(known)
        for dataset in self.model.datasets:
            for field in dataset.fields:
                name = f"{dataset.name}.{field.name}"
                for value, phrases in field.value_synonyms.items():
                    if name not in values or value in values[name]:
                        for phrase in phrases:
                            _add(self._values, phrase, ValueOf(name, value))

    def longest_at(self, words: Sequence[Word], start: int) -> tuple[Meanings, int] | None:
        """The meanings of the longest known phrase at *start*, and its length."""
        for length in range(min(self._longest, len(words) - start), 0, -1):
            part = words[start : start + length]
            phrase = tuple(word.form for word in part)
            text = " ".join(word.text for word in part)
            meanings = Meanings(
                metrics=tuple(self._metrics.get(phrase, ())),
                fields=tuple(self._fields.get(phrase, ())),
                values=tuple(
                    value
                    for value in self._values.get(phrase, ())
                    if not value.exact or value.value == text
                ),
                datasets=tuple(self._datasets.get(phrase, ())),
            )
            if meanings != Meanings():
                return meanings, length
        return None

    def counts(self, phrase: str) -> tuple[str, ...]:
        """The metrics that count what *phrase* names."""
        return tuple(self._metrics.get(("number", "of", *forms(phrase)), ()))

    def phrases(self) -> dict[str, str]:
        """Each phrase that names a metric, with the metric's label: for suggestions."""
        return {
            " ".join(phrase): self.model.metric(names[0]).label
            for phrase, names in self._metrics.items()
        }


def _add(table: dict[tuple[str, ...], list[_T]], phrase: str, meaning: _T) -> None:
    key = forms(phrase)
    # A phrase such as the `to` of the rating at the end means something in its place only.
    if not set(key) <= IGNORED and meaning not in table[key]:
        table[key].append(meaning)


def _reads_like_a_word(form: tuple[str, ...]) -> bool:
    return len(form) == 1 and (len(form[0]) < 3 or form[0] in IGNORED)
