"""A statement of where the log over all runs ends, to be kept where the store's owner can't reach."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from services.errors import FileUnreadable
from services.evidence import Frozen, canonical_json
from services.store import UtcTime

from ._links import LinkChain
from ._verdict import CHAIN, Flaw

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PURPOSE: Final = b"assay audit anchor\n"
"""Signed with the statement, so that no signature made for something else can pass for one."""


class Anchor(Frozen):
    """The log over all runs had so many entries, and this head, at that time."""

    version: int = 1
    at: UtcTime
    entries: int
    head: str
    signature: str = ""
    """Ed25519, in hexadecimal; empty when the statement is not signed."""

    @classmethod
    def of(cls, entries: int, head: str, *, at: datetime, key: Path | None = None) -> Anchor:
        """The statement, signed with the private key in the PEM file *key* if there is one."""
        anchor = cls(at=at, entries=entries, head=head)
        if key is None:
            return anchor
        signature = _private_key(key).sign(anchor.message())
        return anchor.model_copy(update={"signature": signature.hex()})

    @classmethod
    def read(cls, file: Path) -> Anchor:
        """The statement in *file*; raises `FileUnreadable`."""
        try:
            return cls.model_validate_json(_content(file))
        except ValidationError as error:
            raise FileUnreadable(
                f"The file {file} holds no anchor of an audit log.",
                hint="`assay audit anchor` writes one",
            ) from error

    def message(self) -> bytes:
        """What is signed."""
        statement = self.model_dump(mode="json", exclude={"signature"})
        return _PURPOSE + canonical_json(statement)

    def is_signed_by(self, public_key: Path) -> bool:
        """Whether the signature is that of the key in the PEM file *public_key*."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        key = _loaded(load_pem_public_key, public_key)
        if not isinstance(key, Ed25519PublicKey):
            raise _no_key(public_key)
        try:
            key.verify(bytes.fromhex(self.signature), self.message())
        except (InvalidSignature, ValueError):
            return False
        return True

    def flaws(self, chain: LinkChain) -> Iterator[Flaw]:
        """What keeps *chain*, which looked for the head, from going on behind the anchor."""
        if not self.entries or chain.found.get(self.head) == self.entries:
            return
        if chain.count < self.entries:
            reason = f"the log had {self.entries} entries when it was anchored; the end is missing"
            yield Flaw(run=CHAIN, seq=chain.count + 1, reason=reason)
        else:
            reason = "the log is not the one that was anchored: it was written anew up to here"
            yield Flaw(run=CHAIN, seq=self.entries, reason=reason)


def _private_key(file: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = _loaded(lambda content: load_pem_private_key(content, password=None), file)
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(file)
    return key


def _loaded(load: Any, file: Path) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return load(_content(file))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(file) from error


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise FileUnreadable(f"The file {file} cannot be read ({error.strerror}).") from error


def _no_key(file: Path) -> FileUnreadable:
    return FileUnreadable(
        f"The file {file} holds no Ed25519 key in PEM that is not locked with a password.",
        hint="openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out public.pem",
    )
