"""The inbox as one person sees it: its tabs, the rows of one, and what to look for in both."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from pydantic import ValidationError

from agent.driving import now
from agent.web.pages import wording
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.errors import Invalid
from services.review import TABS, Filters, Inbox, ReviewItem, ReviewQueue, Tab, sort_into

SHOWN: Final = 200
"""Rows of a tab that one page shows."""
_MOST_OPEN: Final = 5_000
_MOST_DONE: Final = 300
_LONGEST: Final = 200
"""Characters of a filter."""
_FIELDS: Final = ("kind", "template", "severity", "run", "q")
_TENANTS: Final = 8
"""Whose items are kept as they were read last."""


@dataclass(slots=True)
class Pile:
    """The items of tenants as this process read them last; read anew once any has changed."""

    reviews: ReviewQueue
    _kept: OrderedDict[str | None, tuple[int, tuple[ReviewItem, ...]]] = field(
        default_factory=OrderedDict
    )
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, tenant: str | None) -> tuple[ReviewItem, ...]:
        """Open items, and those that were decided last; of one *tenant*, or of all."""
        async with self._reading:
            revision = await self.reviews.revision(tenant=tenant)
            if tenant not in self._kept or self._kept[tenant][0] != revision:
                waiting = await self.reviews.list("open", limit=_MOST_OPEN, tenant=tenant)
                done = await self.reviews.list("decided", limit=_MOST_DONE, tenant=tenant)
                self._kept[tenant] = revision, (*waiting, *done)
                if len(self._kept) > _TENANTS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(tenant)
            return self._kept[tenant][1]


class Wanted(NamedTuple):
    """Which tab is looked at, and what is let through to all of them."""

    tab: str
    """Empty: the first with something in it."""
    given: dict[str, str]

    @classmethod
    def of(cls, request: Request) -> Wanted:
        """As it stands in the address."""
        given = {name: request.query_params.get(name, "")[:_LONGEST] for name in _FIELDS}
        return cls(request.query_params.get("tab", ""), given)

    @property
    def kept(self) -> dict[str, str]:
        """The filters that are set."""
        return {name: value for name, value in self.given.items() if value}

    @property
    def filters(self) -> Filters:
        """Raises `Invalid` for a value that a filter does not have."""
        try:
            return Filters.model_validate(
                {name: value.strip() for name, value in self.given.items() if value.strip()}
            )
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0])
            raise Invalid(
                f"The filter {name!r} has no such value.", hint="Choose one of the list."
            ) from error

    def chosen(self, counts: Mapping[Tab, int]) -> Tab:
        """The tab that was asked for, or the first with something in it."""
        for tab in TABS:
            if tab == self.tab:
                return tab
        if self.tab:
            raise Invalid("There is no such tab.", hint=f"Tabs are {', '.join(TABS)}.")
        return next((tab for tab in TABS if tab != "done" and counts[tab]), "mine")

    def link(self, tab: Tab, path: str = "/reviews") -> str:
        """The address of a tab under the same filters."""
        return f"{path}?" + urlencode({"tab": tab, **self.kept})


async def read_inbox(request: Request, who: Identity, wanted: Wanted) -> Inbox:
    """What *who* is shown: of their tenant, sorted into tabs."""
    filters = wanted.filters
    state = request.app.state
    if not hasattr(state, "pile"):
        state.pile = Pile(runner_of(request).stores.reviews)
    pile: Pile = state.pile
    async with promptly():
        items = await pile.of(who.tenant)
    return sort_into(items, filters, person=who.name, roles=tuple(who.roles), at=now())


async def rows_of(request: Request, items: tuple[ReviewItem, ...]) -> dict[str, wording.Row]:
    """How each item's row stands now, by its id."""
    stores, at = runner_of(request).stores, now()
    async with promptly():
        single = await stores.is_single_user()
    return {
        item.id: wording.row(item, stores.reviews.needed(item, single_user=single), at)
        for item in items
    }
