from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analysis.computations import COMPUTATIONS
from services.analysis.context import Exhibit, SectionContext
from services.analysis.prose import render_prose
from services.analysis.sections import ANALYSTS
from services.analysis.verify import verify
from services.evidence import Column, MetricSource, SqlSource, Table, make_evidence

DAY, BEFORE = date(2026, 9, 30), date(2026, 6, 30)
DESK = Column(name="desk", type="string", label="Desk")
DATE = Column(name="as_of", type="date", label="As of")
MONEY = Column(name="exposure", type="decimal", unit="EUR", label="Net exposure")
RATIO = Column(name="npl", type="double", unit="ratio", label="NPL ratio")


class Answered:
    """What the rules answer to rows, verified."""

    def __init__(self, columns, rows, key=(), *, source=None, complete=True):
        table = Table.from_rows(columns, rows, key)
        evidence = make_evidence(
            table,
            source=source or MetricSource(query={}),
            snapshot="s",
            as_of=DAY,
            sql="SELECT 1",
            complete=complete,
        )
        exhibit = Exhibit(evidence, table)
        context = SectionContext(
            "answer", "Answer", DAY, None, "s", {"rows": exhibit}, COMPUTATIONS
        )
        self.analysis = ANALYSTS["answer"](context)
        known = {e.evidence.id: e for e in [exhibit, *context.computed]}
        self.verification = verify(self.analysis, known, COMPUTATIONS)
        self.problems = self.verification.problems

    @property
    def sentences(self):
        claims = {claim.id: claim for claim in self.analysis.claims}
        return [
            "".join(
                r.text for r in render_prose(f.prose, claims, self.verification.outcomes)
            ).replace("\u00a0", " ")
            for f in self.analysis.findings
        ]

    @property
    def cells(self):
        outcomes = self.verification.outcomes
        return [
            [outcomes[cell.claim].short if cell.kind == "figure" else cell.text for cell in row]
            for row in self.analysis.tables[0].rows
        ]


def test_no_row_is_an_absence():
    """Said as such; there is no table of nothing."""
    answer = Answered([DESK, MONEY], [], ("desk",))

    assert () == answer.problems
    assert ["The answer is n/a: no row matches."] == answer.sentences
    assert () == answer.analysis.tables


def test_one_value_is_a_sentence():
    """With its label and date."""
    answer = Answered([RATIO], [[0.0521]])

    assert () == answer.problems
    assert ["NPL ratio: 5.21 % as of 30 September 2026."] == answer.sentences


def test_categories_are_ranked_with_total_share_and_bars():
    """Largest first, the total last, the largest share in words."""
    rows = [["A", Decimal(1_000_000)], ["B", Decimal(3_000_000)], ["C", None]]
    answer = Answered([DESK, MONEY], rows, ("desk",))

    assert () == answer.problems
    assert [["B", "3.0"], ["A", "1.0"], ["C", "n/a"], ["Total", "4.0"]] == answer.cells
    assert ["B has the highest value: EUR 3.0m. That is 75.00 % of the total."] == answer.sentences
    assert ["bar"] == [chart.kind for chart in answer.analysis.charts]


def test_a_long_list_shows_its_top():
    """At most fifteen rows on the page and in the chart; the workbook holds the rest."""
    rows = [[f"name {i}", Decimal(i)] for i in range(40)]
    answer = Answered([DESK, MONEY], rows, ("desk",))

    assert () == answer.problems
    assert 16 == len(answer.cells)
    assert ["name 39", "39"] == answer.cells[0]
    assert ["Total", "780"] == answer.cells[-1]
    assert answer.analysis.tables[0].note
    assert answer.analysis.charts[0].evidence != answer.analysis.tables[0].evidence[0]


def test_the_order_that_was_asked_for_is_kept():
    """A query that sorts is shown as it sorted."""
    source = MetricSource(query={"order": [{"by": "exposure"}]})
    rows = [["A", Decimal(1)], ["B", Decimal(3)]]

    assert [["A", "1"], ["B", "3"], ["Total", "4"]] == Answered(
        [DESK, MONEY], rows, ("desk",), source=source
    ).cells


def test_part_of_the_rows_has_no_total_and_no_highest():
    """Neither after a limit of the query nor after the row cap, which is said."""
    rows = [["A", Decimal(1)], ["B", Decimal(3)]]
    limited = Answered([DESK, MONEY], rows, ("desk",), source=MetricSource(query={"limit": 2}))
    cut = Answered([DESK, MONEY], rows, ("desk",), complete=False)

    assert ((), ()) == (limited.problems, cut.problems)
    assert [["B", "3"], ["A", "1"]] == limited.cells == cut.cells
    assert [] == limited.sentences == cut.sentences
    assert (0, 1) == (len(limited.analysis.gaps), len(cut.analysis.gaps))


def test_two_dates_are_compared_row_by_row():
    """Later, earlier and change; a name that is new has no change."""
    rows = [[BEFORE, "A", 0.02], [DAY, "A", 0.03], [DAY, "B", 0.01]]
    answer = Answered([DATE, DESK, RATIO], rows, ("as_of", "desk"))

    assert () == answer.problems
    assert [["A", "3.00", "2.00", "+1.00"], ["B", "1.00", "n/a", "n/a"]] == answer.cells
    assert [
        "A: NPL ratio is 3.00 % as of 30 September 2026; since 30 June 2026 it rose by 1.00 pp."
    ] == answer.sentences


def test_a_series_is_followed_over_time():
    """The last date in the table, a line as chart, first to last in words."""
    column = Column(name="rate_date", type="date", label="Rate date")
    rate = Column(name="fx_rate", type="double", label="Rate per euro")
    rows = [[DAY - timedelta(days=n), "USD", 1.1 + n / 100] for n in (2, 1, 0)]
    answer = Answered([column, DESK, rate], rows, ("rate_date", "desk"))

    assert () == answer.problems
    assert [["USD", "1.1000"]] == answer.cells
    assert [
        "USD: Rate per euro is 1.1000 as of 30 September 2026; since 28 September 2026 it fell by 0.0200."
    ] == answer.sentences
    assert ["line"] == [chart.kind for chart in answer.analysis.charts]


def test_free_sql_is_marked_and_never_summed():
    """Nothing is known of its units; a column may be called anything."""
    columns = [Column(name="desk", type="string"), Column(name="5 worst < 1", type="integer")]
    answer = Answered(columns, [["A", 4], ["B", 1200]], source=SqlSource())

    assert () == answer.problems
    assert [["B", "1,200"], ["A", "4"]] == answer.cells
    assert "Measure" == answer.analysis.tables[0].columns[1].label
    assert "free SQL" in answer.analysis.methods[0]


def test_a_columns_name_turns_no_sense():
    """It stands in placeholders, where no reader sees it."""
    answer = Answered(
        [Column(name="no", type="string"), Column(name="m", type="integer")], [["A", 4], ["B", 5]]
    )

    assert () == answer.problems


def test_rows_of_one_name_and_date_are_one_history():
    """As free SQL may give them: what changed is said once."""
    days = [date(2026, 7, 31), date(2026, 8, 31), DAY, DAY]
    answer = Answered(
        [DESK, Column(name="day", type="date"), Column(name="m", type="integer")],
        [["A", day, number] for number, day in enumerate(days)],
    )

    assert () == answer.problems
    assert 1 == len(answer.analysis.findings)


def test_a_term_of_art_keeps_its_capitals():
    """In the title of a chart, where other names are written small."""
    answer = Answered(
        [Column(name="T1", type="string"), Column(name="m", type="integer")], [["A", 4], ["B", 5]]
    )

    assert () == answer.problems
    assert answer.analysis.charts[0].title.endswith("by T1")


def test_rows_without_numbers_are_listed():
    """A list of names is an answer too."""
    answer = Answered([DESK, Column(name="open", type="boolean")], [["A", True], ["B", False]])

    assert () == answer.problems
    assert [["A", "yes"], ["B", "no"]] == answer.cells


_SCALARS = {
    "string": st.text(max_size=12),
    "decimal": st.decimals(
        allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12
    ),
    "double": st.floats(),
    "integer": st.integers(-(10**12), 10**12),
    "date": st.dates(min_value=date(2000, 1, 1), max_value=DAY),
    "boolean": st.booleans(),
}


_SIGNS = st.characters(codec="utf-8", exclude_characters="|")
"""What parts the names of summed columns is in the name of no metric."""


@st.composite
def _tables(draw):
    types = draw(st.lists(st.sampled_from(list(_SCALARS)), min_size=1, max_size=5))
    unit = {"decimal": ["EUR", ""], "double": ["ratio", "bp", ""], "integer": ["count", "days", ""]}
    columns = [
        Column(
            name=draw(st.text(_SIGNS, min_size=1, max_size=8)) + str(i),
            type=t,
            unit=draw(st.sampled_from(unit.get(t, [""]))),
        )
        for i, t in enumerate(types)
    ]
    rows = draw(st.lists(st.tuples(*(st.none() | _SCALARS[t] for t in types)), max_size=20))
    return columns, rows


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
@given(_tables(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_whatever_the_rows_the_answer_verifies(table, governed):
    """Any columns, names and values: nothing that the rules say of them is refused."""
    columns, rows = table
    source = MetricSource(query={}) if governed else SqlSource()

    assert () == Answered(columns, rows, source=source).problems
