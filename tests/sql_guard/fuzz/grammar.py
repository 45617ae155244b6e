"""Random statements: mostly well formed, over listed and hidden things alike."""

from __future__ import annotations

from random import Random

LISTED = {
    "risk.positions": [
        "position_id",
        "book",
        "desk",
        "counterparty_id",
        "instrument_id",
        "notional",
        "market_value",
        "as_of",
    ],
    "risk.counterparties": ["counterparty_id", "name", "sector", "country", "rating", "lei"],
    "risk.prices": ["instrument_id", "d", "close"],
    "risk.loans": ["loan_id", "counterparty_id", "ead", "pd", "lgd", "stage", "dpd"],
    "risk.limits": ["limit_id", "desk", "metric", "threshold"],
}
HIDDEN = {
    "hr.salaries": ["employee", "salary"],
    "risk.customers_pii": ["customer_id", "ssn", "name"],
    "sqlite_master": ["name", "sql"],
    "information_schema.tables": ["table_name"],
    "duckdb_settings()": ["name", "value"],
    "duckdb_tables": ["table_name", "sql"],
}
_SCALARS = [
    "upper",
    "lower",
    "length",
    "abs",
    "round",
    "hash",
    "typeof",
    "to_json",
    "list",
    "struct_pack",
    "count",
    "min",
    "max",
    "sum",
    "avg",
    "any_value",
    "first",
    "md5",
    "concat",
]
_REFUSED = [
    "getenv",
    "current_setting",
    "version",
    "query",
    "read_text",
    "sleep_ms",
    "nextval",
    "getvariable",
]

# Sources of many rows, whose columns differ much, little or not at all.
_MANY = [
    "range(1000000) t(x)",
    "(SELECT i AS x, i % 3 AS k FROM range(300000) g(i))",
    "(SELECT 1 AS x, 'a' AS k FROM range(300000))",
    "(SELECT unnest(range(1000)) AS x, i > 5 AS k FROM range(1000) g(i))",
    "unnest(string_split(repeat('a,', 4000), ',')) s(x)",
]


class Grammar:
    """Makes statements out of a source of chance."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._ctes: list[tuple[str, list[str]]] = []
        self._outer: list[str] = []
        self._names = 0

    def statement(self) -> str:
        """One statement."""
        self._ctes, self._outer, self._names = [], [], 0
        return self._query(3)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _name(self) -> str:
        self._names += 1
        pool = ["positions", "salaries", "show", "lei", "x", "limits", "hr", "sqlite_master", "c"]
        return self._random.choice(pool) if self._chance(0.3) else f"n{self._names}"

    def _query(self, depth: int) -> str:
        saved = list(self._ctes)
        text = ""
        if depth > 1 and self._chance(0.25):
            text = self._with(depth)
        text += self._select(depth)
        if depth > 0 and self._chance(0.1):
            kind = self._random.choice(
                ["UNION", "UNION ALL", "EXCEPT", "INTERSECT", "UNION BY NAME"]
            )
            text += f" {kind} {self._select(depth - 1)}"
        if self._chance(0.1):
            text += self._random.choice(
                [" LIMIT 3", " ORDER BY 1", " ORDER BY ALL", " LIMIT 2 OFFSET 1"]
            )
        self._ctes = saved
        return text

    def _with(self, depth: int) -> str:
        parts = []
        for _ in range(self._random.randint(1, 2)):
            name = self._name()
            parts.append(f"{name} AS ({self._query(depth - 1)})")
            self._ctes.append((name, ["x", "a", "desk", "lei", "k"]))
        return f"WITH {'RECURSIVE ' if self._chance(0.1) else ''}{', '.join(parts)} "

    def _select(self, depth: int) -> str:
        source, columns = self._from(depth)
        around = self._outer
        self._outer = [*around, *columns]
        text = self._clauses(source, columns, depth)
        self._outer = around
        return text

    def _clauses(self, source: str, columns: list[str], depth: int) -> str:
        items = ", ".join(self._item(columns, depth) for _ in range(self._random.randint(1, 3)))
        text = f"SELECT {items} FROM {source}"
        if self._chance(0.15):
            text = f"FROM {source} SELECT {items}"
        if self._chance(0.3):
            text += f" WHERE {self._condition(columns, depth)}"
        if self._chance(0.15):
            text += self._random.choice([" GROUP BY ALL", f" GROUP BY {self._column(columns)}"])
        if self._chance(0.05):
            text += f" QUALIFY row_number() OVER (ORDER BY {self._column(columns)}) <= 2"
        return text

    def _from(self, depth: int) -> tuple[str, list[str]]:
        source, columns = self._source(depth)
        while self._chance(0.3):
            other, more = self._source(depth - 1)
            join = self._random.choice(
                [
                    ", ",
                    " CROSS JOIN ",
                    " JOIN ",
                    " LEFT JOIN ",
                    " NATURAL JOIN ",
                    " POSITIONAL JOIN ",
                    " SEMI JOIN ",
                ]
            )
            source += join + other
            if join.strip() in ("JOIN", "LEFT JOIN", "SEMI JOIN"):
                shared = self._random.choice([*sorted(set(columns) & set(more)), "desk"])
                source += self._random.choice(
                    [
                        f" USING ({shared})",
                        " ON true",
                        f" ON {self._column(columns)} = {self._column(more)}",
                    ]
                )
            columns = columns + more
            if self._chance(0.15):
                source = f"({source})"
        return source, columns

    def _source(self, depth: int) -> tuple[str, list[str]]:
        kind = self._random.random()
        if depth > 0 and kind < 0.2:
            alias = self._name()
            return f"({self._query(depth - 1)}) {alias}", [
                "x",
                "a",
                "desk",
                "lei",
                alias,
                f"{alias}.*",
            ]
        if self._ctes and kind < 0.4:
            name, columns = self._random.choice(self._ctes)
            return name, columns
        if kind < 0.42:
            return self._random.choice(_MANY), ["x", "k"]
        if kind < 0.45:
            return self._random.choice(
                [
                    "(VALUES (1, 'a')) v(x, k)",
                    "range(3) t(x)",
                    "unnest([1, 2]) u(x)",
                    "unnest([1]) c",
                    "(SELECT 1 + 1) x",
                    "json_each('{}') lei",
                    "(SHOW TABLES)",
                    "'data.csv'",
                ]
            ), ["x", "k"]
        return self._table()

    def _table(self) -> tuple[str, list[str]]:
        pool = HIDDEN if self._chance(0.08) else LISTED
        name, columns = self._random.choice(list(pool.items()))
        if self._chance(0.1):
            name = self._random.choice(
                [name.upper(), f"warehouse.{name}", name.split(".")[-1], f'"{name}"']
            )
        if self._chance(0.06):
            letters = [f"c{i}" for i in range(len(columns))]
            return f"{name} AS q({', '.join(letters)})", letters
        if self._chance(0.4):
            alias = self._name()
            return f"{name} AS {alias}", [
                *columns,
                alias,
                f"{alias}.{self._random.choice(columns)}",
                f"{alias}.*",
            ]
        if self._chance(0.04):
            return f"(PIVOT {name} ON {columns[0]} USING count(*))", columns
        if self._chance(0.04):
            return f"(UNPIVOT {name} ON {columns[-1]} INTO NAME k VALUE x)", ["k", "x", *columns]
        return name, columns

    def _column(self, columns: list[str]) -> str:
        if self._chance(0.06):
            return self._random.choice(["lei", "employee", "ssn", "#1", "#6", "sql", '"LEI"'])
        if self._outer and self._chance(0.1):
            columns = self._outer
        plain = [column for column in columns if not column.endswith("*")]
        return self._random.choice(plain or ["1"])

    def _item(self, columns: list[str], depth: int) -> str:
        expression = self._star(columns) if self._chance(0.15) else self._expression(columns, depth)
        return (
            f"{expression} AS {self._name()}"
            if "*" not in expression and self._chance(0.4)
            else expression
        )

    def _star(self, columns: list[str]) -> str:
        column = self._random.choice(["lei", "desk", "name", "d", "ead"])
        stars = [c for c in columns if c.endswith("*")]
        return self._random.choice(
            [
                "*",
                f"* EXCLUDE ({column})",
                f"* REPLACE (1 AS {column})",
                f"COLUMNS('{column}')",
                "COLUMNS(*)",
                f"* LIKE '{column[0]}%'",
                f"* RENAME ({column} AS zz)",
                f"COLUMNS(lambda c: c = '{column}')",
                *stars,
            ]
        )

    def _expression(self, columns: list[str], depth: int) -> str:  # noqa: PLR0911
        column = self._column(columns)
        kind = self._random.random()
        if depth <= 0 or kind < 0.45:
            return column
        inner = self._expression(columns, depth - 1)
        if kind < 0.65:
            name = self._random.choice(_REFUSED if self._chance(0.04) else _SCALARS)
            return f"{inner}.{name}()" if self._chance(0.1) else f"{name}({inner})"
        if kind < 0.72:
            return f"({self._query(depth - 2)})"
        if kind < 0.8:
            return self._random.choice(
                [
                    f"[{inner}]",
                    f"{{'k': {inner}}}",
                    f"MAP {{'k': {inner}}}",
                    f"({inner}, 1)",
                    f"[{inner}][1]",
                ]
            )
        if kind < 0.86:
            return self._random.choice(
                [
                    f"list_transform([{inner}], lambda x: {self._column([*columns, 'x'])})",
                    f"[{self._column([*columns, 'x'])} for x in [{inner}]]",
                ]
            )
        if kind < 0.92:
            return f"CASE WHEN {self._condition(columns, depth - 1)} THEN {inner} END"
        if kind < 0.96:
            return f"max({inner}) OVER (PARTITION BY {column})"
        return f"{inner} || {column}"

    def _condition(self, columns: list[str], depth: int) -> str:
        column = self._column(columns)
        if depth > 1 and self._chance(0.25):
            return self._random.choice(
                [f"EXISTS ({self._query(depth - 2)})", f"{column} IN ({self._query(depth - 2)})"]
            )
        return self._random.choice(
            [f"{column} IS NOT NULL", f"{column}::VARCHAR <> 'zz'", "true", f"{column} = {column}"]
        )
