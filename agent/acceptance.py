"""A request as the registry and the audit log have it once it is accepted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.graph import GRAPH_VERSION
from agent.request import Accepted, Request
from services.audit import content_digest
from services.store import RunRecord, own_id


def queued_record(
    run_id: str, accepted: Accepted, *, at: datetime, tenant: str, **more: Any
) -> RunRecord:
    """
    The record of a run that nobody has begun; *more* are fields of it.

    Whichever door it came by, no run has an id that another tenant's could have.
    """
    request = accepted.request
    return RunRecord(
        id=own_id(run_id, tenant),
        tenant=tenant,
        request=request.model_dump(mode="json"),
        title=accepted.title,
        template=request.template,
        as_of=request.as_of,
        snapshot=accepted.snapshot,
        graph_version=GRAPH_VERSION,
        created_at=at,
        updated_at=at,
        output_dir=request.output,
        **more,
    )


def said_of(record: RunRecord, request: Request) -> dict[str, Any]:
    """What the audit log says of an accepted run."""
    return {
        "template": request.template,
        "trigger": request.trigger,
        "request": content_digest(record.request),
        "by": request.requested_by,
    }
