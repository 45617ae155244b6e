"""The inbox as one person sees it: which items are theirs, nobody's, late, or half approved."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, Literal, TypeAlias

from services.evidence import Frozen

from ._items import ItemKind, ReviewItem, Severity

Tab: TypeAlias = Literal["mine", "unassigned", "overdue", "second", "done"]

TABS: Final[dict[Tab, str]] = {
    "mine": "Mine",
    "unassigned": "Unassigned",
    "overdue": "Overdue",
    "second": "Second approval",
    "done": "Done",
}


class Filters(Frozen):
    """What of a tab is shown; empty fields let everything through."""

    kind: ItemKind | None = None
    template: str = ""
    severity: Severity | None = None
    run: str = ""
    q: str = ""
    """Words that the title, the question or the reason must hold."""

    def let_through(self, item: ReviewItem) -> bool:
        said = " ".join((item.title, item.question, item.at_risk, *item.detail)).casefold()
        return (
            self.kind in (None, item.kind)
            and self.template in ("", item.template)
            and self.severity in (None, item.severity)
            and self.run in ("", item.run_id)
            and all(word in said for word in self.q.casefold().split())
        )


class Inbox(Frozen):
    """Items by tab; one may stand in several."""

    tabs: dict[Tab, tuple[ReviewItem, ...]]

    def counts(self) -> dict[Tab, int]:
        return {tab: len(items) for tab, items in self.tabs.items()}


def sort_into(
    items: Iterable[ReviewItem],
    filters: Filters,
    *,
    person: str,
    roles: Collection[str] = (),
    at: datetime,
) -> Inbox:
    """The inbox of *person*: what is due first comes first, what was decided last comes first."""
    found: dict[Tab, list[ReviewItem]] = {tab: [] for tab in TABS}
    for item in items:
        if filters.let_through(item):
            for tab in _tabs_of(item, person, roles, at):
                found[tab].append(item)
    return Inbox(
        tabs={
            tab: tuple(sorted(shown, key=_by_end, reverse=True))
            if tab == "done"
            else tuple(sorted(shown, key=_by_deadline))
            for tab, shown in found.items()
        }
    )


def _tabs_of(item: ReviewItem, person: str, roles: Collection[str], at: datetime) -> Iterable[Tab]:
    if item.status != "open":
        yield "done"
        return
    holder = item.claimed_by(at)
    passed_on = item.escalated_to in roles
    if person in (item.assignee, holder) or passed_on:
        yield "mine"
    if item.assignee is None and holder is None:
        yield "unassigned"
    if item.is_overdue(at):
        yield "overdue"
    if item.is_second:
        yield "second"


def _by_deadline(item: ReviewItem) -> tuple[datetime, str]:
    return (item.deadline.due_at if item.deadline else item.created_at, item.id)


def _by_end(item: ReviewItem) -> tuple[datetime, str]:
    return (item.decided_at or item.created_at, item.id)
