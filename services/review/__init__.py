"""The one queue of everything that waits for a person, and what a person may answer."""

from ._items import (
    Approve,
    Decision,
    DecisionKind,
    Edit,
    ItemKind,
    ItemStatus,
    Reject,
    Respond,
    ReviewItem,
    item_id,
    parse_decision,
)
from ._queue import ReviewQueue
from ._standing import Standing, standing

__all__ = [
    "Approve",
    "Decision",
    "DecisionKind",
    "Edit",
    "ItemKind",
    "ItemStatus",
    "Reject",
    "Respond",
    "ReviewItem",
    "ReviewQueue",
    "Standing",
    "item_id",
    "parse_decision",
    "standing",
]
