"""The one form of everything that waits for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias

from services.analysis.failures import FailedClaim
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
    claims: tuple[FailedClaim, ...] = ()
    rests_on: tuple[str, ...] = ()
    edited_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, wait: Mapping[str, Any]) -> Self:
        """The item that a graph waits with; what other tools read beside it is left out."""
        return cls.model_validate({k: v for k, v in wait.items() if k in cls.model_fields})
