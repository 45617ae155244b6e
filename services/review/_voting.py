"""What becomes of an item when somebody decides: enough approvals, or one of any other answer."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.errors import DecisionRefused, Invalid
from services.evidence import Frozen

from ._items import Approve, Decision, Edit, Reject, Respond, ReviewItem, Vote
from ._people import changed, check_approver, check_claim, check_open, check_version

_MOST_REMARKS: Final = 100


class Ballot(Frozen):
    """A decision as somebody sends it."""

    decision: Decision
    by: str
    at: datetime
    report_digest: str | None = None
    """The report that the person saw."""
    version: int | None = None
    """The item that the person saw; None from doors that show and decide in one go."""
    key: str = ""
    """Of the form or command; the same sent twice counts once."""
    single_user: bool = False
    """Whether there is but one person, so that nobody else could approve."""


def voted(item: ReviewItem, ballot: Ballot, *, single_user_approvals: int) -> ReviewItem:
    """
    The item with this decision, or as it is when the decision was recorded before.

    Raises `DecisionRefused`, and `ItemChanged` for a decision on what the item was earlier.
    """
    if _is_repeated(item, ballot):
        return item
    check_open(item)
    check_version(item, ballot.version)
    _check_choice(item, ballot)
    check_claim(item, ballot.by, ballot.at)
    votes = (*item.votes, _vote(ballot))
    if not item.is_awaited and isinstance(ballot.decision, Respond):
        return _remarked(item, ballot, votes)
    if isinstance(ballot.decision, Approve):
        needed = min(item.needed, single_user_approvals) if ballot.single_user else item.needed
        check_approver(item, ballot.by, approvals=needed)
        if len(item.approved_by) + 1 < needed:
            return _half_approved(item, ballot, votes, needed)
    return changed(
        item,
        "decided: " + ballot.decision.kind,
        by=ballot.by,
        at=ballot.at,
        update={
            "status": "decided",
            "decision": ballot.decision,
            "decided_by": ballot.by,
            "decided_at": ballot.at,
            "votes": votes,
            "claim": None,
        },
    )


def obstacle(item: ReviewItem, by: str, at: datetime, *, needed: int) -> str:
    """Why *by* cannot approve the item now, in words; empty when they can."""
    try:
        check_open(item)
        check_claim(item, by, at)
        check_approver(item, by, approvals=needed)
    except DecisionRefused as refusal:
        return f"{refusal.message} {refusal.hint}".strip()
    return ""


def _half_approved(
    item: ReviewItem, ballot: Ballot, votes: tuple[Vote, ...], needed: int
) -> ReviewItem:
    """Open for somebody else: whoever approved has it no more."""
    return changed(
        item,
        f"approval {len(item.approved_by) + 1} of {needed}",
        by=ballot.by,
        at=ballot.at,
        update={
            "votes": votes,
            "claim": None,
            "assignee": None if item.assignee == ballot.by else item.assignee,
            "away": None if item.assignee == ballot.by else item.away,
        },
    )


def _remarked(item: ReviewItem, ballot: Ballot, votes: tuple[Vote, ...]) -> ReviewItem:
    """Open as before, with what was said: a remark decides nothing about a breach."""
    if len(item.remarks) >= _MOST_REMARKS:
        raise DecisionRefused(
            f"Item {item.id} has {_MOST_REMARKS} remarks, and takes no more.",
            hint="Acknowledge it with what is done, or dispute it.",
        )
    return changed(item, "remark", by=ballot.by, at=ballot.at, update={"votes": votes})


def _is_repeated(item: ReviewItem, ballot: Ballot) -> bool:
    """Whether this very decision is recorded; the same key for another decision is refused."""
    for vote in item.votes:
        if ballot.key and (vote.key, vote.by) == (ballot.key, ballot.by):
            if vote == _vote(ballot).model_copy(update={"at": vote.at}):
                return True
            raise DecisionRefused(
                f"Item {item.id} has another decision of {ballot.by} under the same key.",
                hint="Look at it again; this one was not recorded.",
            )
    return False


def _vote(ballot: Ballot) -> Vote:
    decision = ballot.decision
    match decision:
        case Approve():
            said = decision.note.strip()
        case Reject():
            said = decision.reason
        case _:
            said = decision.text
    return Vote(by=ballot.by, at=ballot.at, kind=decision.kind, note=said, key=ballot.key)


def _check_choice(item: ReviewItem, ballot: Ballot) -> None:
    if ballot.decision.kind not in item.choices:
        raise DecisionRefused(
            f"Item {item.id} does not take '{ballot.decision.kind}'.",
            hint=f"It takes {', '.join(item.choices)}.",
        )
    if not item.is_awaited and not any(sign.isalnum() for sign in _vote(ballot).note):
        raise Invalid(
            "A breach is answered in words: what is done about it, or why it is none.",
            hint="Say it in the note; nothing was recorded.",
        )
    if isinstance(ballot.decision, Edit):
        _check_edit(item, ballot.decision)
    seen = ballot.report_digest
    if isinstance(ballot.decision, Approve) and seen not in (None, item.report_digest):
        raise DecisionRefused(
            f"Item {item.id} is about another version of the report than the one approved.",
            hint=f"Look at it again with `assay review show {item.id}`.",
        )


def _check_edit(item: ReviewItem, edit: Edit) -> None:
    """A draft has texts of findings to edit; whatever else waits has a question, or a query."""
    if (edit.of == "finding") != (item.kind == "publication"):
        takes = "the text of a finding" if item.kind == "publication" else "a question or a query"
        raise DecisionRefused(
            f"Item {item.id} takes an edit of {takes}.",
            hint=f"Look at it again with `assay review show {item.id}`.",
        )
