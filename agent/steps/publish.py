"""The only steps with an effect outside the stores: the decided report's files."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.files import Press
from agent.request import Request
from agent.state import RunState
from agent.steps.traced import tell
from reports.document import Attestation, ReportContent
from services.store import Effect


async def publish(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """The APPROVED files and their receipt; written once, however often this is tried."""
    deps = runtime.context
    effect = await _decided(state, deps, "approved")
    assert effect.receipt is not None
    await deps.runs.update(deps.run_id, at=deps.clock(), receipt=effect.receipt)
    await deps.audit.append(
        deps.run_id, "report.published", {"digest": effect.content}, at=deps.clock()
    )
    tell(runtime, f"{len(effect.receipt['files'])} files, approved by {effect.receipt['by']}")
    return RunState(receipt=effect.receipt)


async def mark_rejected(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """The draft's files, marked REJECTED with the reason."""
    await _decided(state, runtime.context, "rejected")
    return RunState()


async def _decided(
    state: RunState, deps: Deps, decision: Literal["approved", "rejected"]
) -> Effect:
    answer = state["decision"] or {}
    content = await deps.blobs.get_document(state["report"], ReportContent)
    attestation = Attestation.model_validate(
        {
            "decision": decision,
            "by": answer["by"],
            "at": answer["at"],
            "digest": state["report_digest"],
            "note": answer.get("note") or answer.get("reason") or "",
        }
    )
    request = Request.model_validate(state["request"])

    async def write(key: str) -> dict[str, Any]:
        return await published(deps.press, request, content, attestation, key)

    step = "publish" if decision == "approved" else "reject"
    return await deps.effects.once(
        deps.run_id, step, attestation.digest, write, clock=deps.clock, fence=deps.fence
    )


async def published(
    press: Press, request: Request, content: ReportContent, attestation: Attestation, key: str
) -> dict[str, Any]:
    """Write the files of a decided report; the receipt that the ledger keeps."""
    files = await press.write(request, content, attestation.digest, attestation)
    return {
        "key": key,
        "digest": attestation.digest,
        "by": attestation.by,
        "at": attestation.at.isoformat(),
        "files": [file.model_dump(mode="json") for file in files],
    }
