"""The guard: an ordered row of fences, each of which can only refuse."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from time import thread_time
from typing import Any, Final

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from ._agreement import disagreement
from ._bounds import Bounds
from ._canonical import canonical_sql
from ._dialects import MISSPELT, in_engine_case, misspelt
from ._functions import FunctionRule
from ._nodes import unknown_syntax
from ._parse import Unreadable, tokens_of, tree_of
from ._policy import GuardPolicy
from ._report import Enough, OutOfTime, Report
from ._resolve import Resolver
from ._sizes import Estimator
from ._text import check_text, check_tokens, parameters_fit
from ._verdict import SecondOpinion, Verdict, Violation


class Guard:
    """
    Decides which texts may reach the engine, and in which form.

    `policy` says what may be read. With a `second_opinion` another parser has to agree; None leaves
    that fence out.
    """

    def __init__(self, policy: GuardPolicy, second_opinion: SecondOpinion | None = None) -> None:
        self.policy: Final = policy
        self._second_opinion = second_opinion
        self._functions = FunctionRule(policy.functions, policy.dialect)
        self._dialect = Dialect.get_or_raise(policy.dialect)

    def check(self, sql: str, *, parameters: Mapping[str, Any] | None = None) -> Verdict:
        """
        The verdict on *sql*, with `$name` allowed for each name in *parameters*.

        Never raises for what *sql* holds: what cannot be read is refused.
        """
        try:
            return self._within_time(sql, parameters or {})
        except Unreadable as error:
            return _refused(error.violation)
        except OutOfTime:
            return _refused(_TOO_SLOW)
        except (RecursionError, MemoryError, SqlglotError):
            return _refused(_TOO_COMPLEX)
        except Exception:  # noqa: BLE001  # a rule that fails must refuse, whatever it met
            return _refused(_NOT_UNDERSTOOD)

    def _within_time(self, sql: str, parameters: Mapping[str, Any]) -> Verdict:
        """
        The verdict, from a second try if need be: Python's collector may have run in the first.

        Its pause counts as processor time of whoever it falls on, says nothing about the text, and
        is not due again so soon.
        """
        try:
            return self._check(sql, parameters)
        except OutOfTime:
            return self._check(sql, parameters)

    def _check(self, sql: str, parameters: Mapping[str, Any]) -> Verdict:
        limits = self.policy.limits
        deadline = thread_time() + limits.max_check_ms / 1_000
        if violations := tuple(check_text(sql, limits)):
            return _refused(*violations)
        tokens = tokens_of(sql, self._dialect)
        if violations := tuple(check_tokens(sql, tokens, limits)):
            return _refused(*violations)
        tree = tree_of(sql, tokens, self._dialect)
        tree = in_engine_case(tree, self.policy.dialect)
        report = Report(self.policy, sql, self._functions, deadline)
        if (node := misspelt(tree, self.policy)) is not None:
            report.add(MISSPELT, node)
        report.check_time()
        with suppress(Enough):
            self._rules(tree, tokens, report, parameters)
        if report.violations:
            return _refused(*report.violations)
        pivots = self._second_opinion is not None and tree.find(exp.Pivot) is not None
        canonical = canonical_sql(tree, report, self._dialect)
        if violation := self._second_thoughts(sql, canonical, report, pivots=pivots):
            return _refused(violation)
        report.check_time()
        return Verdict(
            allowed=True,
            sql=canonical,
            tables=tuple(sorted(".".join(name) for name in report.tables)),
            columns=tuple(sorted(".".join(name) for name in report.columns)),
            functions=tuple(sorted(report.functions)),
            parameters=tuple(sorted(report.parameters)),
        )

    def _rules(
        self, tree: exp.Expr, tokens: list[Token], report: Report, parameters: Mapping[str, Any]
    ) -> None:
        """Has *report* hold whatever the rules find in *tree*, which was read from *tokens*."""
        bounds = Bounds(self.policy.limits, parameters)
        names = self._walk(tree, report, bounds)
        if _lost_queries(names, tokens):
            report.add(_NOT_UNDERSTOOD)
        named = frozenset(report.parameters)
        if not parameters_fit(parameters, self.policy.limits):
            report.refuse("max_string", "A parameter is too long.", "Pass a shorter value.")
        if bounds.exceeded:
            return
        Resolver(report, Estimator(parameters)).query(tree, {}, None)
        if any(id(node) not in report.seen for node in names):
            report.add(_NOT_UNDERSTOOD)
        if report.parameters - named - parameters.keys():
            report.add(_NO_FILTER_VALUE)

    def _second_thoughts(
        self, sql: str, canonical: str, report: Report, *, pivots: bool
    ) -> Violation | None:
        if self._second_opinion is None:
            return None
        readings = self._second_opinion(sql, canonical)
        if len(readings) != 2:
            return _NOT_UNDERSTOOD
        return next(filter(None, (disagreement(r, report, pivots=pivots) for r in readings)), None)

    def _walk(self, tree: exp.Expr, report: Report, bounds: Bounds) -> list[exp.Expr]:
        """Checks each node by itself; gives those that have to be resolved."""
        functions = self._functions
        names: list[exp.Expr] = []
        for node in tree.walk():
            if type(node) in _RESOLVED:
                names.append(node)
            if (violation := unknown_syntax(node)) is not None:
                report.add(violation, node)
            if isinstance(node, exp.Func) and functions.is_call(node):
                name = functions.allowed_name(node)
                if name is None:
                    report.add(functions.refusal(node), node)
                else:
                    report.functions.add(name)
            if (violation := bounds.of(node)) is not None:
                report.add(violation, node)
        for violation in bounds.total():
            bounds.exceeded = True
            report.add(violation)
        report.parameters |= bounds.parameters
        report.check_time()
        return names


def _refused(*violations: Violation) -> Verdict:
    return Verdict(allowed=False, violations=violations)


def _lost_queries(nodes: list[exp.Expr], tokens: list[Token]) -> bool:
    """Whether the parser dropped a query, as it drops arguments that a function should not have."""
    written = [token.token_type for token in tokens].count(TokenType.SELECT)
    return [type(node) for node in nodes].count(exp.Select) < written


_RESOLVED: Final = frozenset(
    {
        *(exp.Table, exp.Column, exp.Columns, exp.PositionalColumn, exp.Placeholder, exp.Lambda),
        *(exp.Dot, exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Anonymous),
        *(exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Repeat, exp.Pad),
    }
)

_TOO_COMPLEX: Final = Violation(
    rule="syntax",
    message="The statement is too deep or too odd to be read.",
    hint="Write one plain SELECT statement.",
)
_TOO_SLOW: Final = Violation(
    rule="max_check_ms",
    message="The statement takes too long to be checked.",
    hint="Write a shorter and plainer statement.",
)
_NOT_UNDERSTOOD: Final = Violation(
    rule="syntax",
    message="The statement holds something that the guard does not understand.",
    hint="Write one plain SELECT statement with common clauses.",
)
_NO_FILTER_VALUE: Final = Violation(
    rule="parameters",
    message="A row filter of the policy needs a value that was not given.",
    hint="Whoever checks the statement passes the values that the policy's filters name.",
)
