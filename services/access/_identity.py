"""Who asks, and what they may do."""

from __future__ import annotations

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

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles allows it."""
        return any(permission in PERMISSIONS[role] for role in self.roles)

    def require(self, permission: Permission) -> None:
        """Raise `NotPermitted` unless one of the roles allows it."""
        if not self.may(permission):
            able = ", ".join(role for role in ROLES if permission in PERMISSIONS[role])
            raise NotPermitted(f"You may not {permission} here.", hint=f"Roles that may: {able}.")


def local_identity(name: str) -> Identity:
    """The one person of a machine that has no keys and no users: may do everything."""
    return Identity(name=name, kind="local", roles=frozenset(ROLES))
