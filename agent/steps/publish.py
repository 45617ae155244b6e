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
from services.audit import events
from services.store import Effect


async def publish(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """The APPROVED files and their receipt; written once, however often this is tried."""
    deps = runtime.context
    effect = await _decided(state, deps, "approved")
    assert effect.receipt is not None
    await deps.runs.update(deps.run_id, at=deps.clock(), receipt=effect.receipt)
    await deps.recorder().record(
        events.REPORT_PUBLISHED,
        key=f"{events.REPORT_PUBLISHED} {effect.key}",
        digest=effect.content,
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

    step = "publish" if decision == "approved" else "reject"
    recorder = deps.recorder()

    async def note(event: str, key: str) -> None:
        said = {"effect": key, "step": step, "content": attestation.digest}
        await recorder.record(event, key=f"{event} {key}", **said)

    async def write(key: str) -> dict[str, Any]:
        await note(events.EFFECT_PREPARED, key)
        return await published(deps.press, request, content, attestation, key)

    effect = await deps.effects.once(
        deps.run_id, step, attestation.digest, write, clock=deps.clock, fence=deps.fence
    )
    await note(events.EFFECT_DONE, effect.key)
    return effect


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
