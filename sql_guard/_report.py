"""What the rules found: violations, things read, and what the canonical text must change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from time import thread_time
from typing import Final

from sqlglot import exp

from ._filters import parameters_of
from ._functions import FunctionRule
from ._names import TableName
from ._policy import GuardPolicy
from ._scope import Base, Relation
from ._text import place
from ._verdict import Violation

_MAX_VIOLATIONS: Final = 20
_MAX_NAME: Final = 80
_CALL: Final = re.compile(r"\b([A-Za-z_]\w*)\s*\(\s*\Z")


class OutOfTime(Exception):  # a control signal inside this package, no failure
    """The check took longer than it may."""


@dataclass(slots=True)
class Report:
    """Collected while the tree is walked."""

    policy: GuardPolicy
    text: str
    function_rule: FunctionRule
    deadline: float
    """When the check must have ended, by the processor time of its thread."""
    violations: list[Violation] = field(default_factory=list)
    tables: set[TableName] = field(default_factory=set)
    columns: set[tuple[str, str, str]] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    parameters: set[str] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    """Tables, columns and queries that were resolved, by the identity of their nodes."""
    narrowed: dict[int, Base] = field(default_factory=dict)
    """Tables that are read through a list of their columns, because a form reads them all."""
    paths: list[tuple[exp.Column, tuple[Base, ...]]] = field(default_factory=list)
    exclusions: list[tuple[exp.Star, frozenset[str]]] = field(default_factory=list)

    def refuse(self, rule: str, message: str, hint: str, node: exp.Expr | None = None) -> None:
        """Adds a violation at the place of *node*."""
        self.add(Violation(rule=rule, message=message, hint=hint), node)

    def add(self, violation: Violation, node: exp.Expr | None = None) -> None:
        """Adds *violation*, placed at *node*, unless it is there already."""
        placed = violation.model_copy(update=self._place(node))
        if len(self.violations) < _MAX_VIOLATIONS and placed not in self.violations:
            self.violations.append(placed)

    def denied(self, node: exp.Expr) -> None:
        """Refuses a denied column."""
        self.refuse(
            "denied_columns",
            "A column is read that must not be read.",
            f"Leave it out: {', '.join(self.policy.deny)} may not be used anywhere.",
            node,
        )

    def denied_star(self, node: exp.Expr) -> None:
        """Refuses a form that takes in a denied column together with the others."""
        self.refuse(
            "denied_columns",
            "A star, a pattern or a whole row takes in a column that must not be read.",
            f"Name the columns you need, or use * EXCLUDE; never read {', '.join(self.policy.deny)}.",
            node,
        )

    def listed(self, table: TableName) -> Mapping[str, str]:
        """The readable columns of a table of the policy."""
        return self.policy.columns_of(table) or {}

    def reads_column(self, table: TableName, *names: str) -> None:
        """Notes that columns of *table* are read."""
        self.columns.update((*table, name) for name in names)

    def needs_listed(self, relations: Iterable[Relation]) -> None:
        """Has the canonical text read the tables behind *relations* through their listed columns."""
        for relation in relations:
            for base in relation.bases:
                self.narrowed[id(base.node)] = base

    def filtered(self, base: Base, condition: exp.Expr) -> None:
        """Has the canonical text read only the rows of *base* that meet *condition*."""
        self.narrowed[id(base.node)] = base
        self.parameters |= parameters_of(condition)

    def sees_names(self, nodes: Iterable[exp.Expr]) -> None:
        """Notes that *nodes* are plain names, which whoever calls has looked at."""
        self.seen.update(
            id(node) for node in nodes if isinstance(node, exp.Column | exp.Identifier)
        )

    def check_time(self) -> None:
        """Ends the check once its time is used up."""
        if thread_time() > self.deadline:
            raise OutOfTime

    def _place(self, node: exp.Expr | None) -> dict[str, int]:
        if node is None:
            return {}
        for part in _near(node):
            start, end = part.meta.get("start"), part.meta.get("end")
            if start is None or end is None:
                continue
            if isinstance(node, exp.Func) and part is not node:
                start, end = self._name_before(start, end)
            line, column = place(self.text, start)
            return {"line": line, "column": column, "length": end - start + 1}
        return {}

    def _name_before(self, start: int, end: int) -> tuple[int, int]:
        """The place of the function whose first argument stands from *start* to *end*."""
        before = max(0, start - _MAX_NAME)
        name = _CALL.search(self.text[before:start])
        return (before + name.start(1), before + name.end(1) - 1) if name else (start, end)


def _near(node: exp.Expr) -> Iterator[exp.Expr]:
    """*node* and what it holds; then what stands beside it, for nodes whose place no one noted."""
    yield from node.walk()
    if node.parent is not None and not isinstance(node.parent, exp.Query):
        yield from node.parent.walk()
