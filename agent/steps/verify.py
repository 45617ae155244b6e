"""Recompute every claim of a section from its cells; let nothing pass that does not hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.pending import Pending
from agent.policies import ANALYSIS_ATTEMPTS
from agent.sections import load_with_inputs
from agent.state import SectionResult, SectionState
from agent.steps.traced import tell
from services.analysis.computations import COMPUTATIONS
from services.analysis.context import Exhibit
from services.analysis.failures import failed_claims, suspects
from services.analysis.findings import SectionAnalysis
from services.analysis.verify import CLAIM_FAILED, Verification, verify
from services.audit import content_digest, events
from services.review import Finding

_MOST_PROBLEMS: Final = 20
"""Problems that a person is shown at once."""


async def verify_section(state: SectionState, runtime: Runtime[Deps]) -> SectionState:
    """A finished section, or the problems that send it back."""
    deps = runtime.context
    analysis = await deps.blobs.get_document(state["analysis"], SectionAnalysis)
    exhibits = await load_with_inputs(deps.evidence, analysis.evidence)
    verification = await asyncio.to_thread(verify, analysis, exhibits, COMPUTATIONS)
    await _record(deps, state, verification)
    tell(
        runtime,
        f"{len(verification.outcomes)} claims recomputed, {len(verification.problems)} refused",
    )
    if verification.problems:
        problems = [problem.model_dump(mode="json") for problem in verification.problems]
        if state["attempt"] < ANALYSIS_ATTEMPTS and deps.models.any_set:
            return SectionState(problems=problems, pending=None)
        pending = _refused(state, analysis, verification, exhibits)
        return SectionState(problems=problems, pending=pending.model_dump(mode="json"))
    result = SectionResult(
        analysis=state["analysis"],
        outcomes=await deps.blobs.put_document(verification),
        evidence=sorted(exhibits),
        queries=state["evidence"],
        skipped="",
        authorship=state.get("authorship", []),
    )
    return SectionState(sections={state["section"]: result}, problems=[], pending=None)


async def _record(deps: Deps, state: SectionState, verification: Verification) -> None:
    """The counts, and what was refused: by its digest, for a model may have worded it."""
    recorder = deps.recorder(state["section"])
    await recorder.record(
        events.CLAIMS_CHECKED,
        attempt=state["attempt"],
        claims=len(verification.outcomes),
        problems=len(verification.problems),
    )
    for problem in verification.problems:
        what = content_digest([problem.where, problem.message])
        await recorder.record(
            events.CLAIM_REFUSED, attempt=state["attempt"], code=problem.code, what=what
        )


def next_step(state: SectionState) -> str:
    """Back to the analyst with the reasons, to a person, or done."""
    if state.get("pending"):
        return "ask"
    return "analyse" if state.get("problems") else "__end__"


def _refused(
    state: SectionState,
    analysis: SectionAnalysis,
    verification: Verification,
    exhibits: Mapping[str, Exhibit],
) -> Pending:
    """What a person decides on: the claims that failed, what else was refused, and the evidence."""
    failed = failed_claims(analysis, verification, exhibits)[:_MOST_PROBLEMS]
    problems = sorted(verification.problems, key=lambda problem: problem.code != CLAIM_FAILED)
    return Pending(
        kind="failed_check",
        step="verify",
        section=state["section"],
        title=f"Claims of the section “{analysis.title}” could not be verified",
        question="Try the section again, or leave it out and say so in the report?",
        code="A303",
        exit_code=6,
        detail=(
            problems[0].message,
            "tried once" if state["attempt"] == 1 else f"tried {state['attempt']} times",
        ),
        choices=("approve", "reject"),
        findings=tuple(
            Finding(rule=problem.code, message=problem.message, hint=problem.where)
            for problem in problems[:_MOST_PROBLEMS]
        ),
        claims=failed,
        rests_on=suspects(analysis, verification, exhibits),
    )
