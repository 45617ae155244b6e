"""What happens to runs and reviews, told to whoever is interested."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from agent.driving import now
from agent.stores import Stores

_NAMES: Final = ("item", "kind", "due", "role")


async def announce(
    stores: Stores, event: str, data: dict[str, Any], *, key: str = "", at: datetime | None = None
) -> None:
    """Say it in the audit log of the run that *data* names; with a *key*, once."""
    fields: dict[str, Any] = {name: data[name] for name in _NAMES if name in data}
    await stores.audit.append(data["run"], event, fields, at=at or now(), key=key)
