"""What a decision rests on: the report with its figures and their rows, and what came before."""

from __future__ import annotations

from typing import Final

from agent.comparison import Difference, compared, previous
from agent.exhibits import Sample, samples_of
from agent.stakes import severity_of
from agent.web.library import Library
from reports.document import EvidenceRecord, Figure, RenderedFinding, ReportContent, StatusRow
from services.analysis.failures import MASK
from services.evidence import Frozen, Plain
from services.review import ReviewItem, Severity, similar
from services.store import RunRecord

_ORDER: Final = {"red": 0, "amber": 1, "green": 2, "none": 3}
_GRAVE: Final = ("critical", "high", "medium")
_MOST_FINDINGS: Final = 12
_MOST_CHANGES: Final = 40
_EARLIER: Final = 500
"""Items that are looked through for similar ones."""
_HIDDEN: Final = "confidential"


class Shown(Frozen):
    """A row of the report's status table with its figures."""

    row: StatusRow
    value: Figure | None
    limit: Figure | None
    change: Figure | None


class Draft(Frozen):
    """The report that is to be published, as far as a decision needs it."""

    title: str
    question: str
    as_of: str
    severity: Severity
    headline: str
    failed: tuple[Figure, ...]
    """Figures that could not be recomputed: they come first."""
    count: int
    status: tuple[Shown, ...]
    findings: tuple[RenderedFinding, ...]
    more_findings: int
    figures: tuple[Figure, ...]
    """Those that the parts above cite."""
    evidence: tuple[EvidenceRecord, ...]
    """What these figures rest on."""


class Changes(Frozen):
    """How the report differs from the last one published under the same template."""

    since: RunRecord
    differences: tuple[Difference, ...]
    more: int
    same_figures: int


class Dossier(Frozen):
    """All that is known beside the item itself."""

    record: RunRecord
    draft: Draft | None
    is_another: bool
    """Whether the run's report is another than the one the item is about."""
    changes: Changes | None
    similar: tuple[ReviewItem, ...]
    samples: tuple[Sample, ...]
    """The first rows of what an item other than a publication rests on."""


async def dossier_of(library: Library, item: ReviewItem) -> Dossier:
    """What there is to look at before *item* is decided."""
    stores = library.runner.stores
    record = await stores.runs.get(item.run_id)
    earlier = await stores.reviews.list("decided", limit=_EARLIER, tenant=item.tenant)
    about_report = item.report_digest is not None
    is_another = about_report and item.report_digest != record.report_digest
    content = await library.content(record) if about_report and not is_another else None
    return Dossier(
        record=record,
        draft=_shown(item, content),
        is_another=is_another,
        changes=await _changes(library, record, content)
        if content is not None and item.is_awaited
        else None,
        similar=similar(item, earlier),
        samples=await samples_of(stores, item),
    )


def _shown(item: ReviewItem, content: ReportContent | None) -> Draft | None:
    if content is None:
        return None
    if item.breach is None:
        return draft_of(content)
    rows = tuple(r for r in content.summary.status if r.indicator.id == item.breach.indicator)
    return draft_of(content.model_copy(update=_narrowed(content, rows)))


def _narrowed(content: ReportContent, rows: tuple[StatusRow, ...]) -> dict[str, object]:
    """What is left of a report that says nothing but *rows*."""
    named = {name for r in rows for name in (r.indicator.value, r.indicator.limit)}
    return {
        "summary": content.summary.model_copy(update={"status": rows}),
        "sections": (),
        "figures": tuple(figure for figure in content.figures if figure.id in named),
    }


def draft_of(content: ReportContent) -> Draft:
    """What of the report a decision needs, the worst first."""
    by_id = {figure.id: figure for figure in content.figures}
    rows = sorted(content.summary.status, key=lambda row: _ORDER[row.status])
    grave = [f for s in content.sections for f in s.findings if f.severity in _GRAVE]
    grave.sort(key=lambda finding: _GRAVE.index(finding.severity))
    failed = tuple(figure for figure in content.figures if not figure.verified)
    findings = tuple(grave[:_MOST_FINDINGS])
    cited = [figure.id for figure in failed]
    cited += [name for row in rows for name in (row.indicator.value, row.indicator.limit)]
    cited += [run.figure for f in findings for run in f.prose if run.figure]
    figures = tuple(by_id[name] for name in dict.fromkeys(cited) if name in by_id)
    return Draft(
        title=content.cover.title,
        question=content.cover.question,
        as_of=content.cover.as_of.isoformat(),
        severity=severity_of(content),
        headline="".join(run.text for run in content.summary.headline),
        failed=failed,
        count=len(content.figures),
        status=tuple(
            Shown(
                row=row,
                value=by_id.get(row.indicator.value),
                limit=by_id.get(row.indicator.limit),
                change=by_id.get(row.indicator.change),
            )
            for row in rows
        ),
        findings=findings,
        more_findings=len(grave) - len(findings),
        figures=figures,
        evidence=_evidence(content, figures),
    )


def _evidence(content: ReportContent, figures: tuple[Figure, ...]) -> tuple[EvidenceRecord, ...]:
    """What the figures rest on, and what that was computed from."""
    by_id = {record.id: record for record in content.evidence}
    wanted = list(dict.fromkeys(name for figure in figures for name in figure.evidence))
    for name in wanted:  # grows while it is walked: inputs of inputs come too
        wanted += [i for i in by_id[name].inputs if i not in wanted] if name in by_id else []
    return tuple(masked(by_id[name]) for name in wanted if name in by_id)


def masked(record: EvidenceRecord) -> EvidenceRecord:
    """The statement and its first rows, without what is confidential in them."""
    hidden = {column.name for column in record.columns if column.sensitivity == _HIDDEN}
    rows: tuple[dict[str, Plain], ...] = tuple(
        {name: MASK if name in hidden else value for name, value in row.items()}
        for row in record.sample
    )
    return record.model_copy(update={"sample": rows})


async def _changes(library: Library, record: RunRecord, content: ReportContent) -> Changes | None:
    """Against the newest published report of the same template, or of the same question."""
    since = await previous(library.runner.stores, record)
    before = await library.content(since) if since is not None else None
    if since is None or before is None:
        return None
    found = compared(since, record, before, content)
    # A statement that gave other rows shows in the figures; the digests say nothing more.
    told = [one for one in found.differences if one.what != "evidence"]
    told.sort(key=lambda one: ("finding", "request", "figure").index(one.what))
    return Changes(
        since=since,
        differences=tuple(told[:_MOST_CHANGES]),
        more=max(len(told) - _MOST_CHANGES, 0),
        same_figures=found.same_figures,
    )
