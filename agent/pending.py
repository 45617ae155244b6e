"""The one form of everything that waits for a person."""

from __future__ import annotations

from typing import Literal, TypeAlias

from services.evidence import Frozen
from services.review import Finding, Severity

PendingKind: TypeAlias = Literal[
    "clarification", "refused_query", "failed_check", "retries_exhausted", "held", "publication"
]
Choice: TypeAlias = Literal["approve", "edit", "reject", "respond"]


class Pending(Frozen):
    """An item as a step writes it: code and text, never an exception."""

    kind: PendingKind
    step: str
    section: str = ""
    title: str
    question: str
    code: str = ""
    exit_code: int = 3
    detail: tuple[str, ...] = ()
    choices: tuple[Choice, ...]
    report_digest: str | None = None
    severity: Severity = "none"
    at_risk: str = ""
    query: str = ""
    findings: tuple[Finding, ...] = ()
