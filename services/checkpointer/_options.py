"""What a saver is built with, and what a prune tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """
    Proof of holding a lease. A saver writes only while *key* holds *token*.

    Who takes the lease next increments the key, and a saver that was built before is refused from
    that moment on. In a cluster the key must lie in the slot of the thread, as `...{THREAD}` does.
    """

    key: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much of a thread stays, and for how long. The default keeps everything for ever."""

    keep: int | None = None
    """Checkpoints of each namespace; older ones go when a newer one is put."""
    ttl: timedelta | None = None
    """Life of a thread that nothing is done with. One that waits for a person does not end."""

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise ValueError(f"keep must be at least 1, got {self.keep!r}")
        if self.ttl is not None and self.ttl < timedelta(milliseconds=1):
            raise ValueError(f"ttl must be at least a millisecond, got {self.ttl!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a prune took away; of a dry run, what it would take away."""

    checkpoints: tuple[tuple[str, str, str], ...] = ()
    """Thread, namespace and id of each."""
    writes: int = 0
    """Tasks whose pending writes go."""
    values: int = 0
    """Channel values that nothing else refers to."""
    bytes: int = 0
