"""From what a provider says of somebody to who they are here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from services.access import ROLES, Identity, Role, check_tenant
from services.errors import Invalid, NotAuthenticated, NotPermitted
from services.evidence import Frozen

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@|:+/=-]{0,127}")
PREFIX: Final = "oidc:"
"""Begins the name of whoever a provider vouches for. No user and no key of ours can have such a name."""


class Reading(Frozen):
    """Which claims say what. A dot leads into a claim: `realm_access.roles`."""

    name_claim: str = "sub"
    roles_claim: str = "roles"
    tenant_claim: str = ""
    roles: Mapping[str, Role] = {}
    """Role by what the claim says; empty: the claim names our roles themselves."""

    def identity(self, claims: Mapping[str, Any]) -> Identity:
        """
        Who the provider says it is; without a role they may do nothing.

        Raises `NotAuthenticated` without a name, `NotPermitted` without the tenant that is asked for.
        """
        name = _found(claims, self.name_claim)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise NotAuthenticated(
                "The identity provider gives no name that could stand in a record.",
                hint="ASSAY_OIDC_NAME_CLAIM says which claim is the name.",
            )
        return Identity(
            name=PREFIX + name, kind="oidc", tenant=self._tenant(claims), roles=self._roles(claims)
        )

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        said = _found(claims, self.roles_claim)
        words = said.split() if isinstance(said, str) else said
        known: Mapping[str, Role] = self.roles or {role: role for role in ROLES}
        found = words if isinstance(words, list) else []
        return frozenset(known[word] for word in found if isinstance(word, str) and word in known)

    def _tenant(self, claims: Mapping[str, Any]) -> str:
        """Never another's, and not the default one, by a claim that is missing."""
        if not self.tenant_claim:
            return ""
        tenant = _found(claims, self.tenant_claim)
        try:
            if isinstance(tenant, str) and tenant:
                check_tenant(tenant)
                return tenant
        except Invalid:
            pass
        raise NotPermitted(
            "The identity provider does not say for which tenant you work.",
            hint="Ask whoever runs the identity provider.",
        )


def _found(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of that very name, such as a URL, or the one that the path leads to."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
