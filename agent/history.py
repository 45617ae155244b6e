"""What happened in a run, in order: every checkpoint, try, decision and effect."""

from __future__ import annotations

from typing import Literal

from agent.driving import Graph, thread_of
from agent.stores import Stores
from services.audit import revealed
from services.evidence import Frozen
from services.store import UtcTime


class Moment(Frozen):
    """One thing that happened. `place` is where it can be found again: a checkpoint, an item, a digest."""

    at: UtcTime
    kind: Literal["checkpoint", "log", "effect"]
    what: str
    detail: str = ""
    place: str = ""


async def history(stores: Stores, graph: Graph, run_id: str) -> tuple[Moment, ...]:
    """The run's moments, oldest first; `NotFound` when there is no such run."""
    record = await stores.runs.get(run_id)
    moments = [
        *await _checkpoints(graph, record.id),
        *await _log(stores, record.id),
        *await _effects(stores, record.id),
    ]
    return tuple(sorted(moments, key=lambda moment: moment.at))


async def _checkpoints(graph: Graph, run_id: str) -> list[Moment]:
    found = []
    async for snapshot in graph.aget_state_history(thread_of(run_id)):
        metadata = snapshot.metadata or {}
        waits = [interrupt.value["title"] for interrupt in snapshot.interrupts]
        found.append(
            Moment.model_validate(
                {
                    "at": snapshot.created_at,
                    "kind": "checkpoint",
                    "what": _next(snapshot.next),
                    "detail": "; ".join(waits) or _ORIGINS.get(str(metadata.get("source")), ""),
                    "place": snapshot.config["configurable"]["checkpoint_id"],
                }
            )
        )
    return found


_ORIGINS = {"update": "taken back", "fork": "taken back"}


def _next(steps: tuple[str, ...]) -> str:
    names = [f"{step} x{steps.count(step)}" for step in dict.fromkeys(steps)]
    return "next: " + (", ".join(name.removesuffix(" x1") for name in names) or "nothing")


async def _log(stores: Stores, run_id: str) -> list[Moment]:
    values = await stores.audit.personal(run_id)
    return [
        Moment(
            at=entry.at,
            kind="log",
            what=entry.event,
            detail=entry.model_copy(update={"fields": revealed(entry, values)}).words(),
            place=entry.digest,
        )
        for entry in await stores.audit.entries(run_id)
    ]


async def _effects(stores: Stores, run_id: str) -> list[Moment]:
    return [
        Moment(
            at=effect.at,
            kind="effect",
            what=f"{effect.step} {effect.state}",
            detail=f"{len((effect.receipt or {}).get('files', ()))} files",
            place=effect.key,
        )
        for effect in await stores.effects.of_run(run_id)
    ]
