"""
Going back in a run: to an earlier step, to one section, or in a copy under another name.

Nothing is deleted: the state that is left stays in the run's history, and the run goes on from a
new checkpoint before the step that is done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot
from pydantic import ValidationError

from agent.deps import Deps
from agent.driving import thread_of
from agent.request import Request
from agent.state import RunState
from services.errors import Invalid, NotFound
from services.evidence import Frozen
from services.store import RunRecord

Graph: TypeAlias = CompiledStateGraph[RunState, Deps, RunState, RunState]

_BEFORE: Final = {"plan": "clarify", "compose": "section", "review": "compose"}
"""The steps of the whole run that one can go back to, each with the node that leads to it."""
_FIRST: Final = "clarify"
_SECTION_STEPS: Final = ("retrieve", "analyse")
STEPS: Final = (_FIRST, "plan", *_SECTION_STEPS, "compose", "review")

_COPY: Final = "__copy__"
"""LangGraph's name for taking an earlier checkpoint as it is."""
_DEPENDS: Final = {"template": "clarify", "question": "clarify", "as_of": "clarify"}
"""Fields of a request that steps have built on, and the first that did; others are used at the end."""


class Place(NamedTuple):
    """A step, of one section or of the whole run."""

    step: str
    section: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The place written `STEP` or `STEP:SECTION`; raises `Invalid` for any other text."""
        step, _, section = text.partition(":")
        known = step in STEPS
        if not known or bool(section) != (step in _SECTION_STEPS):
            raise Invalid(
                "There is no step of that name to go back to.",
                hint="It is clarify, plan, compose or review, or retrieve:SECTION or analyse:SECTION.",
            )
        return cls(step, section)

    def __str__(self) -> str:
        return f"{self.step}:{self.section}" if self.section else self.step


class Rewound(Frozen):
    """Where a run came from and goes on from."""

    left: str
    """Checkpoint that the run stood at before."""
    entered: str
    """Checkpoint that it goes on from."""
    superseded: tuple[str, ...]
    """Steps and sections whose results count no longer."""


async def rewind(graph: Graph, run_id: str, place: Place, *, reason: str) -> Rewound:
    """
    Make *place* the next thing that the run does, with everything that came before it.

    Raises `NotFound` when the run has not come that far.
    """
    thread = thread_of(run_id)
    latest = await graph.aget_state(thread)
    if place.section:
        entered = await _again_in_section(graph, latest, place, reason)
        superseded: tuple[str, ...] = (str(place), "compose", "review")
    else:
        before = await _before(graph, run_id, place.step)
        entered = await _enter(graph, before, place.step)
        superseded = STEPS[STEPS.index(place.step) :]
    return Rewound(
        left=_id(latest.config), entered=_id(entered), superseded=tuple(dict.fromkeys(superseded))
    )


async def reach(graph: Graph, run_id: str, place: Place) -> None:
    """Raise `NotFound`, as `rewind` would, when the run has not come to *place*."""
    if place.section:
        latest = await graph.aget_state(thread_of(run_id))
        _check_section(latest, place)
        await _redo(graph, latest, place, reason="")
    else:
        await _before(graph, run_id, place.step)


async def branch(graph: Graph, source: str, target: str, place: Place, request: Request) -> Rewound:
    """
    Give run *target* the state that *source* had before *place*, with *request* in its stead.

    *target* has no state yet. Raises `NotFound` when *source* has not come that far, `Invalid`
    when what was changed in *request* was used before *place*.
    """
    before = await _before(graph, source, "plan" if place.section else place.step)
    if place.section:
        latest = await graph.aget_state(thread_of(source))
        sections = _sections(latest)
        values = {**_plain(before), **_plain(latest)}
        values["sections"] = {k: v for k, v in sections.items() if k != place.section}
        values["redo"] = await _redo(graph, latest, place, reason="")
        node = "plan"
    else:
        values, node = _plain(before), _BEFORE[place.step]
    _check_unused(Request.model_validate(values["request"]), request, place)
    values |= {"request": request.model_dump(mode="json"), "pending": None, "decision": None}
    entered = await graph.aupdate_state(thread_of(target), values, as_node=node)
    return Rewound(left=_id(before.config), entered=_id(entered), superseded=())


def changed_request(record: RunRecord, target: str, by: str, changes: Mapping[str, Any]) -> Request:
    """
    The request of *record* with *changes*, which writes to a folder of its own.

    Raises `Invalid` for what cannot be changed, or not to that.
    """
    allowed = {"question", "template", "as_of", "formats"}
    if unknown := sorted(changes.keys() - allowed):
        raise Invalid(
            f"A fork cannot set {', '.join(unknown)}.",
            hint=f"It can set {', '.join(sorted(allowed))}.",
        )
    folder = str(Path(record.output_dir).with_name(target))
    fields = {**record.request, **changes, "output": folder, "requested_by": by}
    try:
        return Request.model_validate(fields)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise Invalid(f"The value for {place} is not valid.") from error


async def _enter(graph: Graph, before: StateSnapshot, step: str) -> RunnableConfig:
    if step == _FIRST:
        return await graph.aupdate_state(before.config, None, as_node=_COPY)
    nothing_open: Any = RunState(pending=None, decision=None)
    return await graph.aupdate_state(before.config, nothing_open, as_node=_BEFORE[step])


async def _again_in_section(
    graph: Graph, latest: StateSnapshot, place: Place, reason: str
) -> RunnableConfig:
    _check_section(latest, place)
    update: Any = RunState(
        sections={place.section: None},
        redo=await _redo(graph, latest, place, reason),
        pending=None,
        decision=None,
    )
    return await graph.aupdate_state(latest.config, update, as_node="plan")


def _check_section(latest: StateSnapshot, place: Place) -> None:
    known = latest.values.get("section_ids", ())
    if place.section not in known:
        named = ", ".join(known) or "none yet"
        raise NotFound("The run has no section of that name.", hint=f"Its sections: {named}.")


async def _redo(graph: Graph, latest: StateSnapshot, place: Place, reason: str) -> dict[str, Any]:
    """What the section starts with: nothing, or the evidence that it has."""
    if place.step == "retrieve":
        return {place.section: {"evidence": {}, "reason": reason}}
    finished = _sections(latest).get(place.section) or {}
    evidence = finished.get("queries") or await _evidence_under_way(graph, latest, place.section)
    if not evidence:
        raise NotFound(
            f"Section {place.section} has no evidence yet.", hint="Go back to its retrieve step."
        )
    return {place.section: {"evidence": evidence, "reason": reason}}


def _sections(latest: StateSnapshot) -> dict[str, Any]:
    """The results of finished sections, those of a fan-out that is still under way among them."""
    found = dict(latest.values.get("sections", {}))
    for task in latest.tasks:
        result = task.result
        if isinstance(result, dict):
            found |= result.get("sections") or {}
    return found


async def _evidence_under_way(graph: Graph, latest: StateSnapshot, section: str) -> dict[str, str]:
    inside = await graph.aget_state(latest.config, subgraphs=True)
    for task in inside.tasks:
        if isinstance(task.state, StateSnapshot) and task.state.values.get("section") == section:
            return dict(task.state.values.get("evidence") or {})
    return {}


async def _before(graph: Graph, run_id: str, step: str) -> StateSnapshot:
    """The newest state of the run in which *step* was next."""
    async for snapshot in graph.aget_state_history(thread_of(run_id)):
        if step in snapshot.next:
            return snapshot
    raise NotFound(
        f"Run {run_id} has not come to the step {step!r}, or its history no longer holds it.",
        hint=f"See `assay run history {run_id}`.",
    )


def _check_unused(old: Request, new: Request, place: Place) -> None:
    changed = {name for name in Request.model_fields if getattr(old, name) != getattr(new, name)}
    if used := sorted(changed & _DEPENDS.keys()):
        raise Invalid(
            f"Steps before {place} have used {', '.join(used)}.",
            hint="Fork at clarify to change it.",
        )


def _plain(snapshot: StateSnapshot) -> dict[str, Any]:
    return dict(snapshot.values)


def _id(config: RunnableConfig) -> str:
    return str(config["configurable"]["checkpoint_id"])
