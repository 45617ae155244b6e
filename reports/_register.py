"""The register of a report: each figure, and each statement and computation it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from reports.document import EvidenceRecord, Figure
from services.analysis.claims import Claim, Outcome, cells_of, evidence_of
from services.analysis.context import Exhibit
from services.evidence import ComputationSource, Plain, plain_scalar

_SAMPLE_ROWS: Final = 10


def figure(claim: Claim, outcome: Outcome, exhibits: Mapping[str, Exhibit]) -> Figure:
    """The figure of a claim that was verified."""
    return Figure(
        id=claim.id,
        label=claim.label,
        value=outcome.value,
        text=outcome.text,
        unit=claim.unit,
        display=outcome.display,
        short=outcome.short,
        method=claim.method,
        parameters=claim.parameters,
        as_of=claim.as_of,
        verified=outcome.verified,
        reason=outcome.reason,
        kind=claim.kind,
        evidence=with_inputs(evidence_of(claim), exhibits),
        cells=tuple(f"{c.evidence}/{c.row}/{c.column}" for c in cells_of(claim)),
    )


def with_inputs(ids: Iterable[str], exhibits: Mapping[str, Exhibit]) -> tuple[str, ...]:
    """*ids*, each followed by what it was computed from, down to the statements."""
    found: dict[str, None] = {}
    waiting = list(ids)[::-1]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = None
        source = exhibits[name].evidence.source
        if isinstance(source, ComputationSource):
            waiting.extend(reversed(list(source.inputs.values())))
    return tuple(found)


def evidence_record(exhibit: Exhibit) -> EvidenceRecord:
    """What a reader needs to check *exhibit*: statement or computation, digest and first rows."""
    evidence = exhibit.evidence
    source = evidence.source
    computed = source if isinstance(source, ComputationSource) else None
    return EvidenceRecord(
        id=evidence.id,
        sql=evidence.sql,
        digest=evidence.digest,
        rows=evidence.row_count,
        as_of=evidence.as_of,
        complete=evidence.complete,
        tables=evidence.tables,
        columns=evidence.columns,
        kind=source.kind,
        computation=f"{computed.name} v{computed.version}" if computed else "",
        inputs=tuple(computed.inputs.values()) if computed else (),
        sample=plain_rows(exhibit, evidence_columns(exhibit), _SAMPLE_ROWS),
    )


def evidence_columns(exhibit: Exhibit) -> tuple[str, ...]:
    return tuple(column.name for column in exhibit.table.columns)


def plain_rows(
    exhibit: Exhibit, names: Iterable[str], most: int | None = None
) -> tuple[dict[str, Plain], ...]:
    """The first *most* rows (all of them without it) of the columns called *names*."""
    wanted = tuple(names)
    columns = [exhibit.table.values(name)[:most] for name in wanted]
    return tuple(
        {name: plain_scalar(value) for name, value in zip(wanted, row, strict=True)}
        for row in zip(*columns, strict=True)
    )
