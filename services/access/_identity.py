"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, TypeAlias, get_args

from services.errors import NotPermitted
from services.evidence import Frozen

Role: TypeAlias = Literal["viewer", "analyst", "reviewer", "approver", "operator"]
Permission: TypeAlias = Literal["read", "start", "steer", "answer", "publish", "administer"]
IdentityKind: TypeAlias = Literal["local", "key", "user", "oidc"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    "viewer": frozenset({"read"}),
    "analyst": frozenset({"read", "start", "steer"}),
    "reviewer": frozenset({"read", "answer"}),
    "approver": frozenset({"read", "answer", "publish"}),
    "operator": frozenset({"read", "start", "steer", "administer"}),
}
"""
`read` runs, reports and reviews; `start` runs; `steer` them: cancel, resume, roll back, fork;
`answer` review items, and decide to `publish` or withdraw; `administer` keys, users, webhooks and
schedules. Who runs the system does not decide what it publishes.
"""


class Identity(Frozen):
    """Whoever asks. Of another tenant's runs, evidence, reviews and events nothing exists for them."""

    name: str
    """What the audit log and decisions say."""
    kind: IdentityKind
    tenant: str | None = None
    """Whose runs they see; None: everybody's, for whoever runs the machine."""
    roles: frozenset[Role]
    only: frozenset[Permission] | None = None
    """What they are narrowed to, whatever their roles allow; None: to nothing less."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """All that they may do."""
        granted = granted_by(self.roles)
        return granted if self.only is None else granted & self.only

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles allows it, and nothing narrows it away."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise `NotPermitted` unless they may do it."""
        if self.may(permission):
            return
        if not self.roles:
            raise NotPermitted(
                f"You are known here as {self.name}, and have no role: you may do nothing yet.",
                hint="Ask whoever runs this server for a role.",
            )
        if permission in granted_by(self.roles):
            raise NotPermitted(
                f"This key may not {permission}: it is narrowed below its roles.",
                hint="Use another key.",
            )
        able = ", ".join(role for role in ROLES if permission in PERMISSIONS[role])
        raise NotPermitted(f"You may not {permission} here.", hint=f"Roles that may: {able}.")


def granted_by(roles: Collection[Role]) -> frozenset[Permission]:
    """What *roles* allow together."""
    return frozenset[Permission]().union(*(PERMISSIONS[role] for role in roles))


def local_identity(name: str) -> Identity:
    """The one person of a machine that has no keys and no users: may do everything."""
    return Identity(name=name, kind="local", roles=frozenset(ROLES))
