"""
Who gets in: each change is in the audit log before it is made.

After a crash in between there may be an entry without its change, and never a change without its entry.
"""

from __future__ import annotations

from typing import Any, Final

from agent.driving import now
from agent.stores import Stores
from services.access import (
    ApiKey,
    ApiKeys,
    IdentityKind,
    Role,
    Sessions,
    User,
    Users,
    check_name,
    check_password,
    check_roles,
    check_tenant,
)
from services.audit import SYSTEM, AuditEntry, events, revealed
from services.errors import InputConflict, NotFound

OURS: Final = "access."
"""How the events of this door begin."""


class Doorkeeper:
    """Keys and people of one store, changed in the name of *by*."""

    def __init__(self, stores: Stores, *, by: str) -> None:
        self._stores = stores
        self._by = by
        self._keys = ApiKeys(stores.redis)
        self._users = Users(stores.redis)

    async def add_key(self, key: ApiKey) -> str:
        """Keep *key*; the secret. Raises `Invalid`, or `InputConflict` for a name that is taken."""
        key.check()
        await self._check_free(key.name)
        await self._note(
            events.ACCESS_KEY_ADDED,
            key=key.name,
            roles=sorted(key.roles),
            tenant=key.tenant,
            only=None if key.only is None else sorted(key.only),
            expires=key.expires_at.isoformat() if key.expires_at else None,
        )
        return await self._keys.add(key)

    async def revoke_key(self, name: str) -> None:
        """Forget a key; raises `NotFound`."""
        if not await self._keys.knows(name):
            raise NotFound("There is no key of that name.", hint="See `assay access key list`.")
        await self._note(events.ACCESS_KEY_REVOKED, key=name)
        await self._keys.revoke(name)

    async def add_user(
        self, name: str, password: str, *, roles: frozenset[Role], tenant: str = ""
    ) -> User:
        """A new person; raises `Invalid`, or `InputConflict` for a name that is taken."""
        check_name(name)
        check_roles(roles)
        check_tenant(tenant)
        check_password(password)
        await self._check_free(name)
        await self._note(events.ACCESS_USER_ADDED, person=name, roles=sorted(roles), tenant=tenant)
        return await self._users.add(name, password, roles=roles, tenant=tenant, at=now())

    async def remove_user(self, name: str) -> None:
        """Forget a person, whose sessions end; raises `NotFound`."""
        await self._users.get(name)
        await self._note(events.ACCESS_USER_REMOVED, person=name)
        await self._users.remove(name)

    async def set_password(self, name: str, password: str) -> User:
        """Give a person another password, which ends their sessions; raises `NotFound`."""
        check_password(password)
        await self._users.get(name)
        await self._note(events.ACCESS_PASSWORD_SET, person=name)
        return await self._users.set_password(name, password)

    async def set_roles(self, name: str, roles: frozenset[Role]) -> User:
        """Give a person other roles; raises `NotFound`."""
        check_roles(roles)
        await self._users.get(name)
        await self._note(events.ACCESS_ROLES_SET, person=name, roles=sorted(roles))
        return await self._users.set_roles(name, roles)

    async def sign_out(self, name: str) -> None:
        """End all sessions that a person has now; `oidc:` begins the name of a provider's."""
        kind: IdentityKind = "oidc" if name.startswith("oidc:") else "user"
        if kind == "user":
            await self._users.get(name)
        await self._note(events.ACCESS_SIGNED_OUT, kind=kind, person=name)
        await Sessions(self._stores.redis).end_all(kind, name)

    async def _check_free(self, name: str) -> None:
        """A key and a person of one name would be one and the same in every record."""
        if await self._keys.knows(name):
            raise InputConflict(f"There is a key {name!r} already.", hint="Revoke it first.")
        if await self._users.find(name):
            raise InputConflict(f"There is a user {name!r} already.", hint="Remove them first.")

    async def _note(self, event: str, **fields: Any) -> None:
        await self._stores.audit.append(SYSTEM, event, {**fields, "by": self._by}, at=now())


async def access_log(stores: Stores) -> tuple[AuditEntry, ...]:
    """What was changed of keys and people, and who signed in; the oldest first."""
    values = await stores.audit.personal(SYSTEM)
    return tuple(
        entry.model_copy(update={"fields": revealed(entry, values)})
        for entry in await stores.audit.entries(SYSTEM)
        if entry.event.startswith(OURS)
    )
