"""Items for tests of the queue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.review import ApprovalRule, ReviewItem, ReviewPolicy

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
"""A Thursday."""
TWO = ReviewPolicy(approvals=(ApprovalRule(needed=2),))


def item(run_id: str = "r-1", interrupt_id: str = "i-1", **fields: Any) -> ReviewItem:
    plain = {
        "kind": "publication",
        "title": "Publish the quarterly report",
        "question": "May this report be published?",
        "code": "A200",
        "choices": ("approve", "reject"),
        "report_digest": "d1",
        "created_at": NOON,
        "requested_by": "Olga",
    }
    return ReviewItem.for_wait(run_id, interrupt_id, **(plain | fields))
