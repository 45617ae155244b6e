"""Turn a section's evidence into claims, findings, tables and charts."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.policies import ANALYSIS_ATTEMPTS
from agent.sections import load_exhibits
from agent.state import SectionState
from agent.steps.traced import tell
from services.analysis.computations import COMPUTATIONS
from services.analysis.context import SectionContext
from services.analysis.model_analyst import propose
from services.analysis.narrator import narrate
from services.analysis.sections import ANALYSTS
from services.analysis.templates import ReportPlan
from services.analysis.verify import Problem


async def analyse(state: SectionState, runtime: Runtime[Deps]) -> SectionState:
    """
    The rules' analysis, to which models add findings and wording where they are set.

    What a verification refused comes back as `problems`; the last attempt is the rules' alone.
    """
    deps = runtime.context
    await deps.models.wait_for()
    plan = await deps.blobs.get_document(state["plan"], ReportPlan)
    section = plan.section(state["section"])
    context = SectionContext(
        section=section.id,
        title=section.title,
        as_of=plan.as_of,
        previous=plan.previous,
        snapshot=deps.retriever.warehouse.snapshot.id,
        exhibits=await load_exhibits(deps.evidence, state["evidence"]),
        computations=COMPUTATIONS,
    )
    analysis = await asyncio.to_thread(ANALYSTS[section.analyst], context)
    for exhibit in context.computed:
        await deps.evidence.put(exhibit.evidence, exhibit.table)
    attempt = state["attempt"] + 1
    problems = tuple(Problem.model_validate(problem) for problem in state.get("problems", []))
    authorship = []
    if attempt < ANALYSIS_ATTEMPTS:
        watch = deps.recorder(section.id).model_call
        if analyst := deps.models.client("analyst", watch):
            analysis, credit = await propose(analyst, context, analysis, problems)
            authorship.append(credit)
        if narrator := deps.models.client("narrator", watch):
            analysis, credit = await narrate(narrator, context, analysis, problems)
            authorship.append(credit)
    tell(runtime, f"{len(analysis.claims)} claims, {len(analysis.findings)} findings")
    return SectionState(
        analysis=await deps.blobs.put_document(analysis),
        attempt=attempt,
        authorship=[credit.model_dump(mode="json") for credit in authorship],
    )
