"""What a name can mean at a place: the relations, aliases and parameters that are in sight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlglot import exp

from ._names import TableName, fold


@dataclass(slots=True)
class Base:
    """A table that is read directly, and where."""

    node: exp.Table
    name: TableName


class Fact(NamedTuple):
    """What is known about a column."""

    type: str = ""
    """Where the policy says it."""
    size: float = 256.0
    """In characters."""
    span: tuple[float, float] | None = None
    """The least and the greatest value, of what a generator makes."""
    values: tuple[exp.Expr, ...] = ()
    """What VALUES gives in each row; other columns of the relation go by the same rows."""
    within: tuple[str, ...] | None = None
    """Where it numbers the rows: the columns for whose values it begins anew."""

    def alone(self) -> Fact:
        """What of it still holds when its rows are multiplied or mixed with others."""
        return self._replace(values=(), within=None)


@dataclass(slots=True)
class Shape:
    """What a query gives: named columns with what is known of them, and about how many rows."""

    columns: dict[str, Fact]
    open: bool = False
    """Whether there may be further columns whose names are not known here."""
    rows: float = 1.0
    scans: int = 0
    """How many times tables are read once every CTE is written out."""
    placed: bool = False
    """Whether `columns` has an entry for every column in its place, if under no name of the query."""

    def renamed(self, names: list[str]) -> Shape:
        """The shape with its first columns called *names*."""
        facts = list(self.columns.items()) if self.placed or not self.open else []
        facts = [(name, fact.alone() if fact.within else fact) for name, fact in facts]
        columns = {name: facts[i][1] if i < len(facts) else Fact() for i, name in enumerate(names)}
        columns.update(facts[len(names) :])
        is_open = self.open and not (self.placed and len(names) >= len(facts))
        return replace(self, columns=columns, open=is_open)


@dataclass(slots=True)
class Relation:
    """One item of FROM as its own SELECT sees it."""

    alias: str
    shape: Shape
    denied: frozenset[str] = frozenset()
    bases: tuple[Base, ...] = ()
    ties: int = 0
    """How many equalities tie its rows to what stands before."""
    source: str = ""
    """The name of the CTE that it reads, if any."""
    gone: bool = False
    """Whether it stands on the right of a SEMI or ANTI join, and can be named in ON only."""
    path: tuple[str, ...] = ()
    """Catalog, schema and table, where these may qualify a column."""

    def answers_to(self, parts: tuple[str, ...]) -> int:
        """How many of the leading *parts* name this relation; 0 when they do not."""
        if parts[0] == self.alias:
            return 1
        for size in (2, 3):
            if self.path and len(parts) > size and parts[:size] == self.path[-size:]:
                return size
        return 0


@dataclass(slots=True)
class Scope:
    """One level of names: of a SELECT, or of a lambda with its parameters."""

    ctes: Mapping[str, Shape]
    outer: Scope | None = None
    relations: list[Relation] = field(default_factory=list)
    aliases: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    rows: float = 1.0
    weight: float = 1.0
    """How many values the generators among the expressions make for each row."""
    inner: dict[int, Scope] = field(default_factory=dict)
    """The scopes of the queries seen so far inside this level, by the identity of their nodes."""

    def levels(self) -> Iterator[Scope]:
        """The level itself and those around it, from the inside out."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    @property
    def visible(self) -> list[Relation]:
        """The relations whose columns can be named."""
        return [relation for relation in self.relations if not relation.gone]

    def in_sight(self) -> Iterator[Relation]:
        """Every relation of this level and of those around it."""
        for level in self.levels():
            yield from level.relations

    def nearest_relations(self) -> list[Relation]:
        """The relations of the innermost level that has any: what a star stands for."""
        return next((level.visible for level in self.levels() if level.relations), [])


def fact_of(node: exp.Column, scope: Scope) -> Fact:
    """What is known about the column *node* in *scope*."""
    name, table = fold(node.name), fold(node.text("table"))
    for level in scope.levels():
        for relation in level.relations:
            if name in relation.shape.columns and table in ("", relation.alias):
                return relation.shape.columns[name]
    return Fact()
