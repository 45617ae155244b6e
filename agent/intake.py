"""Turning what someone asks into a request that can be accepted: everything resolved and checked."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from agent.opening import open_retriever
from agent.request import FORMATS, QUESTION_TEMPLATE, Accepted, Format, Request
from services.analysis.templates import Template, load_template
from services.errors import Invalid, OutputUnwritable
from services.retrieval import DataDates, data_dates
from services.settings import Settings
from services.store import MARK_PATTERN, RunRecord, name_in, own_id
from services.warehouse import find_snapshot

_LOOK_SECONDS = 0.1
_TRY_SECONDS = 5.0
RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
RUN_ID = RUN_NAME + MARK_PATTERN
_COPIED = 70
"""Of the name of a run that is copied, so much begins the name of the copy."""


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
    _check(RUN_ID, run_id)
    chosen = None if question.strip() else load_template(template)
    resolved, snapshot = _read_ground(settings).resolve(chosen, as_of)
    folder = (output or settings.output / run_id).expanduser().absolute()
    _check_writable(folder)
    return _accepted(
        settings, folder, chosen, question, as_of=resolved, snapshot=snapshot, formats=formats
    )


def _accepted(
    settings: Settings,
    folder: Path,
    chosen: Template | None,
    question: str,
    *,
    as_of: date,
    snapshot: str,
    formats: Sequence[str],
) -> Accepted:
    request = Request(
        template=chosen.name if chosen else QUESTION_TEMPLATE,
        question=question.strip(),
        as_of=as_of,
        formats=checked_formats(formats),
        output=str(folder),
        requested_by=settings.reviewer,
    )
    return Accepted(request, snapshot, chosen.title if chosen else request.question)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a request is checked against, of one snapshot."""

    snapshot: str
    metrics: frozenset[str]
    dates: DataDates

    def resolve(self, chosen: Template | None, as_of: date | None) -> tuple[date, str]:
        """The date and the snapshot of a run; raises when the template asks for what is not there."""
        if chosen is not None:
            _check_metrics(chosen, self.metrics)
        return self.dates.resolve(as_of), self.snapshot


def _read_ground(settings: Settings) -> _Ground:
    retriever = open_retriever(settings)
    try:
        metrics = frozenset(metric.name for metric in retriever.model.metrics)
        return _Ground(retriever.warehouse.snapshot.id, metrics, data_dates(retriever))
    finally:
        retriever.close()


class Intake:
    """
    `prepare` for a process that is asked often.

    The warehouse is opened once for each snapshot and policy; whether these are still the current
    ones is looked at ten times a second. That reports can be written is tried every few seconds, in the
    folder of all reports.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ground: _Ground | None = None
        self._stamp: object = None
        self._reading = asyncio.Lock()
        self._trying = asyncio.Lock()
        self._tried = float("-inf")
        self._looked = float("-inf")
        self._templates: dict[str, Template] = {}

    async def prepare(
        self,
        run_id: str,
        *,
        question: str = "",
        template: str = "",
        as_of: date | None = None,
        formats: Sequence[str] = FORMATS,
    ) -> Accepted:
        """The request of a run on the current snapshot; raises as `prepare` does."""
        _check(RUN_ID, run_id)
        chosen = None if question.strip() else self._template(template)
        resolved, snapshot = (await self._current()).resolve(chosen, as_of)
        base = self._settings.output.expanduser().absolute()
        if time.monotonic() - self._tried > _TRY_SECONDS:
            await self._try(base)
        return _accepted(
            self._settings,
            base / run_id,
            chosen,
            question,
            as_of=resolved,
            snapshot=snapshot,
            formats=formats,
        )

    async def warm(self) -> None:
        """Open the warehouse before anybody asks."""
        await self._current()

    async def _try(self, base: Path) -> None:
        async with self._trying:
            if time.monotonic() - self._tried > _TRY_SECONDS:
                await asyncio.to_thread(_check_writable, base)
                self._tried = time.monotonic()

    def _template(self, name: str) -> Template:
        if name not in self._templates:
            self._templates[name] = load_template(name)
        return self._templates[name]

    async def _current(self) -> _Ground:
        if self._ground is not None and time.monotonic() - self._looked < _LOOK_SECONDS:
            return self._ground
        stamp = self._look()
        self._looked = time.monotonic()
        if self._ground is None or stamp != self._stamp:
            async with self._reading:
                if self._ground is None or stamp != self._stamp:
                    self._ground = None
                    self._ground = await asyncio.to_thread(_read_ground, self._settings)
                    self._stamp = stamp if self._ground.snapshot == stamp[0] else None
        return self._ground

    def _look(self) -> tuple[str, object]:
        """What the ground was read from: the current snapshot, and the policy's file as it is."""
        snapshot = find_snapshot(self._settings.warehouse_dir, None)
        policy = self._settings.policy
        try:
            about = policy.stat() if policy else None
        except OSError:
            return snapshot.id, None
        return snapshot.id, about and (about.st_ino, about.st_mtime_ns, about.st_size)


def new_run_id(
    name: str | None = None, *, question: str = "", template: str = "", tenant: str = ""
) -> str:
    """
    The id of a run of *tenant*, by the *name* that whoever asks chose, or by one of ours.

    The same name is the same id. Raises `Invalid` for what could not name a run, a file and a folder.
    """
    if name is None:
        name = f"{'ask' if question else template}-{secrets.token_hex(4)}"
    _check(RUN_NAME, name)
    return own_id(name, tenant)


def copy_run_id(name: str | None, source: RunRecord) -> str:
    """The id of a copy of *source*, by the *name* that was chosen for it, or by one of ours."""
    ours = f"{name_in(source.id)[:_COPIED]}-{secrets.token_hex(3)}"
    return new_run_id(ours if name is None else name, tenant=source.tenant)


def _check(pattern: str, text: str) -> None:
    if not re.fullmatch(pattern, text):
        raise Invalid(
            "A run id has letters, digits, dots, dashes and underscores, at most eighty of them.",
            hint="for example --run-id quarterly-2026-09",
        )


def _check_metrics(template: Template, known: frozenset[str]) -> None:
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
        # Another process may try the same folder at the same moment.
        probe = folder / f".assay-probe-{secrets.token_hex(4)}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OutputUnwritable(
            f"The output folder {folder} cannot be written ({error.strerror})",
            hint="choose another with --out, or free some space",
        ) from error
