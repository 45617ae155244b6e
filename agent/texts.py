"""The texts of a draft's findings, for whoever edits them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from agent.driving import Graph, thread_of
from agent.sections import load_with_inputs
from agent.state import SectionResult
from agent.stores import Stores
from services.analysis.editing import EditableText, TextEditor
from services.analysis.findings import SectionAnalysis
from services.analysis.verify import Verification
from services.errors import NotFound
from services.review import Edit, ReviewItem
from services.store import BlobStore, EvidenceStore

Results: TypeAlias = Mapping[str, SectionResult | None]


class Section(NamedTuple):
    """A finished section of a draft, as it was verified."""

    name: str
    analysis: SectionAnalysis
    verification: Verification


async def texts_of(stores: Stores, graph: Graph, item: ReviewItem) -> tuple[EditableText, ...]:
    """
    The text of each finding of the draft that *item* is about, in the order of the report.

    There is none where it is about something else, or the run has another draft by now.
    """
    state = (await graph.aget_state(thread_of(item.run_id))).values
    if item.report_digest is None or state.get("report_digest") != item.report_digest:
        return ()
    sections = await _sections(stores.blobs, state.get("sections", {}))
    places = {name: place for place, name in enumerate(state.get("section_ids", ()))}
    sections.sort(key=lambda section: places.get(section.name, len(places)))
    return tuple(
        TextEditor(section.analysis, section.verification, finding.id).shown
        for section in sections
        for finding in section.analysis.findings
    )


async def check_text(stores: Stores, graph: Graph, run_id: str, edit: Edit) -> None:
    """Raise `TextRefused` unless the draft takes the text; `NotFound` when it has no such finding."""
    state = (await graph.aget_state(thread_of(run_id))).values
    results = state.get("sections", {})
    await edited(stores.blobs, stores.evidence, results, edit.finding, edit.text)


async def edited(
    blobs: BlobStore, evidence: EvidenceStore, results: Results, finding: str, text: str
) -> tuple[Section, SectionAnalysis]:
    """The section that has *finding*, and what it says with *text* in its place; as `check_text`."""
    for section in await _sections(blobs, results):
        if any(found.id == finding for found in section.analysis.findings):
            editor = TextEditor(section.analysis, section.verification, finding)
            exhibits = await load_with_inputs(evidence, editor.evidence)
            # It holds the text against every name in the evidence.
            return section, await asyncio.to_thread(editor.edited, text, exhibits.values())
    raise NotFound("The draft has no such finding.", hint="See `assay review texts ITEM`.")


async def _sections(blobs: BlobStore, results: Results) -> list[Section]:
    return [
        Section(
            name,
            await blobs.get_document(result["analysis"], SectionAnalysis),
            await blobs.get_document(result["outcomes"], Verification),
        )
        for name, result in results.items()
        if result is not None and not result["skipped"]
    ]
