"""
What travels between a worker and its parent, as frames with their length ahead.

Requests are pickled: a worker trusts its parent. Replies are plain data, because the parent does not
trust a worker that has run a hostile query: nothing in them can name code to run.
"""

from __future__ import annotations

import json
import pickle
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple

from .values import Kind, Value

LENGTH: Final = struct.Struct("<Q")
"""The length of the frame that follows."""
INTERRUPT: Final = b""
"""The frame that ends the query under way."""
LARGEST_REPLY: Final = 128 << 20


class Opening(NamedTuple):
    """The first request: what to open, and how."""

    parent: int
    path: str
    memory_limit: str
    threads: int
    digest_query: str


class Query(NamedTuple):
    """One query to run; *max_rows* cuts its result."""

    sql: str
    parameters: Mapping[str, Any] | Sequence[Any] | None
    max_rows: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The answer to `Opening`: the file's own digest, the fences that stand, the engine's limit in bytes."""

    digest: str | None
    fences: tuple[str, ...]
    memory: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer to `Query`: named and typed columns; *complete* is False when rows were cut."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    data: tuple[tuple[Value, ...], ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception of the engine: the names of its classes, nearest first, and its words."""

    kinds: tuple[str, ...]
    text: str


Reply = Opened | Rows | Failure


def encode_request(request: Opening | Query) -> bytes:
    """The fields of *request*; its class has another name where the worker imports it."""
    return pickle.dumps(tuple(request))


def decode_request(content: bytes) -> tuple[Any, ...]:
    return tuple(pickle.loads(content))  # noqa: S301 (a worker trusts its parent)


def encode_opened(opened: Opened) -> bytes:
    return _joined({"opened": [opened.digest, opened.fences, opened.memory]})


def encode_failure(failure: Failure) -> bytes:
    return _joined({"failure": [failure.kinds, failure.text]})


def encode_rows(
    names: Sequence[str], columns: Sequence[tuple[Kind, Sequence[Value]]], *, complete: bool
) -> bytes:
    """The reply that `decode_reply` turns into `Rows`."""
    parts = [_encode_column(kind, values) for kind, values in columns]
    head = {"rows": [names, [kind for kind, _ in columns], [len(part) for part in parts], complete]}
    return _joined(head, parts)


class UnintelligibleReply(Exception):
    """Not what a worker in its right mind says."""


def decode_reply(content: memoryview) -> Reply:
    """The reply in *content*; `UnintelligibleReply` when it is none."""
    try:
        return _decoded(content)
    except Exception as error:
        raise UnintelligibleReply from error


def _decoded(content: memoryview) -> Reply:
    (size,) = LENGTH.unpack_from(content)
    rest = content[LENGTH.size :]
    [(name, fields)] = json.loads(bytes(rest[:size])).items()
    if name == "opened":
        digest, fences, memory = fields
        return Opened(digest, tuple(fences), int(memory))
    if name == "failure":
        kinds, text = fields
        return Failure(tuple(kinds), str(text))
    names, kinds, sizes, complete = fields
    data, start = [], size
    for kind, length in zip(kinds, sizes, strict=True):
        data.append(_decode_column(kind, rest[start : start + length]))
        start += length
    return Rows(tuple(names), tuple(kinds), tuple(data), bool(complete))


def _joined(head: Mapping[str, Any], parts: Iterable[bytes] = ()) -> bytes:
    text = json.dumps(head).encode()
    return b"".join([LENGTH.pack(len(text)), text, *parts])


def _encode_column(kind: Kind, values: Sequence[Any]) -> bytes:
    if kind == "double":
        # No value is NaN here, so that NaN can stand for None.
        return array("d", [_NAN if value is None else value for value in values]).tobytes()
    if kind == "decimal":
        values = [None if value is None else str(value) for value in values]
    elif kind == "date":
        values = _each_once(date.toordinal, values)
    return json.dumps(values, separators=(",", ":")).encode()


def _decode_column(kind: Kind, content: memoryview) -> tuple[Value, ...]:
    if kind == "double":
        doubles = array("d")
        doubles.frombytes(content)
        return tuple([value if value == value else None for value in doubles])  # noqa: PLR0124
    values = json.loads(bytes(content))
    if kind == "decimal":
        return tuple([None if value is None else Decimal(value) for value in values])
    if kind == "date":
        return tuple(_each_once(date.fromordinal, values))
    return tuple(values)


def _each_once(convert: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """*values* converted; a column of dates holds few different ones."""
    converted = {value: convert(value) for value in set(values) if value is not None}
    return list(map(converted.get, values))


_NAN: Final = float("nan")
