"""
The rules' answer to a free question: its rows as sentences, a table and a chart, by their shape.

Nothing is known of the question here but its rows: which columns name things, which hold amounts,
and which hold time.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Final

from services.analysis.build import ClaimId, Draft, number_at, rows_where, slug
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import ChartKind, FindingKind, SectionAnalysis
from services.analysis.sections._shape import Shape, lowered, plain_label
from services.evidence import Column, Scalar, SqlSource

_MOST_ROWS: Final = 15
_MOST_SERIES: Final = 6
_MOST_MEASURES: Final = 6


def analyse(context: SectionContext) -> SectionAnalysis:
    """What the rows under alias `rows` answer."""
    answer = _Answer(context)
    answer.write()
    year = context["rows"].evidence.as_of.year
    return answer.draft.finish(historical=str(year) if year < context.as_of.year else "")


class _Answer:
    def __init__(self, context: SectionContext) -> None:
        self.draft = Draft(context)
        self.shape = Shape(context["rows"])
        self.rows = context["rows"]
        self.measures = self.shape.measures[:_MOST_MEASURES]
        self._keys: dict[str, str] = {}

    def write(self) -> None:
        self._say_source()
        count = len(self.rows.table)
        if not count:
            self._say_nothing()
        elif len(self.shape.dates) == 2 and count > 1 and self.measures:
            self._compare_dates()
        elif len(self.shape.dates) > 2 and self.measures:
            self._follow_time()
        else:
            self._list_rows()

    # The four shapes

    def _say_nothing(self) -> None:
        absent = self.draft.absent("rows", "Rows", "no row matches", rows_of=self.rows)
        self.draft.finding(
            "nothing",
            "not_available",
            "low",
            "Rows",
            f"The answer is {absent.slot}: {absent.at('reason')}.",
        )

    def _list_rows(self) -> None:
        shown = self.shape.ranked(self.rows.table.row_keys)[:_MOST_ROWS]
        self._table(shown, self._total_row())
        if len(self.rows.table) == 1:
            self._say_values(shown[0])
        elif self.measures:
            self._say_highest()
        self._bars()

    def _compare_dates(self) -> None:
        before, now = self.shape.dates
        measure, time = self.measures[0], self.shape.time
        assert time is not None
        earlier = {self._named(row): row for row in rows_where(self.rows, **{time.name: before})}
        later = self.shape.ranked(rows_where(self.rows, **{time.name: now}))[:_MOST_ROWS]
        moves = {row: self._movement(row, earlier.get(self._named(row)), measure) for row in later}
        for row in later[:_MOST_SERIES]:
            self._say_change(row, moves[row])
        self.draft.table(
            "rows",
            f"{plain_label(measure, 'Measure')} by date",
            [*self._heads(), "Later date", "Earlier date", "Change"],
            [[*self._names(row), *moves[row]] for row in later],
            note=self._cut_note(len(rows_where(self.rows, **{time.name: now})), len(later)),
            evidence=[self.rows],
        )
        if len(self.shape.names) == 1 and len(later) > 1:
            self._chart("grouped_bar", self.rows, x=self.shape.names[0], series=time.name)

    def _follow_time(self) -> None:
        time, measure = self.shape.time, self.measures[0]
        assert time is not None
        last = rows_where(self.rows, **{time.name: self.shape.dates[-1]})
        shown = self.shape.ranked(last)[:_MOST_ROWS]
        self._table(shown, None)
        latest: set[str] = set()
        """Rows whose change is said: several of one name at a date are one history."""
        for row in shown[:_MOST_SERIES]:
            known = [key for key in self._history(row) if self._number(key, measure) is not None]
            if len(known) > 1 and known[-1] not in latest:
                latest.add(known[-1])
                self._say_change(row, self._movement(known[-1], known[0], measure))
        if len(self.shape.names) <= 1:
            series = self.shape.names[0].name if self.shape.names else ""
            self._chart("line", self.rows, x=time, series=series)

    # Sentences

    def _say_source(self) -> None:
        evidence = self.rows.evidence
        if isinstance(evidence.source, SqlSource):
            self.draft.method(
                "The rows come from free SQL that the guard admitted, not from a reviewed measure; "
                "their units are not known."
            )
        if not evidence.complete:
            self.draft.gap("The row cap cut the result, so that rows are missing from it.")

    def _say_values(self, row: str) -> None:
        for column in self.measures:
            value = self._value(row, column)
            prose = f"{value.at('label')}: {value.slot} as of {value.at('as_of')}."
            self._finding(f"said.{slug(column.name)}", "observation", column, prose)

    def _say_highest(self) -> None:
        column = self.measures[0]
        known = [row for row in self.rows.table.row_keys if self._number(row, column) is not None]
        if not known or not self.shape.names or not self.shape.is_comparable:
            return
        numbers = {row: self._number(row, column) or Decimal(0) for row in known}
        row = max(known, key=numbers.__getitem__)
        place, label = (self.rows, row, column.name), plain_label(column, "Measure")
        rank = self.draft.rank(f"rank.{slug(column.name)}", f"{label}: rank", place)
        value = self._value(row, column)
        prose = f"{self._who(row)} has the {rank.word('highest')} value: {value.slot}."
        if column in self.shape.totals and min(numbers.values()) >= 0:
            total = (self._totals, "0", column.name)
            name = f"share.{slug(column.name)}"
            share = self.draft.share(name, f"{label}: share", [place], [total])
            prose += f" That is {share.slot} of the total."
        self._finding("highest", "observation", column, prose)

    def _say_change(self, row: str, move: Sequence[ClaimId]) -> None:
        value, _, change = move
        if "since" not in self.draft.claims[change].parameters:
            return
        who = f"{self._who(row)}: " if self.shape.names else ""
        self._finding(
            f"moved.{self._key(row)}",
            "trend",
            self.measures[0],
            f"{who}{value.at('label')} is {value.slot} as of {value.at('as_of')}; since "
            f"{change.at('since')} it {self.draft.moved(change)}.",
        )

    def _finding(self, name: str, kind: FindingKind, column: Column, prose: str) -> None:
        self.draft.finding(name, kind, "info", plain_label(column, "Measure"), prose)

    def _who(self, row: str) -> str:
        return ", ".join(name.slot for name in self._names(row))

    # Claims

    def _value(self, row: str, column: Column) -> ClaimId:
        name = self.draft.qualified(f"{slug(column.name)}.{self._key(row)}")
        if name in self.draft.claims:
            return ClaimId(name)
        label = plain_label(column, "Measure")
        return self.draft.value(name, label, self.rows, row, column.name, **self.shape.how(column))

    def _movement(self, row: str, was: str | None, column: Column) -> list[ClaimId]:
        """The later value, the earlier one, and the change."""
        value, label = self._value(row, column), plain_label(column, "Measure")
        name = f"{slug(column.name)}.{self._key(row)}"
        if was is None:
            why = "there is no row at the earlier date"
            return [
                value,
                self.draft.absent(f"{name}.earlier", f"{label}: earlier", why),
                self.draft.absent(f"{name}.change", f"{label}: change", why),
            ]
        change = self.draft.change(
            f"{name}.change",
            f"{label}: change",
            (self.rows, row, column.name),
            (self.rows, was, column.name),
            **self.shape.how(column),
        )
        return [value, self._value(was, column), change]

    def _names(self, row: str) -> list[ClaimId]:
        """What the row is of, as claims on its cells."""
        made = []
        for column in self.shape.names:
            name = self.draft.qualified(f"name.{slug(column.name)}.{self._key(row)}")
            if name not in self.draft.claims:
                label = plain_label(column, "Name")
                self.draft.value(name, label, self.rows, row, column.name, digits=0)
            made.append(ClaimId(name))
        return made

    def _total_row(self) -> list[ClaimId | str] | None:
        if not self.shape.totals or not self.shape.names or len(self.rows.table) < 2:
            return None
        cells: list[ClaimId | str] = ["Total", *[""] * (len(self.shape.names) - 1)]
        for column in self.measures:
            label, how = f"{plain_label(column, 'Measure')}: total", self.shape.how(column)
            place = (self._totals, "0", column.name)
            summed = column in self.shape.totals
            name = f"total.{slug(column.name)}"
            cells.append(self.draft.value(name, label, *place, **how) if summed else "")
        return cells

    @cached_property
    def _totals(self) -> Exhibit:
        names = "|".join(column.name for column in self.shape.totals)
        return self.draft.context.compute("column_totals", {"rows": self.rows}, {"columns": names})

    # Blocks

    def _table(self, rows: Sequence[str], total: list[ClaimId | str] | None) -> None:
        body: list[list[ClaimId | str]] = [
            [*self._names(row), *(self._value(row, column) for column in self.measures)]
            for row in rows
        ]
        self.draft.table(
            "rows",
            "Answer",
            [*self._heads(), *(plain_label(column, "Measure") for column in self.measures)],
            [*body, *([total] if total else [])],
            total_row=bool(total),
            note=self._cut_note(len(self.rows.table), len(rows)),
            evidence=[self.rows],
        )

    def _bars(self) -> None:
        names, count = self.shape.names, len(self.rows.table)
        if count < 2 or not self.measures or not 1 <= len(names) <= 2:
            return
        if len(names) == 2 and count <= 2 * _MOST_ROWS:
            self._chart("grouped_bar", self.rows, x=names[0], series=names[1].name)
        elif len(names) == 1:
            top = {"column": self.measures[0].name, "count": _MOST_ROWS}
            drawn = self.rows
            if count > _MOST_ROWS:
                drawn = self.draft.context.compute("largest_rows", {"rows": self.rows}, top)
            self._chart("bar", drawn, x=names[0])

    def _chart(self, kind: ChartKind, exhibit: Exhibit, *, x: Column, series: str = "") -> None:
        measure = self.measures[0]
        label, by = plain_label(measure, "Measure"), plain_label(x, "Name")
        self.draft.chart(
            "chart",
            kind,
            f"{label} by {lowered(by)}",
            "Drawn from the rows of the answer.",
            exhibit,
            x=x.name,
            y=measure.name,
            series=series,
            x_label=by,
            y_label=label,
            unit=measure.unit,
        )

    def _heads(self) -> list[str]:
        return [plain_label(column, "Name") for column in self.shape.names]

    def _cut_note(self, count: int, shown: int) -> str:
        return "The workbook holds all rows." if count > shown else ""

    def _number(self, row: str, column: Column) -> Decimal | None:
        return number_at((self.rows, row, column.name))

    def _named(self, row: str) -> tuple[Scalar, ...]:
        """What the row is of, whatever its date."""
        return tuple(self.rows.table.value(row, column.name) for column in self.shape.names)

    def _history(self, row: str) -> list[str]:
        """The rows of the same name, in order of time."""
        time = self.shape.time
        assert time is not None
        mine = [key for key in self.rows.table.row_keys if self._named(key) == self._named(row)]
        return sorted(mine, key=lambda key: str(self.rows.table.value(key, time.name)))

    def _key(self, row: str) -> str:
        """The part of a claim's id that stands for *row*."""
        if row not in self._keys:
            name = slug(row)
            taken = name in self._keys.values()
            self._keys[row] = f"{name}_row_{len(self._keys)}" if taken else name
        return self._keys[row]
