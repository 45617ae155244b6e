"""The checks of a section as a whole: what its sentences, tables, charts and indicators say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from services.analysis import formats
from services.analysis._arithmetic import limit_status
from services.analysis._recompute import Recomputation
from services.analysis.claims import (
    AbsenceClaim,
    Claim,
    ComparisonClaim,
    Outcome,
    ValueClaim,
    cells_of,
)
from services.analysis.context import Exhibit
from services.analysis.findings import (
    ChartBlock,
    FigureCell,
    Finding,
    Indicator,
    SectionAnalysis,
    TableBlock,
    TextCell,
)
from services.analysis.prose import Problem, check_label, check_prose, slots_of

CLAIM_FAILED: Final = "claim.failed"
"""Code of a claim that could not be recomputed as it was made."""


class Checks:
    """Everything that keeps one section from publication, claim by claim and block by block."""

    def __init__(
        self,
        analysis: SectionAnalysis,
        exhibits: Mapping[str, Exhibit],
        recomputation: Recomputation,
        outcomes: Mapping[str, Outcome],
    ) -> None:
        self._analysis = analysis
        self._exhibits = exhibits
        self._recomputation = recomputation
        self._outcomes = outcomes
        self._claims: dict[str, Claim] = {claim.id: claim for claim in analysis.claims}

    def problems(self) -> list[Problem]:
        analysis = self._analysis
        found = [*self._claim_problems(), *self._historical()]
        for finding in analysis.findings:
            found += self._finding(finding, f"findings/{finding.id}")
        for table in analysis.tables:
            found += self._table(table, f"tables/{table.id}")
        for chart in analysis.charts:
            found += self._chart(chart, f"charts/{chart.id}")
        for indicator in analysis.indicators:
            found += self._indicator(indicator, f"indicators/{indicator.id}")
        for name, sentences in (("methods", analysis.methods), ("gaps", analysis.gaps)):
            for index, sentence in enumerate(sentences):
                found += self._prose(sentence, f"{name}/{index}", directions=False)
        return found

    def _claim_problems(self) -> Iterator[Problem]:
        for name, count in Counter(claim.id for claim in self._analysis.claims).items():
            if count > 1:
                yield _problem("claim.duplicate", f"claims/{name}", "the id is used twice")
        for claim in self._analysis.claims:
            where, outcome = f"claims/{claim.id}", self._outcomes[claim.id]
            if not claim.id.startswith(f"{self._analysis.section}."):
                yield _problem("claim.id", where, "the id does not begin with the section's")
            if not outcome.verified:
                yield _problem(CLAIM_FAILED, where, outcome.reason)
            yield from check_label(claim.label, where=where, exempt=_stated_numbers(claim))
            if isinstance(claim, AbsenceClaim):
                yield from check_label(claim.reason, where=where)

    def _historical(self) -> Iterator[Problem]:
        """A time named in words must be one that a claim is as of."""
        years = {str(claim.as_of.year) for claim in self._claims.values()}
        years |= {claim.parameters.get("since", "")[:4] for claim in self._claims.values()}
        for number in re.findall(r"\d+", self._analysis.historical):
            if number not in years:
                yield _problem("prose.date", "historical", f"no claim is as of {number}")

    def _finding(self, finding: Finding, where: str) -> Iterator[Problem]:
        for name in finding.claims:
            yield from self._named(name, where)
        text = f"{finding.prose} {finding.action}"
        for name in dict.fromkeys(slot.claim for slot in slots_of(text)):
            if name in self._claims and name not in finding.claims:
                yield _problem("finding.claims", where, f"claim {name} is not among its claims")
        exempt = frozenset[str]().union(*map(self._exempt, finding.claims))
        yield from check_label(finding.subject, where=f"{where}/subject", exempt=exempt)
        yield from self._prose(finding.prose, f"{where}/prose")
        yield from self._prose(finding.action, f"{where}/action")
        if finding.kind == "limit_breach" and not any(map(self._is_breach, finding.claims)):
            yield _problem("finding.kind", where, "no claim of it shows a limit breached")

    def _is_breach(self, name: str) -> bool:
        claim, outcome = self._claims.get(name), self._outcomes.get(name)
        if not isinstance(claim, ComparisonClaim) or outcome is None or not outcome.verified:
            return False
        return claim.relation == ("below" if claim.limit == "min" else "above")

    def _table(self, table: TableBlock, where: str) -> Iterator[Problem]:
        yield from self._prose(table.title, f"{where}/title")
        yield from self._prose(table.note, f"{where}/note", directions=False)
        for column in table.columns:
            yield from check_label(column.label, where=where)
        for row in table.rows:
            if len(row) != len(table.columns):
                yield _problem("table.shape", where, "a row has another length than the head")
                continue
            for column, cell in zip(table.columns, row, strict=True):
                match cell:
                    case FigureCell():
                        yield from self._named(cell.claim, where)
                        yield from self._column_unit(cell.claim, column.unit, where)
                    case TextCell():
                        yield from check_label(cell.text, where=where)
                    case _:
                        pass

    def _column_unit(self, name: str, unit: str, where: str) -> Iterator[Problem]:
        claim, outcome = self._claims.get(name), self._outcomes.get(name)
        if not unit or claim is None or outcome is None or outcome.text is not None:
            return
        if formats.head(claim.unit, claim.scale) != unit:
            yield _problem("table.unit", where, f"claim {name} is not shown in {unit}")

    def _chart(self, chart: ChartBlock, where: str) -> Iterator[Problem]:
        yield from self._prose(chart.title, f"{where}/title")
        yield from self._prose(chart.caption, f"{where}/caption", directions=False)
        for label in (chart.x_label, chart.y_label):
            yield from check_label(label, where=where)
        for name in (*chart.rules, *filter(None, [chart.tail])):
            yield from self._named(name, where)
        exhibit = self._exhibits.get(chart.evidence)
        if exhibit is None:
            yield _problem("chart.evidence", where, "its evidence is not there")
            return
        known = {column.name: column for column in exhibit.table.columns}
        for name in filter(None, (chart.x, chart.y, chart.series, chart.band)):
            if name not in known:
                yield _problem("chart.column", where, f"its evidence has no column {name}")
        drawn = known.get(chart.y or chart.x)
        if drawn is not None and drawn.unit and chart.unit not in {"", drawn.unit}:
            yield _problem("chart.unit", where, f"its values are in {drawn.unit}")

    def _indicator(self, indicator: Indicator, where: str) -> Iterator[Problem]:
        named = (indicator.value, indicator.limit, indicator.amber, indicator.change)
        for name in filter(None, (*named, indicator.owner)):
            yield from self._named(name, where)
        yield from check_label(indicator.label, where=where, exempt=self._exempt(indicator.value))
        value, amber, red = (
            self._value(name) for name in (indicator.value, indicator.amber, indicator.limit)
        )
        units = {self._claims[name].unit for name in named[:3] if name in self._claims}
        if len(units) > 1:
            yield _problem("indicator.unit", where, "measure and limit differ in unit")
        status = limit_status(value, amber, red, self._binding(indicator.limit))
        if status != indicator.status:
            yield _problem("indicator.status", where, f"the status is {status}")

    def _binding(self, red: str) -> str:
        claim = self._claims.get(red)
        cells = cells_of(claim) if isinstance(claim, ValueClaim) else ()
        return self._recomputation.text_beside(cells[0], "direction") if cells else ""

    def _value(self, name: str) -> Decimal | None:
        outcome = self._outcomes.get(name)
        return outcome.value if outcome is not None and outcome.verified else None

    def _exempt(self, name: str) -> frozenset[str]:
        claim = self._claims.get(name)
        return frozenset() if claim is None else _stated_numbers(claim)

    def _named(self, name: str, where: str) -> Iterator[Problem]:
        outcome = self._outcomes.get(name)
        if outcome is None:
            yield _problem("claim.unknown", where, f"there is no claim {name}")
        elif not outcome.verified:
            yield _problem("claim.unverified", where, f"claim {name} does not hold")

    def _prose(self, text: str, where: str, *, directions: bool = True) -> tuple[Problem, ...]:
        return check_prose(text, self._claims, self._outcomes, where=where, directions=directions)


def _stated_numbers(claim: Claim) -> frozenset[str]:
    """Numbers that the claim's label may hold: its parameters, a level also in percent."""
    stated: set[str] = set()
    for value in claim.parameters.values():
        stated.update(re.findall(r"\d+(?:\.\d+)?", value))
        try:
            stated.add(format(formats.plain(Decimal(value) * 100), "f"))
        except InvalidOperation:
            continue
    return frozenset(stated)


def _problem(code: str, where: str, message: str) -> Problem:
    return Problem(code=code, where=where, message=message)
