"""How the values of a chart are scaled and printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from reports.document import Figure, RenderedChart
from services.analysis import formats
from services.evidence import Column, Plain

_SCALES: tuple[tuple[float, formats.Scale], ...] = (
    (1e11, "billion"),
    (1e5, "million"),
    (1e3, "thousand"),
)


@dataclass(frozen=True)
class Measure:
    """A quantity on an axis: unit, display scale, and the decimals that its size can carry."""

    unit: str
    scale: formats.Scale
    digits: int

    @classmethod
    def of(cls, values: Iterable[float], unit: str, scale: str = "") -> Measure:
        """The measure that prints *values* of *unit* with three or four significant digits."""
        size = max((abs(value) for value in values), default=0.0)
        chosen = _scale_of(size, unit, scale)
        measure = cls(unit, chosen, 0)
        return cls(unit, chosen, _digits(measure.scaled(size), unit))

    def scaled(self, value: float) -> float:
        """*value* as the axis shows it."""
        shown = formats.rounded(Decimal(repr(value)), self.unit, 9, self.scale)
        return float(shown)

    def text(self, value: float) -> str:
        """*value* as a label beside a mark, without the unit that the axis names."""
        return formats.short_display(Decimal(repr(value)), self.unit, self.digits, self.scale)

    def title(self, label: str) -> str:
        """Axis title: what is shown, and its unit."""
        head = formats.head(self.unit, self.scale)
        return ", ".join(part for part in (label, head) if part)


def measure_of(chart: RenderedChart, name: str, values: Iterable[float]) -> Measure:
    """The measure of column *name*, whose values are *values*."""
    unit = chart.block.unit or (column_of(chart, name) or Column(name=name, type="string")).unit
    return Measure.of(values, unit, str(chart.block.options.get("scale", "")))


def column_of(chart: RenderedChart, name: str) -> Column | None:
    """The column called *name*, if the chart has it."""
    return next((column for column in chart.columns if column.name == name), None)


def label_of(chart: RenderedChart, name: str, given: str) -> str:
    """What an axis is called: *given*, else the column's label, else its name in words."""
    column = column_of(chart, name)
    return given or (column.label if column else "") or name.replace("_", " ").capitalize()


def number(value: Plain) -> float | None:
    """*value* when it is a number; a chart leaves out what is not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def figure_number(figure: Figure | None) -> float | None:
    """The value of *figure*, unscaled."""
    return None if figure is None or figure.value is None else float(figure.value)


def _scale_of(size: float, unit: str, scale: str) -> formats.Scale:
    if scale == "plain":
        return "plain"
    if not formats.is_currency(unit):
        return "one"
    return next((name for floor, name in _SCALES if size >= floor), "one")


def _digits(size: float, unit: str) -> int:
    if unit == "count":
        return 0
    if size >= 1000:
        return 0
    return 1 if size >= 10 else 2
