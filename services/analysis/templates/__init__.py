"""
Report templates and the plans made from them.

A template is a folder here: `template.yaml` names the report and its sections in order, and each
section has a file with its analyst and queries. `$as_of`, `$previous` and `$as_of-1100d` stand
for dates that are known when a report is planned.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Final

import yaml

from services.errors import NotFound, UnknownTemplate
from services.evidence import Frozen

if TYPE_CHECKING:
    from services.semantics import MetricQuery

__all__ = [
    "ReportPlan",
    "SectionPlan",
    "Template",
    "load_template",
    "plan_question",
    "plan_report",
    "section_title",
    "template_names",
]

Query = dict[str, Any]
"""A `MetricQuery` as plain JSON values."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOKEN: Final = re.compile(r"\$(?P<name>as_of|previous)(?:(?P<sign>[+-])(?P<days>\d{1,5})d)?")


class SectionPlan(Frozen):
    """A section: who analyses it, and the queries whose rows it is given, by alias."""

    id: str
    title: str
    analyst: str
    queries: dict[str, Query | str] = {}
    """A metric query as JSON, or one SQL statement."""


class Template(Frozen):
    """A report that can be asked for by name."""

    name: str
    title: str
    description: str
    scope: str
    entity: str
    currency: str
    sections: tuple[SectionPlan, ...]


class ReportPlan(Frozen):
    """What a report will hold, with every date filled in."""

    template: str
    title: str
    scope: str
    entity: str
    currency: str
    question: str = ""
    as_of: date
    previous: date | None = None
    sections: tuple[SectionPlan, ...]

    def section(self, name: str) -> SectionPlan:
        """The section called *name*."""
        for section in self.sections:
            if section.id == name:
                return section
        raise NotFound(f"the plan has no section {name}")


def template_names() -> tuple[str, ...]:
    """The names of all templates."""
    folders = (folder for folder in files(__name__).iterdir() if folder.is_dir())
    return tuple(sorted(f.name for f in folders if f.joinpath("template.yaml").is_file()))


@cache
def load_template(name: str) -> Template:
    """The template called *name*; `UnknownTemplate` says which there are."""
    known = template_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"templates: {', '.join(known)}"
        raise UnknownTemplate("There is no report template of that name", hint=hint)
    folder = files(__name__).joinpath(name)
    document = _read(folder.joinpath("template.yaml"))
    sections = tuple(
        SectionPlan.model_validate(_read(folder.joinpath(f"{section}.yaml")))
        for section in document.pop("sections")
    )
    return Template.model_validate({**document, "sections": sections})


@cache
def section_title(template: str, section: str) -> str:
    """What the report calls a section; of a template that is gone, its name in words."""
    if template in template_names():
        for known in load_template(template).sections:
            if known.id == section:
                return known.title
    return section.replace("_", " ").capitalize()


def plan_report(template: Template, *, as_of: date, previous: date | None) -> ReportPlan:
    """
    The plan of *template* at *as_of*.

    Without a *previous* date, lists leave it out and queries that need it are left out.
    """
    dates = {"as_of": as_of, "previous": previous}
    return ReportPlan(
        template=template.name,
        title=template.title,
        scope=template.scope,
        entity=template.entity,
        currency=template.currency,
        as_of=as_of,
        previous=previous,
        sections=tuple(
            section.model_copy(update={"queries": _dated_queries(section.queries, dates)})
            for section in template.sections
        ),
    )


def plan_question(question: str, query: MetricQuery | str, *, as_of: date) -> ReportPlan:
    """A plan with one section that answers *question* with the rows of *query*."""
    rows = query if isinstance(query, str) else query.model_dump(mode="json", exclude_none=True)
    answer = SectionPlan(id="answer", title="Answer", analyst="answer", queries={"rows": rows})
    return ReportPlan(
        template="question",
        title="Answer to a question",
        scope="One question to the warehouse",
        entity="",
        currency="",
        question=question,
        as_of=as_of,
        sections=(answer,),
    )


class _NoDateError(Exception):
    """A query asks for a date that there is none of."""


def _dated_queries(
    queries: Mapping[str, Query | str], dates: Mapping[str, date | None]
) -> dict[str, Query | str]:
    dated: dict[str, Query | str] = {}
    for alias, query in queries.items():
        try:
            dated[alias] = _dated(query, dates)
        except _NoDateError:
            continue
    return dated


def _dated(value: Any, dates: Mapping[str, date | None]) -> Any:
    """*value* with the tokens in it replaced by ISO dates."""
    match value:
        case dict():
            return {key: _dated(entry, dates) for key, entry in value.items()}
        case list():
            return [_dated(entry, dates) for entry in value if not _is_missing(entry, dates)]
        case date():
            return value.isoformat()
        case str() if token := _TOKEN.fullmatch(value):
            day = dates[token["name"]]
            if day is None:
                raise _NoDateError
            return (
                day + timedelta(days=int(f"{token['sign'] or '+'}{token['days'] or 0}"))
            ).isoformat()
        case _:
            return value


def _is_missing(value: Any, dates: Mapping[str, date | None]) -> bool:
    token = _TOKEN.fullmatch(value) if isinstance(value, str) else None
    return token is not None and dates[token["name"]] is None


def _read(file: Traversable) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 (safe, in C)
    return document
