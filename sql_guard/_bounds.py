"""Bounds on what a statement may make the engine do, read off the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlglot import exp

from ._policy import Limits
from ._verdict import Violation

_LISTS: Final = (exp.In, exp.Tuple, exp.Array, exp.Values, exp.Struct)


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

    def of(self, node: exp.Expr) -> Iterator[Violation]:
        """What *node* alone exceeds."""
        limits = self._limits
        match node:
            case exp.Join():
                self._joins += 1
            case exp.CTE():
                self._ctes += 1
            case exp.Literal() if len(node.name) > limits.max_string:
                yield Violation(
                    rule="max_string",
                    message=f"A literal is longer than {limits.max_string} characters.",
                    hint="Use a shorter literal.",
                )
            case exp.Placeholder():
                if not node.this or node.name not in self._parameters:
                    yield _not_given()
                self.parameters.add(node.name)
            case exp.Expr() if isinstance(node, _LISTS) and _items(node) > limits.max_in_list:
                yield Violation(
                    rule="max_in_list",
                    message=f"A list holds more than {limits.max_in_list} items.",
                    hint="Filter by a range or a join instead of a long list.",
                )

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


def _items(node: exp.Expr) -> int:
    return len(node.expressions)
