"""From a payload to what a run is asked: pointers, defaults, choices and lengths, and no code."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from services.evidence import Frozen

from ._refusal import Refusal

_MISSING: Final = object()
_MAX_TEXT: Final = 2_000
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Characters that are not shown as what they are: they could forge a line of a log or a page."""
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,5}")
_ESCAPES: Final = re.compile(r"(?:[^~]|~[01])*")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_Text = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_TEXT)]


class Rule(Frozen):
    """
    Where a field of the request comes from.

    With neither *pointer* nor *default* a field is left out, and without *pointer* it is constant.
    """

    pointer: str | None = None
    """JSON pointer (RFC 6901) into the payload."""
    default: _Text | Annotated[tuple[_Text, ...], Field(max_length=20)] | None = None
    """What stands for a value that is missing or null; without one, such a payload is refused."""
    optional: bool = False
    """Whether the field is left out when there is neither value nor default."""
    one_of: tuple[_Text, ...] = ()
    """All that the value may be; empty: anything that the field takes."""
    max_length: Annotated[int, Field(ge=1, le=_MAX_TEXT)] = 500

    @field_validator("pointer")
    @classmethod
    def _is_pointer(cls, pointer: str | None) -> str | None:
        if pointer is None:
            return None
        if (pointer and not pointer.startswith("/")) or not _ESCAPES.fullmatch(pointer):
            raise ValueError("a JSON pointer is empty or begins with '/', and '~' is '~0' or '~1'")
        return pointer

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.pointer is None and self.default is None:
            raise ValueError("a rule has a pointer, a default, or both")
        return self

    def value(self, payload: Any) -> Any:
        """The value in *payload*, the default, or None when the field is left out."""
        found = _MISSING if self.pointer is None else _at(payload, self.pointer)
        if found is not _MISSING and found is not None:
            return found
        if self.default is None and not self.optional:
            raise Refusal.of_payload(f"there is nothing at {self.pointer!r}")
        return self.default


class RequestTemplate(Frozen):
    """How a payload becomes a request. A question goes before a report template."""

    question: Rule | None = None
    template: Rule | None = None
    as_of: Rule | None = None
    formats: Rule | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.question is None and self.template is None:
            raise ValueError("it says neither `question` nor `template`")
        return self

    def wanted(self, payload: dict[str, Any]) -> Wanted:
        """What *payload* asks for; raises `Refusal`."""
        question = _text("question", self.question, payload)
        template = _text("template", self.template, payload)
        if not question and not template:
            raise Refusal.of_payload("it asks for neither a question nor a template")
        as_of = _text("as_of", self.as_of, payload)
        return Wanted(
            question=question or "",
            template=template or "",
            as_of=None if as_of is None else _date(as_of),
            formats=_texts("formats", self.formats, payload),
        )


class Wanted(Frozen):
    """What a payload asks for, in our words."""

    question: str
    template: str
    as_of: date | None
    formats: tuple[str, ...] | None


def _text(name: str, rule: Rule | None, payload: dict[str, Any]) -> str | None:
    value = None if rule is None else rule.value(payload)
    if rule is None or value is None:
        return None
    return _checked(name, rule, value)


def _texts(name: str, rule: Rule | None, payload: dict[str, Any]) -> tuple[str, ...] | None:
    value = None if rule is None else rule.value(payload)
    if rule is None or value is None:
        return None
    several = list(value) if isinstance(value, (list, tuple)) else [value]
    if not 0 < len(several) <= 20:
        raise Refusal.of_payload(f"`{name}` has no or too many values")
    return tuple(_checked(name, rule, one) for one in several)


def _checked(name: str, rule: Rule, value: Any) -> str:
    if not isinstance(value, str):
        raise Refusal.of_payload(f"`{name}` is no text")
    if len(value) > rule.max_length:
        raise Refusal.of_payload(f"`{name}` is longer than {rule.max_length} characters")
    if any(unicodedata.category(sign) in _UNSEEN for sign in value):
        raise Refusal.of_payload(f"`{name}` has signs that cannot be seen")
    if not (text := value.strip()):
        raise Refusal.of_payload(f"`{name}` is empty")
    if rule.one_of and text not in rule.one_of:
        raise Refusal.of_payload(f"`{name}` is none of the values that it may have")
    return text


def _date(text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Refusal.of_payload("`as_of` is no date such as 2026-09-30")


def _at(payload: Any, pointer: str) -> Any:
    """The value at a JSON pointer, or `_MISSING`."""
    value = payload
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name, _MISSING)
        elif isinstance(value, list) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value
