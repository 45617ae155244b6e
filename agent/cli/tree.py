"""A run's spans as a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from services import telemetry
from services.telemetry import SpanRecord

if TYPE_CHECKING:
    from rich.tree import Tree

_SHOWN = (
    telemetry.STEP_SECTION,
    telemetry.DB_ROWS,
    telemetry.GUARD_VERDICT,
    telemetry.INPUT_TOKENS,
    telemetry.OUTPUT_TOKENS,
)


def trace_tree(run_id: str, spans: Sequence[SpanRecord]) -> Tree:
    """Spans under their parents, in order of start, each with its time in milliseconds."""
    from rich.tree import Tree

    children: dict[str | None, list[SpanRecord]] = defaultdict(list)
    known = {span.span_id for span in spans}
    for span in spans:
        # A parent that was cut off by a kill never ended: its children stand at the root.
        children[span.parent_id if span.parent_id in known else None].append(span)
    root = Tree(run_id, guide_style="dim")

    def grow(branch: Tree, parent: str | None) -> None:
        for span in children[parent]:
            grow(branch.add(_line(span)), span.span_id)

    grow(root, None)
    return root


def _line(span: SpanRecord) -> str:
    milliseconds = (span.end - span.start) / 1e6
    facts = [
        f"{name.rpartition('.')[2]}={span.attributes[name]}"
        for name in _SHOWN
        if span.attributes.get(name) not in (None, "")
    ]
    failed = f"  ERROR {span.error}" if span.error else ""
    return f"{milliseconds:10,.1f} ms  {span.name}  {' '.join(facts)}{failed}"
