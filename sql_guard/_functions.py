"""The functions that a statement may call, under whatever spelling and in whatever place."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from ._function_names import ANALYTIC, BY_DIALECT, BY_NAME, SPELLINGS, TABLE_FUNCTIONS
from ._hints import for_function
from ._names import fold
from ._nodes import SYNTAX
from ._policy import FunctionLists
from ._verdict import Violation


class FunctionRule:
    """The curated default, extended and cut by the lists of a policy."""

    def __init__(self, lists: FunctionLists, dialect: str) -> None:
        self._dialect: Final = dialect
        self._denied: Final = frozenset(lists.deny)
        self._allowed: Final = (
            ANALYTIC | BY_DIALECT.get(dialect, frozenset()) | frozenset(lists.allow)
        ) - self._denied
        self._table_functions: Final = (TABLE_FUNCTIONS | frozenset(lists.allow)) - self._denied
        self._by_type: Final[dict[type[exp.Expr], str | None]] = {}

    def allowed_name(self, node: exp.Func) -> str | None:
        """The name under which *node* is allowed to be called; None when it is not."""
        if isinstance(node, exp.Anonymous):
            name = fold(node.name)
            if name in BY_NAME and not self._names_allowed(node):
                return None
            return name if self.allows(name) else None
        kind = type(node)
        if kind not in self._by_type:
            self._by_type[kind] = self._name_of(kind)
        return self._by_type[kind]

    def _names_allowed(self, node: exp.Anonymous) -> bool:
        """Whether every function that *node* is given as a text, to be called, may be called."""
        arguments = node.expressions
        if not isinstance(node.parent, exp.Dot):
            arguments = arguments[1:]
        return bool(arguments) and (
            isinstance(arguments[0], exp.Literal) and self.allows(fold(arguments[0].name))
        )

    def refusal(self, node: exp.Expr) -> Violation:
        """What is said of *node*, a call that is not allowed."""
        names = [fold(node.name)] if isinstance(node, exp.Anonymous) else _every_name(type(node))
        return Violation(
            rule="functions",
            message="A function is called that is not on the allowed list.",
            hint=for_function(names, self._allowed, self._dialect),
        )

    @staticmethod
    def is_call(node: exp.Func) -> bool:
        """Whether *node* calls a function; some syntax has the node type of one."""
        return type(node) not in SYNTAX

    def allows(self, name: str) -> bool:
        """Whether the function *name* may be called."""
        return name in self._allowed or name in self._table_functions

    def allows_in_from(self, name: str) -> bool:
        """Whether the function *name* may stand in FROM."""
        return name in self._table_functions

    def in_from(self, node: exp.Expr) -> bool:
        """Whether *node* may stand in FROM as a table."""
        if isinstance(node, exp.Anonymous):
            return self.allows_in_from(fold(node.name))
        return any(name in self._table_functions for name in spellings(type(node)))

    def _name_of(self, kind: type[exp.Func]) -> str | None:
        names = spellings(kind)
        if any(name in self._denied for name in names):
            return None
        return next((name for name in names if name in self._allowed), None)


def _every_name(kind: type[exp.Expr]) -> tuple[str, ...]:
    own = tuple(name.lower() for name in kind.sql_names()) if issubclass(kind, exp.Func) else ()
    return (*spellings(kind), *own)


def spellings(kind: type[exp.Expr]) -> tuple[str, ...]:
    """Every name in the dialect that the parser turns into a node of *kind*."""
    if kind.__name__ in SPELLINGS:
        return SPELLINGS[kind.__name__]
    if issubclass(kind, exp.Func):
        return tuple(name.lower() for name in kind.sql_names())
    return ()
