"""
Evidence: rows that a report may cite, with the statement that made them.

Evidence is content-addressed: the same statement on the same snapshot gives the same id. Rows
travel as a `Table`, a small columnar value; everything that cites a number cites a `Cell`.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, Field

Scalar: TypeAlias = Decimal | float | int | str | date | bool | None
Plain: TypeAlias = str | int | float | bool | None
"""A scalar as charts and JSON take it: decimals as floats, dates as ISO text."""
ColumnType: TypeAlias = Literal["decimal", "double", "integer", "string", "date", "boolean"]
Sensitivity: TypeAlias = Literal["public", "internal", "confidential"]

_SLICE: Final = 10_000
"""Values of a column that are encoded at a time."""
_PIECE: Final = 65_536
"""Compressed bytes that are decoded at a time."""


class Frozen(BaseModel, frozen=True, extra="forbid"):
    """A value that travels: immutable, and strict about what it holds."""


class Column(Frozen):
    """
    One column of evidence.

    `unit` is an ISO 4217 code, or `ratio`, `pp`, `bp`, `count`, `days`, `years`; empty for text,
    dates and other columns that are no quantity.
    """

    name: str
    type: ColumnType
    unit: str = ""
    label: str = ""
    sensitivity: Sensitivity = "internal"


class Cell(Frozen):
    """The atom that everything cites: one column of one row of one piece of evidence."""

    evidence: str
    row: str
    column: str


@dataclass(frozen=True)
class Table:
    """
    Rows in columnar form. `key` names the columns whose values identify a row.

    A row's key is its key values joined by `|`; a table without key columns numbers its rows
    from `0`.
    """

    columns: tuple[Column, ...]
    data: tuple[tuple[Scalar, ...], ...]
    """One tuple of values a column, in the order of `columns`."""
    key: tuple[str, ...] = ()

    @classmethod
    def from_rows(
        cls,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Scalar]],
        key: Sequence[str] = (),
    ) -> Table:
        data = tuple(zip(*rows, strict=True)) if rows else tuple(() for _ in columns)
        return cls(tuple(columns), data, tuple(key))

    def __len__(self) -> int:
        return len(self.data[0]) if self.data else 0

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {column.name: index for index, column in enumerate(self.columns)}

    @cached_property
    def _row_index(self) -> dict[str, int]:
        return {key: index for index, key in enumerate(self.row_keys)}

    @cached_property
    def row_keys(self) -> tuple[str, ...]:
        if not self.key:
            return tuple(str(index) for index in range(len(self)))
        parts = [self.values(name) for name in self.key]
        return tuple(
            "|".join(_key_text(value) for value in row) for row in zip(*parts, strict=True)
        )

    def column(self, name: str) -> Column:
        """The column called *name*; `KeyError` when there is none."""
        return self.columns[self._positions[name]]

    def values(self, name: str) -> tuple[Scalar, ...]:
        """All values of the column called *name*; `KeyError` when there is none."""
        return self.data[self._positions[name]]

    def value(self, row: str, column: str) -> Scalar:
        """One cell; `KeyError` when the row or the column does not exist."""
        return self.values(column)[self._row_index[row]]

    def rows(self) -> Iterator[dict[str, Scalar]]:
        names = [column.name for column in self.columns]
        for row in zip(*self.data, strict=True):
            yield dict(zip(names, row, strict=True))

    def to_bytes(self) -> bytes:
        """The whole of `encoded` at once; `from_bytes` gives an equal table."""
        return b"".join(self.encoded())

    @classmethod
    def from_bytes(cls, content: bytes) -> Table:
        return cls.decoded(content[at : at + _PIECE] for at in range(0, len(content), _PIECE))

    def encoded(self) -> Iterator[bytes]:
        """
        A compressed, canonical encoding, piece by piece; `decoded` gives an equal table.

        Neither ever holds the encoding as a whole, so that a large table takes little more
        memory than its own values.
        """
        packer = zlib.compressobj(level=1)
        for line in self._lines():
            if piece := packer.compress(line):
                yield piece
        yield packer.flush()

    @classmethod
    def decoded(cls, pieces: Iterable[bytes]) -> Table:
        lines = _unpacked_lines(pieces)
        head = json.loads(next(lines))
        columns = tuple(Column.model_validate(column) for column in head["columns"])
        if "data" in head:  # the encoding of earlier versions: one line, with everything in it
            encoded = iter(head["data"])
            data = tuple(decode_column(next(encoded), column.type) for column in columns)
        else:
            data = tuple(_decoded_column(lines, column.type, head["rows"]) for column in columns)
        return cls(columns, data, tuple(head["key"]))

    def _lines(self) -> Iterator[bytes]:
        head = {
            "columns": [column.model_dump() for column in self.columns],
            "key": list(self.key),
            "rows": len(self),
        }
        yield canonical_json(head) + b"\n"
        for column, values in zip(self.columns, self.data, strict=True):
            for at in range(0, len(values), _SLICE):
                yield canonical_json(encode_column(values[at : at + _SLICE], column.type)) + b"\n"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of names, types and values; doubles enter at 12 significant digits."""
        digest = hashlib.sha256()
        for piece in self._digested():
            digest.update(piece)
        return digest.hexdigest()

    def _digested(self) -> Iterator[bytes]:
        """The canonical JSON of names, types and values, without ever holding it as a whole."""
        columns = [[column.name, column.type] for column in self.columns]
        yield b'{"columns":' + canonical_json(columns) + b',"data":['
        for position, (column, values) in enumerate(zip(self.columns, self.data, strict=True)):
            yield b",[" if position else b"["
            for at in range(0, len(values), _SLICE):
                part = _digest_column(values[at : at + _SLICE], column.type)
                yield (b"," if at else b"") + canonical_json(part)[1:-1]
            yield b"]"
        yield b"]}"


class MetricSource(Frozen):
    """Rows of a governed metric query, compiled from the semantic model."""

    kind: Literal["metric_query"] = "metric_query"
    query: dict[str, Any]


class SqlSource(Frozen):
    """Rows of free SQL that passed the guard; reports mark them as an unreviewed query."""

    kind: Literal["sql"] = "sql"


class ComputationSource(Frozen):
    """Rows that a named, versioned computation made from other evidence."""

    kind: Literal["computation"] = "computation"
    name: str
    version: int
    inputs: dict[str, str]
    """Role of the input, and the evidence id that plays it."""
    parameters: dict[str, Any] = {}


Source = Annotated[MetricSource | SqlSource | ComputationSource, Field(discriminator="kind")]


class Evidence(Frozen):
    """What is known of a table of rows; the rows themselves live in the evidence store."""

    id: str
    source: Source
    sql: str
    """The canonical statement that ran; empty for a computation."""
    parameters: dict[str, Any] = {}
    snapshot: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    row_count: int
    complete: bool
    """False when the row cap cut the result."""
    as_of: date
    digest: str
    """Digest of the rows."""
    tables: tuple[str, ...] = ()
    """Warehouse tables that were read, directly or through the inputs."""


def make_evidence(  # noqa: PLR0913 (one field each of the value it makes)
    table: Table,
    *,
    source: MetricSource | SqlSource | ComputationSource,
    snapshot: str,
    as_of: date,
    sql: str = "",
    parameters: Mapping[str, Any] | None = None,
    complete: bool = True,
    tables: Sequence[str] = (),
) -> Evidence:
    """Evidence for *table*; its id follows from all it says but the order of its sources."""
    identity = {
        "source": source.model_dump(mode="json")
        if isinstance(source, ComputationSource)
        else "sql",
        "sql": sql,
        "parameters": dict(parameters or {}),
        "snapshot": snapshot,
        "as_of": as_of.isoformat(),
        "columns": [column.model_dump() for column in table.columns],
        "key": table.key,
        "rows": table.digest,
    }
    return Evidence(
        id="ev_" + hashlib.sha256(canonical_json(identity)).hexdigest()[:24],
        source=source,
        sql=sql,
        parameters=dict(parameters or {}),
        snapshot=snapshot,
        columns=table.columns,
        key=table.key,
        row_count=len(table),
        complete=complete,
        as_of=as_of,
        digest=table.digest,
        tables=tuple(sorted(set(tables))),
    )


def canonical_json(document: Any) -> bytes:
    """The one byte form of a JSON document that digests are taken of."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    ).encode()


def plain_scalar(value: Scalar) -> Plain:
    """*value* for a chart or a sample: decimals as floats, doubles at 12 significant digits."""
    if isinstance(value, (Decimal, float)):
        return float(f"{value:.12g}") if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, date) else value


def encode_scalar(value: Scalar) -> str | int | float | bool | None:
    """A JSON value that `decode_column` turns back, given the column's type."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    return value


_AS_THEY_ARE = ("integer", "string", "boolean")


def encode_column(values: Sequence[Scalar], type_: ColumnType) -> Sequence[Any]:
    """The values of one column as JSON values."""
    if type_ in _AS_THEY_ARE:
        return values
    return [encode_scalar(value) for value in values]


def decode_column(values: Sequence[Any], type_: ColumnType) -> tuple[Scalar, ...]:
    """The values that `encode_column` was given."""
    decode: Callable[[Any], Scalar] | None = _DECODERS.get(type_)
    if decode is None:
        return tuple(values)
    return tuple(None if value is None else decode(value) for value in values)


_DECODERS: dict[ColumnType, Callable[[Any], Scalar]] = {
    "decimal": Decimal,
    "double": float,
    "date": date.fromisoformat,
}


def _decoded_column(lines: Iterator[bytes], type_: ColumnType, rows: int) -> tuple[Scalar, ...]:
    values: list[Scalar] = []
    while len(values) < rows:
        values.extend(decode_column(json.loads(next(lines)), type_))
    return tuple(values)


def _unpacked_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + unpacker.decompress(piece)).split(b"\n")
        yield from lines
    if not unpacker.eof:
        raise ValueError("the encoded table is cut short")
    yield rest


def _digest_column(values: Sequence[Scalar], type_: ColumnType) -> Sequence[Any]:
    if type_ in _AS_THEY_ARE:
        return values
    return [_digest_scalar(value) for value in values]


def _digest_scalar(value: Scalar) -> Any:
    if isinstance(value, float):
        return f"{value:.12g}" if value else "0"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    return encode_scalar(value)


def _key_text(value: Scalar) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(encode_scalar(value))
