"""Computations over liquidity: eligible liquid assets, the coverage ratio, the contractual gap."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from services.analysis.computations._columns import (
    TOTAL,
    amount,
    count,
    dated,
    dates,
    day,
    money,
    quotient,
    ratio,
    text,
    total,
    unit_of,
    whole,
)
from services.analysis.context import Computation
from services.evidence import Scalar, Table

LEVELS = ("L1", "L2A", "L2B")
LEVEL_TWO_CAP = Decimal("0.40")
LEVEL_TWO_B_CAP = Decimal("0.15")
INFLOW_CAP = Decimal("0.75")
_CENT = Decimal("0.01")


def eligible(values: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """
    What of each level counts, after haircuts and caps.

    Level 2B holds at most 15 % and level 2 together at most 40 % of the stock that results (Basel
    LCR30). Level 2B is cut first. Secured trades that unwind within thirty days are not adjusted for.
    """
    one, two_a, two_b = (values.get(level, Decimal(0)) for level in LEVELS)
    room = LEVEL_TWO_B_CAP / (1 - LEVEL_TWO_B_CAP) * (one + two_a)
    room_within_two = LEVEL_TWO_B_CAP / (1 - LEVEL_TWO_CAP) * one
    two_b = min(two_b, room, room_within_two).quantize(_CENT)
    two_a = min(two_a, LEVEL_TWO_CAP / (1 - LEVEL_TWO_CAP) * one - two_b).quantize(_CENT)
    return {"L1": one, "L2A": two_a, "L2B": two_b}


def _stock(table: Table, as_of: date, column: str) -> dict[str, Decimal]:
    rows = dated(table, as_of)
    return {level: total([r for r in rows if r["level"] == level], column) for level in LEVELS}


def _liquid_assets(inputs: Mapping[str, Table], _parameters: Mapping[str, Any]) -> Table:
    """Liquid assets by level: market value, value after haircut, cut by the caps, what counts."""
    hqla = inputs["hqla"]
    unit = unit_of(hqla, "hqla_value")
    rows: list[list[Scalar]] = []
    for as_of in dates(hqla):
        market, value = (_stock(hqla, as_of, c) for c in ("hqla_market_value", "hqla_value"))
        counted = eligible(value)
        stock = sum(counted.values(), Decimal(0))
        for level in LEVELS:
            share = quotient(counted[level], stock)
            cut = value[level] - counted[level]
            rows.append([as_of, level, market[level], value[level], cut, counted[level], share])
        gross, after = sum(market.values(), Decimal(0)), sum(value.values(), Decimal(0))
        rows.append([as_of, TOTAL, gross, after, after - stock, stock, quotient(stock, stock)])
    columns = [
        day("as_of"),
        text("level"),
        money("market_value", unit),
        money("after_haircut", unit),
        money("cut", unit, "Cut by the caps"),
        money("eligible", unit),
        ratio("share", "Share of the stock"),
    ]
    return Table.from_rows(columns, rows, ("as_of", "level"))


def _liquidity_coverage(inputs: Mapping[str, Table], _parameters: Mapping[str, Any]) -> Table:
    """Liquidity coverage ratio: eligible stock over net outflows; inflows count up to 75 % of outflows."""
    hqla, flows = inputs["hqla"], inputs["flows"]
    unit = unit_of(flows, "lcr_outflow")
    rows: list[list[Scalar]] = []
    for as_of in dates(flows):
        stock = sum(eligible(_stock(hqla, as_of, "hqla_value")).values(), Decimal(0))
        outflow = total(dated(flows, as_of), "lcr_outflow")
        inflow = total(dated(flows, as_of), "lcr_inflow")
        ceiling = (INFLOW_CAP * outflow).quantize(_CENT)
        counted = min(inflow, ceiling)
        net = outflow - counted
        rows.append(
            [
                as_of,
                stock,
                outflow,
                inflow,
                ceiling,
                counted,
                net,
                quotient(stock, net),
                stock - net,
            ]
        )
    columns = [
        day("as_of"),
        money("stock", unit, "Liquid assets"),
        money("outflow", unit, "Outflows"),
        money("inflow", unit, "Inflows"),
        money("ceiling", unit, "Cap on inflows"),
        money("inflow_counted", unit, "Inflows counted"),
        money("net_outflow", unit, "Net outflows"),
        ratio("lcr", "Liquidity coverage ratio"),
        money("surplus", unit, "Surplus over net outflows"),
    ]
    return Table.from_rows(columns, rows, ("as_of",))


def _liquidity_gap(inputs: Mapping[str, Table], _parameters: Mapping[str, Any]) -> Table:
    """Contractual inflow, outflow and gap of each bucket in order of time, and the running gap."""
    flows = inputs["flows"]
    unit = unit_of(flows, "cash_inflow")
    rows: list[list[Scalar]] = []
    for as_of in dates(flows):
        running = Decimal(0)
        for row in sorted(dated(flows, as_of), key=lambda r: whole(r["bucket_order"])):
            inflow, outflow = amount(row["cash_inflow"]), amount(row["cash_outflow"])
            running += inflow - outflow
            order = whole(row["bucket_order"])
            rows.append([as_of, row["bucket"], order, inflow, outflow, inflow - outflow, running])
    columns = [
        day("as_of"),
        text("bucket"),
        count("bucket_order", "Order"),
        money("inflow", unit),
        money("outflow", unit),
        money("gap", unit),
        money("cumulative", unit, "Cumulative gap"),
    ]
    return Table.from_rows(columns, rows, ("as_of", "bucket"))


def _gap_summary(inputs: Mapping[str, Table], _parameters: Mapping[str, Any]) -> Table:
    """First bucket whose cumulative gap is negative, the bucket where it is deepest, and how deep."""
    gap = inputs["gap"]
    unit = unit_of(gap, "cumulative")
    rows: list[list[Scalar]] = []
    for as_of in dates(gap):
        buckets = sorted(dated(gap, as_of), key=lambda row: whole(row["bucket_order"]))
        negative = [row for row in buckets if amount(row["cumulative"]) < 0]
        first = negative[0]["bucket"] if negative else None
        deepest = min(buckets, key=lambda row: amount(row["cumulative"]))
        shortfall = max(-amount(deepest["cumulative"]), Decimal(0))
        rows.append([as_of, first, len(negative), deepest["bucket"], shortfall])
    columns = [
        day("as_of"),
        text("first_negative", "First bucket short"),
        count("negative", "Buckets short"),
        text("deepest", "Deepest bucket"),
        money("shortfall", unit, "Cumulative shortfall"),
    ]
    return Table.from_rows(columns, rows, ("as_of",))


COMPUTATIONS: tuple[Computation, ...] = (
    Computation("liquid_assets", 1, _liquid_assets),
    Computation("liquidity_coverage", 1, _liquidity_coverage),
    Computation("liquidity_gap", 1, _liquidity_gap),
    Computation("gap_summary", 1, _gap_summary),
)
