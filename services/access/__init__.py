"""
Who may do what: identities with roles, API keys, local users, sessions of browsers.

| key                       | type   | content                                        |
|---------------------------|--------|------------------------------------------------|
| `assay:access:keys`       | hash   | digest of a key: `ApiKey`                      |
| `assay:access:names`      | hash   | name of a key: its digest                      |
| `assay:access:users`      | hash   | name: `User`                                   |
| `assay:access:session:ID` | string | `Session` by its cookie's digest; expires      |
"""

from ._identity import (
    PERMISSIONS,
    ROLES,
    Identity,
    IdentityKind,
    Permission,
    Role,
    local_identity,
)
from ._keys import ApiKey, ApiKeys, check_name, check_roles
from ._sessions import LIFETIME, Session, Sessions
from ._users import User, Users

__all__ = [
    "LIFETIME",
    "PERMISSIONS",
    "ROLES",
    "ApiKey",
    "ApiKeys",
    "Identity",
    "IdentityKind",
    "Permission",
    "Role",
    "Session",
    "Sessions",
    "User",
    "Users",
    "check_name",
    "check_roles",
    "local_identity",
]
