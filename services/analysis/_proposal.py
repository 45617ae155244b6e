"""One finding that a model proposes: its choices made into claims, a sentence, and a kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from services.analysis._cells import date_beside, number
from services.analysis._claimset import ClaimId, ClaimSet, Place, date_at, number_at
from services.analysis._offer import Offered
from services.analysis.claims import (
    Claim,
    ValueClaim,
)
from services.analysis.findings import Author, Finding, FindingKind
from services.analysis.formats import is_currency
from services.analysis.prose import slots_of
from services.evidence import MetricSource, Scalar

_KINDS: Final = ("change", "trend", "share", "highest", "lowest")
"""Claims on one cell, said beside its value; `comparison` needs a second."""
_LEAST_TREND: Final = 3
_LEAST_GAP: Final = timedelta(days=20)
"""Between two dates of a change: from day to day there is always one."""
_TOTALS: Final = frozenset({"total", "all", "sum", "overall"})


class ProposalRefused(Exception):
    """A choice of the model makes no sense; says why, for the model to choose otherwise."""


@dataclass
class Proposal:
    """Builds finding *number* of a section; `claims` are those that it adds."""

    section: ClaimSet
    number: int
    cells: Mapping[str, Offered]
    existing: Sequence[Claim]
    author: Author
    _clauses: dict[ClaimId, list[str]] = field(default_factory=dict)
    _kinds: set[str] = field(default_factory=set)

    def finding(self, proposed: Mapping[str, Any]) -> Finding:
        """The finding; raises `ProposalRefused`."""
        chosen = {tuple(sorted(claim.items())): claim for claim in proposed["claims"]}
        for index, claim in enumerate(chosen.values(), start=1):
            self._add(f"model.{self.number}.{index}", claim)
        prose = " ".join(self._sentence(lead, clauses) for lead, clauses in self._clauses.items())
        lead = next(iter(self._clauses))
        return Finding(
            id=self.section.qualified(f"model.{self.number}"),
            kind=self._kind(),
            severity=proposed["severity"],
            subject=self._claim(lead).label,
            claims=tuple(dict.fromkeys(slot.claim for slot in slots_of(prose))),
            prose=prose,
            author=self.author,
        )

    def _sentence(self, lead: ClaimId, clauses: Iterable[str]) -> str:
        """Value first, with its date where that is not the report's, then what is claimed of it."""
        is_old = self._claim(lead).as_of != self.section.as_of
        when = f" as of {lead.at('as_of')}" if is_old else ""
        return "; ".join((f"{lead.at('label')} is {lead.slot}{when}", *clauses)) + "."

    def _kind(self) -> FindingKind:
        if self._kinds & {"share", "highest", "lowest"}:
            return "concentration"
        return "trend" if self._kinds & {"change", "trend"} else "observation"

    def _add(self, name: str, proposed: Mapping[str, str]) -> None:
        kind, cell = proposed["kind"], self.cells[proposed["cell"]]
        lead = self._value(f"{name}.value", cell)
        clauses = self._clauses.setdefault(lead, [])
        if kind == "comparison":
            clauses.append(self._comparison(name, cell, self.cells[proposed["other"]]))
        else:
            clauses.append(self.clause(kind, name, cell))
        self._kinds.add(kind)

    def clause(self, kind: str, name: str, cell: Offered) -> str:
        """What a claim of *kind* on *cell* says; raises `ProposalRefused` where there is none."""
        match kind:
            case "change":
                return self._change(name, cell)
            case "trend":
                return self._trend(name, cell)
            case "share":
                return self._share(name, cell)
            case _:
                return self._rank(name, cell, descending=kind == "highest")

    def _claim(self, name: ClaimId) -> Claim:
        known = [*self.section.claims.values(), *self.existing]
        return next(claim for claim in known if claim.id == name)

    def _value(self, name: str, offered: Offered) -> ClaimId:
        """The value's claim: the section's own where it has one that says whose it is."""
        for claim in (*self.existing, *self.section.claims.values()):
            is_value = isinstance(claim, ValueClaim) and claim.cell == offered.cell
            if is_value and claim.label == offered.label:
                return ClaimId(claim.id)
        return self.section.value(name, offered.label, *offered.place)

    def _change(self, name: str, offered: Offered) -> str:
        history = _history(offered)
        if len(history) < 2 or date_at(history[-1]) - date_at(history[-2]) < _LEAST_GAP:
            raise ProposalRefused(f"{offered.label} has no earlier date to compare with")
        if number_at(history[-1]) == number_at(history[-2]):
            raise ProposalRefused(f"{offered.label} did not move")
        change = self.section.change(
            f"{name}.change", f"{offered.label}: change", history[-1], history[-2]
        )
        return f"since {change.at('since')} it {self.section.moved(change)}"

    def _trend(self, name: str, offered: Offered) -> str:
        history = _history(offered)
        if len(history) < _LEAST_TREND:
            raise ProposalRefused(f"{offered.label} has too few dates for a trend")
        trend = self.section.trend(f"{name}.trend", f"{offered.label}: trend", history)
        return f"over the dates from {trend.at('since')} it {self.section.moved(trend)}"

    def _share(self, name: str, offered: Offered) -> str:
        rivals = _rivals(offered)
        values = [number(offered.exhibit.table.value(row, offered.column)) for row in rivals]
        source = offered.exhibit.evidence.source
        is_whole = isinstance(source, MetricSource) and not source.query.get("limit")
        if not is_whole or not (is_currency(offered.unit) or offered.unit == "count"):
            raise ProposalRefused(f"{offered.label} is no part of a sum")
        if len(rivals) < 2 or any(value is None or value < 0 for value in values):
            raise ProposalRefused(f"{offered.label} has no share: parts are missing or negative")
        whole: list[Place] = [(offered.exhibit, row, offered.column) for row in rivals]
        share = self.section.share(
            f"{name}.share", f"{offered.label}: share", [offered.place], whole
        )
        return f"its share of the sum is {share.slot}"

    def _rank(self, name: str, offered: Offered, *, descending: bool) -> str:
        table = offered.exhibit.table
        values = [number(table.value(row, offered.column)) for row in _rivals(offered)]
        known = [value for value in values if value is not None]
        word = "highest" if descending else "lowest"
        if len(known) < 2 or offered.number != (max(known) if descending else min(known)):
            raise ProposalRefused(f"{offered.label} is not the {word} of its column")
        rank = self.section.rank(
            f"{name}.rank", f"{offered.label}: rank", offered.place, descending=descending
        )
        return f"it is the {rank.word(word)} of its kind"

    def _comparison(self, name: str, offered: Offered, other: Offered) -> str:
        """Against a cell of the same unit and date, beside it or in the same column."""
        near = offered.exhibit is other.exhibit and (
            offered.row == other.row or offered.column == other.column
        )
        if not near or offered.unit != other.unit or offered.day != other.day:
            raise ProposalRefused(f"{offered.label} cannot be compared with {other.label}")
        if offered.number == other.number:
            raise ProposalRefused(f"{offered.label} and {other.label} are equal")
        label = f"{offered.label} against {other.label}"
        claim = self.section.compare(f"{name}.against", label, offered.place, other.place)
        bound = self._value(f"{name}.bound", other)
        word = claim.word("above" if offered.number > other.number else "below")
        return f"it is {word} {bound.at('label')}, which is {bound.slot}"


def possible(section: ClaimSet, cells: Mapping[str, Offered]) -> dict[str, list[str]]:
    """The cells on which each kind of claim can be made: of `highest`, those that are."""
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for index, (name, cell) in enumerate(cells.items()):
        trial = Proposal(section, index, cells, (), Author())
        for kind in _KINDS:
            with contextlib.suppress(ProposalRefused):
                trial.clause(kind, f"possible.{index}.{kind}", cell)
                found[kind].append(name)
    return {kind: names for kind, names in found.items() if names}


def _rivals(offered: Offered) -> list[str]:
    """The rows that a row is one of: of its date; raises where rows hold sums of other rows."""
    table = offered.exhibit.table
    texts = [table.values(key) for key in table.key if table.column(key).type != "date"]
    is_flat = len(texts) == 1 or isinstance(offered.exhibit.evidence.source, MetricSource)
    if not is_flat or any(str(value).lower() in _TOTALS for column in texts for value in column):
        raise ProposalRefused(f"the lines of {offered.label} are no parts of one whole")
    day = date_beside(table, offered.row)
    return [row for row in table.row_keys if date_beside(table, row) == day]


def _history(offered: Offered) -> list[Place]:
    """The same line at each date up to the cell's own, in order of time."""
    exhibit, table = offered.exhibit, offered.exhibit.table
    names = [key for key in table.key if table.column(key).type != "date"]

    def said(row: str) -> tuple[Scalar, ...]:
        return tuple(table.value(row, name) for name in names)

    days = {row: date_beside(table, row) for row in table.row_keys}
    known = sorted(
        (day, row)
        for row, day in days.items()
        if day is not None and day <= offered.day and said(row) == said(offered.row)
    )
    return [
        (exhibit, row, offered.column)
        for _, row in known
        if number(table.value(row, offered.column)) is not None
    ]
