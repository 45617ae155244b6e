"""Runs driven in this process, on a real store and warehouse."""

from __future__ import annotations

from typing import Any

from agent.intake import prepare
from agent.runner import Runner
from services.review import Approve, ReviewItem
from services.store import RunRecord

QUESTION = "NPL ratio by segment"


def nobody(event: object) -> None:
    """Watches a run, and says nothing."""


async def report(runner: Runner, run_id: str, question: str = QUESTION) -> RunRecord:
    """A run, driven to where it waits for a person."""
    accepted = prepare(runner.settings, run_id, question=question, formats=["json"])
    await runner.accept(run_id, accepted)
    return await runner.drive(run_id, nobody)


async def waiting(runner: Runner, run_id: str) -> list[ReviewItem]:
    """The run's open items."""
    return [i for i in await runner.stores.reviews.of_run(run_id) if i.status == "open"]


async def approve(runner: Runner, run_id: str) -> RunRecord:
    """Approve the one open item, and go on."""
    await runner.decide(run_id, Approve(), by="Ada")
    return await runner.drive(run_id, nobody)


async def entries(runner: Runner, run_id: str, event: str) -> list[dict[str, Any]]:
    """What the audit log says of each such event."""
    log = await runner.stores.audit.entries(run_id)
    return [entry.fields for entry in log if entry.event == event]


async def steps(runner: Runner, run_id: str) -> list[str]:
    """The steps that the run has finished, in order."""
    return [fields["step"] for fields in await entries(runner, run_id, "step.finished")]
