"""What the rules found: violations, things read, and what the canonical text must change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlglot import exp

from ._functions import FunctionRule
from ._policy import GuardPolicy, TableName
from ._scope import Base, Relation
from ._text import place
from ._verdict import Violation

_MAX_VIOLATIONS: Final = 20


@dataclass(slots=True)
class Report:
    """Collected while the tree is walked."""

    policy: GuardPolicy
    text: str
    function_rule: FunctionRule
    violations: list[Violation] = field(default_factory=list)
    tables: set[TableName] = field(default_factory=set)
    columns: set[tuple[str, str, str]] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    narrowed: dict[int, Base] = field(default_factory=dict)
    """Tables that are read through a list of their columns, because a form reads them all."""
    paths: list[tuple[exp.Column, tuple[Base, ...]]] = field(default_factory=list)
    exclusions: list[tuple[exp.Star, frozenset[str]]] = field(default_factory=list)

    def refuse(self, rule: str, message: str, hint: str, node: exp.Expr | None = None) -> None:
        """Adds a violation at the place of *node*."""
        self.add(Violation(rule=rule, message=message, hint=hint), node)

    def add(self, violation: Violation, node: exp.Expr | None = None) -> None:
        """Adds *violation*, placed at *node*, unless it is there already."""
        line, column = self._place(node)
        placed = violation.model_copy(update={"line": line, "column": column})
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

    def _place(self, node: exp.Expr | None) -> tuple[int | None, int | None]:
        if node is None:
            return None, None
        for part in node.walk():
            if (start := part.meta.get("start")) is not None:
                return place(self.text, start)
        return None, None
