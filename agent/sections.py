"""Reading a section's stored pieces back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.analysis.context import Exhibit
from services.evidence import ComputationSource
from services.store import EvidenceStore


async def load_exhibits(store: EvidenceStore, ids: Mapping[str, str]) -> dict[str, Exhibit]:
    """Evidence and rows for a map of any name to evidence id."""
    return {
        name: Exhibit(await store.evidence(evidence_id), await store.table(evidence_id))
        for name, evidence_id in ids.items()
    }


async def load_with_inputs(store: EvidenceStore, ids: Iterable[str]) -> dict[str, Exhibit]:
    """Evidence by id, together with everything it was computed from."""
    found: dict[str, Exhibit] = {}
    waiting = list(ids)
    while waiting:
        evidence_id = waiting.pop()
        if evidence_id in found:
            continue
        evidence = await store.evidence(evidence_id)
        found[evidence_id] = Exhibit(evidence, await store.table(evidence_id))
        if isinstance(evidence.source, ComputationSource):
            waiting.extend(evidence.source.inputs.values())
    return found
