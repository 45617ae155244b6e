"""Leases: one driver a run, and a dead driver is forgotten."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.errors import RunBusy
from services.store import RunRegistry
from services.store._leases import Lease, hold

SHORT = timedelta(seconds=0.4)


async def test_a_run_has_one_driver(redis: Redis) -> None:
    """While one holds the lease another is told who does; afterwards it may."""
    registry = RunRegistry(redis)
    async with registry.lease("r-1"):
        with pytest.raises(RunBusy, match="driven by process") as caught:
            async with registry.lease("r-1"):
                pytest.fail("two drivers")
        assert "A202" == caught.value.code
        async with registry.lease("r-2"):
            pass

    async with registry.lease("r-1") as lease:
        lease.check()
    assert not await redis.exists("assay:lease:{r-1}")


async def test_of_many_at_once_one_drives(redis: Redis) -> None:
    """A race for a lease has one winner."""

    async def drive() -> bool:
        try:
            async with hold(redis, "r-1"):
                await asyncio.sleep(0.2)
        except RunBusy:
            return False
        return True

    assert 1 == sum(await asyncio.gather(*(drive() for _ in range(10))))


async def test_the_fence_grows_with_every_holder(redis: Redis) -> None:
    """Each holder has a number above all that came before it."""
    fences = []
    for _ in range(3):
        async with hold(redis, "r-1") as lease:
            fences.append(lease.fence)

    assert sorted(set(fences)) == fences


async def test_a_store_set_back_gives_no_number_twice(redis: Redis) -> None:
    """A driver of before the loss is told from the one that drives after it."""
    async with hold(redis, "r-1") as before:
        await redis.flushall()
        async with hold(redis, "r-1") as after:
            assert before.fence < after.fence


async def test_a_pause_whose_owner_died_is_soon_forgotten(redis: Redis) -> None:
    """Or its run would be stopped again and again, for nobody."""
    registry = RunRegistry(redis)
    await registry.wish("r-1", "pause")
    await registry.wish("r-2", "cancel")

    assert 0 < await redis.ttl("assay:wish:{r-1}") <= 60
    assert 3600 < await redis.ttl("assay:wish:{r-2}")


async def test_a_lease_is_renewed_while_it_is_held(redis: Redis) -> None:
    """A driver that takes longer than the lease lasts keeps it."""
    async with hold(redis, "r-1", ttl=SHORT) as lease:
        await asyncio.sleep(1.0)

        assert not lease.lost.is_set()
        assert await redis.exists("assay:lease:{r-1}")


async def test_a_dead_drivers_lease_expires(redis: Redis) -> None:
    """A holder that renews no more is followed by one that waits."""
    dead = Lease(redis, "r-1", SHORT)
    assert "" == await dead.acquire()

    async with hold(redis, "r-1", wait=timedelta(seconds=3)) as lease:
        assert dead.fence < lease.fence


async def test_a_driver_that_lost_its_lease_knows(redis: Redis) -> None:
    """When another took over, the late holder is told and leaves the other's lease alone."""
    async with hold(redis, "r-1", ttl=SHORT) as lease:
        await redis.delete("assay:lease:{r-1}")
        other = Lease(redis, "r-1", timedelta(seconds=5))
        assert "" == await other.acquire()
        async with asyncio.timeout(2):
            await lease.lost.wait()
        with pytest.raises(RunBusy, match="lost its hold"):
            lease.check()

    assert await redis.exists("assay:lease:{r-1}")


async def test_an_expired_lease_that_nobody_took_is_still_held(redis: Redis) -> None:
    """A process that was suspended goes on when nobody drove the run meanwhile."""
    async with hold(redis, "r-1", ttl=SHORT) as lease:
        await redis.delete("assay:lease:{r-1}")
        await asyncio.sleep(0.3)

        assert not lease.lost.is_set()
        assert await redis.exists("assay:lease:{r-1}")


async def test_a_repeated_acquisition_is_the_same_one(redis: Redis) -> None:
    """Asking again after a lost answer neither fails nor counts twice."""
    lease = Lease(redis, "r-1", SHORT)
    assert "" == await lease.acquire()
    fence = lease.fence
    assert "" == await lease.acquire()

    assert fence == lease.fence


async def test_an_error_of_the_driver_frees_the_run(redis: Redis) -> None:
    """The lease ends with its block, however the block ends."""
    with pytest.raises(ZeroDivisionError):
        async with hold(redis, "r-1"):
            raise ZeroDivisionError

    assert not await redis.exists("assay:lease:{r-1}")
