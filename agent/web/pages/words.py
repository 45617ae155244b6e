"""Words and forms that the pages share: times, durations, counts, statuses, permissions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from agent.driving import now
from agent.request import QUESTION_TEMPLATE
from agent.web.pages.advice import on_page
from services.access import PERMISSIONS, ROLES, Permission
from services.analysis.templates import load_template, section_title, template_names
from services.errors import meaning

STATUS_LOOKS: Final = {
    "queued": "idle",
    "running": "live",
    "interrupted": "warn",
    "waiting": "warn",
    "failed": "bad",
    "done": "good",
    "rejected": "bad",
    "cancelled": "idle",
    "withdrawn": "bad",
}
"""The class that gives each status its colour and shape; its word is always beside them."""


_TRIGGERS: Final = {
    "cli": "on a command line",
    "api": "on these pages or through the API",
    "mcp": "through a language model's tools",
    "webhook": "by a call of another system",
    "schedule": "by a schedule",
    "replay": "to replay another run",
}


def ago(moment: datetime) -> str:
    """How long ago, in the largest unit that says it."""
    seconds = int((now() - moment).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{max(seconds, 0)} s ago"


def moment(at: datetime) -> str:
    """`2026-09-30 14:05:09 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(at: datetime) -> str:
    """`14:05:09`, in UTC."""
    return at.astimezone(UTC).strftime("%H:%M:%S")


def lasted(duration: timedelta) -> str:
    """`35 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    for size, unit, smaller, name in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = int(seconds % size // smaller)
            return f"{int(seconds // size)} {unit}" + (f" {rest} {name}" if rest else "")
    raise AssertionError(duration)


def number(value: float) -> str:
    """With its thousands set apart."""
    return f"{value:,.0f}"


def counted(value: int, noun: str, many: str = "") -> str:
    """`1 item`, `1,204 items`; *many* is the plural that is made otherwise."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {many or noun + 's'}"


def titled(section: str, template: str) -> str:
    """What the report of *template* calls a section."""
    return section_title(template, section)


def report_title(template: str) -> str:
    """What a kind of report is called."""
    if template == QUESTION_TEMPLATE:
        return "Answer to a question"
    return load_template(template).title if template in template_names() else template


def through(trigger: str) -> str:
    """How a run was asked for."""
    return _TRIGGERS.get(trigger, trigger)


@pass_context
def advised(page: Context, text: str) -> Markup:
    """An error's or item's words, as a page says them."""
    return on_page(text, page.get("folders", ()))


@pass_context
def named(page: Context, title: str) -> str:
    """The title of an item, without links, for where it is one itself or is quoted."""
    return on_page(title, page.get("folders", ())).striptags()


def who_may(permission: Permission) -> str:
    """The roles that allow something, in words."""
    able = [role for role in ROLES if permission in PERMISSIONS[role]]
    return " or ".join(able)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "ago": ago,
    "moment": moment,
    "clock": clock,
    "lasted": lasted,
    "number": number,
    "counted": counted,
    "titled": titled,
    "report_title": report_title,
    "through": through,
    "meaning": meaning,
    "advised": advised,
    "named": named,
}
GLOBALS: Final[dict[str, Any]] = {"status_looks": STATUS_LOOKS, "who_may": who_may}
