"""Turning what someone asks into a request that can be accepted: everything resolved and checked."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from agent.opening import open_retriever
from agent.request import FORMATS, QUESTION_TEMPLATE, Accepted, Format, Request
from services.analysis.templates import Template, load_template
from services.errors import Invalid, OutputUnwritable
from services.retrieval import resolve_as_of
from services.semantics import SemanticModel
from services.settings import Settings

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def prepare(
    settings: Settings,
    run_id: str,
    *,
    question: str = "",
    template: str = "quarterly",
    as_of: date | None = None,
    output: Path | None = None,
    formats: Sequence[str] = FORMATS,
) -> Accepted:
    """
    The request of a run on the current snapshot.

    Raises `UnknownTemplate`, `AsOfOutOfRange`, `WarehouseUnreadable`, `OutputUnwritable`, or
    `Invalid` for a bad run id or format: nothing is accepted that could not be done.
    """
    check_run_id(run_id)
    chosen = None if question.strip() else load_template(template)
    retriever = open_retriever(settings)
    try:
        if chosen is not None:
            _check_metrics(chosen, retriever.model)
        resolved = resolve_as_of(retriever, as_of)
        snapshot = retriever.warehouse.snapshot.id
    finally:
        retriever.close()
    folder = (output or settings.output / run_id).expanduser().absolute()
    _check_writable(folder)
    request = Request(
        template=QUESTION_TEMPLATE if question else template,
        question=question.strip(),
        as_of=resolved,
        formats=checked_formats(formats),
        output=str(folder),
        requested_by=settings.reviewer,
    )
    return Accepted(request, snapshot, chosen.title if chosen else request.question)


def new_run_id(question: str, template: str) -> str:
    """A name for a run that nobody named."""
    return f"{'ask' if question else template}-{secrets.token_hex(4)}"


def check_run_id(run_id: str) -> None:
    """Raise `Invalid` when *run_id* could not name a run, a file and a folder."""
    if not _RUN_ID.fullmatch(run_id):
        raise Invalid(
            "A run id has letters, digits, dots, dashes and underscores, at most eighty of them.",
            hint="for example --run-id quarterly-2026-09",
        )


def _check_metrics(template: Template, model: SemanticModel) -> None:
    known = {metric.name for metric in model.metrics}
    queries = [query for section in template.sections for query in section.queries.values()]
    wanted = {name for query in queries if isinstance(query, dict) for name in query["metrics"]}
    if missing := sorted(wanted - known):
        raise Invalid(
            f"The template {template.name!r} asks for {len(missing)} metrics that this warehouse "
            f"does not have, such as {missing[0]}",
            hint="ask a question instead, or build the sample with `assay warehouse build`",
        )


def checked_formats(names: Sequence[str]) -> tuple[Format, ...]:
    """The formats of these names, in our order; raises `Invalid` for another name, or none."""
    wanted = [name.strip().lower() for name in names if name.strip()]
    unknown = sorted(set(wanted) - set(FORMATS))
    if unknown or not wanted:
        raise Invalid(
            f"No such format: {', '.join(unknown) or '(none given)'}",
            hint=f"formats are {', '.join(FORMATS)}",
        )
    return tuple(name for name in FORMATS if name in wanted)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".assay-probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OutputUnwritable(
            f"The output folder {folder} cannot be written ({error.strerror})",
            hint="choose another with --out, or free some space",
        ) from error
