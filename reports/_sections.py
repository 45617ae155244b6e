"""One verified section, rendered: sentences filled, charts with their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reports._register import evidence_columns, figure, plain_rows
from reports.document import (
    Figure,
    Prose,
    RenderedChart,
    RenderedFinding,
    RenderedTable,
    Section,
    TextRun,
)
from services.analysis.claims import Claim, evidence_of
from services.analysis.context import Exhibit
from services.analysis.findings import ChartBlock, FigureCell, Finding, SectionAnalysis, TableBlock
from services.analysis.prose import render_prose
from services.analysis.verify import Verification
from services.errors import ChecksFailed


class VerifiedSection:
    """
    A section whose every claim was verified.

    Raises `ChecksFailed` when anything of it was refused, or was never checked.
    """

    def __init__(
        self,
        analysis: SectionAnalysis,
        verification: Verification,
        exhibits: Mapping[str, Exhibit],
    ) -> None:
        self.analysis = analysis
        self.claims: dict[str, Claim] = {claim.id: claim for claim in analysis.claims}
        self._outcomes = verification.outcomes
        self._exhibits = exhibits
        self._admit(verification)

    def figures(self) -> Iterator[Figure]:
        """The figure of each claim, by id."""
        for name in sorted(self.claims):
            yield figure(self.claims[name], self._outcomes[name], self._exhibits)

    def evidence(self) -> frozenset[str]:
        """All evidence that the section cites, draws, or lists."""
        cited = {name for claim in self.claims.values() for name in evidence_of(claim)}
        drawn = {chart.evidence for chart in self.analysis.charts}
        tabled = {name for table in self.analysis.tables for name in table.evidence}
        return frozenset(cited | drawn | tabled | set(self.analysis.evidence))

    def prose(self, text: str) -> Prose:
        """*text* with its slots filled."""
        try:
            runs = render_prose(text, self.claims, self._outcomes)
        except KeyError as unknown:
            raise self._refusal(f"a sentence names {unknown}, which was never checked") from None
        return tuple(TextRun(text=run.text, figure=run.figure) for run in runs)

    def rendered(self, number: int, title: str) -> Section:
        analysis = self.analysis
        return Section(
            id=analysis.section,
            number=number,
            title=title,
            synthetic=analysis.synthetic,
            historical=analysis.historical,
            findings=tuple(map(self._finding, analysis.findings)),
            tables=tuple(map(self._table, analysis.tables)),
            charts=tuple(map(self._chart, analysis.charts)),
            methods=tuple(map(self.prose, analysis.methods)),
            gaps=tuple(map(self.prose, analysis.gaps)),
            evidence=analysis.evidence,
        )

    def _finding(self, finding: Finding) -> RenderedFinding:
        return RenderedFinding(
            id=finding.id,
            section=self.analysis.section,
            kind=finding.kind,
            severity=finding.severity,
            subject=finding.subject,
            claims=finding.claims,
            prose=self.prose(finding.prose),
            action=self.prose(finding.action),
            author=finding.author,
            prose_author=finding.prose_author,
            edited=finding.edited,
        )

    def _table(self, block: TableBlock) -> RenderedTable:
        return RenderedTable(
            block=block, title=self.prose(block.title), note=self.prose(block.note)
        )

    def _chart(self, block: ChartBlock) -> RenderedChart:
        exhibit = self._exhibits[block.evidence]
        named = {block.x, block.y, block.series, block.band, *map(str, block.options.values())}
        names = [name for name in evidence_columns(exhibit) if name in named]
        return RenderedChart(
            block=block,
            title=self.prose(block.title),
            caption=self.prose(block.caption),
            columns=tuple(exhibit.table.column(name) for name in names),
            rows=plain_rows(exhibit, names),
        )

    def _admit(self, verification: Verification) -> None:
        if verification.problems:
            raise self._refusal(verification.problems[0].message)
        for name in self.claims:
            outcome = self._outcomes.get(name)
            if outcome is None or not outcome.verified or outcome.claim != name:
                raise self._refusal(f"claim {name} was not verified")
        for name in self._shown():
            if name not in self.claims:
                raise self._refusal(f"{name} is shown and was never checked")

    def _shown(self) -> Iterator[str]:
        """Every claim that a block shows; sentences are admitted when they are filled."""
        analysis = self.analysis
        for finding in analysis.findings:
            yield from finding.claims
        for table in analysis.tables:
            cells = (cell for row in table.rows for cell in row)
            yield from (cell.claim for cell in cells if isinstance(cell, FigureCell))
        for chart in analysis.charts:
            yield from filter(None, (*chart.rules, chart.tail))
        for row in analysis.indicators:
            yield from filter(None, (row.value, row.limit, row.amber, row.change, row.owner))

    def _refusal(self, reason: str) -> ChecksFailed:
        return ChecksFailed(f"Section {self.analysis.section} may not be published: {reason}")
