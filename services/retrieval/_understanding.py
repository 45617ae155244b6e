"""What became of a question: a query and what it means in words, or why there is none."""

from __future__ import annotations

from datetime import date

from services.evidence import Frozen
from services.semantics import MetricQuery


class Option(Frozen):
    """One way to read an ambiguous question."""

    label: str
    query: MetricQuery


class Comparison(Frozen):
    """The two dates that a question compares; the query has one row for each."""

    previous: date
    current: date


class Understanding(Frozen):
    """
    How a question was read.

    With a `query`, `restatement` says in plain words what it asks. Without one, `problem` says
    why in one sentence; `words` are the words that were not understood, `options` the readings
    between which only the asker can choose, `suggestions` what could be asked instead.
    """

    query: MetricQuery | None = None
    restatement: str = ""
    comparison: Comparison | None = None
    problem: str = ""
    words: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    suggestions: tuple[str, ...] = ()
