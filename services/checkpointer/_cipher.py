"""Encryption at rest: AES-256-GCM under a key that the store never sees."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from typing import Final

from pydantic import SecretStr

from services.errors import SettingInvalid

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Cipher:
    """
    Seals contents, each under the name it is stored by, so that none can stand in for another.

    `names` is a second key, for the digests that values are stored and searched by.
    """

    def __init__(self, key: SecretStr) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise SettingInvalid(
                "Encryption of the store needs a package that is not installed.",
                hint="Install the package `cryptography`.",
            ) from error
        secret = _decoded(key)
        self.names = hmac.digest(secret, b"names of values", "sha256")
        self._aead = AESGCM(hmac.digest(secret, b"contents", "sha256"))

    def seal(self, content: bytes, name: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, content, name)

    def open(self, sealed: bytes, name: bytes) -> bytes:
        """The content; `SettingInvalid` when it was sealed under another key or name."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name)
        except (InvalidTag, ValueError) as error:
            raise SettingInvalid(
                "A stored state cannot be decrypted: it is damaged, or the key is another.",
                hint="Set ASSAY_STORE_KEY to the key that the state was written with.",
            ) from error


def _decoded(key: SecretStr) -> bytes:
    try:
        secret = base64.b64decode(key.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise SettingInvalid(
            "The key of the store is not 32 bytes in base64.",
            hint="Make one with `openssl rand -base64 32`, and keep it: without it nothing is read back.",
        )
    return secret
