"""
The engine's own parser as a second opinion for the guard.

It reads a text on an empty in-memory database and runs nothing of it: `json_serialize_sql` gives
the engine's syntax tree, and `extract_statements` the kinds of statements where there is no tree.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any, Final

from sql_guard import Reading

_QUERY_NODES: Final = frozenset(
    {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
)
_TABLE_REFS: Final = frozenset(
    {"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT"}
)
_TABLE_KEYS: Final = frozenset({"from_table", "left", "right", "source"})

_NESTED: Final = (dict, list)

_Ctes = frozenset[str]


class DuckDBOpinion:
    """Reads texts with DuckDB's parser; safe to share between threads."""

    def __init__(self) -> None:
        import duckdb

        self._lock = threading.Lock()
        self._connection = duckdb.connect(
            ":memory:", config={"enable_external_access": "false", "threads": 1}
        )
        # The statement is one call on constants: planning it well costs more than running it.
        self._connection.execute("PRAGMA disable_optimizer")
        [self._statement] = self._connection.extract_statements("SELECT json_serialize_sql(?)")

    def __call__(self, *texts: str) -> Sequence[Reading]:
        """How the engine reads each of *texts*."""
        # All of them in one call, which costs half of one each. The last text, the one that is to
        # run, goes first: nothing that another leaves open, a quote or a comment, can reach it.
        read = self._tree("\n;\n".join(reversed(texts)))
        if read and not read["error"] and len(read["statements"]) == len(texts):
            return [_Walk().read([statement]) for statement in reversed(read["statements"])]
        return [self._reading(text) for text in texts]

    def _tree(self, text: str) -> dict[str, Any] | None:
        import duckdb

        try:
            with self._lock:
                row = self._connection.execute(self._statement, [text]).fetchone()
        except (duckdb.Error, UnicodeError):
            return None
        assert row is not None
        return dict(json.loads(row[0]))

    def _reading(self, text: str) -> Reading:
        import duckdb

        read = self._tree(text)
        if read is None:
            return Reading(problem="unreadable")
        if not read["error"]:
            return _Walk().read(read["statements"])
        if read["error_type"] != "not implemented":
            return Reading(problem="unreadable")
        try:
            with self._lock:
                found = self._connection.extract_statements(text)
        except duckdb.Error:
            return Reading(problem="unreadable")
        return Reading(statements=tuple(_kind(statement) for statement in found))


class _Walk:
    """Collects what one tree names."""

    def __init__(self) -> None:
        self._tables: set[tuple[str, ...]] = set()
        self._functions: set[str] = set()
        self._table_functions: set[str] = set()
        self._problem: str | None = None

    def read(self, statements: list[dict[str, Any]]) -> Reading:
        pending: list[tuple[Any, _Ctes]] = [(s, frozenset()) for s in statements]
        while pending:
            node, ctes = pending.pop()
            if isinstance(node, list):
                pending.extend((item, ctes) for item in node if item and type(item) in _NESTED)
            else:
                self._read_node(node, ctes, pending)
        return Reading(
            statements=("select",) * len(statements),
            tables=frozenset(self._tables),
            functions=frozenset(self._functions),
            table_functions=frozenset(self._table_functions),
            problem=self._problem,
        )

    def _read_node(
        self, node: dict[str, Any], ctes: _Ctes, pending: list[tuple[Any, _Ctes]]
    ) -> None:
        kind = node.get("type")
        if isinstance(kind, str):
            self._note(kind, node, ctes)
        own = node.get("cte_map")
        for entry in own.get("map") or () if own else ():
            pending.append((entry["value"], ctes))
            ctes |= {_fold(entry["key"])}
        if kind == "RECURSIVE_CTE_NODE":
            pending.append((node["left"], ctes))
            pending.append((node["right"], ctes | {_fold(node["cte_name"])}))
            return
        for key, value in node.items():
            if value and type(value) in _NESTED and key != "cte_map":
                if key in _TABLE_KEYS:
                    self._check_place(value)
                pending.append((value, ctes))

    def _check_place(self, value: Any) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        is_table = isinstance(kind, str) and "class" not in value
        if is_table and kind not in _TABLE_REFS | _QUERY_NODES:
            self._problem = "not a query"

    def _note(self, kind: str, node: dict[str, Any], ctes: _Ctes) -> None:
        if kind.endswith(("_NODE", "SHOW_REF")) and kind not in _QUERY_NODES:
            self._problem = "not a query"
        elif kind == "BASE_TABLE":
            path = tuple(_fold(part) for part in node["qualified_name"]["path"])
            if len(path) > 1 or path[0] not in ctes:
                self._tables.add(path)
        elif kind == "TABLE_FUNCTION":
            self._table_functions.add(_fold(node["function"]["qualified_name"]["path"][-1]))
        elif node.get("class") in ("FUNCTION", "WINDOW") and not node.get("is_operator"):
            name = node.get("function_name")
            if name:
                self._functions.add(_fold(name))


def _kind(statement: Any) -> str:
    return str(statement.type).rpartition(".")[2].lower()


def _fold(name: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in name)
