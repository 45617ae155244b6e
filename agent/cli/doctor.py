"""`assay doctor`: is everything in place, and if not, what to do."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer

from agent.cli.console import JsonFlag, err, out, print_json, table

if TYPE_CHECKING:
    from services.settings import Settings


def doctor(*, as_json: JsonFlag = False) -> None:
    """Check the installation part by part; exit 1 when a part is broken."""
    err().print("assay doctor")
    found = list(_examine())
    if as_json:
        print_json([dict(zip(("part", "ok", "says", "hint"), row, strict=True)) for row in found])
    else:
        rows = table("part", "", "says", "try")
        for part, ok, says, hint in found:
            rows.add_row(part, "ok" if ok else "BROKEN", says, hint)
        out().print(rows)
    if not all(ok for _, ok, _, _ in found):
        raise typer.Exit(1)


def _examine() -> Iterator[tuple[str, bool, str, str]]:
    from services.errors import AssayError
    from services.settings import load_settings

    yield "python", sys.version_info >= (3, 11), sys.version.split()[0], ""
    try:
        settings = load_settings()
    except AssayError as error:
        yield "settings", False, error.message, error.hint
        return
    yield "settings", True, f"home {settings.home}", ""
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("disk", _disk),
        ("output", _output),
        ("store", _store),
        ("runs", _runs),
        ("warehouse", _warehouse),
        ("model", _model),
        ("renderers", _renderers),
    ]
    for part, check in checks:
        try:
            yield part, True, check(settings), ""
        except AssayError as error:
            yield part, False, error.message, error.hint
        except OSError as error:
            yield part, False, f"{error.strerror}", "check the folder's rights and free space"


def _disk(settings: Settings) -> str:
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(settings.home).free
    return f"{free / 2**30:,.1f} GiB free"


def _output(settings: Settings) -> str:
    folder = settings.output.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    probe = existing / ".assay-probe"
    probe.write_bytes(b"")
    probe.unlink()
    return str(folder)


def _store(settings: Settings) -> str:
    from agent.stores import open_stores

    async def version() -> str:
        async with open_stores(settings) as stores:
            info = await stores.ping()
        return f"{info} at {settings.redis_url or 'the embedded server'}"

    return asyncio.run(version())


def _runs(settings: Settings) -> str:
    from agent.stores import open_stores
    from services.errors import RunLost
    from services.store import Accepted, Journal

    async def lost() -> tuple[Accepted, ...]:
        async with open_stores(settings) as stores:
            return await Journal(settings.home).lost(stores.redis)

    found = asyncio.run(lost())
    if found:
        raise RunLost(
            f"accepted but lost: {', '.join(run.run_id for run in found)}",
            hint="restore a newer backup, or give one up with `assay run delete RUN`",
        )
    return "none accepted and lost"


def _warehouse(settings: Settings) -> str:
    from services.warehouse import Warehouse, current_snapshot

    if current_snapshot(settings.warehouse_dir) is None:
        return "none yet; the first report builds the sample"
    with Warehouse.open(settings.warehouse_dir) as warehouse:
        count = len(warehouse.catalog().tables)
        fences = ", ".join(warehouse.fences)
        absent = ", ".join(warehouse.absent_fences)
        missing = f"; not here: {absent}" if absent else ""
        return (
            f"{count} tables, snapshot {warehouse.snapshot.short_id}; fenced by {fences}{missing}"
        )


def _model(settings: Settings) -> str:
    from services.errors import ModelUnavailable
    from services.model import Models

    models = Models(settings)
    if not models.any_set:
        return "none set; the rules write everything"

    async def names() -> str:
        found = [await models.check(role) for role in ("sql", "analyst", "narrator")]
        failed = [check for check in found if check.failed]
        if failed:
            raise ModelUnavailable(failed[0].problem, hint="see `assay model check`")
        return ", ".join(sorted({check.model for check in found if check.model}))

    return asyncio.run(names())


def _renderers(settings: Settings) -> str:
    del settings
    from importlib.metadata import version

    return ", ".join(
        f"{name} {version(name)}" for name in ("vl-convert-python", "typst", "xlsxwriter")
    )
