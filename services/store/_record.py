"""What is known of one run, and what whoever listens is told of it."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal, TypeAlias

from services.evidence import Frozen

from ._outbox import Event
from ._queue import Priority
from ._values import UtcTime

RunStatus: TypeAlias = Literal[
    "queued", "running", "waiting", "done", "failed", "cancelled", "rejected", "withdrawn"
]


class Failure(Frozen):
    """Why a run ended, in the words of the error that ended it."""

    code: str
    message: str
    hint: str = ""


class RunRecord(Frozen):
    """All that is known of a run outside its graph's state."""

    id: str
    request: dict[str, Any]
    status: RunStatus = "queued"
    title: str = ""
    template: str = ""
    as_of: date | None = None
    snapshot: str = ""
    graph_version: str = ""
    created_at: UtcTime
    updated_at: UtcTime
    output_dir: str = ""
    left: bool = False
    """Whether it is left to workers; whoever started another one drives it."""
    tenant: str = ""
    priority: Priority = "normal"
    forked_from: str = ""
    forked_at: str = ""
    """The step of the other run before which this one begins."""
    report_digest: str | None = None
    failure: Failure | None = None
    receipt: dict[str, Any] | None = None
    """What publication left behind; None until the report is published."""


def asks_the_same(stored: RunRecord, record: RunRecord) -> bool:
    """Whether a stored run is the one that *record* would be."""
    if stored is record:
        return True
    asked = record.model_dump(mode="json")["request"]
    return stored.request == asked and stored.tenant == record.tenant


def events_of(run: RunRecord, *, was: RunStatus | None) -> tuple[Event, ...]:
    """What whoever listens is told of a run's new status; nothing when it *was* the same."""
    if run.status in {was, "running"} or (run.status == "queued" and was):
        return ()
    said: dict[str, Any] = {
        "run_id": run.id,
        "status": run.status,
        "template": run.template,
        "as_of": run.as_of.isoformat() if run.as_of else None,
        "url": f"/runs/{run.id}",
        "api_url": f"/v1/runs/{run.id}",
    }
    if run.failure is not None:
        said["code"] = run.failure.code
    types = ["run.accepted" if was is None else f"run.{run.status}"]
    if run.status == "done":
        types.append("report.published")
        said["report_digest"] = run.report_digest
    key = f"{run.id} {run.updated_at.isoformat()}"
    return tuple(
        Event.of(name, said, key=f"{name} {key}", at=run.updated_at, tenant=run.tenant)
        for name in types
    )
