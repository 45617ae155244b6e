"""The computations that evidence may come from, by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from services.analysis._lazy import Lazy
from services.analysis.context import Computation

__all__ = ["COMPUTATIONS"]

_TOPICS: Final = (
    "answer",
    "capital",
    "concentration",
    "counterparty",
    "credit",
    "limits",
    "liquidity",
    "market",
    "quality",
    "retail",
    "stress",
)


def _computations() -> dict[str, Computation]:
    found: dict[str, Computation] = {}
    for topic in _TOPICS:
        for computation in import_module(f"{__name__}.{topic}").COMPUTATIONS:
            if computation.name in found:
                raise ValueError(f"computation {computation.name} is declared twice")
            found[computation.name] = computation
    return found


COMPUTATIONS: Final[Mapping[str, Computation]] = Lazy(_computations)
