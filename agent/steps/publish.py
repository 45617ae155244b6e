"""The only step with an effect outside the stores: the decided report's files."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.files import write_files
from agent.request import Request
from agent.state import RunState
from agent.steps.traced import tell
from reports.document import Attestation, ReportContent


async def publish(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """The APPROVED files and their receipt. A second try finds the receipt and does nothing."""
    deps = runtime.context
    record = await deps.runs.get(deps.run_id)
    if record.receipt is not None and record.receipt["digest"] == state["report_digest"]:
        return RunState(receipt=record.receipt)
    receipt = await _write_decided(state, deps, "approved")
    await deps.runs.update(deps.run_id, at=deps.clock(), receipt=receipt)
    await deps.audit.append(
        deps.run_id, "report.published", {"digest": receipt["digest"]}, at=deps.clock()
    )
    tell(runtime, f"{len(receipt['files'])} files, approved by {receipt['by']}")
    return RunState(receipt=receipt)


async def mark_rejected(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """The draft's files, marked REJECTED with the reason."""
    await _write_decided(state, runtime.context, "rejected")
    return RunState()


async def _write_decided(state: RunState, deps: Deps, decision: str) -> dict[str, Any]:
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
    files = await write_files(deps, request, content, attestation.digest, attestation)
    return {
        "digest": attestation.digest,
        "by": attestation.by,
        "at": attestation.at.isoformat(),
        "files": [file.model_dump(mode="json") for file in files],
    }
