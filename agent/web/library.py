"""Reports and their charts as this process has read and drawn them: neither changes under its digest."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from fastapi import Request

from agent.comparison import content_of
from agent.reading import reading
from agent.runner import Runner
from agent.web.serving import promptly
from reports.document import ReportContent
from reports.figures import Drawing, draw
from reports.render import View
from services.errors import NotFound
from services.store import RunRecord

_KEPT: Final = 8
_Made = TypeVar("_Made")


@dataclass(slots=True)
class _Shelf(Generic[_Made]):
    """The last things made, by digest; each made once, however many ask for it at a time."""

    _tasks: OrderedDict[str, asyncio.Task[_Made]] = field(default_factory=OrderedDict)

    async def get(self, digest: str, make: Callable[[], Awaitable[_Made]]) -> _Made:
        if digest not in self._tasks:
            self._tasks[digest] = asyncio.ensure_future(_awaited(make))
            if len(self._tasks) > _KEPT:
                self._tasks.popitem(last=False)
        self._tasks.move_to_end(digest)
        task = self._tasks[digest]
        try:
            return await asyncio.shield(task)
        except Exception:
            if self._tasks.get(digest) is task:
                del self._tasks[digest]
            raise


async def _awaited(make: Callable[[], Awaitable[_Made]]) -> _Made:
    return await make()


@dataclass(slots=True)
class Library:
    """What pages read of reports."""

    runner: Runner
    _contents: _Shelf[ReportContent] = field(default_factory=_Shelf)
    _drawings: _Shelf[dict[str, Drawing]] = field(default_factory=_Shelf)

    async def content(self, record: RunRecord) -> ReportContent | None:
        """What the run's report says; None when it has none, or is no longer kept."""
        if record.report_digest is None:
            return None

        async def read() -> ReportContent:
            async with promptly():
                content = await content_of(self.runner.stores, self.runner.graph, record)
            if content is None:
                raise NotFound("The run's report is no longer kept.")
            return content

        try:
            return await self._contents.get(record.report_digest, read)
        except NotFound:
            return None

    async def view(self, record: RunRecord) -> View:
        """The report with its look-ups; raises `NotFound` when there is none."""
        content = await self.content(record)
        if content is None:
            raise NotFound("This run has no report to read.", hint=f"See /runs/{record.id}.")
        async with promptly():
            return await reading(self.runner, record, content)

    async def drawings(self, record: RunRecord) -> Mapping[str, Drawing]:
        """The report's charts by id."""
        content = await self.content(record)
        if content is None or record.report_digest is None:
            return {}
        charts = [chart for section in content.sections for chart in section.charts]
        figures = {figure.id: figure for figure in content.figures}
        return await self._drawings.get(
            record.report_digest, lambda: asyncio.to_thread(draw, charts, figures)
        )


def library_of(request: Request) -> Library:
    """The one of this application."""
    state = request.app.state
    if not hasattr(state, "library"):
        state.library = Library(state.runner)
    library: Library = state.library
    return library
