"""A query in plain words, so that an asker sees what was understood."""

from __future__ import annotations

from services.semantics import Filter, MetricQuery, SemanticModel, TimeRange, find_field

from ._time import When, told_day

_OPERATORS = {
    "eq": "is",
    "ne": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "gt": "above",
    "ge": "at least",
    "lt": "below",
    "le": "at most",
    "between": "between",
    "is_null": "is missing",
    "not_null": "is known",
}


def restate(model: SemanticModel, query: MetricQuery, when: When) -> str:
    """One sentence that says what *query* asks for."""
    parts = [" and ".join(_metric(model, name) for name in query.metrics)]
    groups = [name for name in query.dimensions if not (when.is_grouped and name == when.field)]
    if groups:
        parts.append(" by " + " and ".join(_label(model, query, name) for name in groups))
    conditions = [_condition(model, query, f) for f in query.filters if f not in when.filters]
    if conditions:
        parts.append(", where " + " and ".join(conditions))
    parts.append(_dates(query.time_range, when))
    if query.order:
        order = query.order[0]
        parts.append(_ranking("largest" if order.descending else "smallest", query.limit))
    return "".join(parts) + "."


def _ranking(extreme: str, kept: int | None) -> str:
    match kept:
        case None:
            return f", the {extreme} first"
        case 1:
            return f", the {extreme} only"
        case _:
            return f", the {kept} {extreme}"


def _metric(model: SemanticModel, name: str) -> str:
    metric = model.metric(name)
    return f"{metric.label} ({metric.unit})" if len(metric.unit) == 3 else metric.label


def _label(model: SemanticModel, query: MetricQuery, name: str) -> str:
    if model.has_metric(name) and name in query.metrics:
        return model.metric(name).label.lower()
    base = model.metric(query.metrics[0]).datasets[0]
    return find_field(model, base, name).field.label.lower()


def _condition(model: SemanticModel, query: MetricQuery, wanted: Filter) -> str:
    joint = " and " if wanted.op == "between" else ", "
    values = joint.join(_value(value) for value in wanted.values)
    return f"{_label(model, query, wanted.field)} {_OPERATORS[wanted.op]} {values}".rstrip()


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,}" if not isinstance(value, str) and hasattr(value, "real") else str(value)


def _dates(period: TimeRange | None, when: When) -> str:
    if when.comparison is not None:
        earlier, later = when.comparison.previous, when.comparison.current
        return f", on {told_day(later)} against {told_day(earlier)}"
    each = " on each date" if when.is_grouped else ""
    if period is None:
        return each
    if period.as_of is not None:
        latest = " (no date was named)" if when.is_default else ""
        return f", as of {told_day(period.as_of)}{latest}"
    start = f" from {told_day(period.start)}" if period.start else ""
    end = f" to {told_day(period.end)}" if period.end else ""
    return f",{each}{start}{end}"
