"""Where an item names a person, so that they can be forgotten."""

from __future__ import annotations

from ._items import ReviewItem


def names(item: ReviewItem, person: str) -> bool:
    """Whether the item says anything of *person*."""
    return item != renamed(item, person, "")


def renamed(item: ReviewItem, person: str, name: str) -> ReviewItem:
    """The item with *name* in place of a person's; what it decides is as before."""

    def put(said: str) -> str:
        return name if said == person else said

    claim, breach, away = item.claim, item.breach, item.away
    return item.model_copy(
        update={
            "decided_by": None if item.decided_by is None else put(item.decided_by),
            "requested_by": put(item.requested_by),
            "assignee": None if item.assignee is None else put(item.assignee),
            "away": away and away.model_copy(update={"person": put(away.person)}),
            "claim": claim and claim.model_copy(update={"by": put(claim.by)}),
            "votes": tuple(v.model_copy(update={"by": put(v.by)}) for v in item.votes),
            "changes": tuple(
                c.model_copy(
                    update={
                        "by": put(c.by),
                        "to": put(c.to),
                        "what": c.what.replace(f" from {person}", f" from {name}"),
                    }
                )
                for c in item.changes
            ),
            "breach": breach and breach.model_copy(update={"owner": put(breach.owner)}),
            "approvers": tuple(put(one) for one in item.approvers),
            "edited_by": tuple(put(one) for one in item.edited_by),
        }
    )
