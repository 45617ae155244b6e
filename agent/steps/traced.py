"""Wraps a step: a span around each try, a line to whoever watches, an entry in the audit log."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime

from agent.deps import Deps
from services import telemetry
from services.audit import events
from services.errors import AssayError

Step: TypeAlias = Callable[[Any, Runtime[Deps]], Awaitable[Any]]


def tell(runtime: Runtime[Deps], detail: str) -> None:
    """Say what a step found, for whoever watches the run."""
    runtime.stream_writer({"detail": detail})


def traced(name: str, step: Step) -> Step:
    """*step* as the graph runs it."""

    async def run(state: Any, runtime: Runtime[Deps]) -> Any:
        section = state.get("section", "")
        attempt = runtime.execution_info.node_attempt if runtime.execution_info else 1
        event = {"step": name, "section": section, "attempt": attempt}
        attributes = {
            telemetry.STEP_NAME: name,
            telemetry.STEP_SECTION: section or None,
            telemetry.STEP_ATTEMPT: attempt,
        }
        recorder = runtime.context.recorder(section)
        runtime.stream_writer({**event, "event": "started"})
        await recorder.record(events.STEP_STARTED, step=name, attempt=attempt)
        began = time.monotonic()
        try:
            with telemetry.span(f"step {name}", attributes):
                update = await step(state, runtime)
        except GraphBubbleUp:
            raise
        except Exception as error:
            code = error.code if isinstance(error, AssayError) else type(error).__name__
            elapsed = time.monotonic() - began
            runtime.stream_writer({**event, "event": "failed", "code": code, "elapsed": elapsed})
            with suppress(AssayError):  # the store may be why the step failed
                await recorder.record(
                    events.ATTEMPT_FAILED,
                    step=name,
                    attempt=attempt,
                    code=code,
                    seconds=round(elapsed, 3),
                )
            raise
        elapsed = time.monotonic() - began
        runtime.stream_writer({**event, "event": "finished", "elapsed": elapsed})
        await recorder.record(
            events.STEP_FINISHED, step=name, attempt=attempt, seconds=round(elapsed, 3)
        )
        return update

    run.__name__ = name
    return run
