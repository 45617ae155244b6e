"""Runs a step within its bounds: the run's budget, the step's time, and patience with what is away."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.steps.traced import Step
from services.audit import events
from services.errors import (
    AssayError,
    BudgetSpent,
    ModelUnavailable,
    StepTimedOut,
    StoreUnavailable,
    WarehouseBusy,
)

_AWAY: Final = (StoreUnavailable, WarehouseBusy, ModelUnavailable)
"""Errors that say nothing about the step: what it needs is away, and it waits without using up a try."""


def bounded(name: str, step: Step, limit: timedelta) -> Step:
    """*step* as it may be tried: at most *limit* of time for each try, and only within the budget."""

    async def run(state: Any, runtime: Runtime[Deps]) -> Any:
        deps = runtime.context
        await _check_budget(deps)
        began = time.monotonic()
        try:
            return await _patiently(name, step, limit, state, runtime)
        finally:
            elapsed = time.monotonic() - began
            await deps.spending.add(deps.run_id, seconds=elapsed, tokens=deps.models.take_tokens())

    return run


async def _check_budget(deps: Deps) -> None:
    spent = await deps.spending.of_run(deps.run_id)
    if passed := deps.budget.exceeded_by(spent):
        raise BudgetSpent(
            f"The run has used {passed}.",
            hint="Approve to let it use as much again, or reject to end it.",
        )


async def _patiently(
    name: str, step: Step, limit: timedelta, state: Any, runtime: Runtime[Deps]
) -> Any:
    deps = runtime.context
    while True:
        is_probe = await deps.outage.turn(runtime.heartbeat)
        try:
            async with asyncio.timeout(limit.total_seconds()):
                update = await step(state, runtime)
        except _AWAY as error:
            deps.outage.begin()
            if deps.outage.lasted() > deps.patience.total_seconds():
                raise
            runtime.stream_writer({"event": "waits", "detail": f"{name} waits: {error.message}"})
            await _note_wait(deps, name, state.get("section", ""), error)
        except TimeoutError as error:
            raise StepTimedOut(f"Step {name!r} took longer than {limit}.") from error
        else:
            deps.outage.end()
            return update
        finally:
            if is_probe:
                deps.outage.pass_turn()


async def _note_wait(deps: Deps, step: str, section: str, error: AssayError) -> None:
    """Say in the run's log that the step waits, and until when; without the store there is no log."""
    if isinstance(error, StoreUnavailable):
        return
    with suppress(AssayError):
        await deps.recorder(section).record(
            events.STEP_WAITS, step=step, code=error.code, seconds=round(deps.outage.pauses(), 1)
        )
