"""A server's reply, read with suspicion: what is not as it should be is named, never repaired."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from services.errors import ModelUnavailable


class UnusableAnswer(ModelUnavailable):
    """The model answered, and the answer cannot be used."""

    def __init__(self, what: str, *, reason: str = "") -> None:
        super().__init__(f"The model's answer {what}.", hint="`assay model check` asks it again")
        self.reason = reason or what
        """For the model itself: what to do otherwise. May repeat its words, so it is not logged."""


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Tokens(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Reply(BaseModel):
    """The part of a chat completion that is used here."""

    choices: list[_Choice]
    id: str = ""
    model: str = ""
    usage: _Tokens | None = None

    @property
    def input_tokens(self) -> int:
        return self.usage.prompt_tokens if self.usage else 0

    @property
    def output_tokens(self) -> int:
        return self.usage.completion_tokens if self.usage else 0

    @property
    def finish_reason(self) -> str:
        return (self.choices[0].finish_reason or "") if self.choices else ""

    @property
    def content(self) -> str:
        return (self.choices[0].message.content or "") if self.choices else ""


def read_reply(body: bytes) -> Reply:
    """The chat completion in *body*; raises `UnusableAnswer`."""
    try:
        return Reply.model_validate_json(body)
    except ValidationError:
        raise UnusableAnswer("is not a chat completion") from None


def read_answer(reply: Reply, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of *reply*, when it is whole and fits *schema*; raises `UnusableAnswer`."""
    if reply.finish_reason == "length":
        raise UnusableAnswer("was cut off at its length limit", reason="was too long; be brief")
    if reply.finish_reason == "content_filter" or not reply.content.strip():
        raise UnusableAnswer("is empty")
    try:
        document = json.loads(reply.content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise UnusableAnswer("is not JSON") from None
    problem = _misfit(document, schema)
    if problem is not None:
        raise UnusableAnswer("does not fit the schema that was asked for", reason=problem)
    return cast("dict[str, Any]", document)


def _misfit(document: object, schema: Mapping[str, Any]) -> str | None:
    """Where and how *document* departs from *schema*; none when it fits."""
    from jsonschema import Draft202012Validator

    try:
        errors = Draft202012Validator(schema).iter_errors(document)
        first = next(iter(errors), None)
    except RecursionError:
        return "is nested too deep"
    if first is None:
        return None
    return f"does not fit the schema at {first.json_path}: {first.message[:300]}"


def _refuse(constant: str) -> None:
    raise ValueError(constant)
