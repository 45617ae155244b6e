"""Who is known here, and what they may decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agent.stores import Stores
from services.access import ApiKeys, Identity, Permission, Users
from services.errors import Invalid
from services.review import ReviewItem


def permission_for(item: ReviewItem) -> Permission:
    """What deciding the item takes."""
    return "publish" if item.kind == "publication" else "answer"


@dataclass(frozen=True, slots=True)
class People:
    """The people and programs of one store, by name."""

    stores: Stores
    clock: Callable[[], datetime]

    async def find(self, name: str) -> Identity | None:
        """Who has that name; None for nobody that this store knows, and for an expired key."""
        if (user := await Users(self.stores.redis).find(name)) is not None:
            return user.identity
        for key in await ApiKeys(self.stores.redis).list():
            if key.name == name and (key.expires_at is None or key.expires_at > self.clock()):
                return key.identity
        return None

    async def knows(self, name: str, permission: Permission, *, tenant: str) -> bool:
        """Whether there is somebody of that name who may do it to what is the tenant's."""
        person = await self.find(name) if name else None
        return person is not None and person.tenant == tenant and person.may(permission)

    async def may(self, name: str, permission: Permission, *, tenant: str) -> bool:
        """
        Whether they may do it to what is the tenant's.

        Who comes by an identity provider is known when they come: nothing is held against them
        before, nor that another tenant has somebody of that name. Where one person works alone, they go by any name that can be read.
        """
        if not name.isprintable():
            return False
        person = await self.find(name)
        if person is not None and person.tenant == tenant:
            return person.may(permission)
        return self.stores.has_provider or await self.stores.is_single_user()

    async def check(self, name: str, permission: Permission, *, tenant: str) -> None:
        """Raise `Invalid` unless they may, in the same words for another tenant's and for nobody."""
        if not await self.may(name, permission, tenant=tenant):
            raise Invalid(
                f"There is nobody called {name!r} here who may {permission} reviews.",
                hint="Name somebody with the role of reviewer or approver.",
            )
