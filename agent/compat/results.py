"""What a machine asks of Assay's tools, and what they give it: the schemas that a client reads."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import Field, StringConstraints

from agent.request import FORMATS, Format
from services.audit import Flaw
from services.evidence import Column, Frozen
from services.review import DecisionKind
from services.store import Failure, UtcTime

RunId: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Question: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]


class AskArguments(Frozen):
    question: Annotated[Question, Field(min_length=1, description="In plain words.")]
    as_of: Annotated[
        date | None, Field(description="Date to answer for; default: the last in the data.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=500, description="Most rows to give.")] = 50


class AskResult(Frozen):
    question: str
    understood: str
    """How the question was read."""
    as_of: date
    columns: tuple[Column, ...]
    """With the unit of each: a currency, ratio, pp, bp, count, days, years, or none."""
    rows: tuple[dict[str, Any], ...]
    """Decimals are strings, so that none is rounded."""
    shown: int
    total: int
    said: str
    """How many of how many rows these are."""
    complete: bool
    """Whether the query itself gave all rows: else it was cut at the row cap."""
    sql: str
    evidence: str
    digest: str
    snapshot: str


class ReportArguments(Frozen):
    question: Annotated[
        Question, Field(description="A question to answer; empty: the template.")
    ] = ""
    template: Annotated[str, Field(max_length=80)] = "quarterly"
    as_of: Annotated[
        date | None, Field(description="Date to report on; default: the last in the data.")
    ] = None
    formats: Annotated[tuple[Format, ...], Field(min_length=1)] = FORMATS
    run: Annotated[
        RunId | None,
        Field(
            description="Name of the run; asking again under it starts no second run. Its id may have more."
        ),
    ] = None


class ReportResult(Frozen):
    run: str
    title: str
    status: str
    as_of: date | None
    snapshot: str
    next: str
    """How to follow the run."""


class RunArguments(Frozen):
    run: Annotated[RunId, Field(description="Id of the run.")]


class RunFile(Frozen):
    format: str
    path: str


class RunEvent(Frozen):
    seq: int
    at: UtcTime
    event: str
    words: str


class RunStatusResult(Frozen):
    run: str
    title: str
    status: str
    template: str
    as_of: date | None
    created_at: UtcTime
    updated_at: UtcTime
    report_digest: str | None
    published: bool
    files: tuple[RunFile, ...]
    failure: Failure | None
    open_items: tuple[str, ...]
    """Ids of what waits for a person."""
    events: tuple[RunEvent, ...]
    """The last ones of the run's audit log."""
    said: str
    """How many of how many events these are."""
    next: str


class FileCheck(Frozen):
    path: str
    ok: bool
    reason: str = ""


class PublishedFiles(Frozen):
    """The files of a published report, held against the receipt of their publication."""

    ok: bool
    digest: str
    files: tuple[FileCheck, ...]


class VerifyResult(Frozen):
    run: str
    ok: bool
    """Whether the audit log, and the published files where there are any, are as written."""
    entries: int
    head: str
    flaws: tuple[Flaw, ...]
    said: str
    """How many of how many flaws these are."""
    published: PublishedFiles | None


class ReviewArguments(Frozen):
    run: Annotated[RunId | None, Field(description="One run's; default: of all runs.")] = None
    limit: Annotated[int, Field(ge=1, le=100, description="Most items to give.")] = 20


class OpenItem(Frozen):
    item: str
    run: str
    kind: str
    section: str | None
    title: str
    question: str
    code: str
    detail: tuple[str, ...]
    choices: tuple[DecisionKind, ...]
    report_digest: str | None
    created_at: UtcTime


class ReviewResult(Frozen):
    items: tuple[OpenItem, ...]
    shown: int
    total: int
    said: str
    """How many of how many items these are."""
    next: str
    """Who decides, and where: no tool here does."""
