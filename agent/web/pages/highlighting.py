"""SQL with its words marked by classes, which the style sheet colours."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup


@lru_cache(maxsize=256)
def highlighted(sql: str) -> Markup:
    """*sql* as HTML; every piece of it is escaped."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import SqlLexer

    formatter = HtmlFormatter(nowrap=True, classprefix="sql-")
    # The formatter escapes what it marks, and puts nothing of its own in but spans with classes.
    return Markup(highlight(_laid_out(sql), SqlLexer(), formatter))  # noqa: S704


def _laid_out(sql: str) -> str:
    """A statement of one line, with a line for each clause."""
    if "\n" in sql:
        return sql
    for word in (" FROM ", " WHERE ", " GROUP BY ", " ORDER BY ", " HAVING ", " LIMIT ", " UNION "):
        sql = sql.replace(word, f"\n{word.lstrip()}")
    return sql
