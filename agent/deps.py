"""What the steps work with, built once at the edge and passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent.files import Press
from agent.outage import Outage
from agent.stores import Stores
from services.audit import AuditLog, Recorder
from services.model import Models
from services.retrieval import Retriever
from services.settings import Settings
from services.store import (
    BlobStore,
    Budget,
    EffectLedger,
    EvidenceStore,
    RunRecord,
    RunRegistry,
    Spending,
)


@dataclass(frozen=True, slots=True)
class Deps:
    """Dependencies of one run's steps."""

    run_id: str
    accepted_at: datetime
    operator: str
    """Whom decisions of this process are recorded under."""
    retriever: Retriever
    evidence: EvidenceStore
    blobs: BlobStore
    models: Models
    audit: AuditLog
    runs: RunRegistry
    effects: EffectLedger
    spending: Spending
    budget: Budget
    patience: timedelta
    """How long a step waits for what it needs and is away."""
    outage: Outage
    fence: int
    """Of the lease under which the steps run; effects check that it is still the last."""
    clock: Callable[[], datetime]
    log_dir: Path

    @property
    def press(self) -> Press:
        """Writes the files of this run's reports."""
        return Press(self.run_id, self.accepted_at, self.evidence, self.audit)

    def recorder(self, section: str = "") -> Recorder:
        """Writes to the run's audit log what happens in a section, or outside them."""
        return Recorder(self.audit, self.run_id, self.clock, section)


def budget_of(settings: Settings) -> Budget:
    """What a run may use up before a person is asked."""
    return Budget(time=settings.run_time, tokens=settings.run_tokens, rows=settings.run_rows)


def deps_for(
    record: RunRecord,
    retriever: Retriever,
    settings: Settings,
    stores: Stores,
    *,
    fence: int,
    clock: Callable[[], datetime],
) -> Deps:
    """What the steps of a run work with under the lease of that *fence*."""
    return Deps(
        run_id=record.id,
        accepted_at=record.created_at,
        operator=settings.reviewer,
        retriever=retriever,
        evidence=stores.evidence.of_run(record.id),
        blobs=stores.blobs.of_run(record.id),
        models=Models(settings),
        audit=stores.audit,
        runs=stores.runs,
        effects=stores.effects,
        spending=stores.spending,
        budget=budget_of(settings),
        patience=settings.outage_patience,
        outage=Outage(),
        fence=fence,
        clock=clock,
        log_dir=settings.home / "logs",
    )
