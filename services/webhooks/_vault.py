"""Secrets of webhooks as they are stored: sealed under a key that the store never sees."""

from __future__ import annotations

import base64
import os
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from services.checkpointer import Cipher
from services.errors import SettingInvalid

_FILE: Final = "webhooks.key"


class Vault:
    """
    Seals secrets under the store's key (`store_key`), or one in a file of the home.

    Several machines that share a store need the former.
    """

    def __init__(self, key: SecretStr | None, home: Path) -> None:
        self._key = key
        self._file = home / _FILE

    def seal(self, secret: str, owner: str) -> str:
        """*secret* as it may be stored, for *owner* alone."""
        return base64.b64encode(self._cipher.seal(secret.encode(), _name(owner))).decode()

    def open(self, sealed: str, owner: str) -> str:
        """The secret; `SettingInvalid` when it was sealed elsewhere or for another."""
        try:
            return self._cipher.open(base64.b64decode(sealed), _name(owner)).decode()
        except SettingInvalid as error:
            raise SettingInvalid(
                f"The secret of {owner} cannot be decrypted: it was stored under another key.",
                hint=f"Set ASSAY_STORE_KEY, or put {_FILE} back into the home; or rotate the secret.",
            ) from error

    @cached_property
    def _cipher(self) -> Cipher:
        return Cipher(self._key or SecretStr(self._own_key()))

    def _own_key(self) -> str:
        try:
            if not self._file.exists():
                self._make()
            return self._file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise SettingInvalid(
                f"The key of webhook secrets {self._file} cannot be used: {error.strerror}.",
                hint="Make the home writable, or set ASSAY_STORE_KEY.",
            ) from error

    def _make(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._file.with_suffix(f".{os.getpid()}")
        made = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(made, "wb") as file:
            file.write(base64.b64encode(os.urandom(32)))
            file.flush()
            os.fsync(file.fileno())
        try:
            self._file.hardlink_to(fresh)  # whoever comes second takes the first's
        except FileExistsError:
            pass
        finally:
            fresh.unlink()


def _name(owner: str) -> bytes:
    return f"webhook secret of {owner}".encode()
