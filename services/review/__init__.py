"""The one queue of everything that waits for a person, and what a person may answer."""

from ._absences import Absence, Absences, stand_ins
from ._hours import BusinessHours
from ._inbox import TABS, Filters, Inbox, Tab, sort_into
from ._items import (
    Approve,
    Away,
    Breach,
    Change,
    Claim,
    Deadline,
    Decision,
    DecisionKind,
    Edit,
    Finding,
    ItemKind,
    ItemStatus,
    Notice,
    Reject,
    Respond,
    ReviewItem,
    Severity,
    Vote,
    item_id,
    parse_decision,
)
from ._listing import ItemFilter, ItemListing, ItemPage, ItemPlace
from ._names import names
from ._policy import ApprovalRule, ReviewPolicy, load_policy
from ._queue import ReviewQueue
from ._similar import similar
from ._standing import Standing, standing
from ._voting import obstacle

__all__ = [
    "TABS",
    "Absence",
    "Absences",
    "ApprovalRule",
    "Approve",
    "Away",
    "Breach",
    "BusinessHours",
    "Change",
    "Claim",
    "Deadline",
    "Decision",
    "DecisionKind",
    "Edit",
    "Filters",
    "Finding",
    "Inbox",
    "ItemFilter",
    "ItemKind",
    "ItemListing",
    "ItemPage",
    "ItemPlace",
    "ItemStatus",
    "Notice",
    "Reject",
    "Respond",
    "ReviewItem",
    "ReviewPolicy",
    "ReviewQueue",
    "Severity",
    "Standing",
    "Tab",
    "Vote",
    "item_id",
    "load_policy",
    "names",
    "obstacle",
    "parse_decision",
    "similar",
    "sort_into",
    "stand_ins",
    "standing",
]
