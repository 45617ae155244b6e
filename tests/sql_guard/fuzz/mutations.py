"""Texts that were known, changed: words, subtrees, comments, odd characters."""

from __future__ import annotations

from random import Random

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_ODD = "\u200b\u2060\ufeff\u00a0\u3000\u2028\u0085\u001c\u00ad\u180e\u202e\u0000\u017f\u212a\u0131\u3164"
_PIECES = [
    *(
        "{#",
        "#}",
        "{{",
        "{%",
        "/*",
        "*/",
        "--",
        "--\n",
        "\r",
        ";",
        "'",
        '"',
        "$$",
        "$x$",
        "`",
        "\\",
    ),
    *(
        "/* {# */",
        "/* #} */",
        "E'\\''",
        "U&'x'",
        "(SHOW TABLES)",
        "hr.salaries",
        "lei",
        "#6",
        "c",
        "*",
    ),
    *("UNION ALL SELECT employee FROM hr.salaries", ", (SELECT max(employee) FROM hr.salaries)"),
    *("JOIN hr.salaries ON true", "COLUMNS(*)", "sqlite_master", "WITH salaries AS (SELECT 1)"),
]


class Mutator:
    """Changes and crosses the texts that it is given."""

    def __init__(self, random: Random, texts: list[str]) -> None:
        self._random = random
        self._texts = texts
        self._trees = [tree for text in texts if (tree := _parsed(text)) is not None]

    def words(self) -> str:
        """A text with words swapped, dropped, put in, or joined to another text."""
        words = self._random.choice(self._texts).split(" ")
        for _ in range(self._random.randint(1, 3)):
            at = self._random.randrange(len(words) + 1)
            match self._random.randrange(4):
                case 0:
                    words.insert(at, self._word())
                case 1:
                    del words[at : at + 1]
                case 2:
                    words[at : at + 1] = [self._word()]
                case _:
                    words[at:at] = self._random.choice(self._texts).split(" ")[-6:]
        return " ".join(words)

    def characters(self) -> str:
        """A text with odd characters, quotes or comment signs put in."""
        text = self._random.choice(self._texts)
        for _ in range(self._random.randint(1, 3)):
            at = self._random.randrange(len(text) + 1)
            piece = self._random.choice([self._random.choice(_ODD), self._random.choice(_PIECES)])
            if self._random.random() < 0.4 and " " in text:
                at = text.index(" ", self._random.randrange(text.rindex(" ") + 1))
                text = text[:at] + piece + text[at + 1 :]
            else:
                text = text[:at] + piece + text[at:]
        return text

    def trees(self) -> str:
        """A text with parts of its tree replaced by parts of another's."""
        tree = self._random.choice(self._trees).copy()
        for _ in range(self._random.randint(1, 3)):
            target = self._part(tree)
            donor = self._part(self._random.choice(self._trees))
            if target is None or donor is None or target.parent is None:
                continue
            if isinstance(target, exp.Table) or isinstance(donor, exp.Table):
                donor = self._as_source(donor)
                if not isinstance(target, exp.Table | exp.Subquery):
                    continue
            elif isinstance(donor, exp.Query) and not isinstance(target, exp.Query):
                donor = exp.Subquery(this=donor.copy())
            target.replace(donor.copy())
        try:
            return tree.sql("duckdb")
        except (SqlglotError, ValueError, AttributeError, TypeError, KeyError):
            return "SELECT 1"

    def _as_source(self, donor: exp.Expr) -> exp.Expr:
        if isinstance(donor, exp.Table | exp.Subquery):
            return donor
        if isinstance(donor, exp.Query):
            return exp.Subquery(this=donor.copy())
        return exp.to_table("hr.salaries")

    def _part(self, tree: exp.Expr) -> exp.Expr | None:
        wanted = self._random.choice(
            [exp.Table, exp.Column, exp.Query, exp.Func, exp.Binary, exp.Condition]
        )
        found = [node for node in tree.find_all(wanted) if node is not tree]
        return self._random.choice(found) if found else None

    def _word(self) -> str:
        if self._random.random() < 0.4:
            return self._random.choice(_PIECES)
        return self._random.choice(self._random.choice(self._texts).split(" "))


def _parsed(text: str) -> exp.Expr | None:
    try:
        tree = sqlglot.parse_one(text, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None
    return tree if isinstance(tree, exp.Query) else None
