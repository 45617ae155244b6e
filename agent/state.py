"""
What a run remembers between steps: plain JSON values, references and digests.

Rows, plans, analyses and reports live in the evidence store under the digests held here.
"""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

JsonObject = dict[str, Any]


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Reducer for maps that parallel sections write to: later keys win, and None takes a key out."""
    return {key: value for key, value in {**old, **new}.items() if value is not None}


class SectionResult(TypedDict):
    """What is left of a finished section."""

    analysis: str
    """Digest of its `SectionAnalysis`."""
    outcomes: str
    """Digest of its `Verification`."""
    evidence: list[str]
    queries: dict[str, str]
    """Alias of each query, and the id of its evidence."""
    skipped: str
    """Why a person left the section out; empty otherwise."""
    authorship: list[JsonObject]


class RunState(TypedDict, total=False):
    request: JsonObject
    answers: list[str]
    """What a person answered to clarifications, in order."""
    reworded: bool
    """Whether the last section ended because the question was worded anew."""
    query: JsonObject
    """The understood question as a metric query."""
    understood: str
    plan: str
    """Digest of the `ReportPlan`."""
    section_ids: list[str]
    sections: Annotated[dict[str, SectionResult | None], merge]
    """What is finished; a section that is to be done again is taken out."""
    redo: JsonObject
    """Section that is done again, with the evidence it keeps and the reason why."""
    report: str
    """Store digest of the `ReportContent`."""
    report_digest: str
    """Content digest that a reviewer approves."""
    pending: JsonObject | None
    """The item that `ask` waits with."""
    decision: JsonObject | None
    """The answer to the last item, with who gave it and when."""
    edit: JsonObject | None
    """A finding's text as a person has worded it, with who and when, until it is in its section."""
    editors: list[str]
    """Who has edited the report, first to last."""
    refusal: str
    """Why the last edit was not taken; empty when it was."""
    receipt: JsonObject


class SectionState(TypedDict, total=False):
    """State of one section while it is being made; sections run in parallel."""

    section: str
    plan: str
    evidence: dict[str, str]
    """Alias of the query, and the id of its evidence."""
    analysis: str
    problems: list[JsonObject]
    """What the last verification refused; input of the next attempt."""
    attempt: int
    """Attempts at analysis so far."""
    edited: str
    """The one query of the section as a person wrote it; the guard checks it as any other."""
    authorship: list[JsonObject]
    pending: JsonObject | None
    decision: JsonObject | None
    sections: Annotated[dict[str, SectionResult], merge]
    answers: list[str]
    reworded: bool


class SectionOutput(TypedDict, total=False):
    """What a section hands to the run: its result, or the question worded anew."""

    sections: Annotated[dict[str, SectionResult], merge]
    answers: list[str]
    reworded: bool
