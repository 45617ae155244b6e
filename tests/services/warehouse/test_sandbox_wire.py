"""What a worker says arrives as it was said, and what it says cannot harm its parent."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.warehouse._sandbox.values import typed
from services.warehouse._sandbox.wire import (
    LENGTH,
    Failure,
    Opened,
    Opening,
    Query,
    Rows,
    UnintelligibleReply,
    decode_reply,
    decode_request,
    encode_failure,
    encode_opened,
    encode_request,
    encode_rows,
)

VALUES = {
    "decimal": st.decimals(allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "integer": st.integers(-(2**127), 2**127),
    "string": st.text(),
    "date": st.dates(),
    "boolean": st.booleans(),
}


def framed(head: str) -> bytes:
    return LENGTH.pack(len(head)) + head.encode()


columns = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(st.none() | VALUES[kind], max_size=8))
)


# How fast a busy machine draws is not what is tested.
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(columns, max_size=4), st.booleans())
def test_rows_arrive_as_they_were_sent(sent: list[tuple[Any, list[Any]]], complete: bool) -> None:
    """Every kind of column, with gaps, comes back equal and of the same types."""
    names = [f"c{number}" for number in range(len(sent))]
    rows = decode_reply(memoryview(encode_rows(names, sent, complete=complete)))

    assert isinstance(rows, Rows)
    assert (tuple(names), complete) == (rows.names, rows.complete)
    assert [repr(tuple(values)) for _, values in sent] == [repr(values) for values in rows.data]


@pytest.mark.parametrize(
    "reply",
    [Opened("abc", ("limits",), 9), Opened(None, (), 0), Failure(("IOException", "Error"), "x")],
)
def test_other_replies_arrive_as_they_were_sent(reply: Opened | Failure) -> None:
    """The opening and failures travel the same way as rows."""
    encoded = encode_opened(reply) if isinstance(reply, Opened) else encode_failure(reply)

    assert reply == decode_reply(memoryview(encoded))


def test_requests_carry_parameters_of_any_kind() -> None:
    """Dates and decimals are bound as what they are."""
    query = Query("SELECT ?", [date(2026, 9, 30), Decimal("1.10"), None], 5)
    opening = Opening(1, "/a", "1GB", 1, "SELECT 1")

    assert query == Query(*decode_request(encode_request(query)))
    assert opening == Opening(*decode_request(encode_request(opening)))


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,opendrws0', max_size=40).map(framed))
def test_garbage_is_told_from_a_reply(garbage: bytes) -> None:
    """A worker out of its mind is found out; nothing it sends is run."""
    with pytest.raises(UnintelligibleReply):
        decode_reply(memoryview(garbage))


@pytest.mark.parametrize(
    "head", ["[]", "{}", "1", '{"rows": []}', '{"rows": [[], ["date"], [9], true]}', "[" * 9_999]
)
def test_a_reply_of_the_wrong_shape_is_told_from_a_reply(head: str) -> None:
    """Well-formed JSON is not enough."""
    with pytest.raises(UnintelligibleReply):
        decode_reply(memoryview(framed(head)))


@pytest.mark.parametrize(
    ("engine_type", "value", "expected"),
    [
        ("DOUBLE", math.nan, ("double", [None])),
        ("DECIMAL(3,1)[]", [Decimal("1.0")], ("string", ['["1.0"]'])),
        (
            "TIMESTAMP[]",
            [datetime(2026, 9, 30, tzinfo=UTC)],
            ("string", ['["2026-09-30 00:00:00+00:00"]']),
        ),
        ("BIGNUM", "12345678901234567890123", ("integer", [12345678901234567890123])),
        ("STRUCT(a DECIMAL(18,2))", {"a": Decimal(1)}, ("string", ['{"a": "1"}'])),
    ],
)
def test_odd_types_become_what_a_table_holds(engine_type: str, value: Any, expected: Any) -> None:
    """Lists of numbers are text, and whole numbers of any size are integers."""
    kind, values = typed(engine_type, [value])

    assert expected == (kind, list(values))
