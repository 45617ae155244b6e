"""A question interpreted on a retriever's data, by names and values first, by a model after."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING

from ._retriever import Retriever
from ._understand import understand
from ._understanding import Understanding

if TYPE_CHECKING:
    from services.model import ModelClient


async def interpret(
    retriever: Retriever, question: str, *, as_of: date, writer: ModelClient | None = None
) -> Understanding:
    """
    Read *question* by the names and values of the retriever's warehouse.

    What that reads is certain and needs no model. What it cannot read goes to *writer*, if there
    is one; what is ambiguous goes to nobody but the asker.
    """
    values = await asyncio.to_thread(lambda: retriever.known_values)
    read = understand(retriever.model, question, as_of=as_of, values=values)
    if writer is None or read.query is not None or read.options:
        return read
    from ._model_query import fill_query

    filled = await fill_query(writer, retriever.model, question, as_of=as_of, values=values)
    return filled if filled.query is not None else read
