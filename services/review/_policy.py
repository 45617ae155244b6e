"""How many people decide what, until when, and whom it goes to when nobody does."""

from __future__ import annotations

import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, PositiveInt, ValidationError, model_validator

from services.errors import SettingInvalid
from services.evidence import Frozen
from services.settings import Duration

from ._hours import BusinessHours
from ._items import Deadline, ItemKind, ReviewItem, Severity

Work: TypeAlias = Annotated[Duration, Field(gt=timedelta(), le=timedelta(days=90))]
RoleName: TypeAlias = Literal["viewer", "analyst", "reviewer", "approver", "operator"]

_DUE: Final[dict[ItemKind, timedelta]] = {
    "clarification": timedelta(hours=4),
    "refused_query": timedelta(hours=8),
    "failed_check": timedelta(hours=8),
    "retries_exhausted": timedelta(hours=4),
    "breach": timedelta(hours=2),
    "held": timedelta(hours=8),
    "publication": timedelta(hours=16),
}


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class ApprovalRule(Frozen):
    """
    How many approvals an item takes; the first rule that fits counts.

    With `of`, only the people named there may give them: `needed` of that many.
    """

    kind: ItemKind | None = None
    severity: Annotated[tuple[Severity, ...], BeforeValidator(_names)] = ()
    needed: PositiveInt = 1
    of: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.of and len(set(self.of)) < self.needed:
            raise ValueError(f"{self.needed} approvals of {len(set(self.of))} people are never met")
        return self

    def fits(self, item: ReviewItem) -> bool:
        return self.kind in (None, item.kind) and (
            not self.severity or item.severity in self.severity
        )


class ReviewPolicy(Frozen):
    """The rules of the review queue. Durations are time of work, but for `claim_for`."""

    approvals: tuple[ApprovalRule, ...] = (
        ApprovalRule(kind="publication", severity=("red",), needed=2),
    )
    single_user_approvals: PositiveInt = 1
    """What every item takes where one person works alone: four eyes cannot be had there."""
    claim_for: Annotated[Duration, Field(gt=timedelta(), le=timedelta(days=1))] = timedelta(
        minutes=10
    )
    hours: BusinessHours = BusinessHours()
    due: dict[ItemKind, Work] = {}
    """Time of work until an item is due, where it differs from the default of its kind."""
    remind_before: Work = timedelta(hours=1)
    escalate_after: Annotated[Duration, Field(ge=timedelta(), le=timedelta(days=90))] = timedelta()
    """Time of work behind the deadline after which an item goes to `escalate_to`."""
    escalate_to: RoleName = "approver"

    def rule_for(self, item: ReviewItem) -> ApprovalRule:
        return next((rule for rule in self.approvals if rule.fits(item)), ApprovalRule())

    def deadline(self, kind: ItemKind, opened: datetime) -> Deadline:
        """When an item is reminded of, due, and passed on."""
        work = self.due.get(kind, _DUE[kind])
        early = max(work - self.remind_before, work / 2)
        return Deadline(
            remind_at=self.hours.after(opened, early),
            due_at=self.hours.after(opened, work),
            escalate_at=self.hours.after(opened, work + self.escalate_after),
            escalate_to=self.escalate_to,
        )

    def applied(self, item: ReviewItem) -> ReviewItem:
        """The item as it is opened: with the approvals it takes, and its deadline."""
        rule = self.rule_for(item)
        return item.model_copy(
            update={
                "needed": rule.needed,
                "approvers": rule.of,
                "deadline": self.deadline(item.kind, item.created_at),
            }
        )


def load_policy(path: Path | None) -> ReviewPolicy:
    """The policy of a TOML file, or the default without one; raises `SettingInvalid`."""
    if path is None:
        return ReviewPolicy()
    try:
        return ReviewPolicy.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise SettingInvalid(
            f"The review policy is not valid at {place or 'its top'}: {problem['msg']}",
            hint=f"mend {path}",
        ) from error
    except (OSError, ValueError) as error:
        raise SettingInvalid(
            f"The review policy cannot be read ({type(error).__name__})",
            hint=f"check {path}: it is TOML",
        ) from error
