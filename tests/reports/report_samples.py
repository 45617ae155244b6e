"""A report written by hand, with everything a renderer may meet: breaches, gaps, hostile text."""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from reports.document import (
    Attestation,
    AuditLine,
    Cover,
    EvidenceRecord,
    Figure,
    Method,
    Prose,
    RenderedChart,
    RenderedFinding,
    RenderedTable,
    Report,
    ReportContent,
    Section,
    StatusRow,
    Summary,
    TextRun,
)
from services.analysis.findings import (
    Author,
    Authorship,
    ChartBlock,
    FigureCell,
    Indicator,
    StatusCell,
    TableBlock,
    TableColumn,
    TextCell,
)
from services.evidence import Column, Table, plain_scalar

AS_OF = date(2026, 9, 30)
HOSTILE = (
    "<script>alert('x')</script>",
    "=cmd|'/c calc'!A1",
    "#set page(fill: red)",
    "$x$ *bold* _it_ `raw` @ref <label> \\",
    "{{ 7*7 }} {% raw %}",
    "[link](javascript:alert(1)) | pipe",
    "-2+3 \"quoted\" & 'single'",
)

SQL = """WITH "p" AS (
  SELECT "as_of", "desk", SUM("market_value_eur") AS "net_exposure" -- <b>comment</b>
  FROM "main"."syn_positions"
  WHERE "as_of" IN (DATE '2026-06-30', DATE '2026-09-30') AND "desk" <> '</pre><script>'
  GROUP BY 1, 2
)
SELECT * FROM "p" ORDER BY "net_exposure" DESC NULLS LAST, "desk" LIMIT 1000"""


def figure(name: str, label: str, value: str | None, unit: str, display: str, **more) -> Figure:
    return Figure(
        **{
            "id": name,
            "label": label,
            "value": None if value is None else Decimal(value),
            "unit": unit,
            "display": display,
            "short": display.replace("EUR\u00a0", "").removesuffix("m").replace("\u00a0%", ""),
            "method": "Historical simulation, lower order statistic",
            "parameters": {"confidence": "0.99", "horizon": "1 day", "window": "500"},
            "as_of": AS_OF,
            "verified": True,
            "kind": "value",
            "evidence": ("ev_b0", "ev_a0"),
            "cells": ("ev_b0/total/var",),
            **more,
        }
    )


def text(name: str, label: str, said: str) -> Figure:
    return figure(name, label, None, "", said, text=said, method="", parameters={}, kind="value")


DESKS = ("FX Spot", "EM FX", "Treasury", "Corporate Flow", "Commodities FX")


def figures() -> tuple[Figure, ...]:
    made = [
        figure("market.var", "VaR (99 %, 1 day)", "12345678.9", "EUR", "EUR\u00a012.3m"),
        figure("market.var.red", "VaR (99 %, 1 day): limit", "11000000", "EUR", "EUR\u00a011.0m"),
        figure(
            "market.var.amber",
            "VaR (99 %, 1 day): early warning",
            "9500000",
            "EUR",
            "EUR\u00a09.5m",
        ),
        figure(
            "market.var.change",
            "VaR (99 %, 1 day): change",
            "-1234000",
            "EUR",
            "\u22121.2m",
            kind="change",
        ),
        figure("market.var.tail", "Quantile of VaR", "-12345678.9", "EUR", "EUR\u00a0\u221212.3m"),
        figure("market.exceptions", "Exceptions in the window", "4", "count", "4"),
        text("market.var.owner", "VaR: owner", "Ines Kallas"),
        figure("credit.npl", "NPL ratio", "0.0342", "ratio", "3.42\u00a0%"),
        figure("credit.npl.red", "NPL ratio: limit", "0.05", "ratio", "5.00\u00a0%"),
        figure("credit.npl.amber", "NPL ratio: early warning", "0.03", "ratio", "3.00\u00a0%"),
        figure(
            "credit.npl.change", "NPL ratio: change", "0.35", "pp", "+0.35\u00a0pp", kind="change"
        ),
        text("credit.npl.owner", "NPL ratio: owner", "Tomas " + HOSTILE[0]),
        figure(
            "credit.coverage",
            "Coverage of defaulted loans " + HOSTILE[1],
            None,
            "ratio",
            "n/a",
            kind="absence",
            reason="No defaulted balance in the segment " + HOSTILE[2],
            cells=(),
        ),
        figure("credit.hhi", "Herfindahl index by sector", "0.1284", "ratio", "0.128"),
        figure("liquidity.lcr", "Liquidity coverage ratio", "1.423", "ratio", "142.30\u00a0%"),
        figure(
            "liquidity.lcr.red", "Liquidity coverage ratio: limit", "1", "ratio", "100.00\u00a0%"
        ),
        figure("liquidity.years", "Average remaining life", "4.6", "years", "4.6\u00a0years"),
    ]
    for index, desk in enumerate(DESKS):
        name = f"market.desk.{desk.lower().replace(' ', '_')}"
        value = Decimal(5_900_000 - 1_100_000 * index)
        made += [
            text(f"{name}.name", "Desk", desk if index else desk + " " + HOSTILE[3]),
            figure(name, f"VaR of {desk}", str(value), "EUR", f"EUR\u00a0{value / 1_000_000:.1f}m"),
            figure(f"{name}.red", f"VaR of {desk}: limit", "5000000", "EUR", "EUR\u00a05.0m"),
        ]
    return tuple(made)


def prose(*pieces: str) -> Prose:
    """Text, and figures as `@id`."""
    known = {figure.id: figure for figure in figures()}
    return tuple(
        TextRun(text=known[piece[1:]].display, figure=piece[1:])
        if piece.startswith("@")
        else TextRun(text=piece)
        for piece in pieces
    )


def returns_table() -> Table:
    rng = random.Random(7)
    first = date(2024, 10, 14)
    rows = [
        [
            first + timedelta(days=day),
            rng.gauss(0, 4.4e6) * (1.6 if day % 97 < 6 else 1),
            1.12e7 + 9e5 * math.sin(day / 60),
        ]
        for day in range(714)
        if (first + timedelta(days=day)).weekday() < 5
    ]
    columns = (
        Column(name="rate_date", type="date", label="Date"),
        Column(name="pnl", type="double", unit="EUR", label="P&L"),
        Column(name="var", type="double", unit="EUR", label="VaR"),
    )
    return Table.from_rows(columns, rows, key=("rate_date",))


def desk_table() -> Table:
    rows = []
    for index, desk in enumerate(DESKS):
        rows.append(
            [desk if index else desk + HOSTILE[0], "VaR", Decimal(5_900_000 - 1_100_000 * index)]
        )
        rows.append(
            [desk if index else desk + HOSTILE[0], "Limit", Decimal(5_000_000 - 400_000 * index)]
        )
    columns = (
        Column(name="scope", type="string", label="Desk"),
        Column(name="series", type="string", label="Series"),
        Column(name="amount", type="decimal", unit="EUR", label="Amount"),
    )
    return Table.from_rows(columns, rows, key=("scope", "series"))


def exposure_table() -> Table:
    sizes = (412.3, 233.1, 187.4, -152.9, 88.0, -61.2, 44.4, 12.5, -9.9, 3.1, 0.4, 0.0)
    names = ("USD", "GBP", "JPY", "CHF", "SEK", "NOK", "PLN", "CZK", "HUF", "TRY", "ZAR", "BRL")
    rows = [[name, Decimal(str(size)) * 1_000_000] for name, size in zip(names, sizes, strict=True)]
    columns = (
        Column(name="ccy", type="string", label="Currency"),
        Column(name="exposure", type="decimal", unit="EUR", label="Net exposure"),
    )
    return Table.from_rows(columns, rows, key=("ccy",))


def stage_table() -> Table:
    names = ("Stage 1", "Stage 2", "Stage 3")
    shares = ((0.94, 0.05, 0.01), (0.22, 0.71, 0.07), (0.0, 0.04, 0.96))
    rows = [
        [origin, target, shares[i][j] if (i, j) != (2, 0) else None]
        for i, origin in enumerate(names)
        for j, target in enumerate(names)
    ]
    columns = (
        Column(name="origin", type="string", label="From"),
        Column(name="target", type="string", label="To"),
        Column(name="share", type="double", unit="ratio", label="Share"),
    )
    return Table.from_rows(columns, rows, key=("origin", "target"))


def hostile_table() -> Table:
    columns = (
        Column(name="name", type="string", label="Name " + HOSTILE[0]),
        Column(name="flag", type="boolean", label="=1+1"),
        Column(name="amount", type="decimal", unit="EUR", label="Amount"),
        Column(name="seen", type="date", label="Seen"),
    )
    rows = [
        [said, index % 2 == 0, Decimal("-1234567.89") * index, AS_OF if index else None]
        for index, said in enumerate(HOSTILE)
    ]
    return Table.from_rows(columns, rows, key=("name",))


TABLES = {
    "ev_a0": hostile_table(),
    "ev_a1": exposure_table(),
    "ev_b0": returns_table(),
    "ev_b1": desk_table(),
    "ev_b2": stage_table(),
}


def record(name: str, **more) -> EvidenceRecord:
    table = TABLES[name]
    return EvidenceRecord(
        **{
            "id": name,
            "sql": SQL,
            "digest": table.digest,
            "rows": len(table),
            "as_of": AS_OF,
            "tables": ("syn_positions", "fx_rates"),
            "columns": table.columns,
            "sample": tuple(
                {name: plain_scalar(value) for name, value in row.items()}
                for row, _ in zip(table.rows(), range(6), strict=False)
            ),
            **more,
        }
    )


def records() -> tuple[EvidenceRecord, ...]:
    made = {"sql": "", "kind": "computation", "inputs": ("ev_a0", "ev_a1")}
    return (
        record("ev_a0", kind="sql", complete=False),
        record("ev_a1"),
        record("ev_b0", computation="fx_backtest 1", **made),
        record("ev_b1", computation="fx_limit_use 1", **made | {"inputs": ("ev_b0",)}),
        record("ev_b2", computation="stage_migration 2", **made),
    )


def chart(name: str, kind: str, evidence: str, title: Prose, **fields) -> RenderedChart:
    table = TABLES[evidence]
    return RenderedChart(
        block=ChartBlock(id=name, kind=kind, title="", caption="", evidence=evidence, **fields),
        title=title,
        caption=prose(
            "Positions held constant, synthetic; rates of the ECB, as of 30 September 2026."
        ),
        columns=table.columns,
        rows=tuple({n: plain_scalar(v) for n, v in row.items()} for row in table.rows()),
    )


def finding(name: str, severity: str, subject: str, said: Prose, **more) -> RenderedFinding:
    return RenderedFinding(
        **{
            "id": name,
            "section": name.split(".", maxsplit=1)[0],
            "kind": "limit_breach" if severity == "high" else "observation",
            "severity": severity,
            "subject": subject,
            "claims": tuple(run.figure for run in said if run.figure),
            "prose": said,
            "author": Author(),
            "prose_author": Author(kind="model", name="tiny-instruct"),
            **more,
        }
    )


def market() -> Section:
    rows = [
        (
            FigureCell(claim=f"{name}.name"),
            FigureCell(claim=name),
            FigureCell(claim=f"{name}.red"),
            StatusCell(status="red" if index == 0 else "amber" if index == 1 else "green"),
        )
        for index, name in enumerate(
            f"market.desk.{desk.lower().replace(' ', '_')}" for desk in DESKS
        )
    ]
    total = (
        TextCell(text="All desks, after diversification"),
        FigureCell(claim="market.var"),
        FigureCell(claim="market.var.red"),
        StatusCell(status="red"),
    )
    return Section(
        id="market",
        number=1,
        title="Market risk",
        synthetic=True,
        findings=(
            finding(
                "market.limit",
                "high",
                "VaR (99 %, 1 day)",
                prose(
                    "VaR (99 %, 1 day): ",
                    "@market.var",
                    " exceeds the limit of ",
                    "@market.var.red",
                    ". Since 30 June 2026 it fell by ",
                    "@market.var.change",
                    ".",
                ),
                action=prose(
                    "@market.var.owner",
                    ", Head of Market Risk, should report the cause and a plan to return to the limit.",
                ),
            ),
            finding(
                "market.backtest",
                "medium",
                "Backtest of VaR",
                prose("Losses passed VaR on ", "@market.exceptions", " days; the zone is yellow."),
            ),
        ),
        tables=(
            RenderedTable(
                block=TableBlock(
                    id="market.desks",
                    title="",
                    columns=(
                        TableColumn(label="Desk", align="left"),
                        TableColumn(label="VaR", unit="EUR\u00a0m"),
                        TableColumn(label="Limit", unit="EUR\u00a0m"),
                        TableColumn(label="Status", align="center"),
                    ),
                    rows=(*rows, total),
                    total_row=True,
                    evidence=("ev_b1",),
                ),
                title=prose("VaR of each desk against its limit"),
                note=prose(
                    "Limits are approved by the board; the sum of the desks is not the total."
                ),
            ),
        ),
        charts=(
            chart(
                "market.backtest",
                "backtest",
                "ev_b0",
                prose("Losses passed VaR on ", "@market.exceptions", " days"),
                x="rate_date",
                y="pnl",
                band="var",
                y_label="P&L and VaR",
                unit="EUR",
            ),
            chart(
                "market.desk_limits",
                "grouped_bar",
                "ev_b1",
                prose("FX Spot alone has VaR of ", "@market.desk.fx_spot"),
                x="scope",
                y="amount",
                series="series",
                y_label="VaR and limit",
                unit="EUR",
            ),
            chart(
                "market.pnl",
                "histogram",
                "ev_b0",
                prose("The tail of the P&L starts at ", "@market.var.tail"),
                x="pnl",
                tail="market.var.tail",
                x_label="P&L of the day",
                y_label="Days",
                unit="EUR",
            ),
            chart(
                "market.exposures",
                "bar",
                "ev_a1",
                prose("Net exposure by currency"),
                x="ccy",
                y="exposure",
                y_label="Net exposure",
                unit="EUR",
            ),
        ),
        methods=(
            prose(
                "VaR is the lower order statistic of hypothetical P&L over ",
                "@market.exceptions",
                " hundred days.",
            ),
        ),
        evidence=("ev_a0", "ev_a1", "ev_b0", "ev_b1"),
    )


def credit() -> Section:
    long = TableBlock(
        id="credit.names",
        title="",
        columns=(
            TableColumn(
                label="A rather long head of a first column that has to wrap", align="left"
            ),
            *(TableColumn(label=f"Measure {n} with words", unit="%") for n in range(6)),
        ),
        rows=tuple(
            (
                TextCell(text=said),
                *(FigureCell(claim="credit.npl") for _ in range(5)),
                FigureCell(claim="credit.coverage"),
            )
            for said in HOSTILE
        ),
        evidence=("ev_a0",),
    )
    return Section(
        id="credit",
        number=2,
        title="Credit risk",
        synthetic=True,
        findings=(
            finding(
                "credit.npl",
                "medium",
                "NPL ratio",
                prose(
                    "NPL ratio: ",
                    "@credit.npl",
                    " exceeds the early-warning level of ",
                    "@credit.npl.amber",
                    ".",
                ),
                action=prose("@credit.npl.owner", " should explain the movement."),
            ),
            finding(
                "credit.coverage",
                "info",
                "Coverage " + HOSTILE[4],
                prose("Coverage is ", "@credit.coverage", ". " + HOSTILE[0]),
            ),
        ),
        tables=(RenderedTable(block=long, title=prose("Names that try to be markup")),),
        charts=(
            chart(
                "credit.migration",
                "heatmap",
                "ev_b2",
                prose("Most loans stayed in their stage"),
                x="target",
                y="share",
                series="origin",
                x_label="Stage now",
                y_label="Stage before",
                unit="ratio",
            ),
        ),
        gaps=(prose("Collateral values are not available in the warehouse."),),
        evidence=("ev_a0", "ev_b2"),
    )


def retail() -> Section:
    return Section(
        id="retail_history",
        number=3,
        title="Retail history",
        historical="Card accounts of 2005 and consumer loans of 1973 to 1975",
        findings=(
            finding(
                "retail.note",
                "low",
                "Historical sample",
                prose("The sample shows method, not the bank."),
            ),
        ),
    )


def content() -> ReportContent:
    indicators = (
        ("market.var", "VaR (99 %, 1 day)", "market", "red", "market.var.owner"),
        ("credit.npl", "NPL ratio", "credit", "amber", "credit.npl.owner"),
        ("liquidity.lcr", "Liquidity coverage ratio", "market", "green", ""),
        ("credit.hhi", "Herfindahl index by sector", "credit", "none", ""),
    )
    known = {figure.id for figure in figures()}
    status = tuple(
        StatusRow(
            status=colour,
            indicator=Indicator(
                id=name,
                label=label,
                section=section,
                status=colour,
                value=name,
                limit=f"{name}.red" if f"{name}.red" in known else "",
                amber=f"{name}.amber" if f"{name}.amber" in known else "",
                change=f"{name}.change" if f"{name}.change" in known else "",
                owner=owner,
            ),
        )
        for name, label, section, colour, owner in indicators
    )
    return ReportContent(
        cover=Cover(
            title="Quarterly risk report",
            scope="Market, credit and liquidity risk of the whole bank",
            entity="Meridian Bank",
            question="",
            template="quarterly",
            as_of=AS_OF,
            previous=date(2026, 6, 30),
            currency="EUR",
            snapshot="sn_5d2c1f0b9a8e7d6c5b4a3f2e",
            fictional="Meridian Bank is fictional; its figures are synthetic.",
            authorship=(
                Authorship(role="analyst", author=Author(), offered=6, kept=6),
                Authorship(
                    role="narrator",
                    author=Author(kind="model", name="tiny-instruct"),
                    offered=12,
                    kept=9,
                    note="the rest was replaced by the rules",
                ),
            ),
        ),
        summary=Summary(
            headline=prose(
                "Outside appetite: VaR (99 %, 1 day) at ",
                "@market.var",
                " exceeds its limit of ",
                "@market.var.red",
                ".",
            ),
            lines=(
                prose(
                    "VaR fell by ",
                    "@market.var.change",
                    " since 30 June 2026 and stays above the limit.",
                ),
                prose("The NPL ratio rose by ", "@credit.npl.change", " to ", "@credit.npl", "."),
                prose("Liquidity coverage stands at ", "@liquidity.lcr", "."),
            ),
            status=status,
            actions=(
                prose(
                    "@market.var.owner",
                    ", Head of Market Risk, should report the cause and a plan to return to the limit.",
                ),
                prose("@credit.npl.owner", " should explain the movement."),
            ),
            counts={"red": 1, "amber": 1, "green": 1, "none": 1},
        ),
        sections=(
            market(),
            credit(),
            retail(),
            Section(id="stress", number=4, title="Stress", skipped="The reviewer left it out."),
        ),
        methods=(
            Method(name="Rounding", text=prose("Half away from zero, after scaling.")),
            Method(
                name="Value at risk",
                text=prose("Historical simulation over the window of ", "@market.exceptions", "."),
            ),
        ),
        figures=figures(),
        evidence=records(),
    )


def report(status: str = "DRAFT") -> Report:
    made = content()
    at = datetime(2026, 10, 8, 9, 30, tzinfo=UTC)
    decided = {"APPROVED": "approved", "REJECTED": "rejected", "WITHDRAWN": "approved"}.get(status)
    return Report(
        content=made,
        digest=made.digest,
        run_id="run_20261008_0930_k3",
        created_at=at,
        status=status,
        attestation=Attestation(
            decision=decided,
            by="Ana " + HOSTILE[0],
            at=at + timedelta(hours=3),
            digest=made.digest,
            note="Read in full.",
        )
        if decided
        else None,
        audit=tuple(
            AuditLine(seq=seq, at=at + timedelta(seconds=seq), event=event, text=said)
            for seq, (event, said) in enumerate(
                [
                    ("run.accepted", "template quarterly"),
                    ("step.done", "plan"),
                    ("report.composed", "digest " + made.digest[:12]),
                    ("review.decided", HOSTILE[0]),
                ],
                1,
            )
        ),
        audit_head="9f" * 32,
    )
