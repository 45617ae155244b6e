"""The keys that a provider signs with: cached, and fetched anew for a key that is not known yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey, import_key

from services.errors import IdentityProviderUnavailable

from ._documents import Discovery, fetch_discovery, fetch_json

_FRESH: Final = 3_600.0
"""Seconds for which what a provider published is not asked for again."""
_AGAIN: Final = 30.0
"""Seconds between two fetches at the least: nobody makes us fetch by inventing names of keys."""
_MOST_KEYS: Final = 100


class ProviderKeys:
    """Discovery and keys of one issuer, as this process knows them."""

    def __init__(
        self, issuer: str, *, again: float = _AGAIN, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._again = again
        self._clock = clock
        self._lock = asyncio.Lock()
        self._discovery: Discovery | None = None
        self._keys: KeySet | None = None
        self._tried = self._fetched = float("-inf")

    async def discovery(self) -> Discovery:
        """Where the provider answers what."""
        await self.keys()
        assert self._discovery is not None
        return self._discovery

    async def keys(self) -> KeySet:
        """The keys; old ones for as long as the provider is away."""
        if self._keys is None or self._clock() - self._fetched > _FRESH:
            await self._fetch()
        assert self._keys is not None
        return self._keys

    async def newer(self, known: KeySet) -> KeySet:
        """The keys, fetched anew unless that was done just now, for whom *known* lacks one."""
        if self._keys is known:
            await self._fetch()
        assert self._keys is not None
        return self._keys

    async def _fetch(self) -> None:
        before = self._keys
        async with self._lock:
            if self._keys is not before:  # somebody else has, while we waited
                return
            if self._clock() - self._tried < self._again:
                if self._keys is None:
                    raise IdentityProviderUnavailable(
                        "The identity provider does not answer.", hint="Try again shortly."
                    )
                return
            self._tried = self._clock()
            try:
                discovery = await fetch_discovery(self._issuer)
                keys = _imported(await fetch_json(discovery.jwks_uri))
            except IdentityProviderUnavailable:
                if self._keys is None:
                    raise
                return
            self._discovery, self._keys, self._fetched = discovery, keys, self._clock()


def _imported(document: dict[str, Any]) -> KeySet:
    """Public keys that may sign. A shared secret is none, and what cannot be read is left out."""
    listed = document.get("keys")
    found: list[Key] = []
    for content in (listed if isinstance(listed, list) else [])[:_MOST_KEYS]:
        if not isinstance(content, dict) or content.get("use", "sig") != "sig":
            continue
        try:
            key = import_key(content)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            found.append(key)
    if not found:
        raise IdentityProviderUnavailable(
            "The identity provider publishes no key to check signatures with.",
            hint="Check ASSAY_OIDC_ISSUER.",
        )
    return KeySet(found)
