"""The guard: an ordered row of fences, each of which can only refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from ._agreement import disagreement
from ._bounds import Bounds
from ._canonical import canonical_sql
from ._estimate import Estimator
from ._functions import FunctionRule
from ._nodes import known_syntax
from ._parse import Unreadable, tokens_of, tree_of
from ._policy import GuardPolicy
from ._report import Report
from ._resolve import Resolver
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
        self._functions = FunctionRule(policy.functions)
        self._dialect = Dialect.get_or_raise(policy.dialect)

    def check(self, sql: str, *, parameters: Mapping[str, Any] | None = None) -> Verdict:
        """
        The verdict on *sql*, with `$name` allowed for each name in *parameters*.

        Never raises for what *sql* holds: what cannot be read is refused.
        """
        try:
            return self._check(sql, parameters or {})
        except Unreadable as error:
            return Verdict(allowed=False, violations=(error.violation,))
        except (RecursionError, MemoryError, SqlglotError):
            return Verdict(allowed=False, violations=(_too_complex(),))
        except Exception:  # noqa: BLE001  # a rule that fails must refuse, whatever it met
            return Verdict(allowed=False, violations=(_not_understood(),))

    def _check(self, sql: str, parameters: Mapping[str, Any]) -> Verdict:
        limits = self.policy.limits
        violations = tuple(check_text(sql, limits))
        if violations:
            return Verdict(allowed=False, violations=violations)
        tokens = tokens_of(sql, self._dialect)
        if violations := tuple(check_tokens(sql, tokens, limits)):
            return Verdict(allowed=False, violations=violations)
        tree = tree_of(sql, tokens, self._dialect)
        report = Report(self.policy, sql, self._functions)
        self._walk(tree, report, Bounds(limits, parameters))
        if not parameters_fit(parameters, limits):
            report.refuse("max_string", "A parameter is too long.", "Pass a shorter value.")
        Resolver(report, Estimator(parameters)).query(tree, {}, None)
        if report.violations:
            return Verdict(allowed=False, violations=tuple(report.violations))
        pivots = tree.find(exp.Pivot) is not None
        canonical = canonical_sql(tree, report)
        if self._second_opinion is not None:
            for reading in self._second_opinion(sql, canonical):
                if (violation := disagreement(reading, report, pivots=pivots)) is not None:
                    return Verdict(allowed=False, violations=(violation,))
        return Verdict(
            allowed=True,
            sql=canonical,
            tables=tuple(sorted(".".join(name) for name in report.tables)),
            columns=tuple(sorted(".".join(name) for name in report.columns)),
            functions=tuple(sorted(report.functions)),
        )

    def _walk(self, tree: exp.Expr, report: Report, bounds: Bounds) -> None:
        functions = self._functions
        for node in tree.walk():
            for violation in known_syntax(node):
                report.add(violation, node)
            if isinstance(node, exp.Func) and functions.is_call(node):
                name = functions.allowed_name(node)
                if name is None:
                    report.add(functions.refusal, node)
                else:
                    report.functions.add(name)
            for violation in bounds.of(node):
                report.add(violation, node)
        for violation in bounds.total():
            report.add(violation)


def _too_complex() -> Violation:
    return Violation(
        rule="syntax",
        message="The statement is too deep or too odd to be read.",
        hint="Write one plain SELECT statement.",
    )


def _not_understood() -> Violation:
    return Violation(
        rule="syntax",
        message="The statement holds something that the guard does not understand.",
        hint="Write one plain SELECT statement with common clauses.",
    )
