"""From a metric query or a statement to evidence: compile, guard, run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self, TypeAlias

from services import load, telemetry
from services.errors import QueryInvalid, QueryRefused
from services.evidence import (
    Column,
    Evidence,
    Frozen,
    MetricSource,
    Scalar,
    Sensitivity,
    SqlSource,
    Table,
    make_evidence,
)
from services.semantics import (
    MetricQuery,
    SemanticModel,
    compile_query,
    derive_model,
    distinct_values,
)
from services.warehouse import Catalog, DuckDBOpinion, QueryResult, Warehouse, policy_tables
from sql_guard import Guard, GuardPolicy, Verdict

from ._lexicon import KnownValues

_SENSITIVITIES: tuple[Sensitivity, ...] = ("public", "internal", "confidential")
_MOST_VALUES = 300
"""A column with more different texts than this names things rather than kinds of things."""


class CheckedStatement(Frozen):
    """A statement that was put before the guard, and what came of it."""

    sql: str
    """The statement that will run; the given text when it was refused."""
    allowed: bool
    tables: tuple[str, ...] = ()
    """What it reads, where it was allowed."""
    rules: tuple[str, ...] = ()
    """Which rules refused it."""


StatementWatch: TypeAlias = Callable[[CheckedStatement], None]
"""Is told of each statement before it runs; where it raises, the statement does not run."""


class Retriever:
    """
    Answers metric queries and statements on one snapshot of the warehouse.

    Synchronous and thread-safe: a caller with an event loop uses `asyncio.to_thread`.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        guard: Guard,
        model: SemanticModel,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.warehouse = warehouse
        self.guard = guard
        self.model = model
        self.parameters: Mapping[str, Any] = MappingProxyType(dict(parameters or {}))
        """Values for the row filters of the guard's policy, such as the desk of a role."""
        self._dates: dict[str, tuple[date, ...]] = {}
        self.watch: StatementWatch | None = None

    @classmethod
    def on(
        cls,
        warehouse: Warehouse,
        policy: GuardPolicy | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """
        A retriever on what *policy* lists of *warehouse*, or on all of it; its model knows no more.

        The policy of a role goes with *parameters*, the values that its row filters take.
        """
        catalog = warehouse.catalog()
        listed = policy or GuardPolicy(tables=policy_tables(catalog))
        model = derive_model(_visible(catalog, listed))
        return cls(warehouse, Guard(listed, DuckDBOpinion()), model, parameters)

    def watched(self, watch: StatementWatch) -> Self:
        """The same retriever, its warehouse and what it has learnt, with *watch* told of statements."""
        seen = copy.copy(self)
        seen.watch = watch
        return seen

    def close(self) -> None:
        """Close the warehouse; closing twice is harmless."""
        self.warehouse.close()

    def retrieve(
        self, query: MetricQuery | Mapping[str, Any] | str, *, as_of: date
    ) -> tuple[Evidence, Table]:
        """
        Rows for *query*, and the evidence of them.

        The evidence is as of the query's own date, else *as_of*, and never later than its data.
        Raises `QueryInvalid` for a query that does not fit the model, `QueryRefused` for a
        statement that the guard does not admit.
        """
        if isinstance(query, str):
            return self._statement(query, as_of)
        return self._metrics(_validated(query), as_of)

    def _metrics(self, query: MetricQuery, as_of: date) -> tuple[Evidence, Table]:
        compiled = compile_query(self.model, query)
        columns = {column.name: column for column in compiled.columns}
        verdict = self._admitted(compiled.sql)
        result = self._run(verdict, compiled.tables, columns, compiled.key)
        period = query.time_range
        asked = (period.as_of or period.end) if period else None
        evidence = make_evidence(
            result.table,
            source=MetricSource(query=query.model_dump(mode="json", exclude_defaults=True)),
            snapshot=self.warehouse.snapshot.id,
            as_of=self._dated(compiled.tables, asked or as_of),
            sql=verdict.sql or "",
            parameters=self._values(verdict),
            complete=result.complete,
            tables=compiled.tables,
        )
        return evidence, result.table

    def _statement(self, sql: str, as_of: date) -> tuple[Evidence, Table]:
        verdict = self._admitted(sql)
        tables = tuple(name.rpartition(".")[2] for name in verdict.tables)
        result = self._run(verdict, tables, {}, ())
        table = self._marked(result.table, verdict)
        evidence = make_evidence(
            table,
            source=SqlSource(),
            snapshot=self.warehouse.snapshot.id,
            as_of=self._dated(tables, as_of),
            sql=verdict.sql or "",
            parameters=self._values(verdict),
            complete=result.complete,
            tables=tables,
        )
        return evidence, table

    def _marked(self, table: Table, verdict: Verdict) -> Table:
        """Free SQL may rename and mix columns: each result is as sensitive as the most so it read."""
        read = (name.split(".")[-2:] for name in verdict.columns)
        levels = [self._catalog.table(owner).column(name).sensitivity for owner, name in read]
        highest = max(levels, key=_SENSITIVITIES.index, default="internal")
        columns = tuple(c.model_copy(update={"sensitivity": highest}) for c in table.columns)
        return Table(columns, table.data, table.key)

    def check(self, sql: str) -> None:
        """Raise `QueryRefused`, with all that the guard has against it, unless *sql* may run."""
        self._admitted(sql)

    def _admitted(self, sql: str) -> Verdict:
        """The guard's verdict; every statement passes here, our own too."""
        attributes = {telemetry.OPERATION: "execute_tool", telemetry.TOOL_NAME: "sql_guard"}
        with telemetry.span("execute_tool sql_guard", attributes) as span:
            verdict = self.guard.check(sql, parameters=self.parameters)
            span.set_attribute(telemetry.GUARD_VERDICT, "allowed" if verdict.allowed else "refused")
            rules = tuple(dict.fromkeys(violation.rule for violation in verdict.violations))
            if self.watch is not None:
                self.watch(_checked(sql, verdict, rules))
            if verdict.allowed and verdict.sql:
                return verdict
            span.set_attribute(telemetry.GUARD_RULE, ", ".join(rules))
            load.refused(rules)
            first = verdict.violations[0]
            raise QueryRefused(
                first.message,
                hint=first.hint,
                statement=sql,
                findings=tuple((v.rule, v.message, v.hint) for v in verdict.violations),
            )

    def _values(self, verdict: Verdict) -> dict[str, Any]:
        """The parameters that the statement takes, those of row filters among them."""
        return {name: self.parameters[name] for name in verdict.parameters}

    def _run(
        self,
        verdict: Verdict,
        tables: Sequence[str],
        columns: Mapping[str, Column],
        key: Sequence[str],
    ) -> QueryResult:
        """Run the guard's own text of the statement."""
        assert verdict.sql is not None
        summary = f"SELECT {' '.join(tables)}".strip()
        attributes = {
            telemetry.DB_SYSTEM: "duckdb",
            telemetry.DB_OPERATION: "SELECT",
            telemetry.DB_SUMMARY: summary,
            telemetry.DB_TEXT: telemetry.content(verdict.sql),
        }
        with telemetry.span(summary, attributes) as span:
            values = self._values(verdict) or None
            result = self.warehouse.execute(verdict.sql, values, columns=columns, key=key)
            span.set_attribute(telemetry.DB_ROWS, len(result.table))
            return result

    @cached_property
    def _catalog(self) -> Catalog:
        return self.warehouse.catalog()

    def _dated(self, tables: Sequence[str], asked: date) -> date:
        """*asked*, or the date the data end where that is earlier."""
        ends = [self._catalog.table(name).as_of for name in tables]
        known = [day for day in ends if day is not None]
        return min(asked, max(known)) if known and len(known) == len(ends) else asked

    def dates_of(self, dataset: str) -> tuple[date, ...]:
        """The dates in the time field of *dataset*, in order; none without a time field."""
        if dataset not in self._dates:
            field = self.model.dataset(dataset).time_field
            found = self._distinct(dataset, field) if field else ()
            self._dates[dataset] = tuple(day for day in found if isinstance(day, date))
        return self._dates[dataset]

    @cached_property
    def known_values(self) -> KnownValues:
        """The values of text and date dimensions: what a question can name."""
        values: dict[str, tuple[Scalar, ...]] = {}
        for dataset, field in self.model.dimensions():
            name = f"{dataset.name}.{field.name}"
            if field.name == dataset.time_field:
                values[name] = self.dates_of(dataset.name)
            elif field.type == "string":
                found = self._distinct(dataset.name, field.name, limit=_MOST_VALUES + 1)
                if len(found) <= _MOST_VALUES:
                    values[name] = found
        return values

    def _distinct(
        self, dataset: str, field: str, *, limit: int | None = None
    ) -> tuple[Scalar, ...]:
        verdict = self._admitted(distinct_values(self.model, dataset, field, limit=limit))
        table = self.model.dataset(dataset).table
        return self._run(verdict, (table,), {}, ()).table.data[0]


def _checked(sql: str, verdict: Verdict, rules: tuple[str, ...]) -> CheckedStatement:
    if not verdict.allowed:
        return CheckedStatement(sql=sql, allowed=False, rules=rules)
    return CheckedStatement(sql=verdict.sql or "", allowed=True, tables=verdict.tables)


def _visible(catalog: Catalog, policy: GuardPolicy) -> Catalog:
    """What *policy* lists of *catalog*: the rest is not told of."""
    tables = []
    for table in catalog.tables:
        readable = policy.columns_of(("main", table.name.lower())) or {}
        columns = tuple(column for column in table.columns if column.name.lower() in readable)
        if columns:
            tables.append(table.model_copy(update={"columns": columns}))
    return Catalog(tables=tuple(tables))


def _validated(query: MetricQuery | Mapping[str, Any]) -> MetricQuery:
    if isinstance(query, MetricQuery):
        return query
    from pydantic import ValidationError

    try:
        return MetricQuery.model_validate(query)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise QueryInvalid(
            f"The metric query is not well formed{f' at {place}' if place else ''}.",
            hint=error.errors()[0]["msg"],
        ) from error
