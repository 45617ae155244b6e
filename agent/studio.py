"""
The graph for LangGraph's own tools, which `langgraph.json` names: Studio, and servers of graphs.

They bring their own checkpoints and threads. A thread that is run gets a run, with stores, a
warehouse and a lease, in the home that `langgraph.json` sets: it is not the home of the real runs,
so nothing that is answered in Studio decides anything there. Looking at the graph opens nothing.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from agent.deps import Deps, deps_for
from agent.driving import Graph, now
from agent.graph import build_graph
from agent.intake import prepare
from agent.opening import open_retriever
from agent.runner import Runner
from agent.stores import open_stores
from services.errors import NotFound
from services.settings import Settings, load_settings
from services.store import RunRecord
from services.warehouse import build_sample, current_snapshot


@asynccontextmanager
async def graph() -> AsyncIterator[Graph]:
    """The graph as it runs; what its steps work with is opened by the first of them."""
    async with AsyncExitStack() as opened:
        yield build_graph(None, within=_Visit(opened).equip)


class _Visit:
    """What the steps of one visit to a thread share."""

    def __init__(self, opened: AsyncExitStack) -> None:
        self._opened = opened
        self._opening = asyncio.Lock()
        self._run: _Run | None = None

    def equip(self, function: Any) -> Any:
        """*function*, given its `Deps` and the whole request that its state begins with."""

        @functools.wraps(function)
        async def run(state: Any, *more: Any, runtime: Any, **named: Any) -> Any:
            async with self._opening:
                if self._run is None:
                    self._run = await self._open(runtime.execution_info.thread_id, state)
            if "request" in state:
                state = {**state, "request": self._run.record.request}
            context = replace(runtime, context=self._run.deps)
            return await function(state, *more, runtime=context, **named)

        return run

    async def _open(self, thread_id: str | None, state: Any) -> _Run:
        settings = await asyncio.to_thread(_settings)
        # Spans are left to the server, which traces runs its own way.
        stores = await self._opened.enter_async_context(open_stores(settings))
        runner = Runner(settings=settings, stores=stores, open_retriever=open_retriever)
        record = await _record(runner, f"studio-{thread_id}", state)
        lease = await self._opened.enter_async_context(stores.runs.lease(record.id))
        retriever = await asyncio.to_thread(open_retriever, settings, record.snapshot)
        self._opened.push_async_callback(asyncio.to_thread, retriever.close)
        deps = deps_for(record, retriever, settings, stores, fence=lease.fence, clock=now)
        return _Run(record, deps)


@dataclass(frozen=True, slots=True)
class _Run:
    record: RunRecord
    deps: Deps


def _settings() -> Settings:
    settings = load_settings()
    if current_snapshot(settings.warehouse_dir) is None:
        build_sample(settings.warehouse_dir)
    return settings


async def _record(runner: Runner, run_id: str, state: Any) -> RunRecord:
    """The run of a thread, accepted when the thread is run first."""
    try:
        return await runner.stores.runs.get(run_id)
    except NotFound:
        asked = state.get("request") or {}
        accepted = await asyncio.to_thread(
            prepare,
            runner.settings,
            run_id,
            question=str(asked.get("question", "")),
            template=str(asked.get("template", "quarterly")),
        )
        return await runner.accept(run_id, accepted)
