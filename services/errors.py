"""
Every error Assay raises on purpose, cut by what the caller should do.

AssayError
├── Retryable        the same call may work later        → retry policy
│   ├── StoreUnavailable      A101
│   ├── WarehouseBusy         A102
│   ├── ModelUnavailable      A103
│   ├── QueryTimedOut         A104
│   ├── QueueFull             A105
│   ├── StepTimedOut          A106
│   ├── TooManyRequests       A107
│   └── IdentityProviderUnavailable A108
├── NeedsHuman       a machine may not decide this       → review queue
│   ├── Ambiguous             A201
│   ├── RunBusy               A202
│   ├── SnapshotGone          A203
│   ├── BudgetSpent           A204
│   ├── OtherVersion          A205
│   ├── WorkersLost           A206
│   └── RunLost               A207
├── Refused          never run this                      → stop, and say why
│   ├── QueryRefused          A301
│   ├── DecisionRefused       A302
│   ├── ChecksFailed          A303
│   ├── NotAuthenticated      A304
│   ├── NotPermitted          A305
│   ├── SignatureInvalid      A306
│   ├── ItemChanged           A310
│   └── TextRefused           A311
└── Invalid          the input makes no sense            → usage error
    ├── UnknownTemplate       A401
    ├── AsOfOutOfRange        A402
    ├── WarehouseUnreadable   A403
    ├── SettingInvalid        A404
    ├── QuestionNotUnderstood A405
    ├── NotFound              A406
    ├── QueryInvalid          A407
    ├── QueryTooLarge         A408
    ├── OutputUnwritable      A409
    ├── FileUnreadable        A410
    └── InputConflict         A411

A bug is none of these. Messages are written for a risk analyst and never carry raw text of a
model, a user or a query.
"""

from __future__ import annotations

from typing import ClassVar


class AssayError(Exception):
    """An error with a stable code, a sentence that says what happened, and a hint what to do."""

    code: ClassVar[str] = "A000"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Retryable(AssayError):
    """The same call may work later."""

    code = "A100"


class StoreUnavailable(Retryable):
    """The Redis or Valkey server does not answer."""

    code = "A101"


class WarehouseBusy(Retryable):
    """Another process holds the warehouse file."""

    code = "A102"


class ModelUnavailable(Retryable):
    """The model server does not answer, or answered something unusable."""

    code = "A103"


class QueryTimedOut(Retryable):
    """A query ran longer than its limit and was interrupted."""

    code = "A104"


class QueueFull(Retryable):
    """As many runs wait for a worker as may."""

    code = "A105"


class StepTimedOut(Retryable):
    """A step took longer than it may, or showed no progress for too long."""

    code = "A106"


class TooManyRequests(Retryable):
    """A caller asks more often than it may; `retry_after` is how many seconds it should wait."""

    code = "A107"

    def __init__(self, message: str, *, hint: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class IdentityProviderUnavailable(Retryable):
    """The identity provider does not answer, or answers nothing usable."""

    code = "A108"


class NeedsHuman(AssayError):
    """A machine may not decide this."""

    code = "A200"
    exit_code = 3


class Ambiguous(NeedsHuman):
    """The request can be read in more than one way."""

    code = "A201"


class RunBusy(NeedsHuman):
    """Another process is driving this run."""

    code = "A202"
    exit_code = 1


class SnapshotGone(NeedsHuman):
    """The warehouse snapshot that a run is pinned to is no longer there."""

    code = "A203"


class BudgetSpent(NeedsHuman):
    """A run has used up the time, tokens or rows that it may use."""

    code = "A204"


class OtherVersion(NeedsHuman):
    """A run was started by another version of the graph."""

    code = "A205"


class WorkersLost(NeedsHuman):
    """A run ended every worker that drove it."""

    code = "A206"


class RunLost(NeedsHuman):
    """A run was accepted, and the store no longer knows it: it was set back to older data."""

    code = "A207"


class Refused(AssayError):
    """Never run this."""

    code = "A300"
    exit_code = 5


class QueryRefused(Refused):
    """The guard does not admit a statement."""

    code = "A301"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        statement: str = "",
        findings: tuple[tuple[str, str, str], ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.statement = statement
        """What was refused: raw text, for a reviewer's eyes and no log's."""
        self.findings = findings
        """Rule, message and hint of all that speaks against it."""


class DecisionRefused(Refused):
    """A decision does not fit the item it answers: already decided, or another report."""

    code = "A302"
    exit_code = 1


class ChecksFailed(Refused):
    """A claim could not be recomputed from its cells."""

    code = "A303"
    exit_code = 6


class TextRefused(Refused):
    """A person's text says what nothing proves, or leaves out what the sentence had."""

    code = "A311"
    exit_code = 6

    def __init__(
        self, message: str, *, hint: str = "", problems: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems
        """Each word that cannot stand, and why: raw text, for its writer's eyes and no log's."""


class ItemChanged(DecisionRefused):
    """A review item is not what it was when the person looked at it."""

    code = "A310"

    def __init__(self, message: str, *, hint: str = "", since: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.since = since
        """Each change that came between, in words."""


class NotAuthenticated(Refused):
    """Nobody knows who asks."""

    code = "A304"
    exit_code = 4


class NotPermitted(Refused):
    """Whoever asks is known, and may not do this."""

    code = "A305"
    exit_code = 4


class SignatureInvalid(Refused):
    """A signed message is not from whom it says, is too old, or was sent before."""

    code = "A306"
    exit_code = 4


class Invalid(AssayError):
    """The input makes no sense."""

    code = "A400"
    exit_code = 2


class UnknownTemplate(Invalid):
    """There is no report template of that name."""

    code = "A401"


class AsOfOutOfRange(Invalid):
    """No data as of that date."""

    code = "A402"


class WarehouseUnreadable(Invalid):
    """The warehouse file is missing, damaged, or no DuckDB file."""

    code = "A403"


class SettingInvalid(Invalid):
    """A setting has a value that it cannot have."""

    code = "A404"


class QuestionNotUnderstood(Invalid):
    """A question names nothing that the semantic model knows."""

    code = "A405"
    exit_code = 1


class NotFound(Invalid):
    """No run, item, table or file of that name."""

    code = "A406"


class QueryInvalid(Invalid):
    """A metric query names what the semantic model does not have, or would multiply a measure."""

    code = "A407"


class QueryTooLarge(Invalid):
    """A query needs more memory or rows than it may have."""

    code = "A408"
    exit_code = 1


class OutputUnwritable(Invalid):
    """The output folder cannot be written: read-only, full, or a file is in the way."""

    code = "A409"
    exit_code = 1


class FileUnreadable(Invalid):
    """A file given by the user cannot be read as what it claims to be."""

    code = "A410"


class InputConflict(Invalid):
    """Two inputs contradict each other, such as a known run id with another request."""

    code = "A411"


def meaning(code: str) -> str:
    """What an error's code says, in a sentence; empty for a code that is none of these."""

    def walk(kind: type[AssayError]) -> dict[str, str]:
        found = {kind.code: kind.__doc__ or ""}
        for child in kind.__subclasses__():
            found = walk(child) | found  # a finer kind of the same code does not rename it
        return found

    return walk(AssayError).get(code, "")
