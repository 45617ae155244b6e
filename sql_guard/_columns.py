"""Every column, star and row that a statement reads, found behind whatever form names it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

from sqlglot import exp

from ._hints import LAMBDA, QUALIFIER
from ._names import fold
from ._report import Report
from ._scope import Relation, Scope

# On these patterns Python's engine and DuckDB's agree, and neither can run away: no group repeats,
# and few characters do.
_SIMPLE_PATTERN: Final = re.compile(
    r"(?:[A-Za-z0-9_|^$.]|\((?:\?:)?|\)(?![*+?{])|\[[A-Za-z0-9_]+\]|(?<=[.\]])[*+?]){0,200}"
)
_REPEAT: Final = re.compile(r"[*+]")
_MAX_REPEATS: Final = 4


class Columns:
    """Resolves names against scopes, and reports what must not be read."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def bare(self, name: str, scope: Scope, node: exp.Expr) -> None:
        """Resolves *name*, written without a qualifier."""
        # However sure an inner level looks, a denied name in sight is never taken for another.
        if any(name in relation.denied for relation in scope.in_sight()):
            self._report.denied(node)
            return
        passed: list[Relation] = []
        for level in scope.levels():
            if name in level.parameters:
                return
            if self._known(name, level):
                self._report.needs_listed(passed)
                return
            passed += level.relations
            if self._row(name, level, node):
                self._report.needs_listed(passed)
                return
            if name in level.aliases or any(r.shape.open for r in level.visible):
                self._unsure(name, scope, node)
                return
        self._unknown(node, name, passed)

    def dotted(self, parts: tuple[str, ...], scope: Scope, node: exp.Expr) -> None:
        """Resolves a name of several parts: a qualified column, a field of a struct, or both."""
        for relation in scope.in_sight():
            size = relation.answers_to(parts)
            if size and parts[size] in relation.denied:
                self._report.denied(node)
                return
        passed: list[Relation] = []
        for level in scope.levels():
            for relation in level.visible:
                if size := relation.answers_to(parts):
                    self._report.needs_listed(passed)
                    if not self._qualified(relation, parts[size], level, parts[0], node):
                        self._unsure(parts[0], scope, node)
                    if size > 1 and isinstance(node, exp.Column):
                        self._report.paths.append((node, relation.bases))
                    return
            passed += level.relations
        self.bare(parts[0], scope, node)

    def _unsure(self, name: str, scope: Scope, node: exp.Expr) -> None:
        """Sees to it that *name* is harmless whichever level the engine finds it on."""
        self._report.needs_listed(scope.in_sight())
        for relation in scope.in_sight():
            if relation.alias == name:
                self.row_of(relation, node)

    def star(self, star: exp.Star, relations: Iterable[Relation], node: exp.Expr) -> None:
        """Checks what `*` stands for, less what it excludes."""
        relations = list(relations)
        self._report.sees_names(item.this for item in star.args.get("rename") or ())
        excepted = star.args.get("except_") or ()
        excluded = {fold(name.name) for name in excepted}
        self._report.sees_names(excepted)
        renamed = {fold(item.this.name) for item in star.args.get("rename") or ()}
        replaced = {fold(item.alias) for item in star.args.get("replace") or ()}
        for relation in relations:
            # EXCLUDE (c.x) leaves the x of every other table in.
            own = {fold(i.name) for i in excepted if fold(i.text("table")) in ("", relation.alias)}
            if relation.denied - own or relation.denied & (renamed | replaced):
                self._report.denied_star(node)
                return
        hidden = {name for relation in relations for name in relation.denied & excluded}
        kept = {
            name
            for name in hidden
            if any(name in r.shape.columns or (r.shape.open and not r.denied) for r in relations)
        }
        if hidden - kept:
            self._report.exclusions.append((star, frozenset(hidden - kept)))
        self.whole(relations)

    def pattern(self, node: exp.Expr, relations: Iterable[Relation]) -> None:
        """Checks `COLUMNS(...)` and `* LIKE ...`, whose choice of columns is made by the engine."""
        relations = list(relations)
        argument = node.this
        if isinstance(argument, exp.Star):
            self.star(argument, relations, node)
            return
        denied = {name for relation in relations for name in relation.denied}
        if denied and _may_choose(argument, denied):
            self._report.denied_star(node)
            return
        self.whole(relations)

    def whole(self, relations: Iterable[Relation]) -> None:
        """Notes that every column of *relations* is read, those of the policy and no others."""
        relations = list(relations)
        self._report.needs_listed(relations)
        for relation in relations:
            for base in relation.bases:
                self._report.reads_column(base.name, *self._report.listed(base.name))

    def joined(
        self, names: Iterable[exp.Expr], left: list[Relation], right: list[Relation]
    ) -> None:
        """Checks the columns that USING names."""
        for node in names:
            name = fold(node.name)
            both = [*left, *right]
            if any(name in relation.denied for relation in both):
                self._report.denied(node)
            for side in (left, right):
                found = self._reads(name, side)
                if not found:
                    self._report.needs_listed(side)
                if not found and not any(relation.shape.open for relation in side):
                    self._unknown(node, name, side)

    def natural(self, left: list[Relation], right: list[Relation], node: exp.Expr) -> None:
        """Checks a NATURAL join, which compares whatever columns share a name."""
        for one, other in ((left, right), (right, left)):
            denied = {name for relation in one for name in relation.denied}
            if any(
                denied and (r.shape.open or denied & (r.shape.columns.keys() | r.denied))
                for r in other
            ):
                self._report.denied_star(node)
                return
        self.whole([*left, *right])

    def row_of(self, relation: Relation, node: exp.Expr) -> None:
        """Notes a whole row used as a value."""
        if relation.denied:
            self._report.denied_star(node)
        else:
            self.whole([relation])

    def _known(self, name: str, level: Scope) -> bool:
        return self._reads(name, level.visible)

    def _reads(self, name: str, relations: list[Relation]) -> bool:
        found = False
        for relation in relations:
            if name in relation.shape.columns:
                found = True
                for base in relation.bases:
                    if name in self._report.listed(base.name):
                        self._report.reads_column(base.name, name)
        return found

    def _row(self, name: str, level: Scope, node: exp.Expr) -> bool:
        for relation in level.visible:
            if relation.alias == name:
                self.row_of(relation, node)
                return True
        return False

    def _qualified(
        self, relation: Relation, name: str, level: Scope, first: str, node: exp.Expr
    ) -> bool:
        """Whether *relation* has the column *name* for certain; refused when it cannot have it."""
        if self._reads(name, [relation]):
            return True
        # A column may carry its relation's name, and the second part be a field of it.
        if not relation.shape.open and not self._known(first, level):
            self._unknown(node, name, [relation])
        return False

    def _unknown(self, node: exp.Expr, name: str, relations: list[Relation]) -> None:
        known = sorted({column for relation in relations for column in relation.shape.columns})
        listed = {c for r in relations for base in r.bases for c in self._report.listed(base.name)}
        close = [c for c in difflib.get_close_matches(name, known, 3, 0.6) if c in listed]
        tables = sorted({".".join(base.name) for r in relations for base in r.bases})
        hint = "Use only columns of the tables that are read here."
        if close:
            hint = f"Did you mean {' or '.join(close)}?"
        elif len(tables) == 1:
            hint = f"{tables[0]} has the columns {', '.join(sorted(listed)[:40])}."
        if _may_be_lambda(node, name):
            hint = LAMBDA
        elif isinstance(node, exp.Column) and node.table and fold(node.parts[0].name) == name:
            node, hint = node.parts[0], f"{QUALIFIER} {hint}"
        self._report.refuse("columns", "A column is named that is not in sight here.", hint, node)


def _may_be_lambda(node: exp.Expr, name: str) -> bool:
    """Whether *name* stands for what precedes an arrow, which once made a lambda."""
    arrow = node.find_ancestor(exp.JSONExtract)
    first = arrow.this.unnest() if arrow is not None else None
    return isinstance(first, exp.Column) and not first.table and fold(first.name) == name


def _may_choose(argument: exp.Expr, denied: set[str]) -> bool:
    """Whether the argument of COLUMNS could choose one of *denied*; yes when in doubt."""
    if isinstance(argument, exp.Literal) and argument.is_string:
        text = argument.name
        if not _SIMPLE_PATTERN.fullmatch(text) or len(_REPEAT.findall(text)) > _MAX_REPEATS:
            return True
        try:
            chosen = re.compile(text, re.IGNORECASE)
        except re.error:
            return True
        return any(chosen.search(name) for name in denied)
    if isinstance(argument, exp.Array):
        names = argument.expressions
        return not all(
            isinstance(name, exp.Literal) and fold(name.name) not in denied for name in names
        )
    return True
