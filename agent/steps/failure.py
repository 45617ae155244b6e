"""What happens when a step has used up its tries: the run waits, and says what was tried."""

from __future__ import annotations

import traceback
from typing import Any

from langgraph.errors import NodeError, NodeTimeoutError
from langgraph.runtime import Runtime
from langgraph.types import Command

from agent.deps import Deps
from agent.pending import Pending, PendingKind
from services.errors import AssayError, ChecksFailed, QueryRefused


async def escalate(state: Any, error: NodeError, runtime: Runtime[Deps]) -> Command[Any]:
    """
    Turn a failed step into a pending item and go to the node that waits.

    Approving the item tries the step again. Rejecting it leaves the section out and says so in
    the report, or, outside sections, ends the run.
    """
    deps = runtime.context
    section = state.get("section", "")
    title, code, exit_code, detail = _explain(error, deps)
    pending = Pending(
        kind=_kind(error.error),
        step=error.node,
        section=section,
        title=title,
        question=(
            f"Try the section {section!r} again, or leave it out and say so in the report?"
            if section
            else "Try again, or end the run?"
        ),
        code=code,
        exit_code=exit_code,
        detail=detail,
        choices=("approve", "reject"),
    )
    await deps.audit.append(
        deps.run_id,
        "step.failed",
        {"step": error.node, "section": section, "code": code},
        at=deps.clock(),
    )
    return Command(update={"pending": pending.model_dump(mode="json")}, goto="ask")


def _kind(error: BaseException) -> PendingKind:
    if isinstance(error, QueryRefused):
        return "refused_query"
    return "failed_check" if isinstance(error, ChecksFailed) else "retries_exhausted"


def _explain(failed: NodeError, deps: Deps) -> tuple[str, str, int, tuple[str, ...]]:
    error = failed.error
    if isinstance(error, AssayError):
        return error.message, error.code, error.exit_code, (error.hint,) if error.hint else ()
    if isinstance(error, NodeTimeoutError):
        return f"Step {failed.node!r} took longer than {error.timeout:.0f} s", "A104", 1, ()
    log = deps.log_dir / f"{deps.run_id}.log"
    try:
        deps.log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with log.open("a", encoding="utf-8") as file:
            file.write("".join(traceback.format_exception(error)))
        where = f"the log is at {log}"
    except OSError:
        where = "and no log could be written"
    return (
        f"Step {failed.node!r} failed unexpectedly ({type(error).__name__})",
        "A000",
        1,
        (where,),
    )
