"""Decide the report's sections and the queries of each."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.request import Request
from agent.state import RunState
from agent.steps.traced import tell
from services.analysis.templates import load_template, plan_question, plan_report
from services.retrieval import previous_period
from services.semantics import MetricQuery


async def plan(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """The report's plan; it is the same for the same request on the same snapshot."""
    deps = runtime.context
    request = Request.model_validate(state["request"])
    if "query" in state:
        query = MetricQuery.model_validate(state["query"])
        report_plan = plan_question(request.question, query, as_of=request.as_of)
    else:
        report_plan = plan_report(
            load_template(request.template),
            as_of=request.as_of,
            previous=await asyncio.to_thread(
                previous_period, deps.retriever.watched(deps.recorder().statement), request.as_of
            ),
        )
    names = [section.id for section in report_plan.sections]
    tell(runtime, f"{len(names)} sections")
    return RunState(plan=await deps.blobs.put_document(report_plan), section_ids=names)
