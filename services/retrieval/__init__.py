"""
Retrieval: from a question or a metric query to evidence.

`understand` reads a question without a model. `Retriever` compiles a query, passes the statement
through the guard, runs it and makes `Evidence` of the rows.
"""

from ._dates import (
    DataDates,
    check_as_of,
    data_dates,
    default_as_of,
    previous_period,
    resolve_as_of,
    snapshot_dates,
)
from ._interpret import interpret
from ._lexicon import KnownValues
from ._retriever import CheckedStatement, Retriever, StatementWatch
from ._understand import understand, understand_or_raise
from ._understanding import Comparison, Option, Understanding

__all__ = [
    "CheckedStatement",
    "Comparison",
    "DataDates",
    "KnownValues",
    "Option",
    "Retriever",
    "StatementWatch",
    "Understanding",
    "check_as_of",
    "data_dates",
    "default_as_of",
    "interpret",
    "previous_period",
    "resolve_as_of",
    "snapshot_dates",
    "understand",
    "understand_or_raise",
]
