"""The courier: a worker's chore that takes events from the outbox to those who listen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from agent.driving import now
from agent.hookkeeping import Hookkeeper
from agent.hooks import Hooks, hooks_of
from agent.runner import Runner
from services.errors import SettingInvalid
from services.failpoints import failpoint
from services.store import Event, Outbox
from services.webhooks import (
    Answer,
    Delivery,
    Endpoint,
    HttpSender,
    Message,
    Persistence,
    Sender,
    TakenDelivery,
)

_OURS: Final = "assay"
"""Who did what no person did."""
_AT_ONCE: Final = 32
_LOOK: Final = 1.0
"""Seconds between looks for what came meanwhile, while receivers are slow."""
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Courier:
    """
    Sends what is due. Any number may be at it: a delivery is with one of them at a time.

    One that dies between sending and writing that down sends again later, under the same
    webhook-id: receivers tell by it.
    """

    hooks: Hooks
    outbox: Outbox
    send: Sender
    persistence: Persistence = field(default_factory=Persistence)

    async def deliver(self) -> None:
        """Hand out the events that there are, and send every delivery that is due."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self._hand_out()
                taken = await self.hooks.deliveries.take(_AT_ONCE - len(under_way))
                under_way |= {asyncio.create_task(self._attempt(one)) for one in taken}
                if not under_way:
                    return
                done, under_way = await asyncio.wait(
                    under_way, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
        finally:
            for task in under_way:
                task.cancel()

    async def _hand_out(self) -> None:
        while events := await self.outbox.waiting(_PAGE):
            endpoints = await self.hooks.endpoints.list()
            for line in events:
                event = Event.model_validate_json(line)
                wanting = [endpoint for endpoint in endpoints if endpoint.wants(event)]
                await self.hooks.deliveries.hand_out(line, wanting, at=now())

    async def _attempt(self, taken: TakenDelivery) -> None:
        delivery = taken.delivery
        endpoint = await self.hooks.endpoints.find(delivery.endpoint)
        if endpoint is None or endpoint.disabled:
            why = endpoint.disabled if endpoint else "its endpoint was removed"
            given_up = {"status": "dead", "problem": why, "tried_at": now()}
            await self.hooks.deliveries.conclude(taken, delivery.model_copy(update=given_up))
            return
        answer = await self._sent(endpoint, delivery)
        if answer.status == 410:
            gone = "it answered that it is gone (HTTP 410)"
            await Hookkeeper(self.hooks, by=_OURS).disable_endpoint(endpoint, gone)
        tried = self.persistence.after(delivery, answer, at=now())
        await self.hooks.deliveries.conclude(taken, tried)

    @failpoint("courier.send")
    async def _sent(self, endpoint: Endpoint, delivery: Delivery) -> Answer:
        message = Message(delivery.event, delivery.body.encode())
        try:
            key = self.hooks.endpoints.key(endpoint)
        except SettingInvalid as error:  # another worker may have the key that this one lacks
            return Answer(0, error.message)
        return await self.send(endpoint.url, key, message, at=now())


def courier_of(runner: Runner) -> Callable[[], Awaitable[None]]:
    """The chore of a worker on the stores of *runner*."""
    sender = HttpSender(private=runner.settings.webhook_private)
    return Courier(hooks_of(runner.stores, runner.settings), runner.stores.outbox, sender).deliver
