"""What the steps work with, built once at the edge and passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent.files import Press
from agent.outage import Outage
from services.audit import AuditLog, Recorder
from services.model import Models
from services.retrieval import Retriever
from services.store import (
    BlobStore,
    Budget,
    EffectLedger,
    EvidenceStore,
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
