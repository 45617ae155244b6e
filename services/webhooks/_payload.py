"""A body as a JSON object, or a refusal. What two readers could read differently is refused."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from ._refusal import Refusal

MAX_BODY: Final = 64 * 1024
_MAX_DEPTH: Final = 32


def parse_body(body: bytes) -> dict[str, Any]:
    """The object in *body*; raises `Refusal`."""
    if body.count(b"{") + body.count(b"[") > _MAX_DEPTH and _depth(body) > _MAX_DEPTH:
        raise Refusal.of_payload("the JSON is nested too deeply")
    try:
        parsed = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise Refusal.of_payload("the body is not UTF-8") from None
    except (ValueError, RecursionError):
        raise Refusal.of_payload("the body is no sound JSON") from None
    if not isinstance(parsed, dict):
        raise Refusal.of_payload("the JSON is no object")
    return parsed


def _depth(body: bytes) -> int:
    """How deep brackets nest, outside of strings."""
    depth = deepest = 0
    is_text = is_escaped = False
    for byte in body:
        if is_text:
            is_text = is_escaped or byte != 0x22
            is_escaped = byte == 0x5C and not is_escaped
        elif byte == 0x22:
            is_text, is_escaped = True, False
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("the number is too large")
    return number


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
)
