"""One identity provider: its tokens are checked here, and nowhere else."""

from __future__ import annotations

import hmac
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from pydantic import SecretStr

from services.access import Identity
from services.errors import NotAuthenticated
from services.evidence import Frozen

from ._claims import Reading
from ._documents import Discovery, check_issuer
from ._keys import ProviderKeys

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signatures with a key of which we have the public half: no secret that we share, and never none."""
_LEEWAY: Final = 60
_LONGEST: Final = 16_384
_INVALID: Final = (
    "The token is not valid here: it is not ours, has expired, or its signature is wrong."
)


class ProviderSettings(Frozen):
    """Which provider, and who we are to it."""

    issuer: str
    client_id: str = ""
    """Who we are when browsers sign in; empty: they do not, here."""
    client_secret: SecretStr | None = None
    audience: str = ""
    """What bearer tokens have to be made for; empty: none are taken."""
    reading: Reading = Reading()


class Provider:
    """
    Checks tokens of one issuer by the keys that it publishes.

    Raises `SettingInvalid` for an issuer that is not asked over TLS.
    """

    def __init__(self, settings: ProviderSettings, *, keys: ProviderKeys | None = None) -> None:
        check_issuer(settings.issuer)
        self.settings = settings
        self._keys = keys or ProviderKeys(settings.issuer)

    @property
    def takes_tokens(self) -> bool:
        return bool(self.settings.audience)

    @property
    def signs_in(self) -> bool:
        """Whether browsers can go there and come back."""
        return bool(self.settings.client_id)

    async def discovery(self) -> Discovery:
        """Where it answers what."""
        return await self._keys.discovery()

    async def identify(self, token: str) -> Identity:
        """Who carries an access token that was made for us; raises `NotAuthenticated`."""
        if not self.takes_tokens:
            raise NotAuthenticated(_INVALID)
        claims = await self._checked(token, audience=self.settings.audience)
        return self.settings.reading.identity(claims)

    async def signed_in(self, id_token: str, *, nonce: str) -> Identity:
        """Who has signed in, by an ID token that answers our *nonce*; raises `NotAuthenticated`."""
        client = self.settings.client_id
        claims = await self._checked(id_token, audience=client)
        said = claims.get("nonce")
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
            raise NotAuthenticated(_INVALID)
        audiences, party = claims["aud"], claims.get("azp")
        is_shared = isinstance(audiences, list) and len(audiences) > 1
        if (is_shared or party is not None) and party != client:
            raise NotAuthenticated(_INVALID)
        return self.settings.reading.identity(claims)

    async def _checked(self, token: str, *, audience: str) -> dict[str, Any]:
        """The claims of a token that this issuer has signed for *audience*, and that lasts still."""
        if len(token) > _LONGEST:
            raise NotAuthenticated(_INVALID)
        keys = await self._keys.keys()
        try:
            claims = _claims(token, keys)
        except InvalidKeyIdError:  # signed with a key that is newer than what we know, or with none
            claims = await self._checked_anew(token, keys)
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            registry.validate(claims)
        except JoseError:
            raise NotAuthenticated(_INVALID) from None
        return claims

    async def _checked_anew(self, token: str, known: KeySet) -> dict[str, Any]:
        try:
            return _claims(token, await self._keys.newer(known))
        except InvalidKeyIdError:
            raise NotAuthenticated(_INVALID) from None


def _claims(token: str, keys: KeySet) -> dict[str, Any]:
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        return jwt.decode(token, keys, registry=registry).claims
    except InvalidKeyIdError:
        raise
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise NotAuthenticated(_INVALID) from None
