"""What a person or a system asks for; stored before anything else is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, TypeAlias

from services.evidence import Frozen

Format: TypeAlias = Literal["html", "pdf", "xlsx", "md", "json"]
Trigger: TypeAlias = Literal["cli", "api", "mcp", "webhook", "schedule", "replay"]
FORMATS: tuple[Format, ...] = ("html", "pdf", "xlsx", "md", "json")
QUESTION_TEMPLATE = "question"
"""Template name of a report that answers one free question."""


class Request(Frozen):
    """One request for a report. `as_of` is resolved when the request is accepted."""

    template: str = "quarterly"
    question: str = ""
    as_of: date
    formats: tuple[Format, ...] = FORMATS
    output: str
    """Absolute folder that the report's files are written to."""
    requested_by: str
    trigger: Trigger = "cli"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request with what the registry keeps beside it."""

    request: Request
    snapshot: str
    title: str

    def asked_by(self, name: str, trigger: Trigger) -> Accepted:
        """The same, as asked by *name* through another door than the command line."""
        changes = {"requested_by": name, "trigger": trigger}
        return replace(self, request=self.request.model_copy(update=changes))
