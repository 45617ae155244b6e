"""Keys in a form that every version of Redis and Valkey can take back."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from services.errors import FileUnreadable

from ._connection import redis_errors

Entry: TypeAlias = dict[str, Any]
"""One key: `key`, `type`, `value` (a list, its bytes in base64), and `ttl` in milliseconds or None."""

Raw: TypeAlias = tuple[bytes, str, int, Any, list[list[str]]]
"""One key as the server gives it: name, type, milliseconds to live, value, groups of a stream."""

_PART: Final = 1_000
"""Elements of a large key that one command carries."""


# One command a page: whoever writes waits meanwhile. As it only reads, it may run while they do.
_READ: Final = """
local readers = {
  string = {'GET'}, hash = {'HGETALL'}, list = {'LRANGE', 0, -1}, set = {'SMEMBERS'},
  zset = {'ZRANGE', 0, -1, 'WITHSCORES'},
}
local found = {}
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  local value = false
  if readers[kind] then
    local command = {unpack(readers[kind])}
    table.insert(command, 2, key)
    value = redis.call(unpack(command))
  end
  if kind ~= 'none' then found[#found + 1] = {key, kind, redis.call('PTTL', key), value} end
end
return found
"""


async def read_keys(redis: Redis, keys: Sequence[bytes]) -> list[Raw]:
    """Those of *keys* that exist. It does no more than read, for those who wait meanwhile."""
    if not keys:
        return []
    with redis_errors():
        found = await redis.eval_ro(_READ, len(keys), *keys)
        return [
            await _raw(redis, key, kind.decode(), ttl, value) for key, kind, ttl, value in found
        ]


async def _raw(redis: Redis, key: bytes, kind: str, ttl: int, value: Any) -> Raw:
    if kind == "stream":
        return key, kind, ttl, await redis.xrange(key), await _groups(redis, key)
    return key, kind, ttl, value, []


def entry_of(raw: Raw) -> Entry:
    key, kind, ttl, value, groups = raw
    entry = {
        "key": _text(key),
        "type": kind,
        "value": _PLAIN[kind](value),
        "ttl": ttl if ttl >= 0 else None,
    }
    return {**entry, "groups": groups} if groups else entry


def write_key(commands: Pipeline, key: bytes, entry: Entry) -> None:
    """Write a key anew, without its time to live. A key of several parts must not exist yet."""
    value = [_bytes(text) for text in entry["value"]]
    match entry["type"]:
        case "string":
            commands.set(key, value[0])
        case "hash":
            for part in _parts(value):
                commands.hset(key, items=part)
        case "list":
            for part in _parts(value):
                commands.rpush(key, *part)
        case "set":
            for part in _parts(value):
                commands.sadd(key, *part)
        case "zset":
            for part in _parts(value):
                commands.execute_command("ZADD", key, *part)
        case _:
            _write_stream(commands, key, entry)


def to_line(entry: Entry) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Entry:
    """The entry of a line; `FileUnreadable` when it is none that we write."""
    entry = json.loads(line)
    if (
        not isinstance(entry, dict)
        or entry.get("type") not in _PLAIN
        or not _bytes(entry["key"]).startswith(b"assay:")
    ):
        raise FileUnreadable("The backup holds a key that is not one of Assay's.")
    return entry


def key_of(entry: Entry) -> bytes:
    return _bytes(entry["key"])


def members_of(entry: Entry) -> list[bytes]:
    return [_bytes(text) for text in entry["value"]]


def _flat(pairs: Mapping[bytes, bytes]) -> list[str]:
    return [_text(part) for pair in pairs.items() for part in pair]


_PLAIN: Final[dict[str, Callable[[Any], list[str]]]] = {
    "string": lambda value: [_text(value)],
    "hash": lambda value: [_text(part) for part in value],
    "list": lambda value: [_text(item) for item in value],
    "set": lambda value: sorted(_text(item) for item in value),
    "zset": lambda value: [
        _text(part)
        for member, score in zip(value[::2], value[1::2], strict=True)
        for part in (score, member)
    ],
    "stream": lambda value: [
        _text(part) for name, fields in value for part in (name, json.dumps(_flat(fields)).encode())
    ],
}


async def _groups(redis: Redis, key: bytes) -> list[list[str]]:
    """The groups of a stream, each with where it begins: before its first entry not yet done."""
    found = []
    for group in await redis.xinfo_groups(key):
        pending = await redis.xpending(key, group["name"])
        first = pending["min"] or group["last-delivered-id"]
        begin = _before(first) if pending["min"] else first
        found.append([_text(group["name"]), _text(begin)])
    return found


def _before(entry_id: bytes) -> bytes:
    time, _, number = entry_id.partition(b"-")
    if int(number):
        return b"%d-%d" % (int(time), int(number) - 1)
    return b"%d-%d" % (int(time) - 1, 2**64 - 1)


def _write_stream(commands: Pipeline, key: bytes, entry: Entry) -> None:
    value = members_of(entry)
    for name, fields in zip(value[::2], value[1::2], strict=True):
        commands.execute_command("XADD", key, name, *(_bytes(part) for part in json.loads(fields)))
    for group, begin in entry.get("groups", []):
        commands.xgroup_create(key, _bytes(group), id=_bytes(begin), mkstream=True)


def _parts(value: Sequence[bytes]) -> list[list[bytes]]:
    return [list(value[at : at + _PART]) for at in range(0, len(value), _PART)]


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return b64decode(text)
