"""Making claims on cells that exist, with unit, digits, scale, date and method of the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal, TypeAlias, TypedDict, Unpack, cast

from services.analysis import _arithmetic, _cells, formats
from services.analysis._slots import rename_slots
from services.analysis.claims import (
    AbsenceClaim,
    ChangeClaim,
    Claim,
    ComparisonClaim,
    RankClaim,
    ShareClaim,
    TrendClaim,
    ValueClaim,
)
from services.analysis.context import Exhibit
from services.evidence import Cell, ComputationSource

Place: TypeAlias = tuple[Exhibit, str, str]
"""Where a number stands: exhibit, row key, column."""
Better: TypeAlias = Literal["", "higher", "lower"]
Relation: TypeAlias = Literal["above", "at_or_above", "below", "at_or_below"]
Direction: TypeAlias = Literal["rising", "falling", "flat"]


class ClaimId(str):
    """The id of a claim, ready to be put into prose."""

    __slots__ = ()

    @property
    def slot(self) -> str:
        """The value as printed."""
        return f"{{{self}}}"

    def word(self, word: str) -> str:
        """A word that is checked against the claim."""
        return f"{{{self}:{word}}}"

    def at(self, name: str) -> str:
        """`label`, `as_of`, `method`, `since`, `size`, `reason` or a parameter of the claim."""
        return f"{{{self}@{name}}}"


class How(TypedDict, total=False):
    """How a claim is said, where the evidence's own answer does not fit."""

    unit: str
    digits: int
    scale: formats.Scale
    as_of: date
    method: str
    parameters: dict[str, str]


class ClaimSet:
    """The claims of one section. Ids are given without the section's name, which is put before."""

    def __init__(self, section: str, as_of: date) -> None:
        self.section = section
        self.as_of = as_of
        self.claims: dict[str, Claim] = {}
        self._shown: dict[str, Decimal | None] = {}
        """What each change and trend prints as."""
        self._texts: set[str] = set()
        """Claims on cells of text."""

    def value(
        self,
        name: str,
        label: str,
        exhibit: Exhibit,
        row: str,
        column: str,
        **how: Unpack[How],
    ) -> ClaimId:
        """The value of one cell; a text or date cell gives its text."""
        said = self._said(name, label, (exhibit, row, column), how)
        if _cells.is_text(exhibit.table.value(row, column)):
            self._texts.add(said["id"])
        return self._add(ValueClaim(cell=exhibit.cell(row, column), **said))

    def change(
        self,
        name: str,
        label: str,
        now: Place,
        before: Place,
        *,
        relative: bool = False,
        better: Better = "",
        **how: Unpack[How],
    ) -> ClaimId:
        """*now* less *before*; of a ratio in pp. `{id@since}` prints the date of *before*."""
        said = self._difference(name, label, now, before, how, relative=relative)
        cell, base = _cell(now), _cell(before)
        return self._add(
            ChangeClaim(cell=cell, base=base, relative=relative, better=better, **said)
        )

    def share(
        self,
        name: str,
        label: str,
        part: Sequence[Place],
        whole: Sequence[Place],
        **how: Unpack[How],
    ) -> ClaimId:
        """Sum of *part* over the sum of *whole*."""
        said = self._said(name, label, part[0], {**how, "unit": "ratio"})
        parts, wholes = tuple(map(_cell, part)), tuple(map(_cell, whole))
        return self._add(ShareClaim(part=parts, whole=wholes, **said))

    def rank(
        self, name: str, label: str, place: Place, *, descending: bool = True, **how: Unpack[How]
    ) -> ClaimId:
        """Position of *place* among the rows of its column (of the same date)."""
        said = self._said(name, label, place, {**how, "unit": "count"})
        return self._add(RankClaim(cell=_cell(place), descending=descending, **said))

    def compare(
        self,
        name: str,
        label: str,
        place: Place,
        threshold: Place,
        *,
        limit: Literal["", "max", "min"] = "",
        **how: Unpack[How],
    ) -> ClaimId:
        """*place* against *threshold*, whichever way it stands; an absence when a cell is empty."""
        said = self._said(name, label, place, how)
        value, bound = number_at(place), number_at(threshold)
        if value is None or bound is None:
            return self._add(AbsenceClaim(reason="there is no value to compare", **said))
        return self._add(
            ComparisonClaim(
                cell=_cell(place),
                threshold=_cell(threshold),
                relation=_relation(value, bound, limit),
                limit=limit,
                **said,
            )
        )

    def trend(self, name: str, label: str, places: Sequence[Place], **how: Unpack[How]) -> ClaimId:
        """Last less first of *places*, which lie in order of time."""
        said = self._difference(name, label, places[-1], places[0], how)
        first, last = number_at(places[0]), number_at(places[-1])
        if first is None or last is None:
            return self._add(AbsenceClaim(reason="there is no value at one end", **said))
        cells = tuple(map(_cell, places))
        direction = cast("Direction", _arithmetic.direction(first, last))
        return self._add(TrendClaim(cells=cells, direction=direction, **said))

    def absent(
        self,
        name: str,
        label: str,
        reason: str,
        *,
        rows_of: Exhibit | None = None,
        place: Place | None = None,
        **how: Unpack[How],
    ) -> ClaimId:
        """
        Something that the warehouse does not have: prints `n/a`, with *reason*.

        *rows_of* is evidence without rows, *place* an empty cell: either shows the absence.
        """
        said = self._said(name, label, place, how)
        evidence = rows_of.evidence.id if rows_of else None
        cell = _cell(place) if place else None
        return self._add(AbsenceClaim(reason=reason, evidence=evidence, cell=cell, **said))

    def moved(self, change: ClaimId) -> str:
        """A clause for a change: `{c:rose} by {c@size}`, or `was {c:unchanged}`."""
        shown = self._shown[change]
        if shown is None:
            return f"has no comparable earlier value ({change.slot})"
        if not shown:
            return f"was {change.word('unchanged')}"
        return f"{change.word('rose' if shown > 0 else 'fell')} by {change.at('size')}"

    def qualified(self, name: str) -> str:
        """*name* under the section's name, whichever form it came in."""
        return name if name.startswith(f"{self.section}.") else f"{self.section}.{name}"

    def qualify(self, prose: str) -> str:
        """*prose* with all its slots under the section's name."""
        return rename_slots(prose, self.qualified)

    def _add(self, claim: Claim) -> ClaimId:
        if claim.id in self.claims:
            raise ValueError(f"claim {claim.id} is made twice")
        self.claims[claim.id] = claim
        return ClaimId(claim.id)

    def _said(self, name: str, label: str, place: Place | None, how: How) -> dict[str, Any]:
        unit = how.get("unit", unit_at(place) if place else "")
        scale = how.get("scale", "million" if formats.is_currency(unit) else "one")
        method, parameters = _method(place[0]) if place else ("", {})
        return {
            "id": self.qualified(name),
            "label": label,
            "unit": unit,
            "scale": scale,
            "digits": how.get("digits", formats.default_digits(unit, scale)),
            "as_of": how.get("as_of", date_at(place) if place else self.as_of),
            "method": how.get("method", method),
            "parameters": how.get("parameters", parameters),
        }

    def _difference(
        self, name: str, label: str, now: Place, before: Place, how: How, *, relative: bool = False
    ) -> dict[str, Any]:
        in_percent = unit_at(now) == "ratio" and how.get("scale") != "plain"
        if "unit" not in how and (relative or in_percent):
            unit = "ratio" if relative else "pp"
            how = {"digits": 1 if relative else 2, **how, "unit": unit, "scale": "one"}
        said = self._said(name, label, now, how)
        said["parameters"] = {**said["parameters"], "since": date_at(before).isoformat()}
        ends = number_at(now), number_at(before)
        factor = _arithmetic.difference_factor(unit_at(now), said["unit"]) or Decimal(1)
        value = (
            _arithmetic.relative_difference(*ends)
            if relative
            else _arithmetic.difference(*ends, factor)
        )
        self._shown[said["id"]] = (
            None
            if value is None
            else formats.rounded(value, said["unit"], said["digits"], said["scale"])
        )
        return said


def number_at(place: Place) -> Decimal | None:
    """The number at *place*; none when the cell is empty, text, or not finite."""
    exhibit, row, column = place
    return _cells.number(exhibit.table.value(row, column))


def unit_at(place: Place) -> str:
    exhibit, row, column = place
    return _cells.unit_of(exhibit.table, row, column)


def date_at(place: Place) -> date:
    """The row's own `as_of`, or that of the evidence."""
    exhibit, row, _ = place
    return _cells.date_beside(exhibit.table, row) or exhibit.evidence.as_of


def _cell(place: Place) -> Cell:
    exhibit, row, column = place
    return exhibit.cell(row, column)


def _method(exhibit: Exhibit) -> tuple[str, dict[str, str]]:
    """A computation's name and parameters; a query needs no method."""
    source = exhibit.evidence.source
    if not isinstance(source, ComputationSource):
        return "", {}
    parameters = {name: str(value) for name, value in source.parameters.items()}
    return f"{source.name} v{source.version}", parameters


def _relation(value: Decimal, bound: Decimal, limit: str) -> Relation:
    """The plainest relation that holds; a limit that is kept is `at_or_...`."""
    breached, kept = ("below", "at_or_above") if limit == "min" else ("above", "at_or_below")
    if limit:
        return cast("Relation", breached if _arithmetic.holds(value, breached, bound) else kept)
    return "above" if value > bound else "below" if value < bound else "at_or_below"
