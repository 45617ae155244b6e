"""Sessions, attempts and refusals on a real store."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from services.access import (
    KEPT,
    ApiKey,
    Attempts,
    Identity,
    Refusal,
    Refusals,
    Role,
    Sessions,
    Users,
    local_identity,
    plain,
)
from services.errors import Invalid, NotAuthenticated, NotPermitted, TooManyRequests

NOW = datetime(2026, 9, 30, 12, tzinfo=UTC)
ANALYST: frozenset[Role] = frozenset({"analyst"})
PASSWORD = "correct horse battery"


async def test_a_session_ends_when_nobody_asks_and_in_any_case(redis: Redis) -> None:
    """Being asked for keeps it from idling, and never beyond its lifetime."""
    idle, lifetime = timedelta(seconds=0.4), timedelta(seconds=1.2)
    sessions = Sessions(redis, idle=idle, lifetime=lifetime)
    kept, _ = await sessions.open(local_identity("Ada"))
    left, _ = await sessions.open(local_identity("Ada"))
    lasted = 0.0
    begun = time.monotonic()
    while await sessions.get(kept) is not None:
        lasted = time.monotonic() - begun
        await asyncio.sleep(0.05)

    assert 0.5 < lasted < 1.3
    assert await sessions.get(left) is None
    assert [] == [name async for name in redis.scan_iter("assay:access:session:*")]


async def test_a_session_of_a_password_ends_with_it(redis: Redis) -> None:
    """A password that was changed between its check and the session opens none."""
    users, sessions = Users(redis), Sessions(redis)
    await users.add("Ada", PASSWORD, roles=ANALYST, at=NOW)
    checked = await users.verify("Ada", PASSWORD)
    before, _ = await sessions.open(checked.identity)
    await users.set_password("Ada", "another long password")
    late, _ = await sessions.open(checked.identity, proof=checked.proof)
    after, _ = await sessions.open(checked.identity)
    await users.set_roles("Ada", frozenset({"viewer"}))
    now = await sessions.get(after)

    assert await sessions.get(before) is None
    assert await sessions.get(late) is None
    assert now is not None
    assert {"viewer"} == now.identity.roles
    await users.remove("Ada")
    await users.add("Ada", PASSWORD, roles=ANALYST, at=NOW)
    assert await sessions.get(after) is None


async def test_sessions_of_one_person_can_be_ended(redis: Redis) -> None:
    """Those that are open; neither later ones nor another's."""
    sessions = Sessions(redis)
    ada, bea = (Identity(name=f"oidc:{n}", kind="oidc", roles=ANALYST) for n in ("ada", "bea"))
    first, _ = await sessions.open(ada)
    others, _ = await sessions.open(bea)
    await sessions.end_all("oidc", "oidc:ada")
    await asyncio.sleep(0.002)
    later, _ = await sessions.open(ada)

    assert await sessions.get(first) is None
    assert await sessions.get(others) is not None
    assert await sessions.get(later) is not None


async def test_attempts_at_once_are_all_counted(redis: Redis) -> None:
    """A hundred at one moment get five looks at the password."""
    attempts = Attempts(redis)
    tried = [attempts.count("Ada", "192.0.2.1") for _ in range(100)]
    answers = await asyncio.gather(*tried, return_exceptions=True)

    assert 5 == answers.count(None)
    assert all(isinstance(one, TooManyRequests) for one in answers if one is not None)


async def test_one_address_tries_no_fifty_names_and_one_name_has_no_thirty_tries(
    redis: Redis,
) -> None:
    """An address of version 6 is its /64; after a while all is forgotten."""
    attempts = Attempts(redis, window=timedelta(seconds=3))
    for number in range(50):
        await attempts.count(f"name {number}", f"2001:db8::{number:x}")
    with pytest.raises(TooManyRequests):
        await attempts.count("another", "2001:db8::ffff")
    for number in range(30):
        await attempts.count("Ada", f"198.51.100.{number}")
    with pytest.raises(TooManyRequests) as refused:
        await attempts.count("Ada", "203.0.113.1")

    assert 0 < refused.value.retry_after <= 3
    await asyncio.sleep(3.1)
    await attempts.count("Ada", "203.0.113.1")
    assert "Ada" not in str([name async for name in redis.scan_iter("*")])


async def test_whoever_signs_in_starts_anew(redis: Redis) -> None:
    """A person who mistypes now and then is never kept out."""
    attempts = Attempts(redis)
    for _ in range(20):
        for _ in range(4):
            await attempts.count("Ada", "192.0.2.1")
        await attempts.forgive("Ada", "192.0.2.1")
        await redis.delete(*[name async for name in redis.scan_iter("assay:access:failed:*")])

    await attempts.count("Ada", "192.0.2.1")


async def test_an_unknown_name_takes_as_long_as_a_known_one(redis: Redis) -> None:
    """With the real cost of a digest."""
    users = Users(redis)
    await users.add("Ada", PASSWORD, roles=ANALYST, at=NOW)

    async def seconds(name: str) -> float:
        begun = time.process_time()
        with pytest.raises(NotAuthenticated):
            await users.verify(name, "not the password")
        return time.process_time() - begun

    known, unknown = [], []
    for _ in range(3):
        known.append(await seconds("Ada"))
        unknown.append(await seconds("Bea"))

    ratio = statistics.median(unknown) / statistics.median(known)
    assert 0.5 < ratio < 2


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "", "x" * 100_000])
async def test_odd_names_and_passwords_are_wrong_ones(redis: Redis, name: str) -> None:
    """And nothing else."""
    with pytest.raises(NotAuthenticated):
        await Users(redis).verify(name, name)


async def test_two_changes_of_a_person_are_both_made(redis: Redis) -> None:
    """Neither is lost, and nobody who was removed comes back."""
    users = Users(redis)
    await users.add("Ada", PASSWORD, roles=ANALYST, at=NOW)
    await asyncio.gather(
        users.set_password("Ada", "another long password"),
        *(users.set_roles("Ada", frozenset({"viewer"})) for _ in range(5)),
    )
    user = await users.verify("Ada", "another long password")

    assert {"viewer"} == user.roles


def test_a_key_can_be_narrowed_and_not_widened() -> None:
    """What it may is what its roles allow and the narrowing leaves."""
    key = ApiKey(name="a", roles=ANALYST, only=frozenset({"read"}), created_at=NOW)

    assert {"read"} == key.identity.permissions
    with pytest.raises(NotPermitted, match="narrowed"):
        key.identity.require("start")
    for only in (frozenset({"publish"}), frozenset({"read", "publish"}), frozenset()):
        with pytest.raises(Invalid):
            key.model_copy(update={"only": only}).check()


async def test_the_newest_refusals_are_kept(redis: Redis) -> None:
    """So many, and not more."""
    refusals = Refusals(redis)
    await redis.lpush("assay:access:refusals", *[b"{}"] * KEPT)
    one = Refusal(at=NOW, status=401, code="A304", method="GET", path="/v1/runs")
    await refusals.add(one)

    assert (one,) == await refusals.list(limit=1)
    assert KEPT == await redis.llen("assay:access:refusals")


@pytest.mark.parametrize(
    "text", ["a\nb", "a b", 'a"b', "a\x1b[31m", "a\u202eb", "ä", "\ud800", "x" * 10_000, "a\\nb"]
)
def test_a_word_of_the_log_is_one_word(text: str) -> None:
    """Printable, without spaces, quotes or escapes, and not long."""
    assert re.fullmatch(r"[\x21-\x7e]{1,700}", plain(text))
    assert not set(plain(text)) & set('" \\')
