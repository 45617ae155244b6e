"""How items like this one were decided before."""

from __future__ import annotations

from collections.abc import Iterable

from ._items import ReviewItem


def similar(
    item: ReviewItem, earlier: Iterable[ReviewItem], *, limit: int = 5
) -> tuple[ReviewItem, ...]:
    """
    Decided items of the same kind and matter within the tenant, newest decision first.

    The matter of a breach is its limit, in whichever report it was found.
    """
    found = [
        other
        for other in earlier
        if other.id != item.id
        and other.status == "decided"
        and (other.tenant, other.kind) == (item.tenant, item.kind)
        and _matter(other) == _matter(item)
    ]
    return tuple(
        sorted(found, key=lambda o: (o.decided_at or o.created_at, o.id), reverse=True)[:limit]
    )


def _matter(item: ReviewItem) -> tuple[str | None, ...]:
    if item.breach is not None:
        return (item.breach.indicator,)
    return item.template, item.section, item.code
