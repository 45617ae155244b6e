"""The evidence that a review item rests on, as people look at it before they decide."""

from __future__ import annotations

from typing import Final

from agent.stores import Stores
from services.analysis.verify import CLAIM_FAILED
from services.errors import NotFound
from services.evidence import (
    ColumnType,
    ComputationSource,
    Evidence,
    Frozen,
    Plain,
    Table,
    plain_scalar,
)
from services.review import Finding, ReviewItem

SHOWN_ROWS: Final = 20
"""Rows of a piece of evidence that are shown beside an item; its own page has all of them."""


_FOLLOWS: Final = frozenset({CLAIM_FAILED, "claim.unverified", "prose.unverified"})
"""What is said of a claim that failed, and again wherever it is used."""


class SampleColumn(Frozen):
    """A column of evidence; of a masked one every value is null."""

    name: str
    label: str
    type: ColumnType
    unit: str
    masked: bool


class Sample(Frozen):
    """The first rows of a piece of evidence, with the statement or computation that made them."""

    id: str
    kind: str
    computation: str
    """Its name, for a computation; empty otherwise."""
    inputs: tuple[str, ...]
    """What it was computed from."""
    sql: str
    row_count: int
    complete: bool
    columns: tuple[SampleColumn, ...]
    rows: tuple[tuple[Plain, ...], ...]
    more: int
    """How many rows are not shown here."""
    page: str
    """Where all of them are."""


class ReviewDetail(ReviewItem):
    """An item with the rows of the evidence that it rests on."""

    evidence: tuple[Sample, ...] = ()


def other_findings(item: ReviewItem) -> tuple[Finding, ...]:
    """What is against an item besides the claims that failed, and what follows from them."""
    if not item.claims:
        return item.findings
    return tuple(finding for finding in item.findings if finding.rule not in _FOLLOWS)


async def detail_of(stores: Stores, item: ReviewItem) -> ReviewDetail:
    """The item with everything a decision needs."""
    return ReviewDetail(**item.model_dump(), evidence=await samples_of(stores, item))


async def samples_of(stores: Stores, item: ReviewItem) -> tuple[Sample, ...]:
    """The first rows of each piece of evidence; what is confidential in them is masked."""
    found = []
    for name in item.rests_on:
        try:
            evidence = await stores.evidence.evidence(name)
            table = await stores.evidence.table(name)
        except NotFound:  # a run that is deleted keeps no rows
            continue
        found.append(_sample(item.run_id, evidence, table))
    return tuple(found)


def _sample(run_id: str, evidence: Evidence, table: Table) -> Sample:
    source = evidence.source
    computed = source if isinstance(source, ComputationSource) else None
    hidden = [column.sensitivity == "confidential" for column in table.columns]
    columns = [
        [None if masked else plain_scalar(value) for value in values[:SHOWN_ROWS]]
        for values, masked in zip(table.data, hidden, strict=True)
    ]
    return Sample(
        id=evidence.id,
        kind=source.kind,
        computation=f"{computed.name} v{computed.version}" if computed else "",
        inputs=tuple(computed.inputs.values()) if computed else (),
        sql=evidence.sql,
        row_count=len(table),
        complete=evidence.complete,
        columns=tuple(
            SampleColumn(name=c.name, label=c.label, type=c.type, unit=c.unit, masked=masked)
            for c, masked in zip(table.columns, hidden, strict=True)
        ),
        rows=tuple(zip(*columns, strict=True)),
        more=max(len(table) - SHOWN_ROWS, 0),
        page=f"/runs/{run_id}/evidence/{evidence.id}",
    )
