"""What the API takes and gives."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self, TypeAlias

from fastapi import Path
from pydantic import ConfigDict, Field

from agent.history import Moment
from agent.intake import RUN_ID, RUN_NAME
from agent.request import FORMATS, Format, Request, Trigger
from services.analysis.editing import EditableText
from services.audit import AuditEntry
from services.evidence import Frozen
from services.review import ReviewItem
from services.store import AskKind, Failure, Priority, RunRecord, RunStatus, Spent, UtcTime

RunId: TypeAlias = Annotated[
    str,
    Path(pattern=f"^{RUN_ID}$", examples=["quarterly-2026-09"]),
]
ReportStatus: TypeAlias = Literal["DRAFT", "APPROVED", "REJECTED", "WITHDRAWN"]
PersonName: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
SeenVersion: TypeAlias = Annotated[
    int | None,
    Field(ge=1, le=1_000_000_000, description="Of the item that was seen; 409 if it has changed."),
]
Words: TypeAlias = Annotated[str, Field(max_length=2_000)]

_RUN: dict[str, Any] = {
    "id": "quarterly-2026-09",
    "status": "queued",
    "title": "Quarterly risk report",
    "template": "quarterly",
    "as_of": "2026-09-30",
    "snapshot": "3f0c",
    "created_at": "2026-10-02T07:00:00Z",
    "updated_at": "2026-10-02T07:00:00Z",
    "tenant": "",
    "priority": "normal",
    "request": {
        "template": "quarterly",
        "question": "",
        "as_of": "2026-09-30",
        "formats": ["html", "pdf"],
        "requested_by": "nightly-jobs",
        "trigger": "api",
    },
    "links": {"self": "/v1/runs/quarterly-2026-09"},
}


def example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class NewRun(Frozen):
    """What to report on: a question, or a template."""

    model_config = example(
        {"template": "quarterly", "as_of": "2026-09-30", "formats": ["html", "pdf"]},
        {"question": "NPL ratio by segment", "priority": "high"},
    )

    question: str = Field(default="", max_length=4_000)
    template: str = Field(default="quarterly", max_length=80)
    as_of: date | None = None
    formats: tuple[Format, ...] = Field(default=FORMATS, min_length=1, max_length=len(FORMATS))
    run_id: str | None = Field(default=None, pattern=f"^{RUN_NAME}$")
    priority: Priority = "normal"


class Asked(Frozen):
    """What a run was asked for."""

    template: str
    question: str
    as_of: date
    formats: tuple[Format, ...]
    requested_by: str
    trigger: Trigger


class Receipt(Frozen):
    """What publication left behind."""

    digest: str
    by: str
    at: UtcTime


class RunView(Frozen):
    """A run: what was asked, and how far it is."""

    model_config = example(_RUN)

    id: str
    status: RunStatus
    title: str
    template: str
    as_of: date | None
    snapshot: str
    created_at: UtcTime
    updated_at: UtcTime
    tenant: str
    priority: Priority
    request: Asked
    forked_from: str = ""
    forked_at: str = ""
    report_digest: str | None = None
    failure: Failure | None = None
    receipt: Receipt | None = None
    links: dict[str, str]

    @classmethod
    def of(cls, record: RunRecord, **more: Any) -> Self:
        shown = set(cls.model_fields) - {"request", "receipt", "links"}
        fields = {name: value for name, value in record if name in shown}
        asked = Request.model_validate(record.request)
        receipt = record.receipt
        return cls(
            **fields,
            request=Asked(**{name: getattr(asked, name) for name in Asked.model_fields}),
            receipt=Receipt(**{k: receipt[k] for k in Receipt.model_fields}) if receipt else None,
            links=links_of(record),
            **more,
        )


class RunDetail(RunView):
    """A run with all that a decision on it needs."""

    model_config = example(
        {**_RUN, "driven": False, "items": [], "spent": {"seconds": 2.5}, "forks": []}
    )

    driven: bool
    """Whether some process works on it right now."""
    items: tuple[ReviewItem, ...]
    """What waits for a person."""
    spent: Spent
    forks: tuple[str, ...]
    """The newest runs that began as copies of this one, newest first."""


class RunList(Frozen):
    """A page of runs, newest first. It may be short, or empty, and still have a next."""

    model_config = example({"runs": [_RUN], "next": "eyJhdCI6MX0"})

    runs: tuple[RunView, ...]
    next: str | None = None
    """Cursor of the next page; null behind the last."""


class Why(Frozen):
    """Why; it goes into the record."""

    model_config = example({"reason": "asked for twice"})

    reason: Words = ""


class RollBack(Frozen):
    """The step to do again."""

    model_config = example({"to": "analyse:credit", "reason": "new limits"})

    to: str = Field(max_length=200)
    """clarify, plan, compose or review, or retrieve:SECTION or analyse:SECTION."""
    reason: Words = ""


class Changes(Frozen):
    """What of the request is another's in the copy; what is left out stays."""

    question: str | None = Field(default=None, max_length=4_000)
    template: str | None = Field(default=None, max_length=80)
    as_of: date | None = None
    formats: tuple[Format, ...] | None = Field(default=None, min_length=1, max_length=len(FORMATS))


class Fork(Frozen):
    """Where the copy goes on, and what it is asked instead."""

    model_config = example({"at": "clarify", "changes": {"as_of": "2026-06-30"}})

    at: str = Field(max_length=200)
    run_id: str | None = Field(default=None, pattern=f"^{RUN_NAME}$")
    changes: Changes = Changes()


class Withdrawal(Frozen):
    """Why a report is taken back; it is printed on it."""

    model_config = example({"reason": "wrong collateral values"})

    reason: str = Field(min_length=1, max_length=2_000, pattern=r"\S")


class Steered(Frozen):
    """What was asked of a run; its events say how it ends."""

    model_config = example(
        {
            "run_id": "quarterly-2026-09",
            "asked": "cancel",
            "done": False,
            "status": "running",
            "links": {"events": "/v1/runs/quarterly-2026-09/events"},
        }
    )

    run_id: str
    asked: AskKind
    done: bool
    """False while whoever drives the run has not let go of it."""
    status: RunStatus
    links: dict[str, str]


class RunHistory(Frozen):
    """What happened in a run, oldest first."""

    model_config = example(
        {"moments": [{"at": "2026-10-02T07:00:00Z", "kind": "log", "what": "run.accepted"}]}
    )

    moments: tuple[Moment, ...]


class RunEvent(Frozen):
    """One entry of a run's audit log."""

    seq: int
    at: UtcTime
    event: str
    fields: dict[str, Any]
    text: str
    """The fields in words."""
    digest: str

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(text=entry.words(), **entry.model_dump(include=set(cls.model_fields)))


class Artefact(Frozen):
    """A file of a run's report."""

    model_config = example(
        {
            "name": "report.pdf",
            "size": 48213,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "media_type": "application/pdf",
            "status": "APPROVED",
            "href": "/v1/runs/quarterly-2026-09/report.pdf",
        }
    )

    name: str
    size: int
    sha256: str
    media_type: str
    status: ReportStatus
    href: str


class Artefacts(Frozen):
    """The files of a run's report."""

    model_config = example({"artefacts": []})

    artefacts: tuple[Artefact, ...]


class ShownColumn(Frozen):
    """A column of evidence; of a masked one every value is null."""

    name: str
    type: str
    unit: str
    label: str
    masked: bool


class EvidenceRows(Frozen):
    """Some rows that a run's report may cite, with the statement that made them."""

    model_config = example(
        {
            "id": "ev_0123456789abcdef01234567",
            "sql": "SELECT segment, npl FROM loans",
            "as_of": "2026-09-30",
            "snapshot": "3f0c",
            "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "complete": True,
            "row_count": 1,
            "columns": [
                {"name": "npl", "type": "double", "unit": "ratio", "label": "NPL", "masked": False}
            ],
            "offset": 0,
            "rows": [[0.021]],
        }
    )

    id: str
    sql: str
    as_of: date
    snapshot: str
    digest: str
    """Of all rows, masked ones too."""
    complete: bool
    row_count: int
    columns: tuple[ShownColumn, ...]
    offset: int
    rows: tuple[tuple[str | int | float | bool | None, ...], ...]


class ReviewList(Frozen):
    """A page of review items; open ones with the oldest first, others with the newest first."""

    model_config = example({"items": [], "next": None})

    items: tuple[ReviewItem, ...]
    next: str | None = None


class Approval(Frozen):
    """Go on as proposed."""

    model_config = example({"note": "seen by the committee", "report_digest": None})

    note: Words = ""
    report_digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """What was seen: an approval of a report that is another by now is refused."""
    version: SeenVersion = None


class Text(Frozen):
    """What to go on with, such as the question worded anew."""

    model_config = example({"text": "NPL ratio by segment at the end of June"})

    text: str = Field(min_length=1, max_length=4_000, pattern=r"\S")
    version: SeenVersion = None


class EditedText(Text):
    """
    The question worded anew, SQL in place of a refused query, or a finding's text.

    The guard checks SQL again; a finding's text has placeholders, and passes the checks of its claims.
    """

    text: str = Field(min_length=1, max_length=20_000, pattern=r"\S")
    of: Literal["question", "query", "finding"] = "question"
    finding: str = Field(default="", max_length=300)
    """Id of the finding, for its text."""


class Texts(Frozen):
    """The texts of a draft's findings, with everything that may stand in each."""

    model_config = example({"texts": []})

    texts: tuple[EditableText, ...]


class ClaimWish(Frozen):
    """How to claim an item."""

    take: bool = False
    """Even if somebody else has it open."""


class Assignment(Frozen):
    """Who is to decide an item; null for nobody."""

    model_config = example({"to": "Bob"}, {"to": None, "version": 3})

    to: PersonName | None
    version: SeenVersion = None


class Delegation(Frozen):
    """Who decides an item instead."""

    model_config = example({"to": "Eve"})

    to: PersonName
    version: SeenVersion = None


class Rejection(Frozen):
    """Why not; it goes into the record."""

    model_config = example({"reason": "stale prices"})

    reason: str = Field(min_length=1, max_length=2_000, pattern=r"\S")
    version: SeenVersion = None


def links_of(record: RunRecord) -> dict[str, str]:
    """Where more of a run is."""
    here = f"/v1/runs/{record.id}"
    links = {name: f"{here}/{name}" for name in ("events", "history", "artefacts")}
    if record.report_digest is not None:
        for suffix in record.request.get("formats", ()):
            links[f"report.{suffix}"] = f"{here}/report.{suffix}"
    return {"self": here, **links, "reviews": f"/v1/reviews?run={record.id}&status=all"}
