"""What happens to review items, told to whoever is interested."""

from __future__ import annotations

from datetime import datetime

from agent.stores import Stores
from services.review import ReviewItem


async def announce(
    stores: Stores, event: str, item: ReviewItem, *, at: datetime, **more: str
) -> None:
    """Say it in the audit log of the item's run and to those who listen, once for each item."""
    fields = {"item": item.id, "kind": item.kind, **more}
    await stores.audit.append(item.run_id, event, fields, at=at, key=f"{event} {item.id}")
    await stores.tell(event, item, at, **more)
