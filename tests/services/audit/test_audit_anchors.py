"""A statement of the log's end that was kept elsewhere betrays a log that was written anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from redis.asyncio import Redis

from services.audit import Anchor, AuditLog, export, verify_all, verify_file, verify_run
from services.errors import FileUnreadable
from tests.services.audit.audit_logs import NOON, Stored, log_of, rewritten, three_runs


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    """A private key and its public key, as files."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


async def anchored(log: AuditLog, key: Path | None = None) -> Anchor:
    return Anchor.of(*await log.global_head(), at=NOON, key=key)


async def test_a_log_goes_on_behind_its_anchor(redis: Redis, tmp_path: Path) -> None:
    """What was anchored stays so, whatever is appended, erased or removed since."""
    log = await three_runs(redis)
    anchor = await anchored(log)
    await log.append("a", "later", {}, at=NOON)
    await log.erase("a", by="Grace", at=NOON)
    await log.remove("b", by="Grace", at=NOON)
    file = tmp_path / "audit.jsonl"
    file.write_text("".join([line async for line in export(log, at=NOON)]), encoding="utf-8")

    assert (await verify_all(log, anchor=anchor)).ok
    assert (await verify_run(log, "a", anchor=anchor)).ok
    assert verify_file(file, anchor=anchor).ok
    assert (await verify_all(log, anchor=Anchor.of(0, "0" * 64, at=NOON))).ok


async def test_a_log_that_was_made_anew_is_found(redis: Redis) -> None:
    """A store whose every chain was written again from the start verifies; the anchor does not."""
    log = await log_of(redis, 5)
    anchor = await anchored(log)
    await redis.flushall()
    other = AuditLog(redis)
    for number in range(5):
        await other.append("r-1", "step.finished", {"n": number}, at=NOON)
    found = await verify_all(other, anchor=anchor)

    assert (await verify_all(other)).ok
    assert ("@global", 5) == (found.flaws[0].run, found.flaws[0].seq)


async def test_a_store_set_back_is_found(redis: Redis) -> None:
    """A store restored from before the anchor verifies; the anchor says what is missing."""
    log = await log_of(redis, 3)
    earlier = await Stored.read(redis)
    await log.append("r-1", "later", {}, at=NOON)
    anchor = await anchored(log)
    await earlier.put(redis)
    found = await verify_all(AuditLog(redis), anchor=anchor)

    assert ("@global", 4) == (found.flaws[0].run, found.flaws[0].seq)
    assert "had 4 entries" in found.reason


async def test_a_signature_names_its_key(redis: Redis, tmp_path: Path) -> None:
    """A signed anchor is its key's, as it is written, and nobody else's."""
    private, public = keys(tmp_path, "auditor")
    _, other = keys(tmp_path, "other")
    anchor = await anchored(await log_of(redis, 2), private)
    file = tmp_path / "anchor.json"
    file.write_text(anchor.model_dump_json(), encoding="utf-8")
    read = Anchor.read(file)

    assert anchor == read
    assert read.is_signed_by(public)
    assert not read.is_signed_by(other)
    for change in ({"entries": 1}, {"head": "1" * 64}, {"signature": ""}, {"signature": "zz"}):
        assert not read.model_copy(update=change).is_signed_by(public)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe", None])
async def test_a_file_without_a_key_is_named(tmp_path: Path, content: bytes | None) -> None:
    """What holds no Ed25519 key is an error that says how to make one."""
    file = tmp_path / "key.pem"
    curve = generate_private_key(SECP256R1())
    file.write_bytes(
        curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        if content is None
        else content
    )
    with pytest.raises(FileUnreadable):
        Anchor.of(0, "0" * 64, at=NOON, key=file)
    with pytest.raises(FileUnreadable):
        Anchor.of(0, "0" * 64, at=NOON).is_signed_by(file)
    with pytest.raises(FileUnreadable):
        Anchor.read(file)
    with pytest.raises(FileUnreadable):
        Anchor.of(0, "0" * 64, at=NOON, key=tmp_path / "nowhere")


async def test_a_run_written_anew_with_its_links(redis: Redis) -> None:
    """Who seals a run and all links behind it anew is found by the anchor alone."""
    log = await log_of(redis, 4)
    anchor = await anchored(log)
    lines = rewritten(await log.lines("r-1"), 1, fields={"n": 99})
    await redis.flushall()
    forged = AuditLog(redis)
    for line in lines:
        said = __import__("json").loads(line)
        await forged.append("r-1", said["event"], said["fields"], at=NOON)

    assert (await verify_all(forged)).ok
    assert not (await verify_all(forged, anchor=anchor)).ok
