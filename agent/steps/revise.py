"""Put a text that a person has edited into its section, and verify all of that again."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.sections import load_with_inputs
from agent.state import JsonObject, RunState, SectionResult
from agent.steps.traced import tell
from agent.texts import edited
from services.analysis.computations import COMPUTATIONS
from services.analysis.findings import SectionAnalysis
from services.analysis.verify import verify
from services.audit import events
from services.errors import NotFound, TextRefused


async def revise(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """
    The section with the edited text, and one editor more.

    A text that does not pass leaves the draft as it was, with the reason: its writer was told
    already, unless the answer came past the review queue.
    """
    deps, edit = runtime.context, state["edit"]
    assert edit is not None
    results = state["sections"]
    try:
        section, analysis = await edited(
            deps.blobs, deps.evidence, results, edit["finding"], edit["text"]
        )
    except (NotFound, TextRefused) as refusal:
        return RunState(
            edit=None, refusal=f"An edit of {edit['by']} was refused: {refusal.message}"
        )
    exhibits = await load_with_inputs(deps.evidence, analysis.evidence)
    verification = await asyncio.to_thread(verify, analysis, exhibits, COMPUTATIONS)
    if verification.problems:
        reason = verification.problems[0].message
        return RunState(edit=None, refusal=f"An edit of {edit['by']} does not verify: {reason}")
    await _record(deps, state, edit, section.name, section.analysis, analysis)
    tell(runtime, f"{len(verification.outcomes)} claims recomputed, text edited by {edit['by']}")
    result = results[section.name]
    assert result is not None
    changed = SectionResult(
        **{
            **result,
            "analysis": await deps.blobs.put_document(analysis),
            "outcomes": await deps.blobs.put_document(verification),
        }
    )
    editors = dict.fromkeys([*state.get("editors", []), edit["by"]])
    return RunState(sections={section.name: changed}, editors=[*editors], edit=None, refusal="")


async def _record(
    deps: Deps,
    state: RunState,
    edit: JsonObject,
    section: str,
    before: SectionAnalysis,
    after: SectionAnalysis,
) -> None:
    """Who edited what, and how it read before; once, however often the step is tried."""
    texts = [
        next(finding.prose for finding in analysis.findings if finding.id == edit["finding"])
        for analysis in (before, after)
    ]
    await deps.recorder(section).record(
        events.FINDING_EDITED,
        key=f"{events.FINDING_EDITED} {edit['finding']} {edit['at']}",
        finding=edit["finding"],
        report=state["report_digest"],
        by=edit["by"],
        before=texts[0],
        after=texts[1],
    )
