"""What the guard answers: a verdict, and for each refusal a sentence that helps to repair it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel


class Violation(BaseModel, frozen=True):
    """
    One reason to refuse.

    `message` and `hint` name only what the policy names, so that they can be logged and handed to
    a model; `line` and `column` (from 1) say where, and are None where no single place is at fault;
    `length` is that of the place.
    """

    rule: str
    message: str
    hint: str = ""
    line: int | None = None
    column: int | None = None
    length: int = 1


class Verdict(BaseModel, frozen=True):
    """
    The guard's answer on one text.

    `sql` is the canonical statement, the only text that may run; None when refused. `tables`,
    `columns` (`schema.table.column`) and `functions` are what it reads, sorted. `parameters` are the
    names for which it needs a value when it runs, those of row filters among them.
    """

    allowed: bool
    violations: tuple[Violation, ...] = ()
    sql: str | None = None
    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()


class Reading(BaseModel, frozen=True):
    """
    How another parser reads a text, for a second opinion. Names are in lower case.

    `statements` are their kinds. `tables` are paths of what would be looked up, without the names of
    CTEs in sight: `(name,)`, `(schema, name)` or `(catalog, schema, name)`. `functions` leaves out
    operators. These are None where the parser names the kinds only, as DuckDB's does for PIVOT.
    `problem` says why there is no reading, or that the text is more than a query.
    """

    statements: tuple[str, ...] = ()
    tables: frozenset[tuple[str, ...]] | None = None
    functions: frozenset[str] | None = None
    table_functions: frozenset[str] | None = None
    problem: str | None = None


class SecondOpinion(Protocol):
    """
    Reads texts with another parser, such as the engine's own, without running them.

    It gives one reading a text and never raises: a text that it cannot read has a `problem`.
    """

    def __call__(self, *texts: str) -> Sequence[Reading]:
        """How the other parser reads each of *texts*."""
        ...
