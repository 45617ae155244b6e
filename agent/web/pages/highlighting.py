"""SQL with its words marked by classes, which the style sheet colours."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup

from reports.render import words


@lru_cache(maxsize=256)
def highlighted(sql: str) -> Markup:
    """*sql* as HTML, a line for each clause; every piece of it is escaped."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import SqlLexer

    formatter = HtmlFormatter(nowrap=True, classprefix="sql-")
    # The formatter escapes what it marks, and puts nothing of its own in but spans with classes.
    marked = highlight(words.laid_out(sql), SqlLexer(), formatter)
    return Markup(marked.rstrip("\n"))  # noqa: S704
