"""
What is asked of a run from afar: kept first, then done by whoever has time for it.

A driver may take long to let go of its run, and whoever asks may go away meanwhile. So an ask is
in the store before anybody acts on it; the process that took it begins at once, and when it dies
another goes on. The run's log says what was asked, and how it ended.
"""

from __future__ import annotations

from agent.asking import check_cancel, check_rollback, check_withdraw
from agent.driving import now
from agent.rewind import Place, reach
from agent.runner import Runner
from services.audit import events
from services.errors import AssayError, Retryable, RunBusy
from services.failpoints import failpoint
from services.store import Ask, AskKind, Asks, RunRecord

_EVENTS: dict[AskKind, str] = {
    "cancel": events.RUN_CANCEL_ASKED,
    "rollback": events.RUN_ROLLBACK_ASKED,
    "withdraw": events.REPORT_WITHDRAW_ASKED,
}


async def keep(runner: Runner, record: RunRecord, ask: Ask) -> Ask:
    """
    Keep *ask*, for `see_to`; what is kept may be an earlier one for the same.

    Raises `InputConflict` or `NotFound` when that can't be done to a run as it stands.
    """
    await _check(runner, record, ask)
    kept = await Asks(runner.stores.redis).put(ask)
    await _say(runner, record, kept)
    return kept


@failpoint("steering.see_to")
async def see_to(runner: Runner, ask: Ask) -> AssayError | None:
    """
    Do what is asked, unless somebody is at it; why it can't be done, if it can't.

    While the run's driver does not let go, or the store is away, it stays to be done.
    """
    asks = Asks(runner.stores.redis)
    if not await asks.take(ask):
        return None
    try:
        if await asks.is_open(ask):
            await _carry_out(runner, asks, ask)
    except (RunBusy, Retryable):
        return None
    except AssayError as error:
        await _give_up(runner, asks, ask, error.code)
        return error
    except Exception:
        await _give_up(runner, asks, ask, AssayError.code)
        raise
    finally:
        await asks.leave(ask)
    return None


async def see_to_all(runner: Runner) -> None:
    """Do what is asked of any run, and nobody is at: a chore of workers and of the server."""
    for ask in await Asks(runner.stores.redis).open():
        await see_to(runner, ask)


async def _check(runner: Runner, record: RunRecord, ask: Ask) -> None:
    match ask.kind:
        case "cancel":
            check_cancel(record)
        case "rollback":
            check_rollback(record)
            await reach(runner.graph, record.id, Place.parse(ask.to))
        case "withdraw":
            check_withdraw(record)


async def _carry_out(runner: Runner, asks: Asks, ask: Ask) -> None:
    # Whoever kept it may have died before the log said so.
    await _say(runner, await runner.stores.runs.get(ask.run_id), ask)
    match ask.kind:
        case "cancel":
            await runner.cancel(ask.run_id, by=ask.by, reason=ask.reason, key=_key(ask))
        case "rollback":
            await _roll_back(runner, asks, ask)
        case "withdraw":
            await runner.withdraw(ask.run_id, by=ask.by, reason=ask.reason)
    await asks.done(ask)


async def _roll_back(runner: Runner, asks: Asks, ask: Ask) -> None:
    """Once: who else has the ask in hand finds it done as soon as it has the run's lease."""
    async with runner.taken_over(ask.run_id, "pause") as lease:
        if not await asks.is_open(ask):
            return
        check_rollback(await runner.stores.runs.get(ask.run_id))
        await runner.rewind_to(lease, Place.parse(ask.to), reason=ask.reason, left=True)
        await asks.done(ask)
    await runner.enqueue(await runner.stores.runs.get(ask.run_id))


async def _say(runner: Runner, record: RunRecord, ask: Ask) -> None:
    said = {"by": ask.by, "reason": ask.reason}
    if ask.kind == "rollback":
        said["to"] = ask.to
    if ask.kind == "withdraw" and record.receipt:
        said["digest"] = record.receipt["digest"]
    await runner.stores.audit.append(ask.run_id, _EVENTS[ask.kind], said, at=now(), key=_key(ask))


async def _give_up(runner: Runner, asks: Asks, ask: Ask, code: str) -> None:
    said = {"asked": ask.kind, "to": ask.to, "code": code}
    key = f"{events.RUN_ASK_FAILED} {ask.id}"
    await runner.stores.audit.append(ask.run_id, events.RUN_ASK_FAILED, said, at=now(), key=key)
    await asks.done(ask)


def _key(ask: Ask) -> str:
    """A report is withdrawn once, whoever asks; the rest may be asked again."""
    event = _EVENTS[ask.kind]
    return event if ask.kind == "withdraw" else f"{event} {ask.id}"
