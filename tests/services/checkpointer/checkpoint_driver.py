"""
A graph with parallel sections that wait, run as a process that a test may kill.

Usage: checkpoint_driver.py URL; then, on standard input, lines of a thread, an action (start, resume
or answer) and perhaps where to die: a step, or a failpoint with its action. Each line is driven by
a process of its own, forked from this one so that LangGraph is imported once; its status is
answered. Each step's effect is counted in the store.
"""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from services.checkpointer import make_checkpointer
from services.failpoints import set_traps
from services.store import connect

SECTIONS = ("market", "credit", "liquidity")


class Section(TypedDict, total=False):
    name: str
    rows: str
    answer: str
    findings: Annotated[list[str], operator.add]


class Run(TypedDict, total=False):
    title: str
    plan: list[str]
    findings: Annotated[list[str], operator.add]
    report: str


def build(redis: Any, checkpointer: Any, *, thread: str = "r-1", kill_in: str = "") -> Any:
    async def count(step: str) -> None:
        await redis.hincrby(f"assay:test:steps:{thread}", step, 1)
        if step == kill_in:
            os.kill(os.getpid(), signal.SIGKILL)

    async def plan(state: Run) -> Run:
        await count("plan")
        return {"plan": list(SECTIONS)}

    async def retrieve(state: Section) -> Section:
        await count(f"retrieve:{state['name']}")
        return {"rows": f"rows of {state['name']}"}

    async def ask(state: Section) -> Section:
        if state["name"] == "liquidity":
            return {"answer": "none needed"}
        return {"answer": interrupt(f"May {state['name']} be published?")}

    async def analyse(state: Section) -> Section:
        await count(f"analyse:{state['name']}")
        return {"findings": [f"{state['name']}: {state['rows']}, {state['answer']}"]}

    async def compose(state: Run) -> Run:
        await count("compose")
        return {"report": "; ".join(sorted(state["findings"]))}

    section = StateGraph(Section)
    section.add_sequence([("retrieve", retrieve), ("ask", ask), ("analyse", analyse)])
    section.add_edge(START, "retrieve")
    graph = StateGraph(Run)
    graph.add_node("plan", plan)
    graph.add_node("section", section.compile())
    graph.add_node("compose", compose)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges(
        "plan", lambda state: [Send("section", {"name": name}) for name in state["plan"]]
    )
    graph.add_edge("section", "compose")
    graph.add_edge("compose", END)
    return graph.compile(checkpointer=checkpointer)


async def drive(url: str, thread: str, action: str, kill_in: str) -> None:
    set_traps(kill_in if "=" in kill_in else "")
    async with connect(url, Path()) as redis:
        graph = build(redis, make_checkpointer(redis), thread=thread, kill_in=kill_in)
        config = {"configurable": {"thread_id": thread}}
        work: Any = {"title": "Quarterly"} if action == "start" else None
        if action == "answer":
            state = await graph.aget_state(config)
            work = Command(resume={wait.id: f"yes to {wait.value}" for wait in state.interrupts})
        await graph.ainvoke(work, config, durability="sync")


def in_a_process(url: str, thread: str, action: str, kill_in: str) -> int:
    """The status of a process that drives, negative when a signal ended it."""
    child = os.fork()
    if not child:
        asyncio.run(drive(url, thread, action, kill_in))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        thread, action, *kill_in = line.split()
        print(in_a_process(sys.argv[1], thread, action, "".join(kill_in)), flush=True)  # noqa: T201 (its answer)
