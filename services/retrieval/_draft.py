"""From mentions to a draft of the query: metrics, groups and conditions, not yet resolved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from services.semantics import Operator, SemanticModel

from ._lexicon import Meanings, ValueOf
from ._scan import Compare, Mark, Mention, Named, Number, Span, Top, Unknown
from ._words import IGNORED

ASKING = frozenset({"which", "what", "who"})


@dataclass(frozen=True, slots=True)
class Condition:
    """Rows to keep; each value is told with the fields (`dataset.field`) it may belong to."""

    fields: tuple[str, ...]
    op: Operator
    values: tuple[str | Decimal | bool, ...]
    text: str
    unit: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A comparison whose subject may be a metric or a field."""

    subject: Named | None
    compare: Compare


@dataclass(slots=True)
class Draft:
    """What a question asks for, as far as its words tell."""

    metrics: list[Named] = field(default_factory=list)
    ranked_by: Named | None = None
    groups: list[Named] = field(default_factory=list)
    asides: list[Named] = field(default_factory=list)
    """Groups that no `by` introduces, such as the counterparties of `exposure to counterparties`."""
    scopes: list[Named] = field(default_factory=list)
    """Words for a dataset, which only say what the figures are of."""
    conditions: list[Condition] = field(default_factory=list)
    thresholds: list[Threshold] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    compared: list[Span] = field(default_factory=list)
    top: Top | None = None
    marks: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)


_Step = Callable[["Draft", Sequence[Mention], int], int]


class DraftReader:
    """Reads mentions from left to right; the first pattern that fits takes its mentions."""

    def __init__(self, model: SemanticModel) -> None:
        self._dimensions = {f"{d.name}.{f.name}" for d, f in model.dimensions()}
        self._types = {f"{d.name}.{f.name}": f.type for d in model.datasets for f in d.fields}
        self._units = {f"{d.name}.{f.name}": f.unit for d in model.datasets for f in d.fields}
        self._reads = {metric.name: metric.datasets for metric in model.metrics}
        self._patterns: tuple[_Step, ...] = (
            self._numbered_field,
            self._threshold,
            self._values,
            self._ranked,
            self._metric,
            self._group,
            self._other,
        )

    def read(self, mentions: Sequence[Mention]) -> Draft:
        draft = Draft()
        at = 0
        while at < len(mentions):
            at += next(used for step in self._patterns if (used := step(draft, mentions, at)))
        self._settle(draft)
        return draft

    def _settle(self, draft: Draft) -> None:
        """Decide what could be a figure, a group, or just the name of what is looked at."""
        for named in draft.asides:
            is_scope = draft.groups and named.meanings.datasets
            (draft.scopes if is_scope else draft.groups).append(named)
        for named in tuple(draft.metrics):
            others = {
                dataset
                for other in draft.metrics
                if other is not named
                for metric in other.meanings.metrics
                for dataset in self._reads[metric]
            }
            if others & set(named.meanings.datasets):
                draft.metrics.remove(named)
                draft.scopes.append(named)

    def _numbered_field(self, draft: Draft, mentions: Sequence[Mention], at: int) -> int:
        """`stage 3`, `stages 2 and 3`."""
        negated, start = _negation(mentions, at)
        subject = _at(mentions, start)
        if not isinstance(subject, Named):
            return 0
        fields = tuple(
            name for name in subject.meanings.fields if self._types[name] in ("integer", "decimal")
        )
        numbers: list[Number] = []
        end = start + 1
        while fields:
            step = 1 if numbers and _is_joint(_at(mentions, end)) else 0
            number = _at(mentions, end + step)
            if not isinstance(number, Number) or (numbers and not step):
                break
            numbers.append(number)
            end += step + 1
        if not numbers:
            return 0
        text = f"{subject.text} {' or '.join(number.text for number in numbers)}"
        values = tuple(number.value for number in numbers)
        draft.conditions.append(Condition(fields, _membership(values, negated), values, text))
        return end - at

    def _threshold(self, draft: Draft, mentions: Sequence[Mention], at: int) -> int:
        """`balance above 1 million`, `more than 30 days past due`, `above 90% utilisation`."""
        here, following = _at(mentions, at), _at(mentions, at + 1)
        if isinstance(here, Named):
            end = at + (2 if following == Mark("by") else 1)
            compare = _at(mentions, end)
            if isinstance(compare, Compare) and self._is_subject(here, compare):
                draft.thresholds.append(Threshold(here, compare))
                return end + 1 - at
        if not isinstance(here, Compare):
            return 0
        if isinstance(following, Named) and self._is_subject(following, here):
            draft.thresholds.append(Threshold(following, here))
            return 2
        draft.thresholds.append(Threshold(None, here))
        return 1

    def _values(self, draft: Draft, mentions: Sequence[Mention], at: int) -> int:
        """`Germany`, `Germany or France`, `desk EM FX`, `EM FX desk`, `excluding SME`."""
        negated, start = _negation(mentions, at)
        leading = _at(mentions, start)
        owner = None
        if isinstance(leading, Named) and leading.meanings.fields and not leading.meanings.metrics:
            following = _at(mentions, start + 1)
            if isinstance(following, Named) and _shared(leading.meanings, following.meanings):
                owner, start = leading, start + 1
        first = _at(mentions, start)
        if not isinstance(first, Named) or not first.meanings.values:
            return 0
        if owner is None and (first.meanings.metrics or first.meanings.fields) and not negated:
            return 0
        named, end = _value_list(mentions, start)
        trailing = _at(mentions, end)
        if owner is None and isinstance(trailing, Named) and _owns(trailing, first):
            owner, end = trailing, end + 1
        if owner is None and first.text in IGNORED:
            return 1  # `current` is a bucket only beside the word bucket
        fields = _common_fields(named)
        if owner is not None:
            fields = tuple(name for name in fields if name in owner.meanings.fields)
        values = tuple(_spelling(item, fields) for item in named)
        draft.conditions.append(
            Condition(
                fields=fields,
                op=_membership(values, negated),
                values=values,
                text=" or ".join(item.text for item in named),
                before=(owner or first).before,
            )
        )
        return end - at

    def _ranked(self, draft: Draft, mentions: Sequence[Mention], at: int) -> int:
        """The `by exposure` of `top 5 counterparties by exposure`; the `by sector` of a group."""
        here, following = _at(mentions, at), _at(mentions, at + 1)
        if here != Mark("by") or not isinstance(following, Named):
            return 0
        if self._is_group(following):
            draft.groups.append(following)
            return 2
        if following.meanings.metrics:
            draft.metrics.append(following)
            draft.ranked_by = following
            return 2
        return 0

    def _metric(self, draft: Draft, mentions: Sequence[Mention], at: int) -> int:
        here = _at(mentions, at)
        if not isinstance(here, Named) or not here.meanings.metrics:
            return 0
        draft.metrics.append(here)
        if isinstance(_at(mentions, at - 1), Top) and self._is_group(here):
            draft.groups.append(here)
        return 1

    def _group(self, draft: Draft, mentions: Sequence[Mention], at: int) -> int:
        here, previous = _at(mentions, at), _at(mentions, at - 1)
        if not isinstance(here, Named):
            return 0
        flags = tuple(n for n in here.meanings.fields if self._types[n] == "boolean")
        if flags:
            draft.conditions.append(Condition(flags, "eq", (True,), here.text))
        elif self._is_group(here):
            is_asked = isinstance(previous, Top) or here.before in ASKING
            (draft.groups if is_asked else draft.asides).append(here)
        elif here.meanings.datasets:
            draft.scopes.append(here)
        else:
            draft.unknown.append(here.text)
        return 1

    def _other(self, draft: Draft, mentions: Sequence[Mention], at: int) -> int:
        match mentions[at]:
            case Span() as span:
                compared = _at(mentions, at - 1) == Mark("versus")
                (draft.compared if compared else draft.spans).append(span)
            case Top() as top if draft.top is None:
                draft.top = top
            case Top(count=None, descending=descending) if (
                draft.top is not None and draft.top.descending == descending
            ):
                pass  # the `largest` of `top ten largest`
            case Top():
                draft.unknown.append("a second ranking")
            case Mark(kind="or" | "not" as kind):
                draft.unknown.append(kind)
            case Mark(kind=kind):
                draft.marks.add(kind)
            case Number(text=text) | Unknown(word=text) | Named(text=text):
                draft.unknown.append(text)
            case Compare():
                pass  # read by `_threshold`
        return 1

    def _is_subject(self, named: Named, compare: Compare) -> bool:
        """Whether *named* can be what is compared; days and years belong to fields only."""
        if compare.unit in ("days", "years"):
            return any(self._units[name] == compare.unit for name in named.meanings.fields)
        numbers = ("integer", "decimal", "double")
        return bool(named.meanings.metrics) or any(
            self._types[name] in numbers for name in named.meanings.fields
        )

    def _is_group(self, named: Named) -> bool:
        return any(name in self._dimensions for name in named.meanings.fields)


def _at(mentions: Sequence[Mention], index: int) -> Mention | None:
    return mentions[index] if 0 <= index < len(mentions) else None


def _negation(mentions: Sequence[Mention], at: int) -> tuple[bool, int]:
    negated = _at(mentions, at) == Mark("not")
    return negated, at + negated


def _is_joint(mention: Mention | None) -> bool:
    return mention in (Mark("and"), Mark("or"))


def _membership(values: Sequence[object], negated: bool) -> Operator:
    if len(values) == 1:
        return "ne" if negated else "eq"
    return "not_in" if negated else "in"


def _value_list(mentions: Sequence[Mention], start: int) -> tuple[list[Named], int]:
    """The values that follow each other, joined by `and`, `or` or a comma, of one field."""
    first = mentions[start]
    assert isinstance(first, Named)
    named, end = [first], start + 1
    while _is_joint(_at(mentions, end)):
        step = 2 if _is_joint(_at(mentions, end + 1)) else 1
        item = _at(mentions, end + step)
        if not isinstance(item, Named) or not _common_fields([*named, item]):
            break
        named.append(item)
        end += step + 1
    return named, end


def _common_fields(named: Sequence[Named]) -> tuple[str, ...]:
    fields = [value.field for value in named[0].meanings.values]
    for item in named[1:]:
        other = {value.field for value in item.meanings.values}
        fields = [name for name in fields if name in other]
    return tuple(dict.fromkeys(fields))


def _owns(owner: Named, owned: Named) -> bool:
    """Whether *owner* is the field of the value *owned*, as the `desk` of `EM FX desk`."""
    return not owner.meanings.metrics and _shared(owner.meanings, owned.meanings)


def _shared(owner: Meanings, owned: Meanings) -> bool:
    return any(value.field in owner.fields for value in owned.values)


def _spelling(named: Named, fields: Sequence[str]) -> str:
    """The value as the warehouse spells it."""
    values: Sequence[ValueOf] = named.meanings.values
    return next((v.value for v in values if v.field in fields), values[0].value)
