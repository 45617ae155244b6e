"""
The graph of a run, in one screen.

    clarify -> plan -> [section: retrieve -> analyse -> verify] -> compose -> review -> publish

A text that a reviewer edits goes into its section (`revise`) and leads to another draft.

Waiting has one shape: a step, or its error handler, writes a pending item, and the `ask` node
beside it waits. `ask` does nothing else, because a node that waits runs again from its first line.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send

from agent.deps import Deps
from agent.policies import STEP_POLICIES
from agent.state import RunState, SectionOutput, SectionState
from agent.steps import (
    analyse,
    ask,
    clarify,
    compose,
    failure,
    plan,
    publish,
    retrieve,
    review,
    revise,
    verify,
)
from agent.steps.bounded import bounded
from agent.steps.traced import traced
from services.failpoints import failpoint

GRAPH_VERSION = "2"
"""Raised whenever a run that is under way could not go on under the changed graph."""


_AFTER_ASKING = ["clarify", "plan", "revise", "compose", "review", "publish", "reject", END]
"""Wherever an answer may lead."""

Within: TypeAlias = Callable[[Any], Any]
"""Takes a node's function, and gives the one that the graph calls."""


def _as_it_is(function: Any) -> Any:
    return function


def build_graph(
    checkpointer: BaseCheckpointSaver[Any] | None, *, within: Within = _as_it_is
) -> CompiledStateGraph[RunState, Deps, RunState, RunState]:
    """
    The compiled graph; it checkpoints after every step to *checkpointer*.

    A server that opens the graph by itself brings its own checkpointer, and gives no `Deps`: then
    *within* does.
    """
    graph = StateGraph(RunState, context_schema=Deps if within is _as_it_is else None)
    add_step = partial(_add_step, graph, within)
    add_step("clarify", clarify.clarify)
    add_step("plan", plan.plan)
    graph.add_node("section", _section_graph(within))
    add_step("compose", compose.compose_report)
    add_step("review", review.review)
    add_step("revise", revise.revise)
    add_step("publish", publish.publish)
    add_step("reject", publish.mark_rejected)
    graph.add_node("ask", within(ask.ask))

    graph.add_edge(START, "clarify")
    graph.add_conditional_edges("clarify", clarify.next_step, ["ask", "plan"])
    graph.add_conditional_edges("plan", _fan_out, ["section", "compose"])
    graph.add_conditional_edges("section", _after_section, ["compose", "clarify"])
    graph.add_edge("compose", "review")
    graph.add_edge("review", "ask")
    graph.add_conditional_edges("ask", ask.next_step, _AFTER_ASKING)
    graph.add_edge("revise", "compose")
    graph.add_edge("publish", END)
    graph.add_edge("reject", END)
    return graph.compile(checkpointer=checkpointer)


def _section_graph(
    within: Within,
) -> CompiledStateGraph[SectionState, Deps, SectionState, SectionOutput]:
    graph = StateGraph(
        SectionState,
        context_schema=Deps if within is _as_it_is else None,
        output_schema=SectionOutput,
    )
    add_step = partial(_add_step, graph, within)
    add_step("retrieve", retrieve.retrieve)
    add_step("analyse", analyse.analyse)
    add_step("verify", verify.verify_section)
    graph.add_node("ask", within(ask.ask_section))
    graph.add_node("skip", ask.skip_section)

    graph.add_conditional_edges(START, _first_step, ["retrieve", "analyse"])
    graph.add_edge("retrieve", "analyse")
    graph.add_edge("analyse", "verify")
    graph.add_conditional_edges("verify", verify.next_step, ["analyse", "ask", END])
    graph.add_conditional_edges(
        "ask", ask.next_section_step, ["retrieve", "analyse", "verify", "skip", END]
    )
    graph.add_edge("skip", END)
    return graph.compile()


def _add_step(graph: StateGraph[Any, Deps, Any, Any], within: Within, name: str, step: Any) -> None:
    policy = STEP_POLICIES[name]
    run = traced(name, failpoint(f"step.{name}")(bounded(name, step, policy.limit)))
    graph.add_node(
        name,
        cast("Any", within(run)),
        retry_policy=policy.retry,
        timeout=policy.silence,
        error_handler=within(failure.escalate),
    )


def _fan_out(state: RunState) -> list[Send] | str:
    """One branch for each section without a result: all of them, or those to be done again."""
    finished = state.get("sections", {})
    missing = [name for name in state["section_ids"] if name not in finished]
    return [Send("section", _section(state, name)) for name in missing] or "compose"


def _after_section(state: RunState) -> str:
    return "clarify" if state.get("reworded") else "compose"


def _section(state: RunState, name: str) -> SectionState:
    again = state.get("redo", {}).get(name, {})
    return SectionState(
        section=name,
        plan=state["plan"],
        attempt=0,
        evidence=again.get("evidence", {}),
    )


def _first_step(state: SectionState) -> str:
    """A section that is done again may keep its evidence."""
    return "analyse" if state.get("evidence") else "retrieve"
