from datetime import date
from decimal import Decimal

import pytest

from reports.compose import SectionInput, compose
from reports.document import ReportContent
from services.analysis.build import Draft
from services.analysis.context import Computation, Exhibit, SectionContext
from services.analysis.findings import Author, Authorship
from services.analysis.templates import ReportPlan, SectionPlan
from services.analysis.verify import verify
from services.errors import ChecksFailed
from services.evidence import Column, MetricSource, Table, make_evidence

DAY, BEFORE = date(2026, 9, 30), date(2026, 6, 30)


def exhibit(columns, rows, key, sql, tables=()):
    table = Table.from_rows(columns, rows, key)
    evidence = make_evidence(
        table, source=MetricSource(query={}), snapshot="s", as_of=DAY, sql=sql, tables=tables
    )
    return Exhibit(evidence, table)


BOOK = exhibit(
    [
        Column(name="as_of", type="date"),
        Column(name="segment", type="string"),
        Column(name="npl", type="double", unit="ratio"),
        Column(name="balance", type="decimal", unit="EUR"),
    ],
    [
        [DAY, "SME", 0.06, Decimal("2000000.00")],
        [DAY, "Retail", 0.02, Decimal("8000000.00")],
        [BEFORE, "SME", 0.05, Decimal("2100000.00")],
        [BEFORE, "Retail", 0.021, Decimal("7900000.00")],
    ],
    ("as_of", "segment"),
    "SELECT book",
    ("syn_loans",),
)
LIMITS = exhibit(
    [
        *(
            Column(name=n, type="string")
            for n in ("limit_id", "unit", "direction", "owner", "owner_role")
        ),
        Column(name="limit_red", type="double"),
        Column(name="limit_amber", type="double"),
    ],
    [
        ["sme", "ratio", "max", "Ana Ruiz", "Head of Credit", 0.05, 0.04],
        ["retail", "ratio", "max", "Bo Lind", "Head of Retail", 0.05, 0.01],
        ["floor", "ratio", "min", "Bo Lind", "Head of Retail", 0.01, 0.015],
    ],
    ("limit_id",),
    "SELECT limits",
    ("syn_limits",),
)


def total_balance(inputs, _):
    balances = inputs["book"].values("balance")
    return Table.from_rows([Column(name="total", type="decimal", unit="EUR")], [[sum(balances)]])


COMPUTATIONS = {"total_balance": Computation("total_balance", 1, total_balance)}
PLAN = ReportPlan(
    template="small",
    title="Small report",
    scope="Credit",
    entity="Meridian Bank",
    currency="EUR",
    as_of=DAY,
    previous=BEFORE,
    sections=(
        SectionPlan(id="credit", title="Credit risk", analyst="credit"),
        SectionPlan(id="limits", title="Limits", analyst="limits"),
    ),
)


def context(section):
    exhibits = {"book": BOOK, "limits": LIMITS}
    return SectionContext(section, section.title(), DAY, BEFORE, "s", exhibits, COMPUTATIONS)


def known(*contexts):
    found = [BOOK, LIMITS, *(e for c in contexts for e in c.computed)]
    return {e.evidence.id: e for e in found}


def credit(ctx):
    draft = Draft(ctx)
    sme, retail = ((BOOK, f"2026-09-30|{name}", "npl") for name in ("SME", "Retail"))
    draft.limit("retail", "NPL ratio of retail", retail, LIMITS, "retail")
    draft.limit(
        "sme", "NPL ratio of SME", sme, LIMITS, "sme", previous=(BOOK, "2026-06-30|SME", "npl")
    )
    total = ctx.compute("total_balance", {"book": BOOK})
    shown = draft.value("total", "Total balance", total, "0", "total")
    name = draft.value("name", "Segment", BOOK, "2026-09-30|SME", "segment")
    draft.finding("note", "observation", "info", "Balance", "The balance is {total}.")
    draft.table("t", "Balance", ["Segment", "Balance"], [[name, shown]], evidence=[BOOK])
    draft.chart(
        "c", "bar", "Balance is {total}", "As of {total@as_of}.", BOOK, x="segment", y="npl"
    )
    draft.method("The balance is summed by {total@method}.")
    draft.gap("The warehouse has no write-offs.")
    return draft.finish()


def limits(ctx):
    draft = Draft(ctx)
    draft.limit("sme", "SME again", (BOOK, "2026-09-30|SME", "npl"), LIMITS, "sme")
    draft.limit("floor", "Floor", (BOOK, "2026-09-30|Retail", "npl"), LIMITS, "floor")
    return draft.finish()


def inputs(**changes):
    made = []
    contexts = [context("credit"), context("limits")]
    for write, ctx in zip((credit, limits), contexts, strict=True):
        analysis = write(ctx)
        verification = verify(analysis, known(*contexts), COMPUTATIONS)
        assert () == verification.problems
        made.append(SectionInput(section=ctx.section, analysis=analysis, verification=verification))
    return made, known(*contexts)


def composed(sections=None, exhibits=None):
    made, found = inputs()
    return compose(
        PLAN, sections or made, exhibits or found, question="", understood="", snapshot="s"
    )


def text(prose):
    return "".join(run.text for run in prose).replace("\u00a0", " ")


@pytest.fixture(scope="module")
def report() -> ReportContent:
    return composed()


def test_the_same_inputs_give_the_same_digest(report):
    """Composed again, and read back from its JSON."""
    assert report.digest == composed().digest
    assert report.digest == ReportContent.model_validate_json(report.model_dump_json()).digest


def test_every_figure_leads_back_to_its_statements(report):
    """Through computations down to the SQL, whose records the report holds."""
    figures = {figure.id: figure for figure in report.figures}
    records = {record.id: record for record in report.evidence}
    total = figures["credit.total"]
    computation, statement = (records[name] for name in total.evidence)

    assert ("computation", "total_balance v1", (BOOK.evidence.id,)) == (
        computation.kind,
        computation.computation,
        computation.inputs,
    )
    assert "SELECT book" == statement.sql
    assert (f"{computation.id}/0/total",) == total.cells
    assert all(figure.verified for figure in report.figures)
    assert all(set(figure.evidence) <= records.keys() for figure in report.figures)


def test_figures_stand_in_the_order_of_sections(report):
    """And by id within a section, after the summary's own."""
    names = [figure.id for figure in report.figures]
    by_section = [name.partition(".")[0] for name in names]
    own = [name for name in names if name.startswith("credit.")]

    assert ["summary", "credit", "limits"] == list(dict.fromkeys(by_section))
    assert sorted(own) == own


def test_the_summary_starts_with_breaches(report):
    """The headline counts, the lines tell the worst first, a limit shown twice counts once."""
    summary = report.summary
    breach = "NPL ratio of SME: 6.00 % exceeds the limit of 5.00 %."
    warning = "NPL ratio of retail: 2.00 % exceeds the early-warning level of 1.00 %"
    duties = ("report the cause and a plan", "explain the movement")

    assert "Limits breached: 1; at early warning: 1; inside appetite: 1." == text(summary.headline)
    assert ["red", "amber", "green"] == [row.status for row in summary.status]
    assert {"red": 1, "amber": 1, "green": 1} == summary.counts
    assert [
        f"{breach} Since 30 June 2026 it rose by 1.00 pp.",
        f"{warning} and is within the limit of 5.00 %.",
        "The balance is EUR 20.0m.",
    ] == [text(line) for line in summary.lines]
    assert [True, True] == [
        duty in text(action) for duty, action in zip(duties, summary.actions, strict=True)
    ]
    assert text(summary.actions[0]).startswith("NPL ratio of SME: Ana Ruiz, Head of Credit, should")


def test_each_number_in_a_sentence_is_a_figure(report):
    """No run of plain words holds a digit; each figure run prints a figure of the register."""
    figures = {figure.id for figure in report.figures}
    section = report.sections[0]
    prose = [
        report.summary.headline,
        *report.summary.lines,
        *report.summary.actions,
        *(f.prose for f in section.findings),
        *(c.title for c in section.charts),
    ]
    runs = [run for sentence in prose for run in sentence]

    assert not [run for run in runs if not run.figure and any(c.isdigit() for c in run.text)]
    assert {run.figure for run in runs if run.figure} <= figures


def test_a_section_is_rendered_whole(report):
    """Tables, charts with the rows they draw, methods and gaps."""
    section = report.sections[0]
    chart = section.charts[0]

    assert ("credit", 1, "Credit risk", True) == (
        section.id,
        section.number,
        section.title,
        section.synthetic,
    )
    assert "Balance is EUR 20.0m" == text(chart.title)
    assert ["segment", "npl"] == [column.name for column in chart.columns]
    assert {"segment": "SME", "npl": 0.06} == chart.rows[0]
    assert ["The balance is summed by total_balance v1."] == [text(m) for m in section.methods]
    assert "Credit risk" == report.methods[-1].name
    assert {"Signs", "Units"} <= {method.name for method in report.methods}


def test_the_cover_says_that_the_bank_is_fictional(report):
    """Where a synthetic table was read; and who wrote the findings."""
    assert report.cover.fictional.startswith("Meridian Bank is fictional.")
    assert [("analyst", "rules", 4, 4)] == [
        (a.role, a.author.name, a.offered, a.kept) for a in report.cover.authorship
    ]


def test_models_are_credited_over_all_sections():
    """One line for each model and role, its counts summed."""
    model = Author(kind="model", name="small")
    credit_line = Authorship(role="narrator", author=model, offered=4, kept=3)
    made, found = inputs()
    signed = [entry.model_copy(update={"authorship": (credit_line,)}) for entry in made]
    report = composed(signed, found)

    assert ("narrator", "small", 8, 6) == (
        report.cover.authorship[-1].role,
        report.cover.authorship[-1].author.name,
        report.cover.authorship[-1].offered,
        report.cover.authorship[-1].kept,
    )


def test_a_section_that_was_left_out_is_said():
    """It keeps its place, with the reason, and nothing of it is published."""
    made, found = inputs()
    report = composed([made[0], SectionInput(section="limits", skipped="data not ready")], found)

    assert ("Limits", 2, "data not ready", ()) == (
        report.sections[1].title,
        report.sections[1].number,
        report.sections[1].skipped,
        report.sections[1].findings,
    )
    assert not [figure for figure in report.figures if figure.id.startswith("limits.")]


def test_nothing_unverified_is_published():
    """A failed outcome, a missing one, a problem, or no verification at all refuses the report."""
    made, found = inputs()
    first = made[0]
    outcomes = first.verification.outcomes
    failed = outcomes["credit.sme"].model_copy(update={"verified": False})
    problem = {"code": "x", "where": "y", "message": "z"}
    broken = [
        {"outcomes": {**outcomes, "credit.sme": failed}},
        {"outcomes": {name: o for name, o in outcomes.items() if name != "credit.sme"}},
        {"outcomes": {**outcomes, "credit.sme": outcomes["credit.total"]}},
    ]
    for change in broken:
        verification = first.verification.model_copy(update=change)
        with pytest.raises(ChecksFailed):
            composed([first.model_copy(update={"verification": verification}), made[1]], found)
    refused = type(first.verification).model_validate({"outcomes": outcomes, "problems": [problem]})
    for verification in (refused, None):
        with pytest.raises(ChecksFailed):
            composed([first.model_copy(update={"verification": verification}), made[1]], found)


def test_nothing_is_shown_that_was_never_checked():
    """A claim dropped after verification takes the report with it."""
    made, found = inputs()
    first = made[0]
    fewer = tuple(claim for claim in first.analysis.claims if claim.id != "credit.total")
    analysis = first.analysis.model_copy(update={"claims": fewer})

    with pytest.raises(ChecksFailed):
        composed([first.model_copy(update={"analysis": analysis}), made[1]], found)
