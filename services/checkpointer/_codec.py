"""Values as stored bytes: typed, compressed where it helps, sealed where there is a key."""

from __future__ import annotations

import hashlib
import hmac
import threading
from typing import Any, Final

import zstandard

from services.errors import NotFound, SettingInvalid

from ._cipher import Cipher

DIGEST_BYTES: Final = 16
MARK_BYTES: Final = 8

# Below this a compressed value is hardly smaller, and costs its time all the same.
_COMPRESS_FROM: Final = 256
_LEVEL: Final = 1

_COMPRESSED: Final = 0x80
_SEALED: Final = 0x40
_TAGS: Final = ("", "null", "bytes", "bytearray", "msgpack", "json", "pickle")
_TAG_CODES: Final = {tag: code for code, tag in enumerate(_TAGS) if tag}


class _Zstd(threading.local):
    """One of each a thread: they may not be shared."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd: Final = _Zstd()


class Codec:
    """Between a serializer's `(tag, bytes)` and what stands in the store."""

    def __init__(self, cipher: Cipher | None) -> None:
        self._cipher = cipher

    def digest(self, tag: str, content: bytes) -> bytes:
        """The name of a value: equal values have one. Under a key it tells nothing of the value."""
        framed = tag.encode() + b"\0" + content
        if self._cipher is not None:
            return hmac.digest(self._cipher.names, framed, "sha256")[:DIGEST_BYTES]
        return hashlib.sha256(framed).digest()[:DIGEST_BYTES]

    def mark(self, name: str, value: object) -> bytes:
        """A short sign of one entry of metadata, or nothing for what is only compared as a whole."""
        if isinstance(value, str):
            text = f"{name}\0s{value}"
        elif isinstance(value, (int, float)) and value == value // 1:
            text = f"{name}\0n{int(value)}"  # as Python has it: True, 1 and 1.0 are equal
        elif isinstance(value, float):
            text = f"{name}\0n{value!r}"
        else:
            return b""
        return self.digest("mark", text.encode())[:MARK_BYTES]

    def pack(self, tag: str, content: bytes, name: bytes) -> bytes:
        """What is stored of a serialized value under *name*."""
        code = _TAG_CODES.get(tag, 0)
        frame = b"" if code else len(tag).to_bytes(1, "big") + tag.encode("ascii")
        if len(content) >= _COMPRESS_FROM:
            smaller = _zstd.compress(content)
            if len(smaller) < len(content):
                content, code = smaller, code | _COMPRESSED
        if self._cipher is not None:
            content, code = self._cipher.seal(content, name), code | _SEALED
        return bytes((code,)) + frame + content

    def unpack(self, packed: bytes, name: bytes) -> tuple[str, bytes]:
        """What the serializer made."""
        code, start = packed[0], 1
        tag = _TAGS[code & 0x3F]
        if not tag:
            start = 2 + packed[1]
            tag = packed[2:start].decode("ascii")
        content = packed[start:]
        if code & _SEALED:
            if self._cipher is None:
                raise SettingInvalid(
                    "The stored state is encrypted, and no key is set.",
                    hint="Set ASSAY_STORE_KEY to the key that it was written with.",
                )
            content = self._cipher.open(content, name)
        if code & _COMPRESSED:
            content = _zstd.decompress(content)
        return tag, content


def missing(what: str) -> NotFound:
    """A part of a checkpoint that the store has no longer."""
    return NotFound(
        f"The stored state lacks {what}.", hint="The store was damaged; restore a backup."
    )


def plain(value: Any) -> bool:
    """Whether a value is so small that it stands in the checkpoint itself, whatever it is."""
    kind = type(value)
    return value is None or kind in (bool, int, float) or (kind is str and len(value) <= 64)
