"""What a provider publishes about itself, fetched with care."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from services.errors import IdentityProviderUnavailable, SettingInvalid
from services.evidence import Frozen

LARGEST: Final = 512_000
SECONDS: Final = 5.0
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


class Discovery(Frozen):
    """Where a provider answers what."""

    model_config = {"extra": "ignore"}

    issuer: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    jwks_uri: str


def check_issuer(url: str) -> None:
    """Raise `SettingInvalid` for an issuer whose answers could not be believed."""
    if not _is_safe(url):
        raise SettingInvalid(
            "The identity provider has to be asked over https.", hint="Check ASSAY_OIDC_ISSUER."
        )


def _is_safe(url: str) -> bool:
    """Whether what comes from there can be believed: over TLS, or from this machine itself."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname
    return bool(host) and (parts.scheme == "https" or _is_here(parts.scheme, host or ""))


async def fetch_discovery(issuer: str) -> Discovery:
    """The provider's own description, which has to name the issuer that we asked."""
    document = await fetch_json(issuer.rstrip("/") + _WELL_KNOWN)
    try:
        found = Discovery.model_validate(document)
    except ValidationError:
        raise _unusable() from None
    if found.issuer != issuer:
        raise IdentityProviderUnavailable(
            "The identity provider calls itself otherwise than ASSAY_OIDC_ISSUER does.",
            hint="Set it to the provider's `issuer`, to the last character.",
        )
    for url in (found.jwks_uri, found.authorization_endpoint, found.token_endpoint):
        if url and not _is_safe(url):
            raise _unusable()
    return found


async def fetch_json(url: str) -> dict[str, Any]:
    """A JSON object; raises `IdentityProviderUnavailable` for anything else, however it fails."""
    if not _is_safe(url):
        raise _unusable()
    body = b""
    try:
        async with (
            httpx.AsyncClient(timeout=SECONDS, follow_redirects=False) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as response,
        ):
            response.raise_for_status()
            if response.is_redirect:
                raise _unusable()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise _unusable()
        document = json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        raise IdentityProviderUnavailable(
            "The identity provider does not answer.", hint="Try again shortly."
        ) from None
    except (ValueError, RecursionError):
        raise _unusable() from None
    if not isinstance(document, dict):
        raise _unusable()
    return document


def _unusable() -> IdentityProviderUnavailable:
    return IdentityProviderUnavailable(
        "The identity provider answers nothing that could be used.",
        hint="Check ASSAY_OIDC_ISSUER.",
    )


def _is_here(scheme: str, host: str) -> bool:
    try:
        return scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False
