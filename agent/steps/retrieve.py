"""Run a section's queries and keep their rows as evidence."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.state import SectionState
from agent.steps.traced import tell
from services.analysis.templates import ReportPlan
from services.audit import events


async def retrieve(state: SectionState, runtime: Runtime[Deps]) -> SectionState:
    """Evidence of every query of the section, by alias."""
    deps = runtime.context
    plan = await deps.blobs.get_document(state["plan"], ReportPlan)
    section = plan.section(state["section"])
    recorder = deps.recorder(state["section"])
    retriever = deps.retriever.watched(recorder.statement)
    evidence: dict[str, str] = {}
    rows = 0
    edited = state.get("edited") or ""
    for alias, query in section.queries.items():
        runtime.heartbeat()
        asked = edited or query
        found, table = await asyncio.to_thread(retriever.retrieve, asked, as_of=plan.as_of)
        await deps.evidence.put(found, table)
        await recorder.record(
            events.QUERY_RUN,
            evidence=found.id,
            rows=found.row_count,
            complete=found.complete,
        )
        evidence[alias] = found.id
        rows += found.row_count
    await deps.spending.add(deps.run_id, rows=rows)
    tell(runtime, f"{len(evidence)} queries, {rows:,} rows")
    return SectionState(evidence=evidence, problems=[], pending=None)
