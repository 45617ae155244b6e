"""A registry that is filled when it is first read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

Value = TypeVar("Value")


class Lazy(Mapping[str, Value]):
    """What `fill` gives. The modules behind need numpy, which most commands never load."""

    def __init__(self, fill: Callable[[], dict[str, Value]]) -> None:
        self._fill = fill

    @cached_property
    def _known(self) -> dict[str, Value]:
        return self._fill()

    def __getitem__(self, name: str) -> Value:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
