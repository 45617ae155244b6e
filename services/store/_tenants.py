"""
What belongs to which tenant: ids that no two tenants share, and an index of each tenant's own.

A tenant names its runs as it likes, and the id of a run is that name and a mark of the tenant. So
whatever a tenant names, it meets its own runs and none of another's. The default tenant has no mark:
its names are ids. No name has the sign that a mark begins with.
"""

from __future__ import annotations

import hashlib
from typing import Final

_SIGN: Final = "~"
_DIGITS: Final = 12
MARK_PATTERN: Final = f"(?:{_SIGN}[0-9a-f]{{{_DIGITS}}})?"
"""What may follow the name in an id, as a regular expression."""

TENANT_INDEX: Final = """
local function of_tenant(index, tenant) return index .. ':of:' .. tenant end
"""
"""Lua for the key of a tenant's part of an index, as `of_tenant` has it."""


def own_id(name: str, tenant: str) -> str:
    """
    The id of what *tenant* calls *name*; an id of its own stands for itself.

    Raises `ValueError` for an id of another tenant's: names are checked before they come here.
    """
    mark = _mark(tenant)
    if _SIGN not in name:
        return name + mark
    if mark and name.endswith(mark):
        return name
    raise ValueError("an id of another tenant")


def name_in(owned_id: str) -> str:
    """What its tenant calls it."""
    return owned_id.partition(_SIGN)[0]


def ids_of(ref: str, tenant: str) -> tuple[str, ...]:
    """
    The ids that *ref*, a name or an id, may have in *tenant*, the likeliest first.

    Tenants' runs of earlier versions have no mark; whose one is, its record says.
    """
    name = name_in(ref)
    if not tenant:
        return (ref,)
    own = own_id(name, tenant)
    return (own, name) if ref in (own, name) else (ref,)


def of_tenant(index: str, tenant: str | None) -> str:
    """The key of the part of *index* that is a tenant's; of the whole for None."""
    return index if tenant is None else f"{index}:of:{tenant}"


def _mark(tenant: str) -> str:
    if not tenant:
        return ""
    return _SIGN + hashlib.sha256(tenant.encode()).hexdigest()[:_DIGITS]
