"""
Rules on the text and its tokens, before any parser.

The parser drops `{# ... #}` as a comment and takes some invisible characters for letters where the
engine does not; and deep nesting ends it without an error. So these are refused before it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlglot import Token, TokenType

from ._policy import Limits
from ._verdict import Violation

TokenRule = Callable[[str, Sequence[Token], Limits], Iterator[Violation]]

_QUOTED: Final = frozenset(
    {
        TokenType.STRING,
        TokenType.IDENTIFIER,
        TokenType.HEREDOC_STRING,
        TokenType.BYTE_STRING,
        TokenType.NATIONAL_STRING,
        TokenType.RAW_STRING,
        TokenType.UNICODE_STRING,
    }
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MARK: Final = re.compile(r"\{[#%{]")
_LINE_END: Final = re.compile(r"[\r\n]")
_BLOCK: Final = re.compile(r"/\*|\*/")
# White space, separators, invisible marks and characters that no one assigned a meaning to.
_ODD_CATEGORIES: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cn", "Co", "Cs"})
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0")
_MAX_TOKENS: Final = 6_000
_MAX_RUN: Final = 400
_LINK_ENDS: Final = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET})
_LINK_STARTS: Final = frozenset({TokenType.DOT, TokenType.L_BRACKET})
_MAX_LINKS: Final = 24
_MAX_QUERIES: Final = 240
_CONNECTORS: Final = frozenset({TokenType.AND, TokenType.OR})
_CLAUSES: Final = frozenset({TokenType.SELECT, TokenType.FROM, TokenType.WHERE})
_BREAKS: Final = frozenset(
    {
        *(TokenType.AND, TokenType.OR, TokenType.COMMA, TokenType.WHEN, TokenType.THEN),
        *(TokenType.SELECT, TokenType.FROM, TokenType.WHERE),
        *(TokenType.ELSE, TokenType.ON, TokenType.GROUP_BY, TokenType.ORDER_BY),
    }
)
_OPENING: Final = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING: Final = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})


def check_text(sql: str, limits: Limits) -> Iterator[Violation]:
    """What is wrong with *sql* as a string of characters."""
    if len(sql) > limits.max_length:
        yield Violation(
            rule="max_length",
            message=f"The statement is longer than {limits.max_length} characters.",
            hint="Write a shorter statement.",
        )
    elif bad := _CONTROL.search(sql):
        line, column = place(sql, bad.start())
        yield Violation(
            rule="characters",
            message="The statement holds a control character.",
            hint="Use plain spaces and line ends only.",
            line=line,
            column=column,
        )


def check_tokens(sql: str, tokens: Sequence[Token], limits: Limits) -> Iterator[Violation]:
    """What is wrong with *sql* as a row of tokens."""
    if len(tokens) > _MAX_TOKENS:
        yield _too_deep(sql, tokens[_MAX_TOKENS], "has too many words and signs")
        return
    for rule in _RULES:
        yield from rule(sql, tokens, limits)


def place(sql: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at *offset*."""
    start = sql.rfind("\n", 0, offset) + 1
    return sql.count("\n", 0, offset) + 1, offset - start + 1


def parameters_fit(parameters: Mapping[str, Any], limits: Limits) -> bool:
    """Whether no text among the parameter values is longer than a string may be."""
    return all(
        not isinstance(value, str | bytes) or len(value) <= limits.max_string
        for value in parameters.values()
    )


def _plain_characters(sql: str, tokens: Sequence[Token], _limits: Limits) -> Iterator[Violation]:
    if sql.isascii():
        return
    for start, end in _outside_quotes(sql, tokens):
        bad = next((i for i in range(start, end) if _is_odd(sql[i])), None)
        if bad is not None:
            line, column = place(sql, bad)
            yield Violation(
                rule="characters",
                message="An unusual character stands outside of quotes.",
                hint="Outside of quotes use letters, digits, plain spaces and ASCII signs only.",
                line=line,
                column=column,
            )
            return


def _is_odd(character: str) -> bool:
    return not character.isascii() and (
        unicodedata.category(character) in _ODD_CATEGORIES or character in _BLANK_LETTERS
    )


def _no_templates(sql: str, tokens: Sequence[Token], _limits: Limits) -> Iterator[Violation]:
    if not _MARK.search(sql):
        return
    code = list(sql)
    for start, end in _quotes_and_comments(sql, tokens):
        code[start:end] = " " * (end - start)
    if mark := _MARK.search("".join(code)):
        line, column = place(sql, mark.start())
        yield Violation(
            rule="templates",
            message="The statement holds a template mark.",
            hint="Write the SQL itself; put a space between two opening braces.",
            line=line,
            column=column,
            length=2,
        )


def _nesting(sql: str, tokens: Sequence[Token], limits: Limits) -> Iterator[Violation]:
    depth = cases = 0
    for token in tokens:
        kind = token.token_type
        if kind in _OPENING:
            depth += 1
        elif kind in _CLOSING:
            depth -= 1
        elif kind is TokenType.CASE:
            cases += 1
        elif kind is TokenType.END:
            cases -= 1
        if depth + cases > limits.max_depth:
            yield _too_deep(sql, token, f"nests deeper than {limits.max_depth} levels")
            return


def _chains(sql: str, tokens: Sequence[Token], limits: Limits) -> Iterator[Violation]:
    """A chain such as `1+1+...`, `a[1][1]...` or `NOT NOT ...` nests as deep as parentheses do."""
    run = queries = terms = links = 0
    previous: TokenType | None = None
    for token in tokens:
        kind = token.token_type
        run = 0 if kind in _BREAKS else run + 1
        links = 0 if run == 0 else links + (previous in _LINK_ENDS and kind in _LINK_STARTS)
        previous = kind
        terms = 0 if kind in _CLAUSES else terms + (kind in _CONNECTORS)
        queries += kind in (TokenType.SELECT, TokenType.FROM)
        too_many = links > _MAX_LINKS or queries > _MAX_QUERIES
        if too_many or run > _MAX_RUN or terms > limits.max_in_list:
            yield _too_deep(sql, token, "holds a chain that is too long")
            return


def _too_deep(sql: str, token: Token, what: str) -> Violation:
    line, column = place(sql, token.start)
    return Violation(
        rule="max_depth",
        message=f"The statement {what}.",
        hint="Use common table expressions, lists and joins instead.",
        line=line,
        column=column,
    )


def _single_commas(sql: str, tokens: Sequence[Token], _limits: Limits) -> Iterator[Violation]:
    previous = None
    for token in tokens:
        if token.token_type is TokenType.COMMA and previous in _BEFORE_NO_COMMA:
            line, column = place(sql, token.start)
            yield Violation(
                rule="syntax",
                message="A comma stands where no list item came before.",
                hint="Remove the surplus comma.",
                line=line,
                column=column,
            )
            return
        previous = token.token_type


_BEFORE_NO_COMMA: Final = frozenset({TokenType.COMMA, TokenType.SELECT, *_OPENING})


def _outside_quotes(sql: str, tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    start = 0
    for token in tokens:
        if token.token_type in _QUOTED:
            yield start, token.start
            start = token.end + 1
    yield start, len(sql)


def _quotes_and_comments(sql: str, tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Where *sql* holds quoted texts, and comments that both the parser and the engine see."""
    after = 0
    for token in tokens:
        yield from _comments(sql, after, token.start)
        if token.token_type in _QUOTED:
            yield token.start, token.end + 1
        after = token.end + 1
    yield from _comments(sql, after, len(sql))


def _comments(sql: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The comments at the beginning of what stands between two tokens."""
    while start < end:
        if sql[start].isspace():
            start += 1
            continue
        if sql.startswith("--", start):
            found = _LINE_END.search(sql, start, end)
            stop = found.start() if found else end
        elif sql.startswith("/*", start):
            stop = _end_of_block(sql, start, end)
        else:
            return
        yield start, stop
        start = stop


def _end_of_block(sql: str, start: int, end: int) -> int:
    depth = 0
    for sign in _BLOCK.finditer(sql, start, end):
        depth += 1 if sign.group() == "/*" else -1
        if depth == 0:
            return sign.end()
    return end


_RULES: Final[tuple[TokenRule, ...]] = (
    _plain_characters,
    _no_templates,
    _nesting,
    _chains,
    _single_commas,
)
