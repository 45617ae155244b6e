"""What a saver knows to be stored, so that it need not serialize and send it again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

Carried: TypeAlias = Mapping[str, tuple[object, bytes | None]]
"""Of a checkpoint's channels: the version, and the digest of the value if it stands by itself."""

_MOST_CHECKPOINTS: Final = 1024
_MOST_VALUES: Final = 8192


class Memory:
    """
    Never more than a guess: each script looks whether what it is told to refer to is there.

    Bounded, and shared by the copies that LangGraph makes of a saver.
    """

    def __init__(self) -> None:
        self._carried: OrderedDict[tuple[str, bytes], Carried] = OrderedDict()
        self._stored: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def carried(self, thread: str, member: bytes) -> Carried:
        return self._carried.get((thread, member), {})

    def is_stored(self, thread: str, digest: bytes) -> bool:
        return (thread, digest) in self._stored

    def saw(self, thread: str, digests: Iterable[bytes]) -> None:
        """Values that the thread has."""
        for digest in digests:
            self._stored[thread, digest] = None
            self._stored.move_to_end((thread, digest))
        while len(self._stored) > _MOST_VALUES:
            self._stored.popitem(last=False)

    def saw_checkpoint(self, thread: str, member: bytes, carried: Carried) -> None:
        self._carried[thread, member] = carried
        self._carried.move_to_end((thread, member))
        while len(self._carried) > _MOST_CHECKPOINTS:
            self._carried.popitem(last=False)
