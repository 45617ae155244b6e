"""What a section analyst is given: the evidence of its queries, and a way to compute more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

from services.analysis.findings import SectionAnalysis
from services.evidence import Cell, ComputationSource, Evidence, Table, make_evidence

ComputeFunction: TypeAlias = Callable[[Mapping[str, Table], Mapping[str, Any]], Table]


@dataclass(frozen=True)
class Computation:
    """
    A named, versioned, pure function from tables to a table.

    Its result is evidence: `verify` runs it again on the same inputs and compares digests. Raise
    the version whenever the same inputs would give other rows.
    """

    name: str
    version: int
    function: ComputeFunction


@dataclass(frozen=True)
class Exhibit:
    """A piece of evidence together with its rows."""

    evidence: Evidence
    table: Table

    def cell(self, row: str, column: str) -> Cell:
        """A cell that exists; `KeyError` when it does not."""
        self.table.value(row, column)
        return Cell(evidence=self.evidence.id, row=row, column=column)


@dataclass
class SectionContext:
    """
    One section's inputs. `exhibits` maps each query's alias of the plan to its evidence.

    `compute` adds evidence; everything it made is in `computed`, to be stored with the analysis.
    """

    section: str
    title: str
    as_of: date
    previous: date | None
    snapshot: str
    exhibits: Mapping[str, Exhibit]
    computations: Mapping[str, Computation]
    computed: list[Exhibit] = field(default_factory=list)

    def __getitem__(self, alias: str) -> Exhibit:
        return self.exhibits[alias]

    @property
    def by_id(self) -> dict[str, Exhibit]:
        """Every exhibit so far, what was computed included, by evidence id."""
        return {e.evidence.id: e for e in (*self.exhibits.values(), *self.computed)}

    def compute(
        self, name: str, inputs: Mapping[str, Exhibit], parameters: Mapping[str, Any] | None = None
    ) -> Exhibit:
        """Run computation *name* on *inputs* (role to exhibit); the result is evidence too."""
        computation = self.computations[name]
        settings = dict(parameters or {})
        table = computation.function({role: e.table for role, e in inputs.items()}, settings)
        evidence = make_evidence(
            table,
            source=ComputationSource(
                name=name,
                version=computation.version,
                inputs={role: exhibit.evidence.id for role, exhibit in inputs.items()},
                parameters=settings,
            ),
            snapshot=self.snapshot,
            as_of=max((e.evidence.as_of for e in inputs.values()), default=self.as_of),
            tables=[name for e in inputs.values() for name in e.evidence.tables],
        )
        exhibit = Exhibit(evidence, table)
        self.computed.append(exhibit)
        return exhibit


SectionAnalyst: TypeAlias = Callable[[SectionContext], SectionAnalysis]
"""The rules of one section: evidence in, claims, findings, tables and charts out."""
