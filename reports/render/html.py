"""
The report as one HTML file that asks nothing of the network.

Everything from outside passes through Jinja's autoescape. The policy in the head admits just this
file's own style and script, by digest.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from reports.document import EvidenceRecord, Report
from reports.figures import Drawing, themed
from reports.render import _view
from reports.render._view import View
from services.analysis import formats
from services.evidence import Plain

if TYPE_CHECKING:
    import jinja2

_ASSETS: Final = "reports.render.assets"

_SQL_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<string>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*")
      | (?P<number>\b\d+(?:\.\d+)?\b)
      | (?P<word>\b[A-Z][A-Z_]+\b)""",
    re.VERBOSE | re.DOTALL,
)
_SHAPES: Final = {
    "red": "M1.5 1.5h9v9h-9z",
    "amber": "M6 1.2 11 10.6H1z",
    "green": "M6 1.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 1 0 0-9.6z",
    "none": "M1.5 5h9v2h-9z",
}


def html_bytes(report: Report, drawings: Mapping[str, Drawing]) -> bytes:
    """The page of *report*, with its charts inline."""
    style, script = _asset("report.css") + _printed_heads(report), _asset("report.js")
    page = _template().render(
        view=View(report),
        report=report,
        content=report.content,
        cover=report.content.cover,
        svgs={name: _inline(drawing) for name, drawing in drawings.items()},
        style=style,
        script=script,
        policy=_policy(style, script),
    )
    return page.encode()


def _printed_heads(report: Report) -> str:
    """Style that puts status, date and page number on every printed page: no text from outside."""
    as_of = formats.display_date(report.content.cover.as_of)
    boxes = {
        "top-left": f'"{report.status}"',
        "top-right": f'"As of {as_of}"',
        "bottom-right": '"Page " counter(page) " of " counter(pages)',
    }
    rules = " ".join(f"@{at} {{ content: {text}; }}" for at, text in boxes.items())
    return f"@page {{ font: 8pt system-ui, sans-serif; {rules} }}\n"


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_source(style)}'; img-src data:; script-src '{_source(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def _asset(name: str) -> str:
    return (files(_ASSETS) / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        day=formats.display_date,
        moment=_view.moment,
        text=_view.plain_text,
        byline=_view.byline,
        parameters=_view.parameters_text,
        exact=_view.exact,
        counted=_view.counted,
        sql=_highlighted,
        sample=_sample_cell,
    )
    environment.globals.update(
        shapes=_SHAPES,
        status_words=_view.STATUS_WORDS,
        status_columns=_view.STATUS_COLUMNS,
        severity_words=_view.SEVERITY_WORDS,
        severity_status=_view.SEVERITY_STATUS,
        kind_words=_view.KIND_WORDS,
        no_evidence=_view.NO_EVIDENCE,
        is_missing=_view.is_missing,
        author_lines=_view.author_lines,
        numeric=_numeric_columns,
        has_digit=lambda text: any(map(str.isdigit, text)),
    )
    return environment.get_template("report.html.j2")


def _inline(drawing: Drawing) -> Any:
    from markupsafe import Markup

    # The picture is the drawing engine's own output, in which text is escaped already.
    return Markup(themed(drawing.svg).replace("<svg ", '<svg aria-hidden="true" ', 1))  # noqa: S704


def _highlighted(sql: str) -> Any:
    """*sql* with its words, strings and comments marked; every piece of it is escaped."""
    from markupsafe import Markup, escape

    sql = _view.laid_out(sql)
    pieces: list[Any] = []
    at = 0
    for match in _SQL_TOKEN.finditer(sql):
        pieces.append(escape(sql[at : match.start()]))
        kind = match.lastgroup
        if kind == "name":
            pieces.append(escape(match[0]))
        else:
            pieces.append(Markup('<span class="sql-{}">{}</span>').format(kind, match[0]))
        at = match.end()
    pieces.append(escape(sql[at:]))
    return Markup("").join(pieces)


def _numeric_columns(record: EvidenceRecord) -> set[str]:
    return {c.name for c in record.columns if c.type in {"decimal", "double", "integer"}}


def _sample_cell(value: Plain, unit: str) -> str:
    """A raw value of a row; doubles at up to twelve significant digits, money at two decimals."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case float() if formats.is_currency(unit):
            return formats.short_display(Decimal(repr(value)), unit, 2)
        case int() | float():
            return f"{value:,.12g}".replace("-", "\u2212")
        case _:
            return value
