"""What is kept and for how long: runs, their contents, their files; and the whole in one file."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias

from agent.runner import FINISHED
from agent.stores import Stores
from services.checkpointer import make_checkpointer
from services.errors import NotFound, OutputUnwritable, RunBusy
from services.evidence import Frozen
from services.review import names
from services.settings import Settings
from services.store import (
    Backup,
    Freed,
    Journal,
    Restore,
    RunRecord,
    Summary,
    remove_run,
)
from services.telemetry import trace_file
from services.warehouse import prune_snapshots
from services.webhooks import Deliveries

LogFate: TypeAlias = Literal["keep", "erase", "remove"]
"""Of a removed run's audit log: left as it is, without what it says of persons, or removed."""
ERASED: Final = "(erased)"
_ALL: Final = 1_000_000_000


class Removed(Frozen):
    """What was removed, or with a dry run would be."""

    runs: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    """Runs whose evidence, documents and steps went, and whose record stays."""
    files: tuple[str, ...] = ()
    contents: int = 0
    bytes: int = 0
    decisions: tuple[str, ...] = ()
    """Review items of other runs in which a person's name was replaced."""
    busy: tuple[str, ...] = ()
    """Runs that are being driven, and were left."""

    def __add__(self, other: Removed) -> Removed:
        mine, theirs = dict(self), dict(other)
        return Removed(**{name: mine[name] + theirs[name] for name in mine})

    @classmethod
    def of(cls, freed: Freed) -> Removed:
        return cls(contents=freed.contents, bytes=freed.bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Housekeeping:
    """Removes what is no longer wanted. Killed anywhere, it goes on when it is called again."""

    settings: Settings
    stores: Stores
    clock: Callable[[], datetime]

    @property
    def journal(self) -> Journal:
        return Journal(self.settings.home)

    async def delete_run(
        self, run_id: str, *, files: bool = False, audit: LogFate = "erase", dry_run: bool = False
    ) -> Removed:
        """
        Delete all that a run has: contents, steps, review items, trace, log, and its record.

        With *files* its reports too. *audit* says what becomes of its audit log. Raises `RunBusy` while somebody drives it. A run that the journal
        alone knows is struck off there.
        """
        try:
            record = await self.stores.runs.get(run_id)
        except NotFound:
            if run_id not in self.journal.runs():
                raise
            if not dry_run:
                await self.journal.deleted(run_id, at=self.clock())
            return Removed(runs=(run_id,))
        if dry_run:
            if await self.stores.runs.driven([run_id]):
                raise RunBusy(f"Run {run_id} is being driven.", hint="See `assay run show`.")
            freed = await self.stores.references.release(run_id, dry_run=True)
            return Removed(runs=(run_id,), files=self._files(record, reports=files)) + Removed.of(
                freed
            )
        async with self.stores.runs.lease(run_id):
            return await self._delete(record, files=files, audit=audit)

    async def forget(self, person: str, *, files: bool = False, dry_run: bool = False) -> Removed:
        """
        Delete the runs that *person* asked for, and take the name out of decisions on others.

        Published files keep who approved them, and so do the steps of other people's runs.
        """
        removed = Removed()
        if not dry_run:
            await self.stores.audit.erase_person(person, by=self.settings.reviewer, at=self.clock())
            for absence in await self.stores.absences.list():
                if person in (absence.person, absence.to, absence.set_by):
                    await self.stores.absences.remove(absence)
        for record in await self._records():
            if record.request.get("requested_by") == person:
                try:
                    removed += await self.delete_run(record.id, files=files, dry_run=dry_run)
                except RunBusy:
                    removed += Removed(busy=(record.id,))
        return removed + Removed(decisions=await self._forget_decisions(person, dry_run=dry_run))

    async def prune(self, *, dry_run: bool = False) -> Removed:
        """Remove what has been kept long enough, and every content that no run needs."""
        removed = Removed()
        for record in await self._records():
            if record.status not in FINISHED:
                continue
            try:
                removed += await self._prune_run(record, dry_run=dry_run)
            except RunBusy:
                removed += Removed(busy=(record.id,))
        removed += Removed.of(await self.stores.references.collect(dry_run=dry_run))
        if not dry_run:
            await asyncio.to_thread(self.journal.compact)
        return removed

    async def prune_warehouse(self, *, dry_run: bool = False) -> tuple[Path, ...]:
        """Remove the snapshots that no run refers to; never the current one."""
        needed = [record.snapshot for record in await self._records()]
        return await asyncio.to_thread(
            prune_snapshots, self.settings.warehouse_dir, needed, dry_run=dry_run
        )

    async def backup(self, path: Path, *, with_warehouse: bool) -> Summary:
        """Write all that this home knows into a new file: store, large results, journal."""
        extra = {self.journal.path.name: self.journal.path}
        if with_warehouse:
            folder = self.settings.warehouse_dir
            snapshots = await asyncio.to_thread(lambda: sorted(folder.glob("*.duckdb")))
            extra |= {file.name: file for file in (*snapshots, folder / "current")}
        backup = Backup(self.stores.redis, self.stores.objects)
        return await backup.write(path, extra, at=self.clock())

    async def restore(self, path: Path, *, force: bool) -> Summary:
        """Put a backup back: the store in one step, then the journal and snapshots beside it."""
        workshop = self.settings.home / f".restoring.{secrets.token_hex(4)}"
        try:
            restore = Restore(self.stores.redis, self.stores.objects, path)
            summary = await restore.put_back(workshop, force=force)
            await asyncio.to_thread(self._put_beside, workshop, summary.extra)
        finally:
            await asyncio.to_thread(shutil.rmtree, workshop, ignore_errors=True)
        return summary

    async def _prune_run(self, record: RunRecord, *, dry_run: bool) -> Removed:
        age = self.clock() - record.updated_at
        removed = Removed()
        reports_are_old = record.receipt is not None and _is_old(age, self.settings.keep_reports)
        keeps_reports = record.receipt is not None and self.settings.keep_reports != "forever"
        if _is_old(age, self.settings.keep_runs) and (reports_are_old or not keeps_reports):
            return await self.delete_run(
                record.id,
                files=reports_are_old,
                audit="remove" if _is_old(age, self.settings.keep_audit) else "keep",
                dry_run=dry_run,
            )
        if reports_are_old:
            removed += Removed(files=await self._remove_files(record, dry_run=dry_run))
        has_contents = bool(await self.stores.references.of_run(record.id))
        if _is_old(age, self.settings.keep_evidence) and has_contents:
            freed = await self._empty(record.id, dry_run=dry_run)
            removed += Removed(emptied=(record.id,)) + Removed.of(freed)
        return removed

    async def _empty(self, run_id: str, *, dry_run: bool) -> Freed:
        if dry_run:
            return await self.stores.references.release(run_id, dry_run=True)
        async with self.stores.runs.lease(run_id):
            await make_checkpointer(self.stores.redis).adelete_thread(run_id)
            return await self.stores.references.release(run_id)

    async def _delete(self, record: RunRecord, *, files: bool, audit: LogFate) -> Removed:
        """The record goes last: while it is there, a deletion that was killed can go on."""
        by, at = self.settings.reviewer, self.clock()
        if audit == "remove":
            await self.stores.audit.remove(record.id, by=by, at=at)
        elif audit == "erase":
            await self.stores.audit.erase(record.id, by=by, at=at)
        await self.stores.reviews.remove(record.id)
        await Deliveries(self.stores.redis).remove_run(record.id)
        await make_checkpointer(self.stores.redis).adelete_thread(record.id)
        freed = await self.stores.references.release(record.id)
        gone = self._files(record, reports=files)
        await asyncio.to_thread(_unlink, gone)
        await remove_run(self.stores.redis, record.id)
        await self.journal.deleted(record.id, at=self.clock())
        return Removed(runs=(record.id,), files=gone) + Removed.of(freed)

    async def _remove_files(self, record: RunRecord, *, dry_run: bool) -> tuple[str, ...]:
        gone = _reports(record)
        if not dry_run:
            await asyncio.to_thread(_unlink, gone)
        return gone

    def _files(self, record: RunRecord, *, reports: bool) -> tuple[str, ...]:
        own = (
            self.settings.home / "logs" / f"{record.id}.log",
            trace_file(self.settings.trace_dir, record.id),
        )
        found = tuple(str(path) for path in own if path.exists())
        return found + (_reports(record) if reports else ())

    async def _forget_decisions(self, person: str, *, dry_run: bool) -> tuple[str, ...]:
        reviews = self.stores.reviews
        if not dry_run:
            return tuple(item.id for item in await reviews.forget(person, name=ERASED))
        items = await reviews.list(None, limit=_ALL)
        return tuple(item.id for item in items if names(item, person))

    async def _records(self) -> tuple[RunRecord, ...]:
        return await self.stores.runs.list(limit=_ALL)

    def _put_beside(self, workshop: Path, names: tuple[str, ...]) -> None:
        """Give restored files their places; what is there already is the same, or newer."""
        for name in names:
            if name == self.journal.path.name:
                self.journal.merge(workshop / name)
                continue
            target = self.settings.warehouse_dir / name
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not target.exists():
                (workshop / name).replace(target)


def _is_old(age: timedelta, kept: timedelta | Literal["forever"]) -> bool:
    return kept != "forever" and age > kept


def _reports(record: RunRecord) -> tuple[str, ...]:
    folder = Path(record.output_dir)
    paths = [folder / f"report.{suffix}" for suffix in record.request.get("formats", ())]
    return tuple(str(path) for path in paths if path.is_file())


def _unlink(paths: tuple[str, ...]) -> None:
    for path in map(Path, paths):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputUnwritable(
                f"{path} cannot be removed: {error.strerror}.", hint="Check the folder's rights."
            ) from error
        with suppress(OSError):  # other files are in it, and stay
            path.parent.rmdir()
