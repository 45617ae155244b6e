"""Accepting a run, once for each key of the caller's."""

from __future__ import annotations

import asyncio

from agent.intake import new_run_id, prepare
from agent.request import Accepted, Request
from agent.runner import Runner
from agent.web.api.models import NewRun
from agent.web.serving import promptly
from services.access import Identity
from services.audit import content_digest
from services.errors import InputConflict, NotFound
from services.evidence import Frozen
from services.store import Priority, Repeats, RunRecord


class Intent(Frozen):
    """A run as it is to be accepted, settled in all that may differ another time."""

    run_id: str
    request: Request
    snapshot: str
    title: str
    priority: Priority


async def intend(runner: Runner, who: Identity, body: NewRun) -> Intent:
    """What to do for *body*; nothing is accepted that could not be done."""
    name = new_run_id(
        body.run_id, question=body.question, template=body.template, tenant=who.tenant or ""
    )
    accepted = await asyncio.to_thread(
        prepare,
        runner.settings,
        name,
        question=body.question,
        template=body.template,
        as_of=body.as_of,
        formats=body.formats,
    )
    asked = accepted.asked_by(who.name, "api")
    return Intent(
        run_id=name,
        request=asked.request,
        snapshot=asked.snapshot,
        title=asked.title,
        priority=body.priority,
    )


async def carry_out(runner: Runner, who: Identity, intent: Intent) -> RunRecord:
    """The run, accepted for a worker to drive; doing it again changes nothing."""
    async with promptly():
        return await runner.accept(
            intent.run_id,
            Accepted(intent.request, intent.snapshot, intent.title),
            left=True,
            tenant=who.tenant or "",
            priority=intent.priority,
        )


async def carry_out_once(runner: Runner, who: Identity, body: NewRun, key: str) -> RunRecord:
    """
    The run that *key* stands for in the tenant of *who*, accepted now or at an earlier request.

    Raises `InputConflict` when the key came with another body, or its run is gone.
    """
    tenant, asked = who.tenant or "", content_digest(body.model_dump(mode="json"))
    repeats = Repeats(runner.stores.redis)
    async with promptly():
        known = await repeats.get(key, asked, tenant=tenant)
    if known is None:
        intent = await intend(runner, who, body)
        async with promptly():
            known = await repeats.claim(key, asked, intent.model_dump_json(), tenant=tenant)
    intent = Intent.model_validate_json(known.intent)
    if known.is_done:
        return as_accepted(await _earlier(runner, intent, tenant))
    record = await carry_out(runner, who, intent)
    async with promptly():
        await repeats.done(key, tenant=tenant)
    return as_accepted(record)


def as_accepted(record: RunRecord) -> RunRecord:
    """The run as it was when it was accepted, however far it is by now."""
    changes = {"status": "queued", "updated_at": record.created_at}
    later = {"report_digest": None, "failure": None, "receipt": None}
    return record.model_copy(update=changes | later)


async def _earlier(runner: Runner, intent: Intent, tenant: str) -> RunRecord:
    try:
        async with promptly():
            return await runner.stores.runs.get(intent.run_id, tenant=tenant)
    except NotFound:
        raise InputConflict(
            "The run of this idempotency key was deleted.", hint="Send a new key for a new run."
        ) from None
