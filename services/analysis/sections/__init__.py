"""The analysts of the report's sections: each module's `analyse`, by the module's name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from services.analysis._lazy import Lazy
from services.analysis.context import SectionAnalyst

__all__ = ["ANALYSTS"]

_SECTIONS: Final = (
    "market",
    "stress",
    "credit",
    "retail_history",
    "counterparty",
    "liquidity",
    "capital",
    "limits",
    "data_quality",
    "answer",
)


def _analysts() -> dict[str, SectionAnalyst]:
    return {name: import_module(f"{__name__}.{name}").analyse for name in _SECTIONS}


ANALYSTS: Final[Mapping[str, SectionAnalyst]] = Lazy(_analysts)
