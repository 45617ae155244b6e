"""Work that costs as much for many as for one: what comes meanwhile is done together next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MOST: Final = 200


class Batches(Generic[_Item, _Result]):
    """
    Does items in batches, one batch after another, in the order in which they came.

    An item that comes while nothing is under way is done at once; while several come at a time, each
    batch waits *linger* seconds for more. *work* gives a result for each item in order, which may be
    an exception; one that it raises is every item's.
    """

    def __init__(
        self,
        work: Callable[[list[_Item]], Awaitable[Sequence[_Result | Exception]]],
        *,
        most: int = _MOST,
        linger: float = 0.0,
    ) -> None:
        self._work = work
        self._most = most
        self._linger = linger
        self._waiting: list[tuple[_Item, asyncio.Future[_Result]]] = []
        self._serving: asyncio.Task[Any] | None = None

    async def result_of(self, item: _Item) -> _Result:
        """What the work gives for *item*. Whoever stops waiting stops nothing."""
        answer: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return await answer

    async def _serve(self) -> None:
        batch: list[tuple[_Item, asyncio.Future[_Result]]] = []
        while self._waiting:
            if self._linger and len(batch) > 1:
                await asyncio.sleep(self._linger)
            batch = self._waiting[: self._most]
            del self._waiting[: self._most]
            for (_, answer), result in zip(
                batch, await self._results([item for item, _ in batch]), strict=True
            ):
                if answer.done():
                    continue
                if isinstance(result, BaseException):
                    answer.set_exception(result)
                else:
                    answer.set_result(result)

    async def _results(self, items: list[_Item]) -> Sequence[_Result | BaseException]:
        try:
            return await self._work(items)
        except BaseException as error:  # noqa: BLE001 (it is raised where each item is waited for)
            return [error] * len(items)
