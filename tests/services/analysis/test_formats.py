from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analysis import formats

CASES = [
    ("12345678.9", "EUR", 1, "million", "EUR 12.3m", "12.3"),
    ("12345678.9", "EUR", 0, "one", "EUR 12,345,679", "12,345,679"),
    ("1234567890", "USD", 2, "billion", "USD 1.23bn", "1.23"),
    ("1500", "EUR", 1, "thousand", "EUR 1.5k", "1.5"),
    ("-2500000", "EUR", 1, "million", "EUR \u22122.5m", "\u22122.5"),
    ("0.1342", "ratio", 2, "one", "13.42 %", "13.42"),
    ("0.18", "ratio", 3, "plain", "0.180", "0.180"),
    ("0.35", "pp", 2, "one", "0.35 pp", "0.35"),
    ("5", "bp", 0, "one", "5 bp", "5"),
    ("1234", "count", 0, "one", "1,234", "1,234"),
    ("4", "days", 0, "one", "4 days", "4"),
    ("1", "days", 0, "one", "1 day", "1"),
    ("2.5", "years", 1, "one", "2.5 years", "2.5"),
    ("3.84", "", 2, "one", "3.84", "3.84"),
]


@pytest.mark.parametrize(("value", "unit", "digits", "scale", "shown", "short"), CASES)
def test_a_value_prints_with_its_unit_and_without(value, unit, digits, scale, shown, short):
    """Unit, scale and a true minus, spaces that do not break; in a table only the number."""
    number = Decimal(value)

    assert shown.replace(" ", "\u00a0") == formats.display(number, unit, digits, scale)
    assert short == formats.short_display(number, unit, digits, scale)


def test_what_is_not_there_prints_as_not_available():
    """An empty value never prints as a number."""
    assert ("n/a", "n/a") == (formats.display(None, "EUR", 1), formats.short_display(None, "", 0))


def test_halves_round_away_from_zero():
    """As a spreadsheet does, so that workbook and page show the same digits."""
    shown = [formats.short_display(Decimal(v), "", 1) for v in ("0.25", "0.35", "-0.25")]

    assert ["0.3", "0.4", "\u22120.3"] == shown


def test_a_change_prints_its_sign_unless_it_rounds_to_zero():
    """`+` and a true minus; what rounds to zero has none, negative or not."""
    shown = [
        formats.display(Decimal(v), "pp", 2, signed=True) for v in ("0.35", "-0.35", "-0.004", "0")
    ]

    assert ["+0.35\u00a0pp", "\u22120.35\u00a0pp", "0.00\u00a0pp", "0.00\u00a0pp"] == shown


def test_a_column_head_names_unit_and_scale():
    """Money its code and scale, ratios the percent sign, counts nothing."""
    heads = [
        formats.head("EUR", "million"),
        formats.head("EUR"),
        formats.head("ratio"),
        formats.head("ratio", "plain"),
        formats.head("count"),
        formats.head("pp"),
    ]

    assert ["EUR\u00a0m", "EUR", "%", "", "", "pp"] == heads


def test_dates_and_ordinals_are_written_in_english():
    """Whatever the machine's locale."""
    assert "30\u00a0September\u00a02026" == formats.display_date(date(2026, 9, 30))
    assert ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "112th"] == [
        formats.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 21, 112)
    ]


def test_numbers_have_one_plain_form():
    """No exponent and no trailing zero, so that equal numbers print the same string."""
    plain = [
        format(formats.plain(Decimal(v)), "f") for v in ("100", "1E+2", "1.500", "-0.0", "1E-7")
    ]

    assert ["100", "100", "1.5", "0", "0.0000001"] == plain
    assert "0.3" == str(formats.significant(0.1 + 0.2))


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15
    ),
    st.sampled_from(["EUR", "ratio", "pp", "count", "days", ""]),
    st.integers(0, 4),
    st.sampled_from(["one", "thousand", "million", "billion", "plain"]),
    st.booleans(),
)
@settings(max_examples=60)
def test_what_is_printed_reads_back_as_the_rounded_value(value, unit, digits, scale, signed):
    """The printed number is the rounded one, and zero never has a sign."""
    shown = formats.short_display(value, unit, digits, scale, signed=signed)
    number = Decimal(shown.replace(",", "").replace("\u2212", "-"))

    assert formats.rounded(value, unit, digits, scale) == number
    assert number != 0 or shown[0] not in "+\u2212"
