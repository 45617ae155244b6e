"""What a claim comes to when it is computed again from its cells."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import assert_never

from services.analysis import _arithmetic, _cells, formats
from services.analysis.claims import (
    AbsenceClaim,
    ChangeClaim,
    Claim,
    ComparisonClaim,
    Outcome,
    RankClaim,
    ShareClaim,
    TrendClaim,
    ValueClaim,
    cells_of,
)
from services.analysis.context import Exhibit
from services.evidence import Cell, ComputationSource

_LONGEST_TEXT = 120


class _DoesNotHoldError(Exception):
    """Why a claim fails."""


class Recomputation:
    """Recomputes claims on *exhibits*; *unsound* names evidence not to be relied on, and why."""

    def __init__(self, exhibits: Mapping[str, Exhibit], unsound: Mapping[str, str]) -> None:
        self._exhibits = exhibits
        self._unsound = unsound
        self._unique: dict[str, bool] = {}

    def outcome(self, claim: Claim) -> Outcome:
        """The outcome of *claim*: its value, or why it does not hold."""
        try:
            self._same_parameters(claim)
            return self._recompute(claim)
        except _DoesNotHoldError as failure:
            return Outcome(claim=claim.id, verified=False, reason=str(failure))

    def text_beside(self, cell: Cell, column: str) -> str:
        """The text in *column* of the cell's row; empty when there is none."""
        exhibit = self._exhibits.get(cell.evidence)
        return "" if exhibit is None else _cells.text_beside(exhibit.table, cell.row, column)

    def _recompute(self, claim: Claim) -> Outcome:  # noqa: PLR0911 (one for each kind)
        match claim:
            case ValueClaim():
                return self._value(claim)
            case ChangeClaim():
                return self._change(claim)
            case ShareClaim():
                return self._share(claim)
            case RankClaim():
                return self._rank(claim)
            case ComparisonClaim():
                return self._comparison(claim)
            case TrendClaim():
                return self._trend(claim)
            case AbsenceClaim():
                return self._absence(claim)
            case _:
                assert_never(claim)

    def _value(self, claim: ValueClaim) -> Outcome:
        exhibit = self._exhibit(claim.cell)
        value = exhibit.table.value(claim.cell.row, claim.cell.column)
        if not _cells.is_text(value):
            self._same_unit(claim, claim.cell)
            return self._number_outcome(claim, self._number(claim, claim.cell))
        self._same_date(claim, claim.cell)
        _require(not claim.unit, "a text has no unit")
        text = _text(value)
        return Outcome(claim=claim.id, verified=True, text=text, display=text, short=text)

    def _change(self, claim: ChangeClaim) -> Outcome:
        now, before = self._number(claim, claim.cell), self._number(None, claim.base)
        self._since(claim, claim.base)
        if claim.relative:
            _require(claim.unit == "ratio", "a relative change is a ratio")
            _require(self._unit(claim.cell) == self._unit(claim.base), "the cells differ in unit")
            value = _arithmetic.relative_difference(now, before)
        else:
            value = _arithmetic.difference(now, before, self._factor(claim, claim.cell, claim.base))
        return self._number_outcome(claim, value)

    def _share(self, claim: ShareClaim) -> Outcome:
        cells = (*claim.part, *claim.whole)
        _require(claim.unit == "ratio", "a share is a ratio")
        _require(len({self._unit(cell) for cell in cells}) == 1, "the cells differ in unit")
        for group in (claim.part, claim.whole):
            _require(len(set(group)) == len(group), "a cell is counted twice")
        self._complete(cells)
        part = [self._number(claim, cell) for cell in claim.part]
        whole = [self._number(claim, cell) for cell in claim.whole]
        known = [value for value in (*part, *whole) if value is not None]
        if len(known) < len(cells):
            return self._number_outcome(claim, None)
        return self._number_outcome(
            claim, _arithmetic.share(known[: len(part)], known[len(part) :])
        )

    def _rank(self, claim: RankClaim) -> Outcome:
        _require(claim.unit == "count", "a rank is a count")
        self._complete([claim.cell])
        value = self._number(claim, claim.cell)
        if value is None:
            return self._number_outcome(claim, None)
        table = self._exhibit(claim.cell).table
        day = _cells.date_beside(table, claim.cell.row)
        column = claim.cell.column
        rivals = [row for row in table.row_keys if _cells.date_beside(table, row) == day]
        units = {_cells.unit_of(table, row, column) for row in rivals}
        _require(len(units) == 1, "the rows differ in unit")
        found = (_cells.number(table.value(row, column)) for row in rivals)
        numbers = [number for number in found if number is not None]
        place = _arithmetic.rank(value, numbers, descending=claim.descending)
        shown = formats.ordinal(place)
        return Outcome(
            claim=claim.id, verified=True, value=Decimal(place), display=shown, short=shown
        )

    def _comparison(self, claim: ComparisonClaim) -> Outcome:
        self._same_unit(claim, claim.cell)
        self._same_unit(claim, claim.threshold)
        value, threshold = self._number(claim, claim.cell), self._number(None, claim.threshold)
        if value is None or threshold is None:
            raise _DoesNotHoldError("there is no value to compare")
        _require(
            _arithmetic.holds(value, claim.relation, threshold),
            f"the value is not {claim.relation.replace('_', ' ')} the threshold",
        )
        binding = self.text_beside(claim.threshold, "direction")
        _require(
            not (claim.limit and binding in {"max", "min"}) or claim.limit == binding,
            "the limit binds the other way",
        )
        return self._number_outcome(claim, value)

    def _trend(self, claim: TrendClaim) -> Outcome:
        numbers = [self._number(None, cell) for cell in claim.cells[:-1]]
        first, last = numbers[0], self._number(claim, claim.cells[-1])
        self._since(claim, claim.cells[0])
        if first is None or last is None:
            raise _DoesNotHoldError("there is no value at one end")
        dates = [self._date(cell) for cell in claim.cells]
        known = [day for day in dates if day is not None]
        _require(known == sorted(known), "the cells do not lie in order of time")
        direction = _arithmetic.direction(first, last)
        _require(direction == claim.direction, f"the values are {direction}")
        factor = self._factor(claim, claim.cells[-1], *claim.cells[:-1])
        return self._number_outcome(claim, _arithmetic.difference(last, first, factor))

    def _absence(self, claim: AbsenceClaim) -> Outcome:
        if claim.cell is not None:
            exhibit = self._exhibit(claim.cell)
            value = exhibit.table.value(claim.cell.row, claim.cell.column)
            _require(
                not _cells.is_text(value) and _cells.number(value) is None, "the cell holds a value"
            )
        if claim.evidence is not None:
            _require(claim.evidence in self._exhibits, "its evidence is not there")
            _require(claim.evidence not in self._unsound, self._unsound.get(claim.evidence, ""))
            _require(not len(self._exhibits[claim.evidence].table), "the evidence has rows")
        return self._number_outcome(claim, None, claim.reason)

    def _number_outcome(self, claim: Claim, value: Decimal | None, reason: str = "") -> Outcome:
        signed = isinstance(claim, (ChangeClaim, TrendClaim)) or claim.unit == "pp"
        how = (claim.unit, claim.digits, claim.scale)
        return Outcome(
            claim=claim.id,
            verified=True,
            value=None if value is None else formats.plain(value),
            display=formats.display(value, *how, signed=signed),
            short=formats.short_display(value, *how, signed=signed),
            reason=reason or ("" if value is not None else _undefined(claim)),
        )

    def _exhibit(self, cell: Cell) -> Exhibit:
        exhibit = self._exhibits.get(cell.evidence)
        if exhibit is None:
            raise _DoesNotHoldError("its evidence is not there")
        _require(cell.evidence not in self._unsound, self._unsound.get(cell.evidence, ""))
        _require(self._has_unique_keys(exhibit), "the key of its evidence does not tell rows apart")
        try:
            exhibit.table.value(cell.row, cell.column)
        except KeyError:
            raise _DoesNotHoldError("it cites a cell that does not exist") from None
        return exhibit

    def _has_unique_keys(self, exhibit: Exhibit) -> bool:
        known = self._unique.get(exhibit.evidence.id)
        if known is None:
            keys = exhibit.table.row_keys
            known = self._unique[exhibit.evidence.id] = len(set(keys)) == len(keys)
        return known

    def _number(self, claim: Claim | None, cell: Cell) -> Decimal | None:
        """The cell's number; of *claim*'s own date, when that is given."""
        value = self._exhibit(cell).table.value(cell.row, cell.column)
        _require(not _cells.is_text(value), "the cell holds a text, not a number")
        if claim is not None:
            self._same_date(claim, cell)
        return _cells.number(value)

    def _unit(self, cell: Cell) -> str:
        return _cells.unit_of(self._exhibit(cell).table, cell.row, cell.column)

    def _date(self, cell: Cell) -> date | None:
        return _cells.date_beside(self._exhibit(cell).table, cell.row)

    def _same_unit(self, claim: Claim, cell: Cell) -> None:
        unit = self._unit(cell)
        _require(unit == claim.unit, f"the cell is in {unit or 'no unit'}, not in {claim.unit}")

    def _same_date(self, claim: Claim, cell: Cell) -> None:
        day, known = self._date(cell), self._exhibit(cell).evidence.as_of
        _require(day in {None, claim.as_of}, f"the cell is as of {day}, not {claim.as_of}")
        _require(claim.as_of <= known, f"the evidence only reaches to {known}")

    def _same_parameters(self, claim: Claim) -> None:
        """A number that a computation ran with may not be told otherwise."""
        for cell in cells_of(claim):
            source = self._exhibit(cell).evidence.source
            if not isinstance(source, ComputationSource):
                continue
            for name in sorted(claim.parameters.keys() & source.parameters.keys()):
                told, ran = _parsed(claim.parameters[name]), _parsed(source.parameters[name])
                _require(told is None or ran is None or told == ran, f"it ran with {name} {ran}")

    def _since(self, claim: Claim, base: Cell) -> None:
        stated = claim.parameters.get("since")
        day = self._date(base) or self._exhibit(base).evidence.as_of
        _require(stated in {None, day.isoformat()}, f"the earlier value is as of {day}")

    def _factor(self, claim: Claim, *cells: Cell) -> Decimal:
        units = {self._unit(cell) for cell in cells}
        _require(len(units) == 1, "the cells differ in unit")
        unit = units.pop()
        factor = _arithmetic.difference_factor(unit, claim.unit)
        if factor is None:
            raise _DoesNotHoldError(f"a difference in {unit} is not one in {claim.unit}")
        return factor

    def _complete(self, cells: Iterable[Cell]) -> None:
        cut = any(not self._exhibit(cell).evidence.complete for cell in cells)
        _require(not cut, "the row cap cut its evidence")


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise _DoesNotHoldError(reason)


def _undefined(claim: Claim) -> str:
    match claim:
        case ShareClaim():
            return "the whole is zero or not known"
        case ChangeClaim():
            return "there is no value to compare with"
        case _:
            return "there is no value in the warehouse"


def _parsed(parameter: object) -> Decimal | None:
    try:
        return Decimal(str(parameter))
    except InvalidOperation:
        return None


def _text(value: str | date | bool) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case date():
            return formats.display_date(value)
        case _:
            return _printable(value)


def _printable(text: str) -> str:
    """*text* of the warehouse on one line, without control or format characters, not too long."""
    kept = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} else c for c in text)
    line = " ".join(kept.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}\u2026"
