"""
The waits of a run's graph, readable by LangGraph's own tools.

An interrupt carries the pending item and, beside it, the keys of both shapes. Which interrupt an
answer belongs to does not depend on its value, so runs that waited before go on as they would have.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.compat.inbox import decision_of, hitl_request, human_interrupt, parse_answer
from agent.pending import Pending
from agent.state import JsonObject


def shown(item: JsonObject) -> JsonObject:
    """What the graph interrupts itself with: *item*, in its own shape and the two others."""
    pending = Pending.of(item)
    return {
        **item,
        **human_interrupt(pending).model_dump(mode="json"),
        **hitl_request(pending).model_dump(mode="json"),
    }


def understood(item: JsonObject, answer: Any, *, by: str, at: datetime) -> JsonObject:
    """
    The decision in *answer*: from our review queue as it is, from another tool translated.

    Another tool does not say who answers; then it was *by* whoever runs this process.
    """
    if isinstance(answer, dict) and "kind" in answer:
        return answer
    decision = decision_of(Pending.of(item), parse_answer(answer))
    return {**decision.model_dump(mode="json"), "by": by, "at": at.isoformat()}
