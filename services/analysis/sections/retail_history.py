"""Retail credit history: cards of 2005 and small loans of 1975, never a figure of the present."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from services.analysis.build import ClaimId, Draft, How, number_at, rows_where
from services.analysis.claims import TrendClaim
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import SectionAnalysis
from services.analysis.sections._figures import figure, member_id

CARDS_AS_OF = date(2005, 9, 30)
SMALL_LOANS_AS_OF = date(1975, 12, 31)
SETTINGS = {"confidence": 0.95, "few": 50}
"""Coverage of the intervals, and the count below which a rate is marked as resting on few rows."""

_TOTAL = "Total"
_RATE_HEADS = ("Events", "n", "Rate", "Interval from", "Interval to", "Basis")


def analyse(context: SectionContext) -> SectionAnalysis:
    """Roll rates, delinquency and default rates with intervals, each dated to its own time."""
    draft = Draft(context)
    times = []
    if len(context["rolls"].table):
        _roll_rates(draft)
        _delinquency(draft)
        _card_defaults(draft)
        times.append(f"cards as of {CARDS_AS_OF.year}")
    else:
        draft.gap("The repayment history of cards is not available in the warehouse.")
    if len(context["by_purpose"].table):
        _small_loans(draft)
        times.append(f"small loans as of {SMALL_LOANS_AS_OF.year}")
    else:
        draft.gap("The small loans are not available in the warehouse.")
    draft.method(
        "Intervals are Wilson intervals. Cells with few observations are marked and their rates "
        "should not be compared."
    )
    return draft.finish(historical=", ".join(times))


def _dated(exhibit: Exhibit, own: date) -> How:
    """Claims carry the date of the data, which is not that of the report."""
    return {"as_of": min(own, exhibit.evidence.as_of)}


def _rate(draft: Draft, base: str, exhibit: Exhibit, row: str, how: How) -> list[ClaimId | str]:
    """Events, trials, rate, interval, and whether the observations are few."""
    labels = {"events": "Events", "trials": "Observations", "rate": "Rate"}
    labels |= {"low": "Lower bound", "high": "Upper bound"}
    cells: list[ClaimId | str] = [
        figure(draft, f"{base}.{c}", label, (exhibit, row, c), reason="nothing was observed", **how)
        for c, label in labels.items()
    ]
    few = bool(exhibit.table.value(row, "few"))
    return [*cells, "few observations" if few else "sufficient"]


def _roll_rates(draft: Draft) -> None:
    rates = draft.context.compute("roll_rates", {"rolls": draft.context["rolls"]}, SETTINGS)
    how = _dated(rates, CARDS_AS_OF)
    rows: list[list[ClaimId | str]] = []
    for row in rates.table.row_keys:
        base = f"roll.{member_id(row)}"
        ends = [
            draft.value(f"{base}.{column}", label, rates, row, column, **how)
            for column, label in (("bucket", "From"), ("next_bucket", "To"))
        ]
        rows.append([*ends, *_rate(draft, base, rates, row, how)])
    if not rows:
        draft.gap("Roll rates need consecutive months, which the warehouse does not have.")
        return
    confidence = _as_claim(rows[0][4])
    draft.table(
        "rolls",
        "Where card accounts stood a month later",
        ["From", "To", *_RATE_HEADS],
        rows,
        note=f"Wilson intervals at {confidence.at('confidence')}. Historical card book as of "
        f"{confidence.at('as_of')}.",
        evidence=[rates],
    )
    draft.method(
        "Repayment codes for paid, duly paid and revolving are not late and are all in the current "
        "bucket. A roll rate is the share of the accounts of a bucket that stand in another a month "
        "later, all months pooled; the closing month has no successor."
    )
    _roll_findings(draft, rates, confidence)


def _as_claim(cell: ClaimId | str) -> ClaimId:
    return ClaimId(cell)


def _roll_findings(draft: Draft, rates: Exhibit, dated: ClaimId) -> None:
    draft.chart(
        "rolls",
        "heatmap",
        f"Where card accounts stood a month later, as of {dated.at('as_of')}",
        f"Share of the accounts of each bucket. Historical card book as of {dated.at('as_of')}.",
        rates,
        x="next_bucket",
        y="rate",
        series="bucket",
        x_label="Bucket a month later",
        y_label="Bucket",
        unit="ratio",
    )
    thin = next((r for r in rates.table.row_keys if _is_thin(rates, r)), None)
    if thin is None:
        return
    bucket, n, rate, low, high = (
        ClaimId(f"retail_history.roll.{member_id(thin)}.{part}")
        for part in ("bucket", "trials", "rate", "low", "high")
    )
    draft.finding(
        "thin_bucket",
        "observation",
        "low",
        "A nearly empty bucket",
        f"The bucket {bucket.slot} holds only a handful of account-months (n: {n.slot}), so that its "
        f"rate of {rate.slot} has an interval from {low.slot} to {high.slot}.",
    )


def _is_thin(rates: Exhibit, row: str) -> bool:
    """Whether a cell that holds accounts belongs to a bucket of few."""
    return bool(rates.table.value(row, "few")) and bool(number_at((rates, row, "events")))


def _delinquency(draft: Draft) -> None:
    months = draft.context.compute("delinquency", {"rolls": draft.context["rolls"]}, SETTINGS)
    keys = months.table.row_keys
    rows: list[list[ClaimId | str]] = []
    for key in keys:
        base = f"delinquency.{member_id(key)}"
        month = draft.value(f"{base}.month", "Month", months, key, "as_of")
        rows.append([month, *_rate(draft, base, months, key, {})])
    draft.table(
        "delinquency",
        "Card accounts that were late by a month",
        ["Month", *_RATE_HEADS],
        rows,
        note="Historical card book.",
        evidence=[months],
    )
    if len(keys) > 1:
        _delinquency_trend(draft, months, _as_claim(rows[0][3]), _as_claim(rows[-1][3]))


def _delinquency_trend(draft: Draft, months: Exhibit, start: ClaimId, end: ClaimId) -> None:
    """The direction of the late share, from the claim of the opening month to that of the closing."""
    keys = months.table.row_keys
    trend = draft.trend("delinquency.trend", "Late accounts", [(months, k, "rate") for k in keys])
    claim = draft.claims[trend]
    word = claim.direction if isinstance(claim, TrendClaim) else "unavailable"
    draft.finding(
        "delinquency",
        "trend",
        "info",
        "Delinquency of cards in their own time",
        f"From {start.at('as_of')} to {end.at('as_of')} the share of card accounts late by a month "
        f"was {trend.word(word)}, from {start.slot} to {end.slot}.",
    )
    draft.chart(
        "delinquency",
        "line",
        f"The share of late card accounts was {trend.word(word)} from {start.at('as_of')} to "
        f"{end.at('as_of')}",
        "Share of accounts late by a month or longer. Historical card book.",
        months,
        x="as_of",
        y="rate",
        x_label="Month",
        y_label="Share of accounts",
        unit="ratio",
    )


def _card_defaults(draft: Draft) -> None:
    """Default rates by education and by credit limit."""
    for alias, by, name in (
        ("by_education", "education", "Education"),
        ("by_limit", "credit_limit_band", "Credit limit"),
    ):
        columns = {"by": by, "events": "card_default_count", "trials": "card_account_count"}
        rates = draft.context.compute(
            "event_rates", {"book": draft.context[alias]}, {**columns, **SETTINGS}
        )
        how = _dated(rates, CARDS_AS_OF)
        rows = _members(draft, f"card.{member_id(name)}", rates, how)
        if not rows:
            continue
        total = _as_claim(rows[-1][3])
        draft.table(
            f"card_defaults_{member_id(name)}",
            f"Card accounts that defaulted in the month after, by {name.lower()}",
            [name, *_RATE_HEADS],
            rows,
            total_row=True,
            note=f"Historical card book as of {total.at('as_of')}; credit limits in Taiwan dollars.",
            evidence=[rates],
        )
        _spread_finding(draft, f"card_{member_id(name)}", f"Card defaults by {name.lower()}", rows)


def _members(draft: Draft, base: str, rates: Exhibit, how: How) -> list[list[ClaimId | str]]:
    """One row a member, the highest rate before the others, the total at the end."""
    total = rows_where(rates, member=_TOTAL)
    members = sorted(
        (row for row in rates.table.row_keys if row not in total),
        key=lambda row: (-(number_at((rates, row, "rate")) or 0), row),
    )
    rows: list[list[ClaimId | str]] = []
    for row in [*members, *total]:
        own = f"{base}.{member_id(row)}"
        name = draft.value(f"{own}.name", "Name", rates, row, "member", **how)
        rows.append([name, *_rate(draft, own, rates, row, how)])
    return rows


def _spread_finding(
    draft: Draft, name: str, subject: str, rows: Sequence[Sequence[ClaimId | str]]
) -> None:
    """The widest contrast among members with enough observations, each with its interval."""
    solid = [row for row in rows[:-1] if row[-1] == "sufficient"]
    if len(solid) < 2:
        return
    parts = []
    for row in (solid[0], solid[-1]):
        member, n, rate, low, high = (_as_claim(row[index]) for index in (0, 2, 3, 4, 5))
        parts.append(
            f"{rate.slot} for {member.slot} (interval {low.slot} to {high.slot}, n: {n.slot})"
        )
    overall = _as_claim(rows[-1][3])
    draft.finding(
        name,
        "observation",
        "info",
        subject,
        f"As of {overall.at('as_of')} the rate was {overall.slot} overall: {parts[0]} against "
        f"{parts[1]}.",
    )


def _small_loans(draft: Draft) -> None:
    parameters = {"by": "purpose", "events": "small_loan_bad_count", "trials": "small_loan_count"}
    rates = draft.context.compute(
        "event_rates", {"book": draft.context["by_purpose"]}, {**parameters, **SETTINGS}
    )
    how = _dated(rates, SMALL_LOANS_AS_OF)
    rows = _members(draft, "small", rates, how)
    total = _as_claim(rows[-1][3])
    draft.table(
        "small_loans",
        "Bad small loans by purpose",
        ["Purpose", *_RATE_HEADS],
        rows,
        total_row=True,
        note=f"Historical small loans as of {total.at('as_of')}.",
        evidence=[rates],
    )
    draft.chart(
        "small_loans",
        "bar",
        f"Of all small loans, {total.slot} went bad",
        f"Share of bad loans by purpose; purposes with few loans are marked in the table. Historical "
        f"small loans as of {total.at('as_of')}.",
        rates,
        x="member",
        y="rate",
        x_label="Purpose",
        y_label="Share of bad loans",
        unit="ratio",
    )
    _spread_finding(draft, "small_loans", "Small loans by purpose", rows)
    few = [_as_claim(row[0]).slot for row in rows[:-1] if row[-1] != "sufficient"]
    if few:
        draft.finding(
            "few_loans",
            "observation",
            "low",
            "Purposes with few loans",
            f"Too few loans to say anything of their rates: {', '.join(few)}.",
        )
