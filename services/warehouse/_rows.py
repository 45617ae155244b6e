"""Rows that a worker sent, as an evidence table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.evidence import Column, Table

from ._sandbox.wire import Rows


def to_table(rows: Rows, *, columns: Mapping[str, Column], key: Sequence[str]) -> Table:
    """
    The table of *rows*.

    *columns* lends unit, label and sensitivity to result columns of the same name. A repeated name
    gets a number, as DuckDB does in sub-queries.
    """
    return Table(
        columns=tuple(
            columns.get(name, Column(name=name, type=kind)).model_copy(
                update={"name": name, "type": kind}
            )
            for name, kind in zip(_unique(rows.names), rows.kinds, strict=True)
        ),
        data=rows.data,
        key=tuple(key),
    )


def _unique(names: Sequence[str]) -> list[str]:
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    unique = []
    for name in names:
        candidate, number = name, numbers.get(name, 0)
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        # The next of that name goes on from here: thousands of one name must not take minutes.
        numbers[name] = number
        taken.add(candidate)
        unique.append(candidate)
    return unique
