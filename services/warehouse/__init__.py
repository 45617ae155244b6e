"""The warehouse: immutable DuckDB snapshots, their catalog, and queries that can only read."""

from ._catalog import Catalog, CatalogColumn, CatalogTable, policy_tables
from ._engine import QueryResult, Warehouse
from ._errors import duckdb_errors
from ._loading import load_files
from ._sample import build_sample
from ._second_opinion import DuckDBOpinion
from ._serving import serve_copy
from ._snapshots import Snapshot, check_current, current_snapshot, find_snapshot, prune_snapshots

__all__ = [
    "Catalog",
    "CatalogColumn",
    "CatalogTable",
    "DuckDBOpinion",
    "QueryResult",
    "Snapshot",
    "Warehouse",
    "build_sample",
    "check_current",
    "current_snapshot",
    "duckdb_errors",
    "find_snapshot",
    "load_files",
    "policy_tables",
    "prune_snapshots",
    "serve_copy",
]
