"""What waits for a person, and the closed union of answers."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

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
            hint="Edit and respond need a text, reject a reason; approve may carry a note.",
        ) from error
