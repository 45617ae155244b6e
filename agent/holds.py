"""What keeps a run from its next step until a person has decided: no step asks here, the runner does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.errors import SnapshotGone
from services.review import ReviewItem
from services.settings import Settings
from services.store import RunRecord
from services.warehouse import find_snapshot


@dataclass(frozen=True, slots=True)
class Hold:
    """An obstacle, under a key that is the same each time the run meets it."""

    key: str
    code: str
    title: str
    question: str
    detail: tuple[str, ...] = ()
    starts_over: bool = False
    """Whether going on means to begin anew, on other data."""

    def item(self, record: RunRecord, at: datetime) -> ReviewItem:
        """The item that a person decides: approve goes on, reject ends the run."""
        return ReviewItem.for_wait(
            record.id,
            f"hold:{self.key}",
            kind="held",
            title=self.title,
            question=self.question,
            code=self.code,
            detail=self.detail,
            choices=("approve", "reject"),
            created_at=at,
            **of_run(record),
        )


def of_run(record: RunRecord) -> dict[str, Any]:
    """What an item says of the run that it belongs to."""
    return {
        "tenant": record.tenant,
        "template": record.template,
        "requested_by": str(record.request.get("requested_by", "")),
    }


def other_version(record: RunRecord, version: str) -> Hold:
    """A run that another version of the graph started."""
    return Hold(
        key=f"version {record.graph_version} under {version}",
        code="A205",
        title=f"Run {record.id} was started by another version of the graph",
        question="Go on under this version, or end the run?",
        detail=(
            f"It was started under graph version {record.graph_version}; this is {version}.",
            "Finished steps that this version can read are kept; the rest is done again.",
        ),
    )


def lost_snapshot(record: RunRecord) -> Hold:
    """A run whose data are no longer in the warehouse."""
    return Hold(
        key=f"snapshot {record.snapshot}",
        code="A203",
        title=f"The data that run {record.id} reads are gone",
        question="Start over on the warehouse's current data, or end the run?",
        detail=(
            f"Snapshot {record.snapshot[:16]} is not in the warehouse folder.",
            "Put the file back and resume to go on with it; figures of two snapshots are never mixed.",
        ),
        starts_over=True,
    )


def deadly(record: RunRecord, deaths: int) -> Hold:
    """A run whose worker died time and again."""
    return Hold(
        key=f"deaths {record.id} {deaths}",
        code="A206",
        title=f"Run {record.id} ended the process that drove it {deaths} times",
        question="Try it again, or end the run?",
        detail=(
            f"Its last step is shown by `assay run history {record.id}`.",
            "Other runs go on without it.",
        ),
    )


def obstacles(settings: Settings, record: RunRecord, version: str) -> tuple[Hold, ...]:
    """What keeps a run from its next step under graph *version*, in the order to be asked."""
    found = []
    if record.graph_version != version:
        found.append(other_version(record, version))
    try:
        find_snapshot(settings.warehouse_dir, record.snapshot)
    except SnapshotGone:
        found.append(lost_snapshot(record))
    return tuple(found)
