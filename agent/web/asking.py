"""
What people ask of a run from a page: begun at once, and gone on with when they no longer wait.

A driver finishes its steps under way before it lets go of a run, which may take longer than a
browser should be kept: the page then says what was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import Request

from agent.driving import now
from agent.rewind import Place
from agent.runner import FINISHED, Runner
from agent.story import Story
from services.errors import AssayError, InputConflict
from services.review import Approve
from services.store import RunRecord

_PATIENCE: Final = 1.5
"""Seconds in which most is done, and whoever asked can be told so."""


@dataclass(slots=True)
class Asking:
    """What this process is still at, and what came of it where it failed."""

    runner: Runner
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _failures: dict[str, AssayError] = field(default_factory=dict)

    async def cancel(self, run_id: str, *, by: str, reason: str) -> None:
        """End a run for good."""
        await self._begin(run_id, self.runner.cancel(run_id, by=by, reason=reason))

    async def rollback(self, run_id: str, place: Place, *, by: str, reason: str) -> None:
        """Take a run back to *place*; a worker goes on from there."""

        async def go_back() -> None:
            await self.runner.rollback(run_id, place, by=by, reason=reason)
            await leave(self.runner, run_id)

        await self._begin(run_id, go_back())

    async def withdraw(self, run_id: str, *, by: str, reason: str) -> None:
        """Take a published report back."""
        await self._begin(run_id, self.runner.withdraw(run_id, by=by, reason=reason))

    async def fork(
        self, source: str, target: str, place: Place, *, by: str, changes: Mapping[str, Any]
    ) -> None:
        """A copy *target* of a run, for a worker to go on with from *place*."""
        await self.runner.fork(source, target, place, by=by, changes=changes)
        await leave(self.runner, target)

    async def resume(self, story: Story, *, by: str) -> None:
        """Have a worker go on with a run; raises `InputConflict` when that makes no sense."""
        if refusal := no_resume(story):
            raise InputConflict(refusal)
        for item in story.open_items:
            if item.kind == "retries_exhausted":
                await self.runner.decide(item.id, Approve(note="tried again"), by=by)
        await leave(self.runner, story.record.id)

    def failure(self, run_id: str) -> AssayError | None:
        """Why the last thing that was asked of a run was not done."""
        return self._failures.get(run_id)

    async def _begin(self, run_id: str, work: Coroutine[Any, Any, Any]) -> None:
        """Do *work*, as far as it gets while somebody waits. What it raises at once is raised here."""
        self._failures.pop(run_id, None)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=_PATIENCE)
        if task.done():
            task.result()
        else:
            task.add_done_callback(lambda done: self._note(run_id, done))

    def _note(self, run_id: str, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), AssayError):
            self._failures[run_id] = error


def asking_of(request: Request) -> Asking:
    """The one of this application."""
    state = request.app.state
    if not hasattr(state, "asking"):
        state.asking = Asking(state.runner)
    asking: Asking = state.asking
    return asking


def no_resume(story: Story) -> str:
    """Why a run cannot be resumed; empty when it can."""
    record = story.record
    if record.status in FINISHED:
        return f"Run {record.id} is {record.status}."
    if story.driver:
        return f"Run {record.id} is under way already, driven by {story.driver}."
    if record.status == "waiting":
        return f"Run {record.id} waits for a person's decision, not to be resumed."
    return ""


async def leave(runner: Runner, run_id: str) -> RunRecord:
    """Leave a run to the workers, whoever began it."""
    record = await runner.stores.runs.update(run_id, at=now(), left=True)
    await runner.enqueue(record)
    return record
