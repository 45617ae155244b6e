"""A payload becomes a request by pointers, and cannot ask for anything else."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.webhooks import Refusal, RequestTemplate, Rule, Wanted, parse_body

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)


def template(**rules: Any) -> RequestTemplate:
    return RequestTemplate.model_validate(rules)


def refusal(made: RequestTemplate, payload: dict[str, Any]) -> str:
    with pytest.raises(Refusal) as refused:
        made.wanted(payload)
    assert "payload" == refused.value.kind
    return refused.value.reason


def test_fields_come_from_where_pointers_say() -> None:
    """Through objects and lists, with the escapes of RFC 6901; constants need no pointer."""
    made = template(
        question={"pointer": "/events/1/a~1b/~0"},
        as_of={"pointer": "/day"},
        formats={"default": ["html", "json"]},
    )
    payload = {"events": [{}, {"a/b": {"~": " NPL by segment "}}], "day": "2026-09-30"}

    assert Wanted(
        question="NPL by segment", template="", as_of=date(2026, 9, 30), formats=("html", "json")
    ) == made.wanted(payload)


def test_defaults_stand_for_what_is_missing_or_null() -> None:
    """And without one the payload is refused, unless the field may be left out."""
    made = template(
        template={"pointer": "/kind", "default": "quarterly"},
        question={"pointer": "/q", "optional": True},
    )
    for payload in ({}, {"kind": None}, {"other": 1}):
        assert "quarterly" == made.wanted(payload).template
    assert "there is nothing at '/q'" == refusal(template(question={"pointer": "/q"}), {})
    only = template(question={"pointer": "/q", "optional": True})
    assert "neither" in refusal(only, {})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (7, "no text"),
        (True, "no text"),
        (["x"], "no text"),
        ({"x": 1}, "no text"),
        ("", "empty"),
        ("   ", "empty"),
        ("x" * 21, "longer than 20"),
        ("a\nb", "cannot be seen"),
        ("a\x1b[31mb", "cannot be seen"),
        ("a\u202eb", "cannot be seen"),
        ("a\u2028b", "cannot be seen"),
        ("a\u0000b", "cannot be seen"),
        ("a\ud800b", "cannot be seen"),
    ],
)
def test_what_is_no_plain_text_is_refused(value: Any, reason: str) -> None:
    """So nothing that ends in a log, a page or a terminal can forge a line there."""
    made = template(question={"pointer": "/q", "max_length": 20})

    assert reason in refusal(made, {"q": value})


def test_values_are_those_that_the_source_allows() -> None:
    """A choice for each value of a list too."""
    made = template(
        template={"pointer": "/t", "one_of": ["quarterly"]},
        formats={"pointer": "/f", "one_of": ["pdf", "html"], "default": "pdf"},
    )

    assert ("pdf",) == made.wanted({"t": "quarterly"}).formats
    assert ("html", "pdf") == made.wanted({"t": "quarterly", "f": ["html", "pdf"]}).formats
    assert "none of" in refusal(made, {"t": "monthly"})
    assert "none of" in refusal(made, {"t": "quarterly", "f": ["html", "exe"]})
    assert "no or too many" in refusal(made, {"t": "quarterly", "f": []})


@pytest.mark.parametrize("text", ["2026-02-30", "today", "2026-9-30", "20260930", "2026-09-30T00"])
def test_a_date_is_a_date(text: str) -> None:
    """Of one form."""
    made = template(question={"default": "x"}, as_of={"pointer": "/d"})

    assert "no date" in refusal(made, {"d": text})


@pytest.mark.parametrize("pointer", ["a", "a/b", "/~", "/~2", "/a~"])
def test_a_pointer_that_is_none_is_refused_when_declared(pointer: str) -> None:
    """Not when the first call comes."""
    with pytest.raises(ValidationError):
        Rule(pointer=pointer)


def test_a_template_that_asks_nothing_is_refused_when_declared() -> None:
    """So is a rule that says nothing, and a field that there is not."""
    for rules in ({}, {"as_of": {"pointer": "/d"}}, {"question": {}}, {"sql": {"pointer": "/s"}}):
        with pytest.raises(ValidationError):
            template(**rules)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), JSON), st.lists(st.text(), max_size=4))
def test_any_payload_is_mapped_or_refused(payload: dict[str, Any], names: list[str]) -> None:
    """Whatever comes: a request of plain text, or a refusal; never another error."""
    pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
    made = template(
        question={"pointer": pointer, "max_length": 50, "default": "asked nothing"},
        as_of={"pointer": pointer, "optional": True},
    )
    with suppress(Refusal):
        wanted = made.wanted(payload)
        assert wanted.question.isprintable() or " " in wanted.question or "\xa0" in wanted.question
        assert 0 < len(wanted.question) <= 50


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text() | st.integers(0, 3), max_size=5), st.text(min_size=1, max_size=20))
def test_a_pointer_finds_what_was_put_there(path: list[str | int], text: str) -> None:
    """Any name can be pointed to."""
    text = "".join(sign for sign in text if sign.isprintable()).strip() or "x"
    payload: Any = text
    for part in reversed(path):
        payload = [None] * part + [payload] if isinstance(part, int) else {part: payload}
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    wanted = template(question={"pointer": f"/top{pointer}"}).wanted({"top": payload})

    assert text == wanted.question


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"7",
        b"null",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 2}}',
        b"\xff\xfe{}",
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\xff"}',
        b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}",
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": 1} {"b": 2}',
    ],
)
def test_a_body_that_is_no_sound_object_is_refused(body: bytes) -> None:
    """What two readers could read differently, and what could exhaust one."""
    with pytest.raises(Refusal):
        parse_body(body)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), JSON))
def test_sound_objects_are_read_as_they_are(document: dict[str, Any]) -> None:
    """Brackets within text are no depth."""
    text = {**document, "brackets": '[{"\\' * 40}

    assert text == parse_body(json.dumps(text).encode())


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Never another error."""
    with suppress(Refusal):
        assert isinstance(parse_body(body), dict)
