"""What waits for a person, and the closed union of answers."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from services.analysis.failures import FailedClaim
from services.errors import Invalid
from services.evidence import Frozen
from services.store import UtcTime

ItemKind: TypeAlias = Literal[
    "clarification",
    "refused_query",
    "failed_check",
    "retries_exhausted",
    "breach",
    "held",
    "publication",
]
ItemStatus: TypeAlias = Literal["open", "decided", "superseded"]
Severity: TypeAlias = Literal["red", "amber", "green", "none"]
Notice: TypeAlias = Literal["reminder", "escalation"]
DecisionKind: TypeAlias = Literal["approve", "edit", "reject", "respond"]

_Words: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Approve(Frozen):
    """Go on as proposed."""

    kind: Literal["approve"] = "approve"
    note: str = ""


class Edit(Frozen):
    """Go on with this text instead; it is as untrusted as what it replaces."""

    kind: Literal["edit"] = "edit"
    text: _Words
    of: Literal["question", "query", "finding"] = "question"
    """Whether the text is the question worded anew, the refused query as SQL, or a finding's text."""
    finding: str = ""
    """Id of the finding whose text it is, with placeholders; empty for the others."""

    @model_validator(mode="after")
    def _names_its_finding(self) -> Self:
        if bool(self.finding) != (self.of == "finding"):
            raise ValueError("the text of a finding names it, and no other does")
        return self


class Reject(Frozen):
    """Do not go on."""

    kind: Literal["reject"] = "reject"
    reason: _Words


class Respond(Frozen):
    """Here is what you asked for."""

    kind: Literal["respond"] = "respond"
    text: _Words


Decision: TypeAlias = Annotated[Approve | Edit | Reject | Respond, Field(discriminator="kind")]

_DECISION: Final[TypeAdapter[Approve | Edit | Reject | Respond]] = TypeAdapter(Decision)


class Vote(Frozen):
    """What one person said; approvals that are not enough yet leave the item open."""

    by: str
    at: UtcTime
    kind: DecisionKind
    note: str = ""
    key: str = ""
    """Of the form or command that sent it, so that sending it twice counts once."""


class Claim(Frozen):
    """Somebody has the item open and means to decide it."""

    by: str
    at: UtcTime
    until: UtcTime


class Away(Frozen):
    """Whose item it is, who is away, and until which day somebody else has it."""

    person: str
    until: date

    def __str__(self) -> str:
        return f"for {self.person}, away until {self.until.day} {self.until:%b}"


class Change(Frozen):
    """One thing that happened to an item, for whoever looked at it before."""

    version: int
    """Of the item afterwards."""
    at: UtcTime
    by: str
    what: str
    to: str = ""

    def __str__(self) -> str:
        return f"{self.what}{f' {self.to}' if self.to else ''} by {self.by} at {self.at:%Y-%m-%d %H:%M:%S} UTC"


class Deadline(Frozen):
    """When an item is reminded of, due, and passed on to a role."""

    remind_at: UtcTime
    due_at: UtcTime
    escalate_at: UtcTime
    escalate_to: str


class Finding(Frozen):
    """One thing that the guard has against a query."""

    rule: str
    message: str
    hint: str = ""


class Breach(Frozen):
    """A limit that a published report shows as exceeded, in the words and figures of the report."""

    indicator: str
    """The measure's id, the same in every report: by it earlier breaches of the limit are found."""
    measure: str
    value: str
    limit: str
    over: str
    """Value less limit, with sign and unit; a measure that must not fall short is negative here."""
    change: str = ""
    """Of the value, and since when; empty where the report has none."""
    owner: str = ""
    """Who answers for the limit; empty where the semantic model does not know it."""
    owner_role: str = ""
    evidence: tuple[str, ...] = ()
    """Ids of the rows that the value and the limit stand in."""

    @property
    def figures(self) -> str:
        """Value, limit and what lies between them, in one line."""
        return f"{self.value} against the limit of {self.limit}: {self.over}"


class ReviewItem(Frozen):
    """One question to a person, and in time the answer."""

    id: str
    run_id: str
    tenant: str = ""
    """Of its run."""
    interrupt_id: str
    """The wait of the run's graph that the decision ends."""
    kind: ItemKind
    section: str | None = None
    title: str
    question: str
    code: str
    """Of the error that led here, or the rule that demands a person."""
    detail: tuple[str, ...] = ()
    choices: Annotated[tuple[DecisionKind, ...], Field(min_length=1)]
    report_digest: str | None = None
    """What an approval is bound to."""
    created_at: UtcTime
    status: ItemStatus = "open"
    decision: Decision | None = None
    decided_by: str | None = None
    decided_at: UtcTime | None = None
    template: str = ""
    requested_by: str = ""
    """Who asked for the run."""
    severity: Severity = "none"
    at_risk: str = ""
    """What is at stake, as the report prints it; empty where that is not known."""
    query: str = ""
    """The statement that was refused."""
    findings: tuple[Finding, ...] = ()
    """What the guard has against it, or what the checks have against a section."""
    claims: tuple[FailedClaim, ...] = ()
    """The claims that do not hold."""
    rests_on: tuple[str, ...] = ()
    """Ids of the evidence that it is about."""
    breach: Breach | None = None
    """What a breach is about; None of any other kind."""
    version: int = 1
    """Grows with each change that matters to a decision."""
    needed: int = 1
    approvers: tuple[str, ...] = ()
    """Who alone may approve; everybody whose role lets them when it is empty."""
    edited_by: tuple[str, ...] = ()
    """Who has edited what it is about."""
    votes: tuple[Vote, ...] = ()
    assignee: str | None = None
    away: Away | None = None
    """For whom the assignee stands in; None where they have it themselves."""
    claim: Claim | None = None
    deadline: Deadline | None = None
    told: tuple[Notice, ...] = ()
    """Which notices of its deadline have been given."""
    escalated_to: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def approved_by(self) -> tuple[str, ...]:
        """Who has approved, first to last."""
        return tuple(vote.by for vote in self.votes if vote.kind == "approve")

    @property
    def is_awaited(self) -> bool:
        """Whether its run waits for it; a breach only has to be acknowledged."""
        return self.kind != "breach"

    @property
    def remarks(self) -> tuple[Vote, ...]:
        """What was said of it and decided nothing, first to last."""
        return tuple(v for v in self.votes if v.kind == "respond" and not self.is_awaited)

    @property
    def is_second(self) -> bool:
        """Whether it waits for another approval than those it has."""
        return self.status == "open" and bool(self.approved_by)

    def claimed_by(self, at: datetime) -> str | None:
        """Who has it open at that time."""
        return self.claim.by if self.claim is not None and self.claim.until > at else None

    @property
    def owner(self) -> str | None:
        """Whose it is, wherever it is while they are away."""
        return self.away.person if self.away else self.assignee

    def is_begun(self, at: datetime) -> bool:
        """Whether it is open with somebody, or whoever it was given to has said something."""
        return self.claimed_by(at) is not None or any(v.by == self.assignee for v in self.votes)

    def is_overdue(self, at: datetime) -> bool:
        return self.status == "open" and self.deadline is not None and self.deadline.due_at <= at

    @property
    def next_notice(self) -> tuple[Notice, datetime] | None:
        """What is to be said next about its deadline, and when; None when all is said."""
        if self.status != "open" or self.deadline is None:
            return None
        if "reminder" not in self.told and "escalation" not in self.told:
            return "reminder", self.deadline.remind_at
        return None if "escalation" in self.told else ("escalation", self.deadline.escalate_at)

    @classmethod
    def for_wait(cls, run_id: str, interrupt_id: str, **fields: Any) -> Self:
        """An item whose id follows from the wait it stands for."""
        return cls(
            id=item_id(run_id, interrupt_id), run_id=run_id, interrupt_id=interrupt_id, **fields
        )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        parts = (self.decision, self.decided_by, self.decided_at)
        answered = {part is not None for part in parts}
        if answered != {self.status == "decided"}:
            raise ValueError("a decided item says what, by whom and when; another says nothing")
        return self


def item_id(run_id: str, interrupt_id: str) -> str:
    """The same for the same wait, so that asking again opens no second item."""
    return "rv-" + hashlib.sha256(f"{run_id}\0{interrupt_id}".encode()).hexdigest()[:10]


def parse_decision(content: Any) -> Decision:
    """A decision from its plain form, such as a form's fields or a resumed state."""
    try:
        return _DECISION.validate_python(content)
    except ValidationError as error:
        raise Invalid(
            "The decision is not understood.",
            hint="Edit and respond need a text, reject a reason; approve may carry a note, and the "
            "text of a finding names the finding.",
        ) from error
