"""Keys, users and sessions on a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from services.access import (
    PERMISSIONS,
    ApiKey,
    ApiKeys,
    Identity,
    Role,
    Sessions,
    Users,
    local_identity,
)
from services.errors import InputConflict, Invalid, NotAuthenticated, NotFound, NotPermitted

NOW = datetime(2026, 9, 30, 12, tzinfo=UTC)
VIEWER: frozenset[Role] = frozenset({"viewer"})


def key(name: str = "nightly", **fields: object) -> ApiKey:
    return ApiKey.model_validate({"name": name, "roles": VIEWER, "created_at": NOW, **fields})


async def test_a_key_says_who_carries_it_and_is_kept_as_a_digest(redis: Redis) -> None:
    """The secret itself stands nowhere in the store."""
    secret = await ApiKeys(redis).add(key(tenant="rates"))
    known = await ApiKeys(redis).identify(secret, at=NOW)
    kept = str(await redis.hgetall("assay:access:keys"))

    assert Identity(name="nightly", kind="key", tenant="rates", roles=VIEWER) == known
    assert secret not in kept
    assert len(secret) > 40


@pytest.mark.parametrize("secret", ["", "assay_", "assay_x", "\ud800", "a" * 10_000])
async def test_an_unknown_key_is_nobody(redis: Redis, secret: str) -> None:
    """Whatever it is."""
    await ApiKeys(redis).add(key())

    with pytest.raises(NotAuthenticated):
        await ApiKeys(redis).identify(secret, at=NOW)


async def test_a_key_ends(redis: Redis) -> None:
    """At its time, or when it is revoked; then its name is free again."""
    keys = ApiKeys(redis)
    expiring = await keys.add(key("a", expires_at=NOW + timedelta(hours=1)))
    revoked = await keys.add(key("b"))
    await keys.revoke("b")

    assert "a" == (await keys.identify(expiring, at=NOW)).name
    for secret, at in ((expiring, NOW + timedelta(hours=1)), (revoked, NOW)):
        with pytest.raises(NotAuthenticated):
            await keys.identify(secret, at=at)
    await keys.add(key("b"))
    assert ["a", "b"] == [one.name for one in await keys.list()]


async def test_names_are_taken_once(redis: Redis) -> None:
    """And have to be names."""
    keys = ApiKeys(redis)
    await keys.add(key())

    with pytest.raises(InputConflict):
        await keys.add(key())
    with pytest.raises(NotFound):
        await keys.revoke("nobody")
    for name in ("", "a\nb", "<b>", "a" * 65):
        with pytest.raises(Invalid):
            await keys.add(key(name))
    with pytest.raises(Invalid):
        await keys.add(key("c", roles=frozenset()))


async def test_a_user_signs_in_with_their_password(redis: Redis) -> None:
    """With that alone."""
    users = Users(redis)
    await users.add("Ada", "correct horse battery", roles=VIEWER, tenant="fx", at=NOW)
    known = await users.identify("Ada", "correct horse battery")

    assert ("Ada", "user", "fx") == (known.name, known.kind, known.tenant)
    for name, password in (("Ada", "wrong"), ("Bob", "correct horse battery"), ("Ada", "")):
        with pytest.raises(NotAuthenticated):
            await users.identify(name, password)
    with pytest.raises(InputConflict):
        await users.add("Ada", "another long password", roles=VIEWER, at=NOW)
    with pytest.raises(Invalid):
        await users.add("Bob", "short", roles=VIEWER, at=NOW)
    await users.remove("Ada")
    assert () == await users.list()


async def test_a_session_lasts_until_it_is_closed(redis: Redis) -> None:
    """Each has its own token for forms, and the store does not know the cookie."""
    sessions = Sessions(redis)
    cookie, session = await sessions.open(local_identity("Ada"))
    other, another = await sessions.open(local_identity("Ada"))

    assert session == await sessions.get(cookie)
    assert session.sent(session.csrf)
    assert not session.sent(another.csrf)
    assert cookie != other
    assert [] == [name async for name in redis.scan_iter(f"*{cookie}*")]
    await sessions.close(cookie)
    assert await sessions.get(cookie) is None


def test_roles_say_what_one_may_do() -> None:
    """Nobody but the person of a single machine may do everything; who operates does not publish."""
    everything = frozenset().union(*PERMISSIONS.values())

    assert all(granted < everything for granted in PERMISSIONS.values())
    assert not PERMISSIONS["operator"] & {"answer", "publish"}
    assert all(local_identity("Ada").may(permission) for permission in everything)
    with pytest.raises(NotPermitted, match="may not start"):
        Identity(name="Bo", kind="key", roles=VIEWER).require("start")
