"""The digest of a warehouse's logical contents, which names its snapshot."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from services.evidence import canonical_json

from ._catalog import CatalogTable, quoted, read_catalog

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def logical_digest(connection: DuckDBPyConnection) -> str:
    """
    SHA-256 of schema, comments, metadata and rows.

    Equal contents give an equal digest whatever the order of rows, the layout of the file or the
    machine: only the order of columns counts.
    """
    document = [
        table.model_dump(mode="json") | {"rows": _rows_digest(connection, table)}
        for table in read_catalog(connection).tables
    ]
    return hashlib.sha256(canonical_json(document)).hexdigest()


def _rows_digest(connection: DuckDBPyConnection, table: CatalogTable) -> str:
    """
    Digest of the rows as a multiset: each row hashed, the hashes sorted and hashed again.

    Sorting goes by bucket of the hash, so that no single string holds a whole table.
    """
    row = " || ".join(_field(column.name, column.type) for column in table.columns)
    statement = f"""
        SELECT coalesce(sha256(string_agg(part, '' ORDER BY bucket)), '')
        FROM (
            SELECT bucket, sha256(string_agg(hash, '' ORDER BY hash)) AS part
            FROM (SELECT hash, hash[:2] AS bucket FROM (SELECT sha256({row}) AS hash FROM main.{quoted(table.name)}))
            GROUP BY bucket
        )
    """  # noqa: S608 (names come quoted from the catalog)
    found = connection.execute(statement).fetchone()
    assert found is not None
    return str(found[0])


def _field(name: str, type_: str) -> str:
    """SQL for one value as text with its length ahead, so that no two rows read alike."""
    column = quoted(name)
    # Seventeen digits write any double exactly and do not hang on the engine's shortest form.
    text = (
        f"format('{{:.16e}}', {column})" if type_ in {"DOUBLE", "FLOAT"} else f"{column}::VARCHAR"
    )
    return f"coalesce(strlen({text}) || ':' || {text}, '~')"
