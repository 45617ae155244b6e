"""Put the finished draft before a person."""

from __future__ import annotations

import textwrap
from typing import Final

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.pending import Pending
from agent.stakes import at_risk, severity_of
from agent.state import RunState
from reports.document import ReportContent

_LONGEST: Final = 120
"""Characters of a question in a title."""


async def review(state: RunState, runtime: Runtime[Deps]) -> RunState:
    """A pending item that asks whether this very report may be published."""
    content = await runtime.context.blobs.get_document(state["report"], ReportContent)
    counts = content.summary.counts
    pending = Pending(
        kind="publication",
        step="review",
        title=f"Publish {_called(content)} as of {content.cover.as_of}",
        question="Publish this report? Approval holds for this digest alone.",
        detail=(
            *filter(None, [state.get("refusal", "")]),
            f"red {counts.get('red', 0)}, amber {counts.get('amber', 0)}, green {counts.get('green', 0)}",
            f"{len(content.figures)} figures, {sum(f.verified for f in content.figures)} verified",
        ),
        choices=("approve", "edit", "reject"),
        report_digest=state["report_digest"],
        severity=severity_of(content),
        at_risk=at_risk(content),
        edited_by=tuple(state.get("editors", [])),
    )
    return RunState(pending=pending.model_dump(mode="json"))


def _called(content: ReportContent) -> str:
    """The report's name; of answers, which all have the same, the question."""
    question = content.cover.question
    if question:
        return f"the answer to “{textwrap.shorten(question, _LONGEST, placeholder=' …')}”"
    return repr(content.cover.title)
