"""
What people and programs ask of a run: kept, begun at once, and gone on with when they no longer wait.

A driver finishes its steps under way before it lets go of a run, which may take longer than a
caller should be kept.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from fastapi import Request

from agent.driving import now
from agent.steering import keep, see_to
from agent.web.serving import promptly, runner_of
from services.access import Identity
from services.store import Ask, AskKind, Asks, RunRecord

_WORTH_WAITING: Final = 1.0
"""Seconds within which most of what is asked is done: nobody drives the run."""


async def ask(
    request: Request,
    who: Identity,
    record: RunRecord,
    kind: AskKind,
    *,
    reason: str = "",
    to: str = "",
) -> bool:
    """
    Keep what is asked and begin with it; whether it is done already.

    It is the store's from then on: this process may end, and another sees to it. Raises what keeps
    it from being done, as far as that is known by now.
    """
    runner = runner_of(request)
    asked = Ask(
        id=secrets.token_hex(8),
        run_id=record.id,
        kind=kind,
        by=who.name,
        reason=reason,
        to=to,
        at=now(),
    )
    async with promptly():
        kept = await keep(runner, record, asked)
    work = asyncio.create_task(see_to(runner, kept))
    at_work: set[asyncio.Task[object]] = request.app.state.at_work
    at_work.add(work)
    work.add_done_callback(at_work.discard)
    await asyncio.wait({work}, timeout=_WORTH_WAITING)
    if work.done() and (error := work.result()) is not None:
        raise error
    async with promptly():
        return not await Asks(runner.stores.redis).is_open(kept)
