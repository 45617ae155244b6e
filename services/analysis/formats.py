"""
How a value is printed: the one place that turns numbers and dates into display text.

Rounding is half away from zero, as a reader with a calculator or a spreadsheet does it, so that
the workbook and the page show the same digits. A minus is U+2212, the space between a number and
its unit does not break, and what rounds to zero never carries a sign.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final, Literal, TypeAlias

Scale: TypeAlias = Literal["one", "thousand", "million", "billion", "plain"]
"""Of money; `plain` prints a ratio as the number it is (an index, a p-value), not in percent."""

NOT_AVAILABLE: Final = "n/a"

_MINUS = "\u2212"
_SPACE = "\u00a0"
_EXPONENTS: Final[dict[Scale, int]] = {
    "one": 0,
    "plain": 0,
    "thousand": 3,
    "million": 6,
    "billion": 9,
}
_SUFFIXES: Final[dict[Scale, str]] = {
    "one": "",
    "plain": "",
    "thousand": "k",
    "million": "m",
    "billion": "bn",
}
_NUMBER: Final = re.compile(r"[0-9][0-9,]*(?:\.([0-9]+))?(k|m|bn)?\b")
# Wide enough for any double, so that no digit is lost before rounding.
_CONTEXT = Context(prec=700, rounding=ROUND_HALF_UP)
_SIGNIFICANT = Context(prec=12, rounding=ROUND_HALF_UP)


def is_currency(unit: str) -> bool:
    """True for an ISO 4217 code."""
    return len(unit) == 3 and unit.isascii() and unit.isupper()


def rounded(value: Decimal, unit: str, digits: int, scale: Scale = "one") -> Decimal:
    """The number that is printed: *value* in its display scale, rounded to *digits* decimals."""
    percent = unit == "ratio" and scale != "plain"
    shift = 2 if percent else -_EXPONENTS[scale] if is_currency(unit) else 0
    step = Decimal(1).scaleb(-digits)
    return value.scaleb(shift, _CONTEXT).quantize(step, context=_CONTEXT)


def display(
    value: Decimal | None, unit: str, digits: int, scale: Scale = "one", *, signed: bool = False
) -> str:
    """*value* with its unit: `EUR 12.3m`, `13.42 %`, `+0.35 pp`, `1,234`, `1 day`, `n/a`."""
    if value is None:
        return NOT_AVAILABLE
    number = short_display(value, unit, digits, scale, signed=signed)
    if is_currency(unit):
        return f"{unit}{_SPACE}{number}{_SUFFIXES[scale]}"
    name = head(unit, scale)
    if unit in {"days", "years"} and abs(rounded(value, unit, digits)) == 1:
        name = unit[:-1]
    return f"{number}{_SPACE}{name}" if name else number


def short_display(
    value: Decimal | None, unit: str, digits: int, scale: Scale = "one", *, signed: bool = False
) -> str:
    """*value* without its unit, for a table whose column head names it (`head`)."""
    if value is None:
        return NOT_AVAILABLE
    shown = rounded(value, unit, digits, scale)
    sign = _MINUS if shown < 0 else "+" if signed and shown > 0 else ""
    return f"{sign}{abs(shown):,f}"


def difference(value: Decimal, unit: str, shown: str) -> str:
    """
    *value*, a difference of two values in *unit*, printed with its sign in the form of *shown*, one of the two.

    What would round to zero prints with as many decimals more as it needs: it is there.
    """
    found = _NUMBER.search(shown)
    assert found is not None
    digits, suffix = len(found[1] or ""), found[2] or ""
    scale: Scale = next(name for name, mark in _SUFFIXES.items() if mark == suffix)
    if unit == "ratio" and shown.endswith("%"):
        value, unit = value.scaleb(2, _CONTEXT), "pp"
    elif unit == "ratio":
        scale = "plain"
    while value and not rounded(value, unit, digits, scale):
        digits += 1
    return display(value, unit, digits, scale, signed=True)


def head(unit: str, scale: Scale = "one") -> str:
    """Unit and scale as a column head names them: `EUR m`, `%`, `pp`; empty for counts."""
    if is_currency(unit):
        suffix = _SUFFIXES[scale]
        return f"{unit}{_SPACE}{suffix}" if suffix else unit
    if unit == "ratio":
        return "" if scale == "plain" else "%"
    return "" if unit == "count" else unit


def display_date(day: date) -> str:
    """`30 September 2026`, kept on one line."""
    return f"{day.day}{_SPACE}{_MONTHS[day.month - 1]}{_SPACE}{day.year}"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if number % 100 in {11, 12, 13} else _ORDINALS.get(number % 10, "th")
    return f"{number:,}{ending}"


def plain(value: Decimal) -> Decimal:
    """*value* without exponent or trailing zeros, so that equal numbers print the same string."""
    text = format(value, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text) if value else Decimal(0)


def significant(value: Decimal | float) -> Decimal:
    """*value* at 12 significant digits: what a double, or a quotient, is taken to be."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return plain(_SIGNIFICANT.plus(exact))


def default_digits(unit: str, scale: Scale) -> int:
    """Decimals shown where a claim does not say."""
    if is_currency(unit):
        return 0 if scale == "one" else 1
    return {"": 2, "ratio": 3 if scale == "plain" else 2, "pp": 2, "bp": 1, "years": 1}.get(unit, 0)


# Month names must not follow the machine's locale.
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}
