"""A draft made definite for given metrics: every name a field of the model, every date a date."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from services.errors import QueryInvalid
from services.semantics import (
    Field,
    Filter,
    Metric,
    MetricQuery,
    Operator,
    Order,
    find_field,
)

from ._draft import ASKING, Condition, Draft, Threshold
from ._lexicon import KnownValues, Lexicon
from ._scan import Compare, Named
from ._time import NotUnderstood, When, resolve_time


class Resolver:
    """Resolves one draft; raises `NotUnderstood` where a metric does not fit the rest of it."""

    def __init__(self, lexicon: Lexicon, draft: Draft, values: KnownValues, as_of: date) -> None:
        self._model = lexicon.model
        self._lexicon = lexicon
        self._draft = draft
        self._values = values
        self._as_of = as_of

    def candidates(self, named: Named) -> tuple[str, ...]:
        """The metrics that *named* may mean; a count where the question asks how many."""
        if "count" not in self._draft.marks:
            return named.meanings.metrics
        counted = self._lexicon.counts(named.text)
        if not counted:
            raise NotUnderstood(
                f"'{named.text}' is an amount here, and is not counted.",
                words=(named.text,),
                suggestions=tuple(m.label for m in self._model.metrics if m.aggregation == "count"),
            )
        return counted

    def query(self, metrics: Sequence[Metric]) -> tuple[MetricQuery, When]:
        """The query for *metrics*, and what it says of time."""
        draft = self._draft
        bases = list(dict.fromkeys(name for metric in metrics for name in metric.datasets))
        self._check_scopes(bases)
        groups = list(
            dict.fromkeys(self._field(bases, g.meanings.fields, g.text) for g in draft.groups)
        )
        filters = _merged([self._filter(bases, condition) for condition in draft.conditions])
        metrics = list(metrics)
        filters.extend(self._known(bases, groups))
        filters.extend(
            self._threshold(bases, metrics, threshold, bool(groups))
            for threshold in draft.thresholds
        )
        times = {self._model.dataset(base).time_field for base in bases}
        when = resolve_time(
            self._model,
            metrics,
            draft,
            self._values,
            as_of=self._as_of,
            is_grouped=any(name in times for name in groups),
        )
        if when.is_grouped and when.field not in groups:
            groups.append(when.field)
        groups.extend(self._grain(metrics, groups, filters, when))
        query = MetricQuery(
            metrics=tuple(metric.name for metric in metrics),
            dimensions=tuple(groups),
            filters=(*filters, *when.filters),
            time_range=when.time_range,
            order=self._order(metrics, groups),
            limit=self._limit(),
        )
        return query, when

    def _check_scopes(self, bases: Sequence[str]) -> None:
        """Each dataset that is named must be one that the figures are of, or belong to."""
        for named in self._draft.scopes:
            reached = any(
                self._place(base, f"{dataset}.{field.name}")
                for base in bases
                for dataset in named.meanings.datasets
                for field in self._model.dataset(dataset).fields
            )
            if not reached:
                raise self._inapplicable(bases, named.text)

    def _known(self, bases: Sequence[str], groups: Sequence[str]) -> list[Filter]:
        """A ranking leaves out the rows that belong to nothing that is ranked."""
        if self._draft.top is None:
            return []
        joined = (g for g in groups if any(find_field(self._model, b, g).path for b in bases))
        return [Filter(field=name, op="not_null") for name in joined]

    def _field(self, bases: Sequence[str], options: Sequence[str], text: str) -> str:
        """How the query names the one field among *options* that rows of all *bases* have."""
        names = list(dict.fromkeys(self._reachable(bases, options)))
        if not names:
            raise self._inapplicable(bases, text)
        if len({name.rpartition(".")[2] for name in names}) > 1:
            raise NotUnderstood(
                f"'{text}' can belong to {' or '.join(names)}; say which.",
                words=(text,),
                suggestions=tuple(names),
            )
        return names[0]

    def _inapplicable(self, bases: Sequence[str], text: str) -> NotUnderstood:
        labels = " or ".join(self._model.dataset(base).label for base in bases)
        return NotUnderstood(
            f"'{text}' does not apply to {labels}.",
            words=(text,),
            suggestions=self._known_dimensions(bases),
        )

    def _reachable(self, bases: Sequence[str], options: Sequence[str]) -> Iterable[str]:
        """Plain names first, then names qualified by the dataset."""
        for option in options:
            plain = option.rpartition(".")[2]
            places = [self._place(base, plain) for base in bases]
            if all(place in options for place in places):
                yield plain
        for option in options:
            if all(self._place(base, option) for base in bases):
                plain = option.rpartition(".")[2]
                own = all(self._place(base, plain) == option for base in bases)
                yield plain if own else option

    def _place(self, base: str, name: str) -> str:
        try:
            place = find_field(self._model, base, name)
        except QueryInvalid:
            return ""
        return f"{place.dataset}.{place.field.name}"

    def _definition(self, base: str, name: str) -> Field:
        return find_field(self._model, base, name).field

    def _filter(self, bases: Sequence[str], condition: Condition) -> Filter:
        options = condition.fields
        if condition.before:
            said = tuple(n for n in options if condition.before in self._synonyms(n))
            options = said or options
        name = self._field(bases, options, condition.text)
        field = self._definition(bases[0], name)
        values = tuple(_plain(value, field) for value in condition.values)
        return Filter(field=name, op=condition.op, values=values)

    def _synonyms(self, name: str) -> tuple[str, ...]:
        dataset, _, field = name.rpartition(".")
        return self._model.dataset(dataset).field(field).synonyms

    def _threshold(
        self, bases: Sequence[str], metrics: list[Metric], threshold: Threshold, grouped: bool
    ) -> Filter:
        """A condition on rows where a field is meant, on groups where a metric is."""
        subject, compare = threshold.subject, threshold.compare
        if subject is None:
            return self._by_unit(bases, metrics, compare, grouped)
        asked = {name for named in self._draft.metrics for name in named.meanings.metrics}
        is_asked = bool(asked & set(subject.meanings.metrics)) or not self._draft.metrics
        fields = tuple(self._reachable(bases, subject.meanings.fields))
        if fields and not (is_asked and subject.meanings.metrics):
            name = self._field(bases, subject.meanings.fields, subject.text)
            field = self._definition(bases[0], name)
            return _limit(name, field.unit, compare)
        metric = self._measured(metrics, subject)
        if not grouped:
            raise NotUnderstood(
                f"A condition on {metric.label} needs groups to apply to.",
                suggestions=(f"Say by what: {metric.label.lower()} by sector, for example.",),
            )
        return _limit(metric.name, metric.unit, compare)

    def _by_unit(
        self, bases: Sequence[str], metrics: Sequence[Metric], compare: Compare, grouped: bool
    ) -> Filter:
        """A comparison without a subject: the one field with its unit, else the metric."""
        if compare.unit in ("days", "years"):
            fields = [
                f.name
                for b in bases
                for f in self._model.dataset(b).fields
                if f.unit == compare.unit
            ]
            if len(fields) == 1:
                return _limit(fields[0], compare.unit, compare)
        elif grouped and len(metrics) == 1:
            return _limit(metrics[0].name, metrics[0].unit, compare)
        raise NotUnderstood("The question compares a number with nothing that it names.")

    def _measured(self, metrics: list[Metric], subject: Named) -> Metric:
        for metric in metrics:
            if metric.name in subject.meanings.metrics:
                return metric
        names = subject.meanings.metrics
        if len(names) != 1:
            raise NotUnderstood(
                f"'{subject.text}' cannot be compared here.",
                words=(subject.text,),
                suggestions=tuple(self._model.metric(name).label for name in names),
            )
        metrics.append(self._model.metric(names[0]))
        return metrics[-1]

    def _grain(
        self,
        metrics: Sequence[Metric],
        groups: Sequence[str],
        filters: Sequence[Filter],
        when: When,
    ) -> list[str]:
        """The dimensions that values stored at a grain need and the question does not fix."""
        fixed = {*groups, *(f.field for f in filters if f.op == "eq")}
        if when.time_range is not None and when.time_range.as_of is not None:
            fixed.add(when.field)
        wanted = dict.fromkeys(name for metric in metrics for name in metric.grain)
        return [name for name in wanted if name not in fixed]

    def _order(self, metrics: Sequence[Metric], groups: Sequence[str]) -> tuple[Order, ...]:
        top = self._draft.top
        if top is None:
            return ()
        if not groups:
            raise NotUnderstood(
                "The question ranks, and does not say what.",
                suggestions=(f"Say by what: {metrics[0].label.lower()} by sector, for example.",),
            )
        ranked = self._draft.ranked_by
        names = [metric.name for metric in metrics]
        by = next((n for n in names if ranked and n in ranked.meanings.metrics), names[0])
        return (Order(by=by, descending=top.descending),)

    def _limit(self) -> int | None:
        """As many as asked for; one where the question asks which single thing ranks first."""
        top = self._draft.top
        if top is None or top.count is not None:
            return top.count if top else None
        asked = [g for g in self._draft.groups if g.before in ASKING]
        return 1 if asked and not asked[0].is_plural else None

    def _known_dimensions(self, bases: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(
                field.label
                for dataset, field in self._model.dimensions()
                if all(self._place(base, f"{dataset.name}.{field.name}") for base in bases)
            )
        )[:8]


def _merged(filters: Sequence[Filter]) -> list[Filter]:
    """Two values asked of one field mean either: no row has both."""
    kept: dict[tuple[str, bool], Filter] = {}
    for wanted in filters:
        key = (wanted.field, wanted.op in ("eq", "in"))
        if key in kept:
            values = tuple(dict.fromkeys((*kept[key].values, *wanted.values)))
            op: Operator = "in" if key[1] else "not_in"
            kept[key] = Filter(field=wanted.field, op=op, values=values)
        else:
            kept[key] = wanted
    return list(kept.values())


def _limit(name: str, unit: str, compare: Compare) -> Filter:
    if compare.unit and compare.unit != unit:
        raise NotUnderstood(
            f"The limit is in {compare.unit}, the figure is in {unit or 'no unit'}."
        )
    if unit == "ratio" and any(abs(value) >= 2 for value in compare.values):
        raise NotUnderstood(
            "A ratio is compared with a percentage.", suggestions=("Write it with %, such as 5%.",)
        )
    values = tuple(int(value) if value == int(value) else value for value in compare.values)
    return Filter(field=name, op=compare.op, values=values)


def _plain(value: str | Decimal | bool, field: Field) -> int | Decimal | str | bool:
    """The value as the field's type writes it."""
    if isinstance(value, Decimal) and field.type == "integer" and value == int(value):
        return int(value)
    return value
