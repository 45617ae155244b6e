"""The dates of a query: which period a question means on the data that there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.evidence import Scalar
from services.semantics import Filter, Metric, SemanticModel, TimeRange

from ._draft import Draft
from ._lexicon import KnownValues
from ._periods import Period
from ._understanding import Comparison


class NotUnderstood(Exception):
    """A question cannot be read; holds the sentence that says why, and what to ask instead."""

    def __init__(
        self, problem: str, *, words: Sequence[str] = (), suggestions: Sequence[str] = ()
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.words = tuple(words)
        self.suggestions = tuple(suggestions)


@dataclass(frozen=True, slots=True)
class When:
    """What a query says of time: on which field, over which dates, and one row for each or not."""

    field: str = ""
    time_range: TimeRange | None = None
    filters: tuple[Filter, ...] = ()
    is_grouped: bool = False
    is_default: bool = False
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class _Calendar:
    """The time field of the asked metrics, and the dates that occur in it."""

    field: str
    label: str
    is_snapshot: bool
    is_grain: bool
    dates: tuple[date, ...]
    as_of: date

    @property
    def latest(self) -> date:
        """The last date with data that is not after the as-of date."""
        return max((day for day in self.dates if day <= self.as_of), default=self.as_of)

    def within(self, period: Period) -> date:
        """The last date with data in *period*."""
        if not self.dates:
            return period.end
        found = [day for day in self.dates if period.start <= day <= period.end]
        if found:
            return max(found)
        raise NotUnderstood(
            f"{self.label} has no data {_told(period)}.", suggestions=self._nearby(period)
        )

    def before(self, day: date) -> date:
        """The date with data that precedes *day*."""
        earlier = [known for known in self.dates if known < day]
        if not self.is_snapshot or not earlier:
            raise NotUnderstood(
                f"{self.label} can be compared only with a date that is named.",
                suggestions=("Name the earlier date, such as 'since June'.",),
            )
        return max(earlier)

    def _nearby(self, period: Period) -> tuple[str, ...]:
        earlier = [day for day in self.dates if day < period.start]
        later = [day for day in self.dates if day > period.end]
        near = [*([max(earlier)] if earlier else []), *([min(later)] if later else [])]
        return tuple(f"There are data on {told_day(day)}." for day in near)


def resolve_time(
    model: SemanticModel,
    metrics: Sequence[Metric],
    draft: Draft,
    values: KnownValues,
    *,
    as_of: date,
    is_grouped: bool,
) -> When:
    """
    The dates that *draft* asks for.

    Without a period, a stock and a value stored by date are taken on the latest date that is not
    after *as_of*.
    """
    calendar = _calendar(model, metrics, values, as_of)
    if calendar is None:
        if draft.spans or draft.compared or draft.marks & {"change", "trend"}:
            raise NotUnderstood(f"{metrics[0].label} carries no dates, so no period applies.")
        return When()
    if len(draft.spans) > 1 or len(draft.compared) > 1:
        raise NotUnderstood("The question names more periods than could be told apart.")
    if draft.compared or "change" in draft.marks:
        return _compared(calendar, draft)
    if is_grouped or "trend" in draft.marks:
        return _listed(calendar, draft)
    return _pinned(calendar, draft)


def _calendar(
    model: SemanticModel, metrics: Sequence[Metric], values: KnownValues, as_of: date
) -> _Calendar | None:
    names = dict.fromkeys(name for metric in metrics for name in metric.datasets)
    datasets = [model.dataset(name) for name in names]
    fields = {dataset.time_field for dataset in datasets}
    if fields == {None}:
        return None
    if len(fields) > 1:
        raise NotUnderstood("These figures are dated differently; ask for one at a time.")
    (field,) = fields
    assert field is not None
    first = datasets[0]
    return _Calendar(
        field=field,
        label=metrics[0].label,
        is_snapshot=any(dataset.time_is_snapshot for dataset in datasets),
        is_grain=any(field in metric.grain for metric in metrics),
        dates=_dates(values.get(f"{first.name}.{field}", ())),
        as_of=as_of,
    )


def _dates(values: Sequence[Scalar]) -> tuple[date, ...]:
    return tuple(sorted(value for value in values if isinstance(value, date)))


def _compared(calendar: _Calendar, draft: Draft) -> When:
    """Two dates, each with its own row."""
    span = draft.spans[0] if draft.spans else None
    if draft.compared:
        current = calendar.within(span.period) if span else calendar.latest
        previous = calendar.within(draft.compared[0].period)
    elif span and span.role == "range":
        previous, current = _first(calendar, span.period), calendar.within(span.period)
    elif span:
        current = calendar.latest
        previous = calendar.within(_opening(span.period) if span.role == "since" else span.period)
    else:
        current = calendar.latest
        previous = calendar.before(current)
    if previous == current:
        raise NotUnderstood("The question compares a date with itself.")
    previous, current = sorted((previous, current))
    pair = Filter(field=calendar.field, op="in", values=(previous, current))
    return When(
        field=calendar.field,
        filters=(pair,),
        is_grouped=True,
        comparison=Comparison(previous=previous, current=current),
    )


def _first(calendar: _Calendar, period: Period) -> date:
    found = [day for day in calendar.dates if period.start <= day <= period.end]
    return min(found, default=period.start)


def _opening(period: Period) -> Period:
    """`since June` starts from what was known in June; a year starts from its beginning."""
    long = timedelta(days=92)
    return period if period.end - period.start < long else Period(period.start, period.start)


def _listed(calendar: _Calendar, draft: Draft) -> When:
    """One row for each date, up to the as-of date or over the period that is named."""
    time_range = _range(calendar, draft) if draft.spans else TimeRange(end=calendar.as_of)
    return When(field=calendar.field, time_range=time_range, is_grouped=True)


def _range(calendar: _Calendar, draft: Draft) -> TimeRange:
    span = draft.spans[0]
    end = calendar.as_of if span.role == "since" else span.period.end
    if span.period.start > end:
        raise NotUnderstood("The period starts after the as-of date.")
    return TimeRange(start=span.period.start, end=end)


def _pinned(calendar: _Calendar, draft: Draft) -> When:
    span = draft.spans[0] if draft.spans else None
    by_date = calendar.is_snapshot or calendar.is_grain
    if span is None:
        if not by_date:
            return When(field=calendar.field)
        pinned = TimeRange(as_of=calendar.latest)
        return When(field=calendar.field, time_range=pinned, is_default=True)
    if span.role != "in":
        return When(field=calendar.field, time_range=_range(calendar, draft), is_grouped=by_date)
    if calendar.is_snapshot or span.period.is_day:
        return When(field=calendar.field, time_range=TimeRange(as_of=calendar.within(span.period)))
    calendar.within(span.period)
    return When(
        field=calendar.field,
        time_range=TimeRange(start=span.period.start, end=span.period.end),
        is_grouped=calendar.is_grain,
    )


def told_day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _told(period: Period) -> str:
    if period.is_day:
        return f"on {told_day(period.start)}"
    return f"between {told_day(period.start)} and {told_day(period.end)}"
