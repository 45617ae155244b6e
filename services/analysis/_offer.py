"""The cells that an analyst model may make claims on, as tables it can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from services.analysis import formats
from services.analysis._cells import number
from services.analysis.build import Place, date_at, unit_at
from services.analysis.claims import Claim, ValueClaim, evidence_of
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import SectionAnalysis
from services.analysis.prose import check_label
from services.evidence import Cell, Column, ComputationSource, Scalar

_MOST_TABLES: Final = 4
_MOST_ROWS: Final = 12
_MOST_COLUMNS: Final = 5
_MOST_KEYS: Final = 4
_LONGEST_NAME: Final = 40
_LONG_TABLE: Final = 400
"""A table with more rows is raw material, unless a claim cites it."""


class Offered(NamedTuple):
    """A numeric cell under the name that the model knows it by."""

    exhibit: Exhibit
    row: str
    column: str
    label: str

    number: Decimal

    @property
    def cell(self) -> Cell:
        return self.exhibit.cell(self.row, self.column)

    @property
    def place(self) -> Place:
        return self.exhibit, self.row, self.column

    @property
    def unit(self) -> str:
        return unit_at(self.place)

    @property
    def day(self) -> date:
        return date_at(self.place)


@dataclass(frozen=True)
class Offer:
    """Some tables of a section: what the model reads, and the cells by name."""

    text: str
    cells: Mapping[str, Offered]


def make_offer(
    context: SectionContext,
    analysis: SectionAnalysis,
    *,
    budget: int,
    is_useful: Callable[[Mapping[str, Offered]], bool],
) -> Offer:
    """
    The tables that the section's claims cite most, cut to *budget* characters; cuts are said.

    A table whose cells are not *is_useful* is left out.
    """
    labels = {c.cell: c.label for c in analysis.claims if isinstance(c, ValueClaim)}
    cells: dict[str, Offered] = {}
    texts: list[str] = []
    for exhibit in _chosen(context, analysis.claims):
        text, found = _table(f"T{len(texts) + 1}", _title(context, exhibit), exhibit, labels)
        if len(text) <= budget and is_useful(found):
            budget -= len(text)
            texts.append(text)
            cells |= found
        if len(texts) == _MOST_TABLES:
            break
    return Offer("\n\n".join(texts), cells)


def _chosen(context: SectionContext, claims: tuple[Claim, ...]) -> list[Exhibit]:
    cited = Counter(name for claim in claims for name in evidence_of(claim))
    useful = [
        exhibit
        for name, exhibit in context.by_id.items()
        if len(exhibit.table) > 1 and (name in cited or len(exhibit.table) <= _LONG_TABLE)
    ]
    return sorted(useful, key=lambda exhibit: -cited[exhibit.evidence.id])


def _title(context: SectionContext, exhibit: Exhibit) -> str:
    source = exhibit.evidence.source
    if isinstance(source, ComputationSource):
        return source.name.replace("_", " ")
    aliases = (alias for alias, known in context.exhibits.items() if known is exhibit)
    return next(aliases, "query").replace("_", " ")


def _table(
    name: str, title: str, exhibit: Exhibit, labels: Mapping[Cell, str]
) -> tuple[str, dict[str, Offered]]:
    """The table as text, its cells named `T1.2.exposure`: table, line, column."""
    table = exhibit.table
    measures = [c for c in table.columns if _is_measure(c)][:_MOST_COLUMNS]
    keys = [c for c in table.columns if c.name in table.key][:_MOST_KEYS]
    rows = _rows(exhibit)
    lines = [
        f"{name} {title} ({len(rows)} of {len(table)} rows)",
        " | ".join(["line", *(column.name for column in keys), *map(_head, measures)]),
    ]
    cells: dict[str, Offered] = {}
    for line, row in enumerate(rows, start=1):
        for column in measures:
            said = labels.get(exhibit.cell(row, column.name), "")
            offered = _offered(exhibit, row, column, title, said)
            if offered is not None:
                cells[f"{name}.{line}.{column.name}"] = offered
        shown = [_told(table.value(row, column.name)) for column in keys]
        shown += [_shown(table.value(row, column.name), column) for column in measures]
        lines.append(" | ".join([str(line), *shown]))
    return "\n".join(lines), _unambiguous(cells)


def _offered(exhibit: Exhibit, row: str, column: Column, title: str, said: str) -> Offered | None:
    """The cell under a label that says whose it is; none without a number or such a label."""
    value = number(exhibit.table.value(row, column.name))
    keys = [exhibit.table.value(row, key) for key in exhibit.table.key]
    names = [_told(key).replace("_", " ") for key in keys if not isinstance(key, date)]
    if value is None or any(key is None or isinstance(key, bool) for key in keys):
        return None
    is_full = " " in said and all(name.lower() in said.lower() for name in names)
    label = said if is_full else _label(column, names, title)
    return Offered(exhibit, row, column.name, label, value) if label else None


def _unambiguous(cells: Mapping[str, Offered]) -> dict[str, Offered]:
    """Those of *cells* whose label no other of the same date has."""
    counted = Counter((offered.label, offered.day) for offered in cells.values())
    return {n: offered for n, offered in cells.items() if counted[offered.label, offered.day] == 1}


def _rows(exhibit: Exhibit) -> list[str]:
    """The first rows of the latest date, then those of the date before it, and so on."""
    keys = exhibit.table.row_keys
    ordered = sorted(keys, key=lambda row: -date_at((exhibit, row, "")).toordinal())
    return ordered[:_MOST_ROWS]


def _is_measure(column: Column) -> bool:
    return bool(column.unit) and column.type in {"decimal", "double", "integer"}


def _scale(column: Column) -> formats.Scale:
    return "million" if formats.is_currency(column.unit) else "one"


def _head(column: Column) -> str:
    return f"{column.name} [{formats.head(column.unit, _scale(column)) or column.unit}]"


def _shown(value: Scalar, column: Column) -> str:
    digits = formats.default_digits(column.unit, _scale(column))
    return formats.short_display(number(value), column.unit, digits, _scale(column))


def _told(value: Scalar) -> str:
    """A name of the warehouse on one line: it is data, and stays short."""
    return " ".join(str(value).split())[:_LONGEST_NAME]


def _label(column: Column, names: Sequence[str], title: str) -> str:
    """`Net exposure of EM FX, USD`; empty where all that names the row could pass for figures."""
    plain = [name for name in names if not check_label(name, where="label")]
    if names and not plain:
        return ""
    measure = (column.label or column.name.replace("_", " ")).strip()
    label = f"{measure} of {', '.join(plain)}" if plain else f"{title}: {measure}"
    return "" if check_label(label, where="label") else f"{label[:1].upper()}{label[1:]}"
