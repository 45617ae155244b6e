"""Effects happen once, whoever tries them and wherever it stops."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from services import failpoints
from services.errors import NotFound, RunBusy
from services.store import Effect, EffectLedger, effect_key
from services.store._leases import hold


def clock() -> datetime:
    return datetime(2026, 9, 30, tzinfo=UTC)


class World:
    """Something outside the stores, which can tell a second try by its key."""

    def __init__(self) -> None:
        self.happened: set[str] = set()
        self.tries = 0

    async def act(self, key: str) -> dict[str, Any]:
        self.tries += 1
        self.happened.add(key)
        return {"key": key}

    async def undo(self, effect: Effect) -> dict[str, Any]:
        self.happened.discard(effect.key)
        return {"undone": effect.key}


@pytest.fixture
def ledger(redis: Redis) -> EffectLedger:
    return EffectLedger(redis)


async def once(ledger: EffectLedger, world: World, content: str = "d1") -> Effect:
    return await ledger.once("r-1", "publish", content, world.act, clock=clock)


async def test_a_done_effect_is_not_done_again(ledger: EffectLedger) -> None:
    """A second try gets the first one's receipt."""
    world = World()
    first = await once(ledger, world)
    again = await once(ledger, world)

    assert ("done", 1) == (first.state, world.tries)
    assert first == again


async def test_another_content_is_another_effect(ledger: EffectLedger) -> None:
    """An edited report is published anew."""
    world = World()
    await once(ledger, world, "d1")
    await once(ledger, world, "d2")

    assert {effect_key("r-1", "publish", d) for d in ("d1", "d2")} == world.happened


@pytest.mark.parametrize(
    "place",
    ["effect.prepare:before", "effect.prepare:after", "effect.done:before", "effect.done:after"],
)
async def test_a_crash_anywhere_leaves_one_effect(ledger: EffectLedger, place: str) -> None:
    """What was carried out and not recorded is carried out again under the same key."""
    world = World()
    failpoints.set_traps(f"{place}=crash")
    try:
        with pytest.raises(failpoints.Crash):
            await once(ledger, world)
    finally:
        failpoints.set_traps("")
    effect = await once(ledger, world)

    assert {effect.key} == world.happened
    assert ("done",) == tuple(e.state for e in await ledger.of_run("r-1"))


async def test_an_effect_that_fails_is_tried_again(ledger: EffectLedger) -> None:
    """It stays prepared, and says nothing of a receipt."""

    async def fail(key: str) -> dict[str, Any]:
        raise OSError(key)

    with pytest.raises(OSError):
        await ledger.once("r-1", "publish", "d1", fail, clock=clock)
    prepared = await ledger.get("r-1", "publish", "d1")
    done = await once(ledger, World())

    assert ("prepared", None, "done") == (prepared.state, prepared.receipt, done.state)


async def test_a_driver_that_lost_the_run_does_nothing(redis: Redis, ledger: EffectLedger) -> None:
    """The fence is checked before the effect and when it is recorded."""
    world = World()
    async with hold(redis, "r-1") as old:
        pass
    async with hold(redis, "r-1") as new:
        with pytest.raises(RunBusy):
            await ledger.once("r-1", "publish", "d1", world.act, clock=clock, fence=old.fence)
        assert not world.happened
        await ledger.once("r-1", "publish", "d1", world.act, clock=clock, fence=new.fence)

    assert 1 == len(world.happened)


@pytest.mark.parametrize("place", ["effect.compensated:before", "effect.compensated:after"])
async def test_an_effect_is_taken_back_once(ledger: EffectLedger, place: str) -> None:
    """Compensation survives a crash, and a compensated effect stays so."""
    world = World()
    effect = await once(ledger, world)
    failpoints.set_traps(f"{place}=crash")
    try:
        with pytest.raises(failpoints.Crash):
            await ledger.compensate("r-1", effect, world.undo, clock=clock)
    finally:
        failpoints.set_traps("")
    stored = await ledger.get("r-1", "publish", "d1")
    compensated = await ledger.compensate("r-1", stored, world.undo, clock=clock)

    assert ("compensated", set()) == (compensated.state, world.happened)
    assert compensated == await once(ledger, world)


async def test_an_unknown_effect_is_told(ledger: EffectLedger) -> None:
    """There is none to take back."""
    with pytest.raises(NotFound):
        await ledger.get("r-1", "publish", "d1")
