"""From a text to the one tree that the rules look at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, SqlglotError

from ._hints import for_syntax
from ._text import place
from ._tokens import CLOSING, OPENING, in_engine_order
from ._verdict import Violation

_BEGINNINGS: Final = frozenset(
    {
        *(TokenType.SELECT, TokenType.WITH, TokenType.FROM, TokenType.VALUES, TokenType.TABLE),
        *(TokenType.L_PAREN, TokenType.PIVOT, TokenType.UNPIVOT),
    }
)


class Unreadable(Exception):  # a control signal inside this package, no failure
    """The text is not one statement that the guard can read."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.message)
        self.violation = violation


def tokens_of(sql: str, dialect: Dialect) -> list[Token]:
    """The tokens of *sql*."""
    try:
        return dialect.tokenize(sql)
    except SqlglotError as error:
        raise Unreadable(_syntax()) from error


def tree_of(sql: str, tokens: Sequence[Token], dialect: Dialect) -> exp.Expr:
    """The only statement of *sql*, which must be a query."""
    tokens = _without_end(tokens)
    end = next((t for t in tokens if t.token_type is TokenType.SEMICOLON), None)
    if end is not None:
        raise Unreadable(_placed(_SECOND_STATEMENT, sql, end))
    _only_queries(sql, tokens, _statements(type(dialect)))
    try:
        trees = dialect.parser().parse(in_engine_order(tokens, dialect), sql)
    except ParseError as error:
        raise Unreadable(_misread(error)) from error
    except (SqlglotError, RecursionError) as error:
        raise Unreadable(_syntax()) from error
    if len(trees) != 1 or trees[0] is None:
        raise Unreadable(_syntax())
    tree = trees[0]
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery | exp.Values | exp.Pivot):
        raise Unreadable(_no_query())
    return tree


@cache
def _statements(dialect: type[Dialect]) -> frozenset[TokenType]:
    """The words that statements other than queries begin with."""
    commands = dialect.tokenizer_class.COMMANDS
    return frozenset({*dialect.parser_class.STATEMENT_PARSERS, *commands} - _BEGINNINGS)


def _only_queries(sql: str, tokens: Sequence[Token], statements: frozenset[TokenType]) -> None:
    """
    Refuses other statements by the word they begin with, at the start and in a CTE.

    The parser would refuse or mark them as well, but it logs the texts of some.
    """
    if not tokens:
        raise Unreadable(_syntax())
    if tokens[0].token_type not in _BEGINNINGS:
        raise Unreadable(_placed(_no_query(), sql, tokens[0]))
    for before, opening, first in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (
            opening.token_type is TokenType.L_PAREN
            and (before.token_type is TokenType.ALIAS or before.text.upper() == "MATERIALIZED")
            and first.token_type in statements
        ):
            raise Unreadable(_placed(_no_query(), sql, first))
    if tokens[0].token_type is TokenType.WITH and _main_word(tokens, statements) in statements:
        raise Unreadable(_no_query())


def _main_word(tokens: Sequence[Token], statements: frozenset[TokenType]) -> TokenType | None:
    """What the statement after the CTEs of a leading WITH begins with."""
    depth = 0
    previous: TokenType | None = None
    for token in tokens:
        kind = token.token_type
        begins = depth == 0 and previous is TokenType.R_PAREN
        if begins and (kind in _BEGINNINGS or kind in statements):
            return kind
        depth += (kind in OPENING) - (kind in CLOSING)
        previous = kind
    return None


def _without_end(tokens: Sequence[Token]) -> list[Token]:
    end = len(tokens)
    if end and tokens[end - 1].token_type is TokenType.SEMICOLON:
        end -= 1
    return list(tokens[:end])


def _placed(violation: Violation, sql: str, token: Token) -> Violation:
    line, column = place(sql, token.start)
    length = token.end - token.start + 1
    return violation.model_copy(update={"line": line, "column": column, "length": length})


def _misread(error: ParseError) -> Violation:
    """What is said where the parser stopped."""
    first = error.errors[0] if error.errors else {}
    found, before = first.get("highlight") or "", first.get("start_context") or ""
    violation = _syntax().model_copy(update={"hint": for_syntax(found, before)})
    line, last = first.get("line"), first.get("col")
    # The column is that of the last character, and counts from one.
    if not found or line is None or last is None or last < len(found):
        return violation
    place_of = {"line": line, "column": last - len(found) + 1, "length": len(found)}
    return violation.model_copy(update=place_of)


_SECOND_STATEMENT: Final = Violation(
    rule="one_statement",
    message="There is more than one statement.",
    hint="Write exactly one SELECT.",
)


def _no_query() -> Violation:
    return Violation(
        rule="only_select",
        message="The statement is not a query.",
        hint="Write one SELECT; nothing may be changed, described or configured.",
    )


def _syntax() -> Violation:
    return Violation(
        rule="syntax",
        message="The statement could not be read as SQL of the policy's dialect.",
        hint="Write one plain SELECT statement, and only SQL.",
    )
