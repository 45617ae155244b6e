"""Computations over the loan book: credit quality, expected credit loss, migration of stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from services.analysis.computations._columns import (
    TOTAL,
    Row,
    amount,
    count,
    dated,
    dates,
    day,
    grouped,
    money,
    number,
    quotient,
    ratio,
    text,
    total,
    unit_of,
)
from services.analysis.context import Computation
from services.evidence import Scalar, Table
from services.measures import expected_credit_loss

NEW = "New"
GONE = "Derecognised"


def stage_name(stage: Scalar) -> str:
    return f"Stage {stage}"


def _credit_quality(inputs: Mapping[str, Table], _parameters: Mapping[str, Any]) -> Table:
    """Gross defaulted and other loans, allowances and net values by segment, with the total."""
    quality = inputs["quality"]
    unit = unit_of(quality, "loan_balance")
    rows: list[list[Scalar]] = []
    for as_of in dates(quality):
        loans = dated(quality, as_of)
        for segment, members in [*grouped(loans, _segment).items(), (TOTAL, loans)]:
            defaulted = total([row for row in members if row["is_defaulted"]], "loan_balance")
            gross, allowance = total(members, "loan_balance"), total(members, "loan_allowance")
            others = gross - defaulted
            rows.append([as_of, segment, defaulted, others, allowance, gross - allowance])
    columns = [
        day("as_of"),
        text("segment"),
        money("defaulted", unit, "Defaulted, gross"),
        money("performing", unit, "Non-defaulted, gross"),
        money("allowance", unit, "Allowances"),
        money("net", unit, "Net values"),
    ]
    return Table.from_rows(columns, rows, ("as_of", "segment"))


def _segment(row: Row) -> str:
    return str(row["segment"])


def _expected_credit_loss(inputs: Mapping[str, Table], _parameters: Mapping[str, Any]) -> Table:
    """
    Simplified, undiscounted expected credit loss beside the booked allowance.

    The book is cut by stage, by segment and not at all; each cut adds up to the same total. A loan
    with exposure but without PD, LGD or remaining life takes no part and is counted in `unmeasured`.
    """
    loans = inputs["loans"]
    unit = unit_of(loans, "exposure_at_default")
    rows: list[list[Scalar]] = []
    for as_of in dates(loans):
        members = _with_losses(dated(loans, as_of))
        for cut, name in _LOSS_CUTS.items():
            for member, part in grouped(members, name).items():
                rows.append([as_of, cut, member, *_loss_row(part)])
    columns = [
        day("as_of"),
        text("cut"),
        text("member"),
        count("loans"),
        money("exposure", unit, "Exposure at default"),
        money("expected_loss", unit, "Expected credit loss, recomputed"),
        ratio("loss_rate"),
        money("allowance", unit, "Allowance booked"),
        money("surplus", unit, "Booked less recomputed"),
        count("unmeasured", "Loans without parameters"),
    ]
    return Table.from_rows(columns, rows, ("as_of", "cut", "member"))


_LOSS_INPUTS = ("average_pd", "average_lgd", "average_remaining_years")
_LOSS_CUTS: Mapping[str, Callable[[Row], str]] = {
    "stage": lambda row: stage_name(row["stage"]),
    "segment": _segment,
    "book": lambda _: TOTAL,
}


def _with_losses(rows: Sequence[Row]) -> list[Row]:
    """The loans, each with its `loss` and whether it is `unmeasured` for want of a parameter."""
    exposed = [amount(row["exposure_at_default"]) > 0 for row in rows]
    known = [all(row[name] is not None for name in _LOSS_INPUTS) for row in rows]
    measurable = [at_risk and has for at_risk, has in zip(exposed, known, strict=True)]
    losses = iter(_losses([row for row, is_so in zip(rows, measurable, strict=True) if is_so]))
    return [
        {**row, "loss": next(losses) if is_so else Decimal(0), "unmeasured": at_risk and not is_so}
        for row, at_risk, is_so in zip(rows, exposed, measurable, strict=True)
    ]


def _losses(rows: Sequence[Row]) -> list[Decimal]:
    if not rows:
        return []
    pd, lgd, years = ([number(row[name]) for row in rows] for name in _LOSS_INPUTS)
    losses = expected_credit_loss(
        [number(row["exposure_at_default"]) for row in rows],
        pd,
        lgd,
        stage=[number(row["stage"]) for row in rows],
        years=years,
    )
    # Each loan rounds to cents, so that every cut adds up to the same total.
    return [Decimal(f"{loss:.2f}") for loss in losses.tolist()]


def _loss_row(rows: Sequence[Row]) -> list[Scalar]:
    loss, booked = total(rows, "loss"), total(rows, "loan_allowance")
    exposure = total(rows, "exposure_at_default")
    unmeasured = sum(bool(row["unmeasured"]) for row in rows)
    rate = quotient(loss, exposure)
    return [len(rows), exposure, loss, rate, booked, booked - loss, unmeasured]


def _stage_migration(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    From each stage at `previous` to each stage at `as_of`, in loans and in amounts.

    New loans come from `New`, loans that are no longer there go to `Derecognised`. `share` is the
    part of the origin's loans that took the way; it rests on `base` loans.
    """
    loans = inputs["loans"]
    pairs = _pairs(loans, parameters)
    unit = unit_of(loans, "loan_balance")
    stages = sorted({stage_name(stage) for stage in loans.values("stage")})
    rows: list[list[Scalar]] = []
    for origin in [*stages, NEW] if pairs else []:
        leaving = [(then, now) for then, now in pairs if _state(then, NEW) == origin]
        for target in stages if origin == NEW else [*stages, GONE]:
            moved = [(then, now) for then, now in leaving if _state(now, GONE) == target]
            share = quotient(Decimal(len(moved)), Decimal(len(leaving)))
            opening = total([then for then, _ in moved if then], "loan_balance")
            closing = total([now for _, now in moved if now], "loan_balance")
            rows.append([origin, target, len(moved), len(leaving), share, opening, closing])
    columns = [
        text("origin", "From"),
        text("target", "To"),
        count("loans"),
        count("base", "Loans of the origin"),
        ratio("share"),
        money("opening", unit, "Opening balance"),
        money("closing", unit, "Closing balance"),
    ]
    return Table.from_rows(columns, rows, ("origin", "target"))


def _pairs(loans: Table, parameters: Mapping[str, Any]) -> list[tuple[Row | None, Row | None]]:
    """Each loan then and now; nothing on the side where it is not in the book."""
    as_of, previous = (date.fromisoformat(str(parameters[k])) for k in ("as_of", "previous"))
    then = {str(row["loan_id"]): row for row in dated(loans, previous)}
    now = {str(row["loan_id"]): row for row in dated(loans, as_of)}
    return [(then.get(loan), now.get(loan)) for loan in sorted({*then, *now})]


def _state(row: Row | None, absent: str) -> str:
    return stage_name(row["stage"]) if row else absent


def _stage_flow(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """
    Opening balance of each stage, its moves loan by loan, and its closing balance.

    Opening and closing come from the aggregated book (`stages`), the moves from the single loans, so
    that `difference` compares two independent ways to the same balance.
    """
    loans, stages = inputs["loans"], inputs["stages"]
    pairs = _pairs(loans, parameters)
    as_of, previous = (date.fromisoformat(str(parameters[k])) for k in ("as_of", "previous"))
    unit = unit_of(stages, "loan_balance")
    names = sorted({stage_name(stage) for stage in stages.values("stage")})
    flows = {name: _flow(pairs, name) for name in names}
    rows: list[list[Scalar]] = []
    for name in names:
        opening, closing = (
            _stage_balance(stages, previous, name),
            _stage_balance(stages, as_of, name),
        )
        rows.append([name, opening, *flows[name], closing, closing - opening - sum(flows[name])])
    if rows:
        sums = [sum((amount(row[i]) for row in rows), Decimal(0)) for i in range(1, len(rows[0]))]
        rows.append([TOTAL, *sums])
    columns = [
        text("stage"),
        money("opening", unit, "Opening balance"),
        money("transfers_in", unit, "Transfers in"),
        money("transfers_out", unit, "Transfers out"),
        money("originated", unit, "New loans"),
        money("derecognised", unit, "Derecognised"),
        money("remeasured", unit, "Drawn and repaid"),
        money("closing", unit, "Closing balance"),
        money("difference", unit, "Unexplained"),
    ]
    return Table.from_rows(columns, rows, ("stage",))


def _stage_balance(stages: Table, as_of: date, name: str) -> Decimal:
    rows = [row for row in dated(stages, as_of) if stage_name(row["stage"]) == name]
    return total(rows, "loan_balance")


def _flow(pairs: Sequence[tuple[Row | None, Row | None]], name: str) -> list[Decimal]:
    """Transfers in, transfers out, new, derecognised and repayments of one stage, signed."""
    moved_in = moved_out = originated = gone = remeasured = Decimal(0)
    for then, now in pairs:
        before, after = _state(then, ""), _state(now, "")
        opening = amount(then["loan_balance"]) if then else Decimal(0)
        closing = amount(now["loan_balance"]) if now else Decimal(0)
        if before == name and after != name:
            moved_out -= opening if after else 0
            gone -= opening if not after else 0
        elif after == name and before != name:
            moved_in += opening
            originated += closing if not before else 0
        if after == name and before:
            remeasured += closing - opening
    return [moved_in, moved_out, originated, gone, remeasured]


def _stage_mix(inputs: Mapping[str, Table], parameters: Mapping[str, Any]) -> Table:
    """Balance of each stage in each segment at `as_of`, and its share of the segment."""
    mix, as_of = inputs["mix"], date.fromisoformat(str(parameters["as_of"]))
    rows: list[list[Scalar]] = []
    for segment, members in grouped(dated(mix, as_of), _segment).items():
        whole = total(members, "loan_balance")
        for row in sorted(members, key=lambda row: stage_name(row["stage"])):
            balance = amount(row["loan_balance"])
            rows.append([segment, stage_name(row["stage"]), balance, quotient(balance, whole)])
    columns = [
        text("segment"),
        text("stage"),
        money("balance", unit_of(mix, "loan_balance")),
        ratio("share", "Share of the segment"),
    ]
    return Table.from_rows(columns, rows, ("segment", "stage"))


COMPUTATIONS: tuple[Computation, ...] = (
    Computation("credit_quality", 1, _credit_quality),
    Computation("expected_credit_loss", 1, _expected_credit_loss),
    Computation("stage_migration", 1, _stage_migration),
    Computation("stage_flow", 1, _stage_flow),
    Computation("stage_mix", 1, _stage_mix),
)
