"""A run's spans as a tree, for whoever may see how it was made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from services import telemetry
from services.telemetry import SpanRecord

CONTENT: Final = frozenset({telemetry.INPUT_MESSAGES, telemetry.OUTPUT_MESSAGES, telemetry.DB_TEXT})
"""Attributes with prompts, answers and statements; captured only where the settings say so."""
_FACTS: Final = {
    telemetry.STEP_ATTEMPT: "try {:,}",
    telemetry.DB_ROWS: "{:,} rows",
    telemetry.GUARD_VERDICT: "{}",
    telemetry.INPUT_TOKENS: "{:,} tokens in",
    telemetry.OUTPUT_TOKENS: "{:,} tokens out",
}
"""Attributes that are told beside a span, and how."""
_FIRST_TRY: Final = (telemetry.STEP_ATTEMPT, 1)
_TITLES: Final = {
    "invoke_workflow": "The run, as one worker drove it",
    "execute_tool": "check of the statement",
    "chat": "call of the model {}",
    "step": "{}",
}
"""Spans are named for collectors; by the first word of that name, what people call them."""
_LIMIT: Final = 3_000


@dataclass(frozen=True, slots=True)
class Node:
    """A span and those inside it. `start` and `width` are per cent of the whole trace."""

    name: str
    title: str
    """What people call it."""
    section: str
    lasted: timedelta
    start: float
    width: float
    error: str
    facts: tuple[str, ...]
    attributes: dict[str, Any]
    content: dict[str, str]
    inside: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class TraceTree:
    """The tree, how many spans it has, and whether some were left out."""

    roots: tuple[Node, ...]
    count: int
    is_cut: bool
    has_content: bool


def trace_tree(spans: Sequence[SpanRecord]) -> TraceTree:
    """Spans under their parents, by time of start; a parent that never ended is left out."""
    shown = spans[:_LIMIT]
    known = {span.span_id for span in shown}
    children: dict[str | None, list[SpanRecord]] = defaultdict(list)
    for span in shown:
        children[span.parent_id if span.parent_id in known else None].append(span)

    def grow(parent: str | None, begin: int, length: int) -> tuple[Node, ...]:
        return tuple(
            _node(span, begin, length, grow(span.span_id, begin, length))
            for span in children[parent]
        )

    # Each root is a driver's turn; one is measured by itself, as days may lie between two.
    roots = tuple(
        _node(root, root.start, length, grow(root.span_id, root.start, length))
        for root in children[None]
        if (length := max(root.end - root.start, 1))
    )
    return TraceTree(
        roots=roots,
        count=len(shown),
        is_cut=len(spans) > _LIMIT,
        has_content=any(CONTENT & span.attributes.keys() for span in shown),
    )


def _node(span: SpanRecord, begin: int, length: int, inside: tuple[Node, ...]) -> Node:
    said = span.attributes
    start = min(max((span.start - begin) / length * 100, 0.0), 99.5)
    width = min(max((span.end - span.start) / length * 100, 0.5), 100 - start)
    return Node(
        name=span.name,
        title=_title(span.name),
        section=str(said.get(telemetry.STEP_SECTION) or ""),
        lasted=timedelta(microseconds=(span.end - span.start) / 1000),
        start=round(start, 2),
        width=round(width, 2),
        error=span.error,
        facts=tuple(
            words.format(said[name])
            for name, words in _FACTS.items()
            if said.get(name) not in (None, "") and (name, said[name]) != _FIRST_TRY
        ),
        attributes={n: v for n, v in sorted(said.items()) if n not in CONTENT},
        content={n: str(said[n]) for n in sorted(CONTENT & said.keys())},
        inside=inside,
    )


def _title(name: str) -> str:
    first, _, rest = name.partition(" ")
    return _TITLES[first].format(rest) if first in _TITLES else name
