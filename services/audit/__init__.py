"""The append-only, hash-chained record of what happened in each run."""

from ._log import START, AuditEntry, AuditLog, AuditVerdict

__all__ = ["START", "AuditEntry", "AuditLog", "AuditVerdict"]
