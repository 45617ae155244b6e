"""Settle what is asked before any work is done; ask rather than guess."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.pending import Pending
from agent.request import Request
from agent.state import RunState
from agent.steps.traced import tell
from services.retrieval import interpret


async def clarify(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """The metric query of a free question; a template needs no clarification."""
    deps = runtime.context
    request = Request.model_validate(state["request"])
    if not request.question:
        return RunState(pending=None, reworded=False)
    await deps.models.wait_for()
    answers = state.get("answers", [])
    question = answers[-1] if answers else request.question
    recorder = deps.recorder()
    understood = await interpret(
        deps.retriever.watched(recorder.statement),
        question,
        as_of=request.as_of,
        writer=deps.models.client("sql", recorder.model_call),
    )
    if understood.query is None:
        pending = Pending(
            kind="clarification",
            step="clarify",
            title="The question needs a clearer wording",
            question=understood.problem,
            code="A405",
            detail=understood.suggestions,
            choices=("respond", "reject"),
        )
        return RunState(pending=pending.model_dump(mode="json"), reworded=False)
    tell(runtime, understood.restatement)
    return RunState(
        query=understood.query.model_dump(mode="json"),
        understood=understood.restatement,
        reworded=False,
        pending=None,
    )


def next_step(state: RunState) -> str:
    """Wait while a question is open."""
    return "ask" if state.get("pending") else "plan"
