"""Driving a run in front of a person: a line a step, and at the end what to do next."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.console import err, print_failure, print_json, program

if TYPE_CHECKING:
    from agent.driving import Event
    from agent.runner import Runner
    from services.review import ReviewItem
    from services.store import RunRecord


class Progress:
    """Prints a line for every finished step; `quiet` prints nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._details: dict[str, str] = {}
        self._began = time.monotonic()
        self.counts: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        where = event["namespace"]
        match event["event"]:
            case "told":
                self._details[where] = event["detail"]
            case "waits":
                self._say(event["detail"])
            case "finished":
                self.counts["ok"] += 1
                self._line(event, "ok", self._details.pop(where, ""))
            case "failed":
                self.counts["failed"] += 1
                self._line(event, "FAILED", f"{event['code']}, attempt {event['attempt']}")

    def _line(self, event: Event, verdict: str, detail: str) -> None:
        name = f"{event['section'] or 'report'}"
        self._say(f"{verdict:<6} {name:<15} {event['step']:<9} {event['elapsed']:6.2f} s  {detail}")

    def _say(self, line: str) -> None:
        if not self._quiet:
            clock = datetime.now().astimezone().strftime("%H:%M:%S")
            err().print(f"{clock}  {line}")

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began


async def drive(runner: Runner, run_id: str, *, retry: bool = False) -> RunRecord:
    """Take the run as far as it goes, with a line a step on stderr."""
    progress = Progress()
    try:
        record = await runner.drive(run_id, progress, retry=retry)
    except (KeyboardInterrupt, asyncio.CancelledError):
        err().print(f"interrupted; nothing is lost. Go on with: {program()} run resume {run_id}")
        raise
    summary = "  ".join(f"{name}={count}" for name, count in sorted(progress.counts.items()))
    if summary:
        err().print(f"{summary}  in {progress.elapsed:.1f} s")
    return record


async def finish(runner: Runner, record: RunRecord, *, as_json: bool) -> int:
    """Say where the run stands and the next command; the exit code."""
    items = [i for i in await runner.stores.reviews.of_run(record.id) if i.status == "open"]
    command = next_command(record, items)
    if as_json:
        print_json(
            {
                "run_id": record.id,
                "status": record.status,
                "report_digest": record.report_digest,
                "files": [str(path) for path in report_files(record)],
                "items": [item.model_dump(mode="json") for item in items],
                "failure": record.failure.model_dump() if record.failure else None,
                "next": command,
            }
        )
    else:
        _tell(record, items, command)
    if record.failure:
        code = exit_code(record.failure.code)
        return print_failure(
            record.failure.code, record.failure.message, record.failure.hint or command, code
        )
    return 3 if record.status == "waiting" else 0


def _tell(record: RunRecord, items: Sequence[ReviewItem], command: str) -> None:
    for path in report_files(record):
        sys.stdout.write(f"{path}\n")
    sys.stdout.flush()
    console = err()
    if record.status == "done":
        console.print(f"{record.id}: APPROVED and published, digest {record.report_digest}")
    elif record.status == "rejected":
        console.print(f"{record.id}: rejected, nothing was published")
    for item in (i for i in items if not i.is_awaited):
        console.print(f"open:  {item.title} ({item.at_risk}); say what is done about it")
    for item in (i for i in items if i.is_awaited):
        console.print(f"waits: {item.title}{f' ({item.code})' if item.kind == 'held' else ''}")
        console.print(f"       {item.question}")
        for line in item.detail:
            console.print(f"       {line}")
    if command:
        console.print(f"next:  {command}")


def next_command(record: RunRecord, waiting: Sequence[ReviewItem]) -> str:
    """The one command that takes the run further; empty when there is none."""
    if record.status in ("queued", "running") or record.failure:
        return f"{program()} run resume {record.id}"
    if not waiting:
        return ""
    item = min(waiting, key=lambda one: not one.is_awaited)
    if not item.is_awaited:
        return f'{program()} review approve {item.id} --note "what is done"'
    ref = record.id if len(waiting) == 1 else item.id
    if "respond" in item.choices:
        return f'{program()} review respond {ref} "..."'
    return f"{program()} review approve {ref}"


def standing(record: RunRecord, *, driven: bool) -> str:
    """The run's status as people read it: one whose driver died is interrupted, not running."""
    return "interrupted" if record.status == "running" and not driven else record.status


def report_files(record: RunRecord) -> tuple[Path, ...]:
    """The run's files that are on disk."""
    folder = Path(record.output_dir)
    if record.report_digest is None:
        return ()
    names = [folder / f"report.{suffix}" for suffix in record.request["formats"]]
    return tuple(path for path in names if path.exists())


def exit_code(code: str) -> int:
    """The exit code of an error code, by the error tree."""
    from services.errors import AssayError

    def tree(error: type[AssayError]) -> dict[str, int]:
        found = {error.code: error.exit_code}
        for child in error.__subclasses__():
            found |= tree(child)
        return found

    return tree(AssayError).get(code, 1)
