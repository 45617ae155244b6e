"""Puts the tokens of a text so that the parser reads them as the engine does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Final

from sqlglot import Token, TokenType
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.duckdb import DuckDB

OPENING: Final = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
CLOSING: Final = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_TAIL: Final = frozenset({TokenType.ORDER_BY, TokenType.LIMIT, TokenType.OFFSET})
_PIVOTS: Final = frozenset({TokenType.PIVOT, TokenType.UNPIVOT})
_ENDS_OF_PIVOT: Final = frozenset({TokenType.USING, TokenType.GROUP_BY, TokenType.INTO, *_TAIL})
_ENDS_OF_ITEM: Final = frozenset({TokenType.COMMA, TokenType.ALIAS, TokenType.IN})
_OPERATORS: Final = frozenset(
    {
        *(TokenType.PLUS, TokenType.DASH, TokenType.STAR, TokenType.SLASH, TokenType.DPIPE),
        *(TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE, TokenType.EQ, TokenType.NEQ),
        *(TokenType.AND, TokenType.OR, TokenType.MOD, TokenType.DIV),
    }
)
_NAMES: Final = frozenset({TokenType.APPLY, TokenType.VAR})
_BEFORE_ARGUMENT: Final = frozenset({TokenType.L_PAREN, TokenType.COMMA})
# What the parser takes for something else; the engine has the same function under another name.
_OTHER_NAMES: Final = {"apply": "list_transform", "reduce": "list_reduce"}


def in_engine_order(tokens: list[Token], dialect: Dialect) -> list[Token]:
    """*tokens* with what only the engine of *dialect* reads in its own way made plain."""
    if not isinstance(dialect, DuckDB):
        return tokens
    kinds = {token.token_type for token in tokens}
    if TokenType.ARROW in kinds:
        tokens = _inserted(tokens, _around_arrows(tokens))
    tokens = [
        _renamed(token) if after.token_type is TokenType.L_PAREN else token
        for token, after in zip_longest(tokens, tokens[1:], fillvalue=tokens[-1])
    ]
    if kinds & _PIVOTS:
        tokens = _with_select(_inserted(tokens, _around_pivot_items(tokens)))
    return tokens


def matching(tokens: Sequence[Token], start: int, found: Callable[[Token], bool]) -> int:
    """Where, from *start* on and outside of brackets opened there, *found* holds or these close."""
    depth = 0
    for index in range(start, len(tokens)):
        token = tokens[index]
        if depth == 0 and (found(token) or token.token_type in CLOSING):
            return index
        depth += (token.token_type in OPENING) - (token.token_type in CLOSING)
    return len(tokens)


def _around_arrows(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """
    What stands before `->` at the start of an argument.

    The engine reads `f(j -> 'a')` as an extraction from JSON; the parser, without parentheses that
    cannot hold parameters, as a lambda.
    """
    for index, token in enumerate(tokens):
        if token.token_type is not TokenType.ARROW:
            continue
        start = index - 1
        if tokens[start].token_type is TokenType.R_PAREN:
            start -= 2
        if start > 0 and tokens[start - 1].token_type in _BEFORE_ARGUMENT:
            yield from ((start, index), (start, index))


def _renamed(token: Token) -> Token:
    """*token*, the name of a function, under a name that the parser knows."""
    name = _OTHER_NAMES.get(token.text.lower()) if token.token_type in _NAMES else None
    return token if name is None else _token(TokenType.VAR, name, token)


def _around_pivot_items(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """The items of ON and USING of `PIVOT t ON ... USING ...` that are more than a call or a name."""
    for index, token in enumerate(tokens):
        opens = index == 0 or tokens[index - 1].token_type is TokenType.L_PAREN
        if token.token_type is not TokenType.PIVOT or not opens:
            continue
        on = matching(tokens, index + 1, lambda t: t.token_type is TokenType.ON)
        using = matching(tokens, on + 1, lambda t: t.token_type in _ENDS_OF_PIVOT)
        yield from _compound_items(tokens, on + 1, using)
        if using < len(tokens) and tokens[using].token_type is TokenType.USING:
            end = matching(tokens, using + 1, lambda t: t.token_type in _ENDS_OF_PIVOT)
            yield from _compound_items(tokens, using + 1, end)


def _compound_items(tokens: Sequence[Token], start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        stop = matching(tokens, start, lambda t: t.token_type in _ENDS_OF_ITEM)
        operator = matching(tokens, start, lambda t: t.token_type in _OPERATORS)
        if start < operator < min(stop, end):
            yield start, min(stop, end)
        comma = matching(tokens, start, lambda t: t.token_type is TokenType.COMMA)
        start = comma + 1


def _inserted(tokens: list[Token], ranges: Iterator[tuple[int, int]]) -> list[Token]:
    """*tokens* with parentheses around each of *ranges*, none of which overlaps another."""
    before: dict[int, list[Token]] = {}
    for start, end in ranges:
        before.setdefault(start, []).append(_token(TokenType.L_PAREN, "(", tokens[start]))
        before.setdefault(end, []).append(_token(TokenType.R_PAREN, ")", tokens[end - 1]))
    made: list[Token] = []
    for index, token in enumerate(tokens):
        made += before.get(index, ())
        made.append(token)
    return [*made, *before.get(len(tokens), ())]


def _with_select(tokens: list[Token]) -> list[Token]:
    """
    *tokens*, where `PIVOT ... ORDER BY ...` becomes `SELECT * FROM (PIVOT ...) ORDER BY ...`.

    The engine takes such an ORDER BY at the level of the statement; the parser does not.
    """
    if tokens[0].token_type not in _PIVOTS:
        return tokens
    index = matching(tokens, 0, lambda token: token.token_type in _TAIL)
    if index == len(tokens):
        return tokens
    near = tokens[index]
    before = [
        _token(TokenType.SELECT, "SELECT", near),
        _token(TokenType.STAR, "*", near),
        _token(TokenType.FROM, "FROM", near),
        _token(TokenType.L_PAREN, "(", near),
    ]
    return [*before, *tokens[:index], _token(TokenType.R_PAREN, ")", near), *tokens[index:]]


def _token(kind: TokenType, text: str, near: Token) -> Token:
    return Token(kind, text, near.line, near.col, near.start, near.end)
