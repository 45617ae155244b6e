"""An entry of a run's log. Its digest covers the one before it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.evidence import Frozen, canonical_json
from services.store import UtcTime

START: Final = "0" * 64
"""What the first entry of every log has as its previous digest."""

_DIGEST: Final = re.compile(r"\b[0-9a-f]{64}\b")


class AuditEntry(Frozen):
    """One thing that happened. `seq` counts from 1."""

    seq: int
    at: UtcTime
    event: str
    fields: dict[str, Any]
    previous: str
    digest: str
    run: str = ""
    """Whose log it stands in; empty in entries from before there was a log over all runs."""

    @classmethod
    def sealed(
        cls,
        run: str,
        seq: int,
        at: datetime,
        event: str,
        fields: Mapping[str, Any],
        previous: str,
    ) -> AuditEntry:
        """The entry with the digest that belongs to it."""
        entry = cls(
            run=run, seq=seq, at=at, event=event, fields=dict(fields), previous=previous, digest=""
        )
        return entry.model_copy(update={"digest": entry.computed_digest()})

    def computed_digest(self) -> str:
        """SHA-256 of all the entry says, the previous digest included."""
        document = self._document()
        del document["digest"]
        return hashlib.sha256(canonical_json(document)).hexdigest()

    def line(self) -> bytes:
        """The entry as it is stored."""
        return canonical_json(self._document())

    def words(self) -> str:
        """What it says, for people: its fields but those that say nothing, digests cut short."""
        said = {name: value for name, value in self.fields.items() if value not in ("", None, [])}
        return ", ".join(f"{name} {_words(value)}" for name, value in said.items())

    def _document(self) -> dict[str, Any]:
        # The older form had no run: its digests have to come out as they did.
        return self.model_dump(mode="json", exclude=None if self.run else {"run"})


def _words(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return _DIGEST.sub(lambda found: found[0][:12], text)
