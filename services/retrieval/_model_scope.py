"""What a model may fill a query with: the part of the semantic model that a question touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Final

from services.errors import QueryInvalid
from services.semantics import Metric, SemanticModel, find_field

from ._draft import Draft, DraftReader
from ._lexicon import KnownValues, Lexicon
from ._scan import scan
from ._words import IGNORED, forms, read_words

_MOST_METRICS: Final = 12
_MOST_VALUES: Final = 25
_NEAR: Final = 0.8
_NONE: Final[dict[str, Any]] = {"type": "array", "items": {"type": "null"}, "maxItems": 0}


@dataclass(frozen=True)
class Scope:
    """The question as the parser reads it, and the names that an answer to it may use."""

    model: SemanticModel
    values: KnownValues
    question: str
    as_of: date

    @cached_property
    def lexicon(self) -> Lexicon:
        return Lexicon(self.model, self.values)

    @cached_property
    def draft(self) -> Draft:
        """What the parser reads for certain: periods, numbers, values and names that it knows."""
        mentions = scan(read_words(self.question), self.lexicon, self.as_of)
        return DraftReader(self.model).read(mentions)

    @cached_property
    def words(self) -> Mapping[str, str]:
        """The words of the question that can mean something, by their form."""
        found = read_words(self.question)
        return {
            word.form: word.text
            for word in found
            if word.form not in IGNORED and word.number is None and word.form[0].isalpha()
        }

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that the parser read, else those that a word names in part or nearly."""
        read = {name for named in self.draft.metrics for name in named.meanings.metrics}
        if read:
            return tuple(metric for metric in self.model.metrics if metric.name in read)
        scores = {metric.name: self._overlap(metric) for metric in self.model.metrics}
        related = [metric for metric in self.model.metrics if scores[metric.name]]
        return tuple(sorted(related, key=lambda m: -scores[m.name])[:_MOST_METRICS])

    @cached_property
    def fields(self) -> Mapping[str, tuple[str, ...]]:
        """Dimensions that rows of the metrics have: plain name, and the `dataset.field` it stands for."""
        bases = dict.fromkeys(name for metric in self.metrics for name in metric.datasets)
        times = {self.model.dataset(base).time_field for base in bases}
        found: dict[str, list[str]] = {}
        for dataset, field in self.model.dimensions():
            name = f"{dataset.name}.{field.name}"
            if field.name not in times and any(self._reaches(base, name) for base in bases):
                found.setdefault(field.name, []).append(name)
        return {name: tuple(names) for name, names in found.items()}

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Those of the fields that a word of the question names."""
        return tuple(name for name in self.fields if any(map(self.names, self._phrases(name))))

    @cached_property
    def filters(self) -> Mapping[str, tuple[str, ...]]:
        """Texts that occur in a field and that a word of the question names."""
        found = {}
        for name, qualified in self.fields.items():
            texts = (value for option in qualified for value in self.values.get(option, ()))
            kept = [text for text in texts if isinstance(text, str) and self._means(text)]
            if kept:
                found[name] = tuple(dict.fromkeys(kept))[:_MOST_VALUES]
        return found

    def _means(self, value: str) -> bool:
        """Whether a word that names no metric names *value*: the loan of a balance is no product."""
        spoken = {form for metric in self.metrics for form in _spoken(metric)}
        return any(is_near(word, forms(value)) for word in self.words if not is_near(word, spoken))

    def _phrases(self, name: str) -> Iterator[str]:
        """What the field called *name* is called."""
        for option in self.fields[name]:
            field = self.model.dataset(option.partition(".")[0]).field(name)
            yield from (field.name, field.label, *field.synonyms)

    def names(self, phrase: str) -> bool:
        """Whether some word of the question is, or nearly is, a word of *phrase*."""
        return any(is_near(word, forms(phrase)) for word in self.words)

    def _overlap(self, metric: Metric) -> int:
        """How many words of the question are words of the metric's name, label or synonyms."""
        spoken = _spoken(metric)
        return sum(is_near(word, spoken) for word in self.words)

    def _reaches(self, base: str, name: str) -> bool:
        try:
            place = find_field(self.model, base, name)
        except QueryInvalid:
            return False
        return f"{place.dataset}.{place.field.name}" == name


def _spoken(metric: Metric) -> frozenset[str]:
    """The words that a metric goes by."""
    phrases = (metric.name, metric.label, *metric.synonyms)
    return frozenset(form for phrase in phrases for form in forms(phrase))


def is_near(word: str, known: Iterable[str]) -> bool:
    """Whether *word* is one of *known*, or is spelled much like one."""
    options = [form for form in known if form not in IGNORED]
    return word in options or (
        len(word) > 3 and bool(get_close_matches(word, options, n=1, cutoff=_NEAR))
    )


def answer_schema(scope: Scope) -> dict[str, Any]:
    """The JSON schema of an answer: a query over the scope's names, or that there is none."""
    conditions = [
        _object(
            field={"type": "string", "enum": [name]},
            value={"type": "string", "enum": list(values)},
        )
        for name, values in scope.filters.items()
    ]
    groups = {"type": "string", "enum": list(scope.groups)}
    query = _object(
        metrics=_array({"type": "string", "enum": [m.name for m in scope.metrics]}, 1, 2),
        group_by=_array(groups, 0, 2) if scope.groups else _NONE,
        filters=_array({"anyOf": conditions}, 0, 3) if conditions else _NONE,
        ranking={"type": "string", "enum": ["none", "largest", "smallest"]},
    )
    nothing = _object(cannot_answer={"type": "boolean", "enum": [True]})
    return _object(answer={"anyOf": [query, nothing]})


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(items: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}
