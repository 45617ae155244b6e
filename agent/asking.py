"""What may be asked of a run as it stands."""

from __future__ import annotations

from typing import Final

from services.errors import InputConflict
from services.store import RunRecord

FINISHED: Final = frozenset({"done", "rejected", "cancelled", "withdrawn"})


def check_cancel(record: RunRecord) -> None:
    """Raise `InputConflict` for a run that has ended otherwise."""
    if record.status in FINISHED - {"cancelled"}:
        raise InputConflict(
            f"Run {record.id} is {record.status}, and cannot be cancelled.",
            hint="A published report is taken back with `assay run withdraw`.",
        )


def check_rollback(record: RunRecord) -> None:
    """Raise `InputConflict` for a run whose report is published, or that was cancelled."""
    if record.receipt is not None or record.status == "cancelled":
        state = "published" if record.receipt else "cancelled"
        raise InputConflict(
            f"Run {record.id} is {state}, and goes back to nothing.",
            hint="Fork it instead: `assay run fork`.",
        )


def check_withdraw(record: RunRecord) -> None:
    """Raise `InputConflict` for a run that has published nothing."""
    if record.status not in ("done", "withdrawn") or record.receipt is None:
        raise InputConflict(
            f"Run {record.id} has published nothing.",
            hint="A run that is not finished is ended with `assay run cancel`.",
        )
