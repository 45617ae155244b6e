"""Put the verified sections together and lay the draft on disk."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.request import Request
from agent.sections import load_with_inputs
from agent.state import RunState, SectionResult
from agent.steps.traced import tell
from reports.compose import SectionInput, compose
from services.analysis.findings import Authorship, SectionAnalysis
from services.analysis.templates import ReportPlan
from services.analysis.verify import Verification


async def compose_report(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """The report's content by digest, and its files marked DRAFT."""
    deps = runtime.context
    request = Request.model_validate(state["request"])
    plan = await deps.blobs.get_document(state["plan"], ReportPlan)
    results = {name: result for name, result in state["sections"].items() if result is not None}
    sections = [await _section_input(deps, name, results[name]) for name in state["section_ids"]]
    exhibits = await load_with_inputs(
        deps.evidence, [i for result in results.values() for i in result["evidence"]]
    )
    content = await asyncio.to_thread(
        compose,
        plan,
        sections,
        exhibits,
        question=request.question,
        understood=state.get("understood", ""),
        snapshot=deps.retriever.warehouse.snapshot.id,
    )
    digest = await asyncio.to_thread(lambda: content.digest)
    files = await deps.press.write(request, content, digest)
    tell(runtime, f"{len(content.figures)} figures, {len(files)} files")
    return RunState(report=await deps.blobs.put_document(content), report_digest=digest)


async def _section_input(deps: Deps, name: str, result: SectionResult) -> SectionInput:
    if result["skipped"]:
        return SectionInput(section=name, skipped=result["skipped"])
    return SectionInput(
        section=name,
        analysis=await deps.blobs.get_document(result["analysis"], SectionAnalysis),
        verification=await deps.blobs.get_document(result["outcomes"], Verification),
        authorship=tuple(Authorship.model_validate(credit) for credit in result["authorship"]),
    )
