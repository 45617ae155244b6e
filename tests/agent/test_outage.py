"""The breaker: one tries while the others wait."""

from __future__ import annotations

import asyncio
import time

from agent.outage import Outage


def beat() -> None:
    return None


async def test_without_an_outage_nobody_waits() -> None:
    """And nobody is a probe."""
    assert not await Outage().turn(beat)


async def test_in_an_outage_one_tries_at_a_time() -> None:
    """The others wait until it has."""
    outage = Outage()
    outage.begin()
    order: list[str] = []

    async def step(name: str) -> None:
        is_probe = await outage.turn(beat)
        order.append(f"{name} tries")
        await asyncio.sleep(0.05)
        outage.end()
        order.append(f"{name} done")
        if is_probe:
            outage.pass_turn()

    await asyncio.gather(step("a"), step("b"))

    assert ["a tries", "a done", "b tries", "b done"] == order


async def test_the_pause_grows_and_ends_with_the_outage() -> None:
    """Each failure holds everybody back longer; the first answer forgets it all."""
    outage = Outage()
    pauses = []
    for _ in range(3):
        outage.begin()
        pauses.append(outage._until - time.monotonic())
    outage.end()

    assert pauses[0] < pauses[2]
    assert 0.0 == outage.lasted()
