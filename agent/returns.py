"""Where a run can go back to, and what of it would be done again: for whoever is asked to confirm it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.driving import thread_of
from agent.rewind import STEPS, Place
from agent.runner import Runner
from agent.story import Story

_OF_RUN: Final = ("clarify", "plan", "compose", "review")


@dataclass(frozen=True, slots=True)
class Return:
    """A place to go back to: what is done again, and what stays."""

    place: Place
    again: tuple[str, ...]
    kept: tuple[str, ...]


async def returns(runner: Runner, story: Story) -> tuple[Return, ...]:
    """The places that a run has come to: of the whole run in the order of its steps, then a section's."""
    state = (await runner.graph.aget_state(thread_of(story.record.id))).values
    sections = tuple(state.get("section_ids", ()))
    attempts = story.timeline.attempts
    begun = {one.step for one in attempts if not one.section}
    fetched = {one.section for one in attempts if (one.step, one.outcome) == ("retrieve", "done")}
    found = [_back_to_step(step, sections) for step in _OF_RUN if step in begun]
    for section in sections:
        found.append(_back_to_section(Place("retrieve", section), sections))
        if section in fetched:
            found.append(_back_to_section(Place("analyse", section), sections))
    return tuple(found)


def _back_to_step(step: str, sections: tuple[str, ...]) -> Return:
    at = STEPS.index(step)
    every = {0: "every section", 1: "its section"}.get(
        len(sections), f"all {len(sections)} sections"
    )
    names = {"retrieve": every, "analyse": ""}
    again = [names.get(one, one) for one in STEPS[at:]]
    kept = [names.get(one, one) for one in STEPS[:at]]
    return Return(Place(step), _words(again), _words(kept))


def _back_to_section(place: Place, sections: tuple[str, ...]) -> Return:
    count = len(sections) - 1
    others = ["the other section" if count == 1 else f"the other {count} sections"] if count else []
    rows = ["its rows"] if place.step == "analyse" else []
    steps = ["retrieve", "analyse"] if place.step == "retrieve" else ["analyse"]
    return Return(place, (*steps, "compose", "review"), _words(["clarify", "plan", *others, *rows]))


def _words(names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name)
