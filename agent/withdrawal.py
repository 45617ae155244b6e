"""Taking a published report back: the compensation of its publication."""

from __future__ import annotations

from typing import Any

from agent.driving import Graph, now, thread_of
from agent.files import Press
from agent.request import Request
from agent.steps.publish import published
from agent.stores import Stores
from reports.document import Attestation, ReportContent
from services.audit import AuditEntry, events, revealed
from services.store import Effect, RunRecord


async def withdraw(
    stores: Stores, graph: Graph, record: RunRecord, asked: AuditEntry
) -> dict[str, Any]:
    """
    Write the published files anew, marked WITHDRAWN as *asked*; the receipt.

    Doing it again changes nothing: the files carry the time at which it was asked.
    """
    assert record.receipt is not None
    state = (await graph.aget_state(thread_of(record.id))).values
    content = await stores.blobs.get_document(state["report"], ReportContent)
    effect = await stores.effects.get(record.id, "publish", record.receipt["digest"])
    said = revealed(asked, await stores.audit.personal(record.id))
    attestation = Attestation(
        decision="withdrawn",
        by=str(said["by"]),
        at=asked.at,
        digest=effect.content,
        note=str(said["reason"]),
    )
    press = Press(record.id, record.created_at, stores.evidence, stores.audit)
    request = Request.model_validate(record.request)

    async def take_back(done: Effect) -> dict[str, Any]:
        return await published(press, request, content, attestation, done.key)

    compensated = await stores.effects.compensate(record.id, effect, take_back, clock=now)
    assert compensated.receipt is not None
    said = {"effect": effect.key, "step": effect.step, "content": effect.content}
    key = f"{events.EFFECT_COMPENSATED} {effect.key}"
    await stores.audit.append(record.id, events.EFFECT_COMPENSATED, said, at=now(), key=key)
    return compensated.receipt
