"""The nodes that wait. They do nothing else: a node that waits runs again from its first line."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent.compat.interrupts import shown, understood
from agent.deps import Deps
from agent.state import JsonObject, RunState, SectionResult, SectionState


async def ask(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """Wait for a person's answer to the pending item."""
    answer = _answer(state["pending"], runtime)
    update = RunState(decision={"item": state["pending"], **answer}, pending=None)
    if answer["kind"] == "edit" and answer.get("of") == "finding":
        update["edit"] = {name: answer[name] for name in ("finding", "text", "by", "at")}
    elif answer["kind"] in ("respond", "edit"):
        update["answers"] = [*state.get("answers", []), answer["text"]]
        # Another question has other sections, under the same names.
        update["sections"] = dict.fromkeys(state.get("sections", {}), None)
    return update


def _answer(item: JsonObject | None, runtime: Runtime[Deps]) -> dict[str, Any]:
    assert item is not None
    answer = interrupt(shown(item))
    deps = runtime.context
    return understood(item, answer, by=deps.operator, at=deps.clock())


def next_step(state: RunState) -> str:
    """Where an answer leads."""
    decision = state.get("decision") or {}
    item = decision["item"]
    match decision["kind"]:
        case "edit" if decision.get("of") == "finding":
            return "revise"
        case "respond" | "edit":
            return "clarify"
        case "approve" if item["kind"] == "publication":
            return "publish"
        case "approve":
            return str(item["step"])
        case "reject" if item["kind"] == "publication":
            return "reject"
        case _:
            return "__end__"


async def ask_section(state: SectionState, runtime: Runtime[Deps]) -> SectionState:
    """
    Wait for a person's answer about one section; the other sections are not touched.

    A question worded anew takes the whole run, which has this one section, back to its start.
    """
    answer = _answer(state["pending"], runtime)
    update = SectionState(decision={"item": state["pending"], **answer}, pending=None)
    if answer["kind"] == "edit" and answer.get("of") == "query":
        update["edited"] = answer["text"]
    elif answer["kind"] == "edit":
        update["answers"] = [answer["text"]]
        update["reworded"] = True
    return update


def next_section_step(state: SectionState) -> str:
    """
    Approving tries the section again from its queries, or goes on where it was only held; an
    edited query is tried in their place, another question ends it; rejecting leaves it out.
    """
    decision = state.get("decision") or {}
    if decision["kind"] == "edit":
        return "retrieve" if decision.get("of") == "query" else "__end__"
    if decision["kind"] != "approve":
        return "skip"
    item = decision["item"]
    return str(item["step"]) if item["kind"] == "held" else "retrieve"


async def skip_section(state: SectionState) -> SectionState:
    """Leave the section out; the report says so, with the reason a person gave."""
    decision = state.get("decision") or {}
    reason = decision.get("reason") or "left out by a reviewer"
    skipped = SectionResult(
        analysis="", outcomes="", evidence=[], queries={}, skipped=reason, authorship=[]
    )
    return SectionState(sections={state["section"]: skipped})
