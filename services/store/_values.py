"""Types that the stored documents share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, AwareDatetime


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


UtcTime: TypeAlias = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware time, held in UTC."""


def as_bytes(reply: object) -> bytes:
    """A reply of a client that decodes nothing; its types allow for one that does."""
    assert isinstance(reply, bytes)
    return reply
