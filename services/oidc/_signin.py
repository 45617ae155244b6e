"""
A browser's way through the provider: authorization code with PKCE, state and nonce.

What has to come back is kept here and can be used once. It is bound to the browser that began: whoever
is sent a link to the end of somebody else's way is not signed in as them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Any, Final

from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.client import OAuth2Client
from redis.asyncio import Redis

from services.access import Identity
from services.errors import IdentityProviderUnavailable, NotAuthenticated
from services.evidence import Frozen
from services.failpoints import failpoint
from services.store import redis_errors

from ._documents import SECONDS
from ._provider import Provider

_STATE: Final = "assay:oidc:state:"
_LIFETIME: Final = timedelta(minutes=10)
_OLD: Final = "This sign-in was not begun here, is too old, or was used already."


class SignIn(Frozen):
    """What was begun."""

    nonce: str
    verifier: str
    browser: str
    """Digest of what the browser's cookie says."""
    next: str
    redirect_uri: str


class SignIns:
    """Sign-ins under way."""

    def __init__(self, redis: Redis, provider: Provider) -> None:
        self._redis = redis
        self._provider = provider

    @failpoint("oidc.begin")
    async def begin(self, *, browser: str, next_path: str, redirect_uri: str) -> str:
        """The provider's address that the browser goes to; *browser* is a secret of its own."""
        where = (await self._provider.discovery()).authorization_endpoint
        if not where:
            raise IdentityProviderUnavailable(
                "The identity provider does not let browsers sign in."
            )
        state = secrets.token_urlsafe(32)
        begun = SignIn(
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            browser=_digest(browser),
            next=next_path,
            redirect_uri=redirect_uri,
        )
        with redis_errors():
            await self._redis.set(_key(state), begun.model_dump_json(), ex=_LIFETIME)
        client = OAuth2Client(None, code_challenge_method="S256", **self._names(redirect_uri))
        url, _ = client.create_authorization_url(
            where, state=state, code_verifier=begun.verifier, nonce=begun.nonce
        )
        return str(url)

    @failpoint("oidc.finish")
    async def finish(self, *, state: str, code: str, browser: str) -> tuple[Identity, str]:
        """Who came back, and where they wanted to go; raises `NotAuthenticated`."""
        with redis_errors():
            content = await self._redis.getdel(_key(state))
        if content is None:
            raise NotAuthenticated(_OLD)
        begun = SignIn.model_validate_json(content)
        if not hmac.compare_digest(begun.browser, _digest(browser)):
            raise NotAuthenticated(_OLD)
        token = await self._token(begun, code)
        identity = await self._provider.signed_in(token, nonce=begun.nonce)
        return identity, begun.next

    async def _token(self, begun: SignIn, code: str) -> str:
        where = (await self._provider.discovery()).token_endpoint
        try:
            async with self._client(begun.redirect_uri) as client:
                answer: dict[str, Any] = await client.fetch_token(
                    where,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=begun.verifier,
                    redirect_uri=begun.redirect_uri,
                )
        except OAuthError:
            raise NotAuthenticated("The identity provider does not know this sign-in.") from None
        except Exception as error:
            # Authlib speaks through whichever HTTP client it finds, whose errors have no common class.
            raise IdentityProviderUnavailable(
                "The identity provider does not answer.", hint="Try again shortly."
            ) from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotAuthenticated("The identity provider says nobody has signed in.")
        return token

    def _client(self, redirect_uri: str) -> Any:
        secret = self._provider.settings.client_secret
        return AsyncOAuth2Client(
            client_secret=secret.get_secret_value() if secret else None,
            timeout=SECONDS,
            follow_redirects=False,
            **self._names(redirect_uri),
        )

    def _names(self, redirect_uri: str) -> dict[str, str]:
        return {
            "client_id": self._provider.settings.client_id,
            "scope": "openid profile email",
            "redirect_uri": redirect_uri,
        }


def _key(state: str) -> str:
    return _STATE + _digest(state)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
