"""Opening what a run needs: the stores, the pinned warehouse with its guard, the semantic model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from agent.roles import chosen_policy
from agent.runner import Runner
from agent.stores import open_stores
from services import telemetry
from services.retrieval import Retriever
from services.settings import Settings
from services.store import check_home
from services.warehouse import Warehouse


@asynccontextmanager
async def open_runner(
    settings: Settings, *, patience: timedelta | None = None
) -> AsyncIterator[Runner]:
    """
    A runner on the configured stores; spans go to the configured folder.

    A store that does not answer now is `StoreUnavailable` at once. *patience* is how long a later
    outage is ridden out: as long as a run may wait, unless somebody waits for each answer.
    """
    telemetry.configure(settings.trace_dir, capture_content=settings.capture_content)
    async with open_stores(settings) as stores:
        await stores.ping()
    async with open_stores(settings, patience=patience or settings.outage_patience) as stores:
        yield Runner(settings=settings, stores=stores, open_retriever=open_retriever)


def open_retriever(settings: Settings, snapshot_id: str | None = None) -> Retriever:
    """
    Questions to one snapshot of the warehouse: the one named, or the current one.

    Raises `SnapshotGone` when a named one is not there, `WarehouseUnreadable` when the file is
    missing or damaged, `SettingInvalid` when the home is of a newer version. What may be read is
    what the settings' policy and role say.
    """
    check_home(settings.home)
    policy = chosen_policy(settings)
    warehouse = Warehouse.open(
        settings.warehouse_dir,
        snapshot_id,
        memory_limit=settings.query_memory,
        workers=settings.query_workers,
        timeout=settings.query_timeout,
        max_rows=settings.max_rows,
    )
    try:
        return Retriever.on(warehouse, policy, settings.role_parameters)
    except BaseException:
        warehouse.close()
        raise
