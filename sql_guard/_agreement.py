"""Whether another parser sees in the two texts what the rules saw in the tree."""

from __future__ import annotations

from typing import Final

from ._functions import FunctionRule
from ._names import TableName, fold
from ._policy import GuardPolicy
from ._report import Report
from ._verdict import Reading, Violation

_QUERY: Final = ("select",)
_PIVOT: Final = ("multi",)


def disagreement(reading: Reading, report: Report, *, pivots: bool) -> Violation | None:
    """
    What *reading* holds against the statement behind *report*, if anything.

    A reading may name kinds only where the tree holds *pivots*.
    """
    if reading.problem is not None:
        return _differs("It cannot be read by the engine's own parser as a query.")
    if reading.tables is None:
        agreed = pivots and reading.statements in (_QUERY, _PIVOT)
        return None if agreed else _differs("The engine's own parser sees no single query.")
    if reading.statements != _QUERY:
        return _differs("The engine's own parser sees no single query.")
    tables = {_known(path, report.policy) for path in reading.tables}
    if tables != report.tables:
        return _differs("The engine's own parser sees other tables in it.")
    if not _all_allowed(reading, report.function_rule):
        return _differs("The engine's own parser sees other functions in it.")
    return None


def _known(path: tuple[str, ...], policy: GuardPolicy) -> TableName | None:
    """The table of the policy that *path* names; None when it names none."""
    if len(path) == 1:
        return fold(policy.default_schema), path[0]
    if len(path) == 3 and path[0] == fold(policy.catalog or ""):
        path = path[1:]
    return (path[0], path[1]) if len(path) == 2 else None


def _all_allowed(reading: Reading, rule: FunctionRule) -> bool:
    functions = reading.functions or frozenset()
    sources = reading.table_functions or frozenset()
    return all(rule.allows(name) for name in functions if name[:1].isalpha()) and all(
        rule.allows_in_from(name) for name in sources
    )


def _differs(message: str) -> Violation:
    return Violation(
        rule="second_opinion", message=message, hint="Write the query in a plainer form."
    )
