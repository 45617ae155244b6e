"""What a run did outside the stores: prepared, done, or taken back; each once, whoever tries it how often."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from redis.asyncio import Redis

from services.errors import NotFound, RunBusy
from services.evidence import Frozen
from services.failpoints import failpoint

from ._connection import redis_errors
from ._leases import fence_key
from ._values import UtcTime, as_bytes

EffectState: TypeAlias = Literal["prepared", "done", "compensated"]

_EFFECTS: Final = "assay:effects:{%s}"

# An entry is replaced only by the holder of the run's lease, and a finished one never.
_WRITE: Final = """
if ARGV[3] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[3] then return redis.error_reply('FENCED') end
local known = redis.call('HGET', KEYS[1], ARGV[1])
local state = known and cjson.decode(known).state
if state == ARGV[5] then return known end
if ARGV[4] ~= '' and state ~= ARGV[4] then return known or '' end
if ARGV[4] == '' and known then return known end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
"""


class Effect(Frozen):
    """One entry of the ledger. `key` is what the effect itself is given to tell a second try by."""

    key: str
    step: str
    content: str
    """Digest of what is published, sent or withdrawn."""
    state: EffectState
    at: UtcTime
    receipt: dict[str, Any] | None = None
    """What the effect left behind; None until it is done."""


class EffectLedger:
    """
    The effects of runs, keyed by run, step and content.

    An effect is prepared, carried out and recorded as done. A crash after it was carried out leaves
    it prepared: it is then carried out again under the same key, which must change nothing, as
    writing the same files does, or a request that carries an idempotency key.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def once(
        self,
        run_id: str,
        step: str,
        content: str,
        carry_out: Callable[[str], Awaitable[dict[str, Any]]],
        *,
        clock: Callable[[], datetime],
        fence: int | None = None,
    ) -> Effect:
        """
        The done effect; *carry_out* is called with its key only where it is not done yet.

        With *fence*, a driver that lost the run gets `RunBusy` before it does anything.
        """
        planned = Effect(
            key=effect_key(run_id, step, content),
            step=step,
            content=content,
            state="prepared",
            at=clock(),
        )
        prepared = await self._prepare(run_id, planned, fence)
        if prepared.state != "prepared":
            return prepared
        receipt = await carry_out(prepared.key)
        done = prepared.model_copy(update={"state": "done", "at": clock(), "receipt": receipt})
        return await self._finish(run_id, done, fence)

    async def compensate(
        self,
        run_id: str,
        effect: Effect,
        take_back: Callable[[Effect], Awaitable[dict[str, Any]]],
        *,
        clock: Callable[[], datetime],
    ) -> Effect:
        """The taken back effect; *take_back* may be called again where a crash came between."""
        if effect.state == "compensated":
            return effect
        receipt = await take_back(effect)
        compensated = effect.model_copy(
            update={"state": "compensated", "at": clock(), "receipt": receipt}
        )
        return await self._compensated(run_id, compensated)

    async def of_run(self, run_id: str) -> tuple[Effect, ...]:
        """All effects of a run, in the order of their last change."""
        with redis_errors():
            found = await self._redis.hvals(_EFFECTS % run_id)
        effects = [Effect.model_validate_json(as_bytes(line)) for line in found]
        return tuple(sorted(effects, key=lambda effect: (effect.at, effect.key)))

    async def get(self, run_id: str, step: str, content: str) -> Effect:
        """The effect of that content; `NotFound` when there is none."""
        with redis_errors():
            found = await self._redis.hget(_EFFECTS % run_id, effect_key(run_id, step, content))
        if found is None:
            raise NotFound(f"Run {run_id} has no effect of that kind.")
        return Effect.model_validate_json(as_bytes(found))

    @failpoint("effect.prepare")
    async def _prepare(self, run_id: str, effect: Effect, fence: int | None) -> Effect:
        return await self._write(run_id, effect, fence, before="")

    @failpoint("effect.done")
    async def _finish(self, run_id: str, effect: Effect, fence: int | None) -> Effect:
        return await self._write(run_id, effect, fence, before="prepared")

    @failpoint("effect.compensated")
    async def _compensated(self, run_id: str, effect: Effect) -> Effect:
        return await self._write(run_id, effect, None, before="done")

    async def _write(self, run_id: str, effect: Effect, fence: int | None, before: str) -> Effect:
        script = self._redis.register_script(_WRITE)
        token = "" if fence is None else str(fence)
        with redis_errors():
            try:
                stored = await script(
                    keys=[_EFFECTS % run_id, fence_key(run_id)],
                    args=[effect.key, effect.model_dump_json(), token, before, effect.state],
                )
            except Exception as error:
                if "FENCED" in str(error):
                    raise RunBusy(
                        f"Another process drives run {run_id} now; this one did nothing."
                    ) from error
                raise
        if not stored:
            raise RunBusy(
                f"The store no longer knows what run {run_id} was about to do: its data are older."
            )
        return Effect.model_validate_json(stored)


def effect_key(run_id: str, step: str, content: str) -> str:
    """The same for the same effect, so that a second try is known by it."""
    return hashlib.sha256(f"{run_id}\0{step}\0{content}".encode()).hexdigest()
