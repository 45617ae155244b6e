"""
What an entry says of a person, held beside the log.

The entry holds a reference: a digest of the value with a salt that is stored with it. As long as
the value is there, it is as fixed as the entry itself; once it is deleted, the reference tells
nothing of it, and the chain is as sound as before.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.evidence import canonical_json

from ._entry import AuditEntry
from .events import PERSONAL

ERASED: Final = "(erased)"
"""What stands for a value that is gone."""

_REFERENCE = re.compile(r"personal:[0-9a-f]{32}")
_SALT: Final = 16


def hide(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """*fields* with references for what is personal, and the stored value of each reference."""
    shown, hidden = dict(fields), {}
    for name in sorted(PERSONAL & shown.keys()):
        if shown[name] in ("", None):
            continue
        stored = canonical_json({"salt": secrets.token_hex(_SALT), "value": shown[name]})
        shown[name] = reference = _reference(stored)
        hidden[reference] = stored
    return shown, hidden


def holds(reference: str, stored: bytes) -> bool:
    """Whether *stored* is what the reference was made of."""
    return _reference(stored) == reference


def value_of(stored: bytes) -> Any:
    """The value in what is stored; None when it cannot be read."""
    try:
        return json.loads(stored)["value"]
    except (ValueError, LookupError, TypeError):
        return None


def references(entry: AuditEntry) -> Iterator[str]:
    """The references of *entry*."""
    for name in sorted(PERSONAL & entry.fields.keys()):
        if is_reference(entry.fields[name]):
            yield entry.fields[name]


def is_reference(value: object) -> bool:
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def in_clear(entry: AuditEntry) -> Iterator[Any]:
    """Personal values that *entry* itself holds, as entries of older logs do."""
    for name in sorted(PERSONAL & entry.fields.keys()):
        if not is_reference(entry.fields[name]) and entry.fields[name] not in ("", None):
            yield entry.fields[name]


def revealed(entry: AuditEntry, values: Mapping[str, Any]) -> dict[str, Any]:
    """The entry's fields with the personal values in place, or `ERASED` where they are gone."""
    return {
        name: values.get(value, ERASED) if name in PERSONAL and is_reference(value) else value
        for name, value in entry.fields.items()
    }


def _reference(stored: bytes) -> str:
    return f"personal:{hashlib.sha256(stored).hexdigest()[:32]}"
