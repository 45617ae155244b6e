"""Ends the real worker or web process at each named place in turn, as `kill -9` does."""

from __future__ import annotations

import asyncio
import sys

from chaos import QUESTIONS, Crew, approve_all, post

import agent.worker  # noqa: F401  # so that its places are known
from agent.graph import build_graph
from agent.stores import Stores, open_stores
from services import failpoints
from services.checkpointer import make_checkpointer
from services.settings import Settings

ELSEWHERE = ("audit.begin_all", "audit.erase", "audit.remove", "backup", "checkpoint.copy", "checkpoint.delete",
             "checkpoint.list", "checkpoint.prune", "courier", "journal.deleted", "objects", "queue.remove",
             "references.c", "references.r", "restore", "reviews.forget", "reviews.remove",
             "runs.create_all", "runs.grant", "runs.remove", "webhooks", "runs.wish", "schedules", "timetable", "step.reject", "effect.compensated")  # fmt: skip
"""Places that no run which is published comes by: those of other commands."""
ROUNDS = 2
"""Runs from beginning to end in which a place may be come by."""


async def sweep(settings: Settings, crew: Crew) -> dict[str, str]:
    """Kill at each place once; the accepted runs and what each asks."""
    async with open_stores(settings) as stores:
        build_graph(
            make_checkpointer(stores.redis)
        )  # steps are known by name once there is a graph
    places = [name for name in failpoints.names() if not name.startswith(ELSEWHERE)]
    accepted: dict[str, str] = {}
    missed = []
    for number, place in enumerate(places):
        crew.end()
        crew.processes.clear()
        crew.place = place
        if not await _killed(settings, crew, accepted):
            missed.append(place)
        sys.stderr.write(f"{number + 1} of {len(places)}: {place}\n")
    crew.place = ""
    sys.stderr.write(f"killed at {len(places) - len(missed)} places; never come by: {missed}\n")
    return accepted


async def _killed(settings: Settings, crew: Crew, accepted: dict[str, str]) -> bool:
    """Whether a process came by the place, within so many runs; what it left goes on."""
    for _ in range(ROUNDS):
        name, question = f"run-{len(accepted)}", QUESTIONS[0]
        crew.tend()
        while not await asyncio.to_thread(post, crew.port, name, question):
            if _has_ended(crew):
                crew.place = ""
                crew.tend()
            await asyncio.sleep(0.2)
        accepted[name] = question
        async with open_stores(settings) as stores:
            while not await _is_done(stores, name):
                if _has_ended(crew):
                    return True
                await asyncio.sleep(0.2)
                await approve_all(stores)
        if not crew.place:
            return True
    return False


def _has_ended(crew: Crew) -> bool:
    return any(process.poll() is not None for process in crew.processes.values())


async def _is_done(stores: Stores, name: str) -> bool:
    return (await stores.runs.get(name)).status == "done"
