"""What happens when a step has used up its tries: the run waits, and says what was tried."""

from __future__ import annotations

import traceback
from typing import Any

from langgraph.errors import NodeError, NodeTimeoutError
from langgraph.runtime import Runtime
from langgraph.types import Command

from agent.deps import Deps
from agent.pending import Pending, PendingKind
from services.analysis.templates import section_title
from services.audit import events
from services.errors import AssayError, BudgetSpent, ChecksFailed, QueryRefused
from services.review import Finding


async def escalate(state: Any, error: NodeError, runtime: Runtime[Deps]) -> Command[Any]:
    """
    Turn a failed step into a pending item and go to the node that waits.

    Approving the item tries the step again. Rejecting it leaves the section out and says so in
    the report, or, outside sections, ends the run.
    """
    deps = runtime.context
    section = state.get("section", "")
    title, code, exit_code, detail = _explain(error, deps)
    record = await deps.runs.get(deps.run_id)
    pending = Pending(
        kind=_kind(error.error),
        step=error.node,
        section=section,
        title=title,
        question=_question(
            section and section_title(record.template, section),
            has_question=bool(record.request["question"]),
        ),
        code=code,
        exit_code=exit_code,
        detail=(
            *detail,
            *await _tried(deps, error.node, section),
            f"To end the run instead: `assay run cancel {deps.run_id}`",
        ),
        choices=("approve", "edit", "reject")
        if record.request["question"]
        else ("approve", "reject"),
        rests_on=tuple(dict.fromkeys((state.get("evidence") or {}).values())) if section else (),
        **_refused(error.error),
    )
    await deps.recorder(section).record(events.STEP_FAILED, step=error.node, code=code)
    return Command(update={"pending": pending.model_dump(mode="json")}, goto="ask")


def _question(section: str, *, has_question: bool) -> str:
    other = ", word the question anew" if has_question else ""
    if section:
        return (
            f"Try the section “{section}” again{other}, or leave it out and say so in the report?"
        )
    return f"Try again{other}, or end the run?"


async def _tried(deps: Deps, step: str, section: str) -> tuple[str, ...]:
    """Each try of the step, as the audit log has it."""
    tries = [
        f"{entry.at:%H:%M:%S} UTC: {entry.fields['code']}"
        for entry in await deps.audit.entries(deps.run_id)
        if entry.event == events.ATTEMPT_FAILED
        and (entry.fields["step"], entry.fields["section"]) == (step, section)
    ]
    count = "once" if len(tries) == 1 else f"{len(tries)} times"
    return (f"tried {count} ({', '.join(tries[-5:])})",) if tries else ()


def _refused(error: BaseException) -> dict[str, Any]:
    """The statement that the guard refused, and all that it has against it."""
    if not isinstance(error, QueryRefused):
        return {}
    found = [Finding(rule=r, message=m, hint=h) for r, m, h in error.findings]
    return {"query": error.statement, "findings": tuple(found)}


def _kind(error: BaseException) -> PendingKind:
    if isinstance(error, BudgetSpent):
        return "held"
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
