"""
How names are spelt in dialects where the case of a quoted name matters.

The rules compare names without regard to case. Where the engine does not, the tree is first put
into the engine's own case, and a quoted name that is a listed one but for its case is refused.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from ._policy import GuardPolicy
from ._verdict import Violation

_CASES: Final = {"postgres": str.lower, "snowflake": str.upper}
_NAMING: Final = (exp.Table, exp.Column, exp.Dot)


def in_engine_case(tree: exp.Expr, dialect: str) -> exp.Expr:
    """*tree* with its unquoted names in the case that the engine gives them."""
    if dialect not in _CASES:
        return tree
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

    return normalize_identifiers(tree, dialect=dialect)


def misspelt(tree: exp.Expr, policy: GuardPolicy) -> exp.Expr | None:
    """The first quoted name in *tree* that is a name of the policy in another case, if any."""
    case = _CASES.get(policy.dialect)
    if case is None:
        return None
    for node in tree.find_all(exp.Identifier):
        if (
            isinstance(node.parent, _NAMING)
            and node.arg_key != "alias"
            and node.name != case(node.name)
            and node.name.lower() in policy.names
        ):
            return node
    return None


MISSPELT: Final = Violation(
    rule="names",
    message="A quoted name is that of something listed but for its case.",
    hint="Write listed names without quotes.",
)
