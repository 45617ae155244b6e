"""
The semantic model: what figures mean, and how a question for them becomes one SQL statement.

Models are Apache Ossie documents. `compile_query` turns a `MetricQuery` into a statement that
joins over declared relationships only and never multiplies, averages or sums what may not be.
"""

from ._compile import CompiledQuery, compile_query
from ._derive import TableCatalog, derive_model
from ._joins import Place, find_field
from ._load import load_model, sample_model
from ._model import Dataset, Field, Metric, Relationship, SemanticModel
from ._query import Filter, MetricQuery, Operator, Order, TimeRange
from ._values import distinct_values

__all__ = [
    "CompiledQuery",
    "Dataset",
    "Field",
    "Filter",
    "Metric",
    "MetricQuery",
    "Operator",
    "Order",
    "Place",
    "Relationship",
    "SemanticModel",
    "TableCatalog",
    "TimeRange",
    "compile_query",
    "derive_model",
    "distinct_values",
    "find_field",
    "load_model",
    "sample_model",
]
