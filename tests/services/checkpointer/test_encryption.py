"""With a key, the store holds nothing readable, and still finds what is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from services.checkpointer import make_checkpointer
from services.errors import SettingInvalid
from tests.services.checkpointer.threads import LONG, THREAD, at, listed, put, words_graph

KEY = SecretStr("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
OTHER = SecretStr("ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=")


async def everything(redis: Redis) -> bytes:
    found = []
    for key in await redis.keys("assay:checkpoint:*"):
        if await redis.type(key) == b"hash":
            found += [part for pair in (await redis.hgetall(key)).items() for part in pair]
        else:
            found += await redis.zrange(key, 0, -1)
    return b"\n".join(found)


async def filled(saver: Any) -> Any:
    metadata = {"step": 1, "customer": "Acme Holdings", "run_id": "run-of-acme"}
    config = await put(
        saver, at(), metadata, exposure_channel=f"secret {LONG}", small="tiny secret"
    )
    await saver.aput_writes(config, [("verdict_channel", "secret verdict")], "task")
    return config


async def test_nothing_of_a_state_is_readable_at_rest(redis: Redis) -> None:
    """Values, writes, names of channels and metadata are sealed; names of places are not."""
    words = (b"secret", b"channel", b"Acme", b"run-of-acme", b"customer")
    await filled(make_checkpointer(redis))
    clear = await everything(redis)
    assert b"secret verdict" in clear
    assert b"verdict_channel" in clear
    await redis.flushall()
    saver = make_checkpointer(redis, key=KEY)
    config = await filled(saver)
    sealed = await everything(redis)

    assert [] == [word for word in words if word in sealed]
    assert b"task" in sealed
    found = await make_checkpointer(redis, key=KEY).aget_tuple(config)
    assert found is not None
    assert "Acme Holdings" == found.metadata["customer"]
    assert [("task", "verdict_channel", "secret verdict")] == found.pending_writes


async def test_metadata_is_searched_though_it_is_sealed(redis: Redis) -> None:
    """A filter, and the deletion of a run, work on keyed signs of the metadata."""
    saver = make_checkpointer(redis, key=KEY)
    await filled(saver)
    await put(saver, at(), {"step": 2, "customer": "Other"}, text=LONG)

    assert [1] == [
        one.metadata["step"] for one in await listed(saver, filter={"customer": "Acme Holdings"})
    ]
    await saver.adelete_for_runs(["run-of-acme"])
    assert [2] == [one.metadata["step"] for one in await listed(saver)]


@pytest.mark.parametrize("key", [None, OTHER])
async def test_another_key_is_a_plain_error(redis: Redis, key: SecretStr | None) -> None:
    """Without the key, or with another, reading says what is wrong."""
    config = await filled(make_checkpointer(redis, key=KEY))

    with pytest.raises(SettingInvalid, match=r"decrypted|encrypted"):
        await make_checkpointer(redis, key=key).aget_tuple(config)


async def test_a_sealed_value_cannot_stand_in_for_another(redis: Redis) -> None:
    """Each content is sealed under its own name, so an exchange is found out."""
    saver = make_checkpointer(redis, key=KEY)
    config = await put(saver, at(), one=f"one {LONG}", two=f"two {LONG}")
    values = "assay:checkpoint:{r-1}:values"
    (first, content), (second, other) = (await redis.hgetall(values)).items()
    await redis.hset(values, mapping={first: other, second: content})

    with pytest.raises(SettingInvalid, match="damaged"):
        await saver.aget_tuple(config)


async def test_a_graph_runs_encrypted(redis: Redis) -> None:
    """A run, its history and its copy are the same under a key; equal values are stored once."""
    saver = make_checkpointer(redis, key=KEY)
    graph = words_graph(saver)
    result = await graph.ainvoke({"words": [], "constant": LONG}, THREAD, durability="sync")
    await saver.acopy_thread("r-1", "r-2")
    copied = await graph.aget_state(at(thread="r-2"))

    assert result == copied.values
    assert 4 == len(await listed(saver, at(thread="r-2")))


async def test_a_state_from_before_the_key_is_still_read(redis: Redis) -> None:
    """Encryption can be turned on for a home that has runs."""
    config = await filled(make_checkpointer(redis))
    found = await make_checkpointer(redis, key=KEY).aget_tuple(config)

    assert found is not None
    assert "tiny secret" == found.checkpoint["channel_values"]["small"]


@pytest.mark.parametrize("key", ["", "short", "MDEyMzQ1Njc4OWFiY2RlZg==", "%" * 44])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    """The key is 32 bytes in base64, nothing else."""
    with pytest.raises(SettingInvalid, match="32 bytes"):
        make_checkpointer(key=SecretStr(key))
