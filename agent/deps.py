"""What the steps work with, built once at the edge and passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.audit import AuditLog, Recorder
from services.model import Models
from services.retrieval import Retriever
from services.store import BlobStore, EvidenceStore, RunRegistry


@dataclass(frozen=True, slots=True)
class Deps:
    """Dependencies of one run's steps."""

    run_id: str
    accepted_at: datetime
    """When the request was accepted; reports carry it, so that drawing one again changes nothing."""
    retriever: Retriever
    evidence: EvidenceStore
    blobs: BlobStore
    models: Models
    audit: AuditLog
    runs: RunRegistry
    clock: Callable[[], datetime]
    log_dir: Path

    def recorder(self, section: str = "") -> Recorder:
        """Writes to the run's audit log what happens in a section, or outside them."""
        return Recorder(self.audit, self.run_id, self.clock, section)
