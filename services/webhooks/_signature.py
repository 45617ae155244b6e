"""Signatures as Standard Webhooks has them: HMAC-SHA256 over id, timestamp and body."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.errors import Invalid

from ._refusal import Refusal

TOLERANCE: Final = timedelta(minutes=5)
_PREFIX: Final = "whsec_"
_LEAST_BYTES: Final = 24
_MOST_BYTES: Final = 64
_ID: Final = re.compile(r"[!-~]{1,256}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES: Final = 16
_NOBODY: Final = secrets.token_bytes(32)
"""Stands for the secret of a source that does not exist, which takes as long to check."""


class SignedHeaders(NamedTuple):
    """The three headers of a call; empty where one is missing or there twice."""

    webhook_id: str
    timestamp: str
    signature: str


def new_secret() -> str:
    """A secret as both sides keep it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for; `Invalid` when it is none of 24 to 64 bytes."""
    text = secret.strip().removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.strip().startswith(_PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise Invalid(
            "A webhook secret is `whsec_` and 24 to 64 bytes in base64.",
            hint="leave it out and one is made",
        )
    return key


def sign(key: bytes, webhook_id: str, timestamp: int, body: bytes) -> str:
    """One signature, with its version."""
    return "v1," + base64.b64encode(_digest(key, webhook_id, str(timestamp), body)).decode()


def verify(headers: SignedHeaders, body: bytes, keys: Sequence[bytes], *, at: datetime) -> None:
    """
    Raise `Refusal` unless one of *keys* signed this now.

    Every signature is held against every key, in constant time; without keys against one of ours.
    """
    if not _ID.fullmatch(headers.webhook_id):
        raise Refusal.of_caller("no webhook-id, or none that can be one")
    if not _TIMESTAMP.fullmatch(headers.timestamp):
        raise Refusal.of_caller("no webhook-timestamp, or none that can be one")
    given = headers.signature.split(" ")
    if len(given) > _MOST_SIGNATURES:
        raise Refusal.of_caller("too many signatures")
    candidates = [text[3:].encode() for text in given if text.startswith("v1,")]
    is_signed = False
    for key in keys or (_NOBODY,):
        digest = _digest(key, headers.webhook_id, headers.timestamp, body)
        expected = base64.b64encode(digest)
        for candidate in candidates:
            is_signed |= hmac.compare_digest(expected, candidate)
    if not keys:
        raise Refusal.of_caller("no such source")
    if not is_signed:
        raise Refusal.of_caller("no signature of a known secret")
    if abs(at.timestamp() - int(headers.timestamp)) > TOLERANCE.total_seconds():
        raise Refusal.of_caller("the timestamp is more than five minutes off")


def _digest(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> bytes:
    return hmac.digest(key, b"%b.%b." % (webhook_id.encode(), timestamp.encode()) + body, "sha256")
