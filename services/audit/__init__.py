"""
The append-only, hash-chained record of what happened.

Each run has a log, whose entries are chained. One more log holds a link for every entry of every
log, chained in the order they were made: so a log that is gone, or its end, is found too.
`events` names what is recorded.

| key                         | type | holds                                                     |
|-----------------------------|------|-----------------------------------------------------------|
| `assay:audit:RUN`           | list | the entries of a run's log, oldest first                  |
| `assay:audit:@system`       | list | the same, of what belongs to no run                       |
| `assay:audit:@global`       | list | the links of all entries, oldest first                    |
| `assay:audit:@personal:RUN` | hash | reference in an entry: what it says of a person           |
| `assay:audit:@keys:RUN`     | hash | key of an effect: its entry's number                      |
"""

from ._anchor import Anchor
from ._entry import START, AuditEntry
from ._export import export, verify_file
from ._feed import Feed, News
from ._log import AuditLog, Erasure
from ._personal import ERASED, revealed
from ._recorder import Recorder
from ._verdict import CHAIN, AuditVerdict, Flaw
from ._verify import verify_all, verify_run
from .events import SYSTEM, content_digest

__all__ = [
    "CHAIN",
    "ERASED",
    "START",
    "SYSTEM",
    "Anchor",
    "AuditEntry",
    "AuditLog",
    "AuditVerdict",
    "Erasure",
    "Feed",
    "Flaw",
    "News",
    "Recorder",
    "content_digest",
    "export",
    "revealed",
    "verify_all",
    "verify_file",
    "verify_run",
]
