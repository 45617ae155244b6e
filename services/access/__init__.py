"""
Who may do what: identities with roles, API keys, local users, sessions of browsers.

| key                       | type   | content                                        |
|---------------------------|--------|------------------------------------------------|
| `assay:access:keys`       | hash   | digest of a key: `ApiKey`                      |
| `assay:access:names`      | hash   | name of a key: its digest                      |
| `assay:access:users`      | hash   | name: `User`                                   |
| `assay:access:session:ID` | hash   | `session` by its cookie's digest, `opened`; expires |
| `assay:access:ended:ID`   | string | up to when a person's sessions are ended; expires |
| `assay:access:failed:ID`  | string | failed attempts of a name, an address; expires |
| `assay:access:refusals`   | list   | the newest `Refusal`s, newest first            |
"""

from ._attempts import Attempts
from ._identity import (
    PERMISSIONS,
    ROLES,
    Identity,
    IdentityKind,
    Permission,
    Role,
    granted_by,
    local_identity,
)
from ._keys import ApiKey, ApiKeys, check_name, check_roles, check_tenant
from ._openness import has_members
from ._refusals import KEPT, Refusal, Refusals, plain
from ._sessions import IDLE, LIFETIME, Session, Sessions
from ._users import User, Users, check_password

__all__ = [
    "IDLE",
    "KEPT",
    "LIFETIME",
    "PERMISSIONS",
    "ROLES",
    "ApiKey",
    "ApiKeys",
    "Attempts",
    "Identity",
    "IdentityKind",
    "Permission",
    "Refusal",
    "Refusals",
    "Role",
    "Session",
    "Sessions",
    "User",
    "Users",
    "check_name",
    "check_password",
    "check_roles",
    "check_tenant",
    "granted_by",
    "has_members",
    "local_identity",
    "plain",
]
