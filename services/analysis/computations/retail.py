"""Computations over retail credit history: roll rates and rates of events, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.analysis.computations._columns import (
    TOTAL,
    Row,
    count,
    day,
    flag,
    grouped,
    quotient,
    ratio,
    text,
    whole,
)
from services.analysis.context import Computation
from services.evidence import Scalar, Table
from services.measures import wilson_interval

CURRENT = "current"
"""The bucket of accounts that are not late; repayment codes of 0 and below fall here."""


def _rate_row(events: int, trials: int, parameters: Mapping[str, Any]) -> list[Scalar]:
    """Events, trials, rate, both bounds, and whether the trials are few."""
    if not trials:
        return [events, trials, None, None, None, True]
    interval = wilson_interval(events, trials, float(parameters["confidence"]))
    rate = quotient(Decimal(events), Decimal(trials))
    few = trials < int(parameters["few"])
    return [events, trials, rate, interval.low, interval.high, few]


_RATE_COLUMNS = [
    count("events"),
    count("trials", "n"),
    ratio("rate"),
    ratio("low", "Interval, low"),
    ratio("high", "Interval, high"),
    flag("few", "Few observations"),
]


def _roll_rates(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Share of the accounts of a bucket that stand in each bucket one month later, all months pooled.

    The last month has no next one and takes no part.
    """
    followed = [row for row in inputs["rolls"].rows() if row["next_bucket"] is not None]
    buckets = sorted(
        {str(row[c]) for row in followed for c in ("bucket", "next_bucket")}, key=_order
    )
    rows: list[list[Scalar]] = []
    for origin, members in sorted(
        grouped(followed, lambda row: str(row["bucket"])).items(), key=lambda item: _order(item[0])
    ):
        trials = _sum(members)
        for target in buckets:
            events = _sum([row for row in members if row["next_bucket"] == target])
            rows.append([origin, target, *_rate_row(events, trials, parameters)])
    columns = [text("bucket", "From"), text("next_bucket", "To"), *_RATE_COLUMNS]
    return Table.from_rows(columns, rows, ("bucket", "next_bucket"))


def _order(bucket: str) -> tuple[bool, str]:
    return bucket != CURRENT, bucket


def _sum(rows: list[Row]) -> int:
    return sum(whole(row["card_month_count"]) for row in rows)


def _delinquency(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """Share of the accounts that are late by a month or more, month by month."""
    months = grouped(inputs["rolls"].rows(), lambda row: str(row["month"]))
    rows: list[list[Scalar]] = []
    for members in months.values():
        late = _sum([row for row in members if row["bucket"] != CURRENT])
        rows.append([members[0]["month"], *_rate_row(late, _sum(members), parameters)])
    return Table.from_rows([day("as_of", "Month"), *_RATE_COLUMNS], rows, ("as_of",))


def _event_rates(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """Rate of `events` among `trials` for each member of `by`, and for all together."""
    by, events, trials = (str(parameters[name]) for name in ("by", "events", "trials"))
    everything: list[Row] = list(inputs["book"].rows())
    groups = grouped(everything, lambda row: "not known" if row[by] is None else str(row[by]))
    if everything:
        groups[TOTAL] = everything
    rows: list[list[Scalar]] = []
    for member, part in groups.items():
        happened = sum(whole(row[events]) for row in part)
        observed = sum(whole(row[trials]) for row in part)
        rows.append([member, *_rate_row(happened, observed, parameters)])
    return Table.from_rows([text("member", by.capitalize()), *_RATE_COLUMNS], rows, ("member",))


COMPUTATIONS: tuple[Computation, ...] = (
    Computation("roll_rates", 1, _roll_rates),
    Computation("delinquency", 1, _delinquency),
    Computation("event_rates", 1, _event_rates),
)
