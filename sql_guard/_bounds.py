"""Bounds on what a statement may make the engine do, read off the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlglot import exp

from ._policy import Limits
from ._verdict import Violation

_LISTS: Final = frozenset({exp.In, exp.Tuple, exp.Array, exp.Values, exp.Struct})
_BOUNDED: Final = _LISTS | {exp.Join, exp.CTE, exp.Literal, exp.Placeholder}


class Bounds:
    """Checks each node against the limits and counts what is limited as a whole."""

    def __init__(self, limits: Limits, parameters: Mapping[str, Any]) -> None:
        self._limits = limits
        self._parameters = parameters
        self._joins = 0
        self._ctes = 0
        self.parameters: set[str] = set()
        self.exceeded = False
        """Whether the statement as a whole is larger than may be resolved."""

    def of(self, node: exp.Expr) -> Violation | None:
        """What *node* alone exceeds, if anything."""
        kind = type(node)
        if kind not in _BOUNDED:
            return None
        limits = self._limits
        if kind is exp.Join:
            self._joins += 1
        elif kind is exp.CTE:
            self._ctes += 1
        elif kind is exp.Literal:
            if len(node.name) > limits.max_string:
                return Violation(
                    rule="max_string",
                    message=f"A literal is longer than {limits.max_string} characters.",
                    hint="Use a shorter literal.",
                )
        elif kind is exp.Placeholder:
            self.parameters.add(node.name)
            if not node.this or node.name not in self._parameters:
                return _not_given()
        elif len(node.expressions) > limits.max_in_list:
            return Violation(
                rule="max_in_list",
                message=f"A list holds more than {limits.max_in_list} items.",
                hint="Filter by a range or a join instead of a long list.",
            )
        return None

    def total(self) -> Iterator[Violation]:
        """What the statement as a whole exceeds."""
        if self._joins > self._limits.max_joins:
            yield Violation(
                rule="max_joins",
                message=f"The statement has more than {self._limits.max_joins} joins.",
                hint="Join fewer tables.",
            )
        if self._ctes > self._limits.max_ctes:
            yield Violation(
                rule="max_ctes",
                message=f"The statement has more than {self._limits.max_ctes} table expressions.",
                hint="Use fewer common table expressions.",
            )


def _not_given() -> Violation:
    return Violation(
        rule="parameters",
        message="A parameter is used that was not given.",
        hint="Use only $name parameters whose values are passed along.",
    )
