"""The statement that lists what occurs in a field."""

from __future__ import annotations

from ._joins import Place
from ._model import SemanticModel


def distinct_values(
    model: SemanticModel, dataset: str, field: str, *, limit: int | None = None
) -> str:
    """A statement with one column: the first values of a field, each once, in order."""
    from ._sql import build_distinct

    return build_distinct(model, Place(dataset, model.dataset(dataset).field(field)), limit)
