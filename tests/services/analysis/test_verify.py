import dataclasses
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analysis.build import Draft
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import FigureCell
from services.analysis.verify import verify
from services.evidence import Column, SqlSource, Table, make_evidence

NOW, BEFORE, EMPTY = "2026-09-30|Spot", "2026-06-30|Spot", "2026-09-30|Empty"


def test_a_section_written_with_a_draft_passes(draft, context, exhibits):
    """What the builders make verifies: claims, limits, tables, charts and prose."""
    desks, limits = context["desks"], context["limits"]
    draft.limit(
        "npl", "NPL ratio", (desks, NOW, "npl"), limits, "npl", previous=(desks, BEFORE, "npl")
    )
    draft.limit("floor", "NPL floor", (desks, NOW, "npl"), limits, "npl_floor")
    exposure = draft.limit("exposure", "Exposure", (desks, NOW, "exposure"), limits, "exposure")
    total = context.compute("total_exposure", {"desks": desks})
    summed = draft.value("total", "Total exposure", total, "2026-09-30", "total")
    draft.table(
        "desks",
        "Exposure of {npl@label}",
        ["Desk", "Exposure"],
        [["Spot", exposure], ["All", summed]],
    )
    draft.chart(
        "bars", "bar", "Exposure is {exposure}", "As of {npl@as_of}.", desks, x="desk", y="exposure"
    )
    draft.method("Losses exceed the quantile where {total@method} says so.")

    verification = verify(draft.finish(), exhibits(), context.computations)

    assert () == verification.problems
    assert "5.21\u00a0%" == verification.outcomes["market.npl"].display
    assert "+0.21\u00a0pp" == verification.outcomes["market.npl.change"].display
    assert Decimal("0.21") == verification.outcomes["market.npl.change"].value
    assert "EUR\u00a012.3m" == verification.outcomes["market.exposure"].display
    assert "EUR\u00a08.3m" == verification.outcomes["market.total"].display


def codes(verification):
    return {problem.code for problem in verification.problems}


def checked(draft, exhibits, context, **changes):
    """The verification of a draft whose only claim, or whose section, is altered."""
    analysis = draft.finish()
    return verify(analysis.model_copy(update=changes), exhibits(), context.computations)


def altered(draft, name, **changes):
    """All claims of a draft, the one called *name* altered."""
    return tuple(
        claim.model_copy(update=changes) if claim.id == name else claim
        for claim in draft.claims.values()
    )


@pytest.fixture
def written(draft, context):
    """A draft with one claim of each kind, all of which hold."""
    desks, limits = context["desks"], context["limits"]
    npl, was = (desks, NOW, "npl"), (desks, BEFORE, "npl")
    draft.value("value", "NPL ratio", *npl)
    draft.value("owner", "Owner", limits, "npl", "owner")
    draft.change("change", "Change", npl, was)
    draft.change("relative", "Change", npl, was, relative=True)
    spot = (desks, NOW, "exposure")
    draft.share("share", "Share", [spot], [spot, (desks, "2026-09-30|Metals", "exposure")])
    draft.rank("rank", "Rank", npl)
    draft.compare("over", "Against the limit", npl, (limits, "npl", "limit_red"), limit="max")
    draft.trend("trend", "Trend", [was, npl])
    draft.absent("gap", "Nothing", "no such thing")
    draft.absent("empty", "Empty", "the cell is empty", place=(desks, EMPTY, "npl"))
    draft.value("none", "Nothing there", desks, EMPTY, "npl")
    return draft


def test_each_kind_of_claim_is_recomputed(written, exhibits, context):
    """Values are exact numbers; doubles count at twelve digits."""
    verification = checked(written, exhibits, context)
    shown = {
        name.removeprefix("market."): (outcome.display, outcome.value)
        for name, outcome in verification.outcomes.items()
    }

    assert () == verification.problems
    assert {
        "value": ("5.21 %", Decimal("0.0521")),
        "owner": ("Ana Ruiz", None),
        "change": ("+0.21 pp", Decimal("0.21")),
        "relative": ("+4.2 %", Decimal("0.042")),
        "share": ("147.93 %", Decimal("1.47928994728")),
        "rank": ("1st", Decimal(1)),
        "over": ("5.21 %", Decimal("0.0521")),
        "trend": ("+0.21 pp", Decimal("0.21")),
        "gap": ("n/a", None),
        "empty": ("n/a", None),
        "none": ("n/a", None),
    } == {name: (text.replace("\u00a0", " "), value) for name, (text, value) in shown.items()}
    assert "there is no value in the warehouse" == verification.outcomes["market.none"].reason


MUTATIONS = [
    ("value", {"unit": "EUR"}, "not in EUR"),
    ("value", {"as_of": date(2026, 6, 30)}, "as of 2026-09-30"),
    ("value", {"cell.column": "missing"}, "does not exist"),
    ("value", {"cell.row": "2026-12-31|Spot"}, "does not exist"),
    ("value", {"cell.row": BEFORE}, "as of 2026-06-30"),
    ("value", {"cell.evidence": "ev_0"}, "not there"),
    ("value", {"cell.column": "desk"}, "text has no unit"),
    ("owner", {"unit": "count"}, "text has no unit"),
    ("change", {"unit": "ratio", "relative": True, "base.column": "trades"}, "differ in unit"),
    ("change", {"unit": "EUR"}, "is not one in EUR"),
    ("change", {"base.column": "exposure"}, "differ in unit"),
    ("change", {"parameters": {"since": "2026-03-31"}}, "as of 2026-06-30"),
    ("relative", {"unit": "pp"}, "is a ratio"),
    ("share", {"unit": "pp"}, "is a ratio"),
    ("share", {"whole": ()}, "differ in unit"),
    ("rank", {"unit": "ratio"}, "is a count"),
    ("over", {"relation": "below"}, "not below"),
    ("over", {"limit": "min"}, "other way"),
    ("over", {"cell.column": "exposure"}, "in EUR"),
    ("over", {"cell.row": EMPTY}, "no value to compare"),
    ("trend", {"direction": "falling"}, "are rising"),
    ("trend", {"cells": "reversed"}, "as of"),
    ("empty", {"cell.row": NOW}, "holds a value"),
]


@pytest.mark.parametrize(("name", "changes", "reason"), MUTATIONS)
def test_a_claim_that_is_altered_does_not_hold(written, exhibits, context, name, changes, reason):
    """Unit, date, row, column, evidence, relation and direction are all bound."""
    claim = written.claims[f"market.{name}"]
    update = {}
    for path, new in changes.items():
        field, _, part = path.partition(".")
        if part:
            update[field] = getattr(claim, field).model_copy(update={part: new})
        elif new == "reversed":
            update[field] = claim.cells[::-1]
        elif new == ():
            update[field] = (*claim.whole, written.claims["market.value"].cell)
        else:
            update[field] = new
    claims = altered(written, claim.id, **update)
    verification = checked(written, exhibits, context, claims=claims)

    assert not verification.outcomes[claim.id].verified
    assert reason in verification.outcomes[claim.id].reason
    assert "claim.failed" in codes(verification)


def test_rows_that_were_altered_carry_no_claim(written, exhibits, context):
    """One digit in one cell of the evidence, and nothing that rests on it holds."""
    known = exhibits()
    name = context["desks"].evidence.id
    data = tuple(
        tuple(0.0522 if value == 0.0521 else value for value in column)
        for column in known[name].table.data
    )
    table = dataclasses.replace(known[name].table, data=data)
    forged = {**known, name: dataclasses.replace(known[name], table=table)}
    verification = verify(written.finish(), forged, context.computations)

    assert not verification.outcomes["market.value"].verified
    assert verification.outcomes["market.owner"].verified
    assert "evidence.unsound" in codes(verification)


def test_a_computation_is_run_again(draft, exhibits, context):
    """Other rows, another version or a missing computation carry no claim."""
    total = context.compute("total_exposure", {"desks": context["desks"]})
    draft.value("total", "Total", total, "2026-09-30", "total")
    analysis, known = draft.finish(), exhibits()
    computation = context.computations["total_exposure"]
    other = dataclasses.replace(
        computation, function=lambda i, p: computation.function(i, {"factor": "3"})
    )
    newer = dataclasses.replace(computation, version=2)

    def reasons(computations):
        return verify(analysis, known, computations).outcomes["market.total"].reason

    assert "" == reasons(context.computations)
    assert "its computation gives other rows" == reasons({"total_exposure": other})
    assert "computation total_exposure v1 is not known here" == reasons({"total_exposure": newer})
    assert "computation total_exposure v1 is not known here" == reasons({})


def test_a_computation_is_not_trusted_on_inputs_that_are_gone(draft, exhibits, context):
    """The chain reaches down to the statements."""
    total = context.compute("total_exposure", {"desks": context["desks"]})
    draft.value("total", "Total", total, "2026-09-30", "total")
    known = exhibits()
    del known[context["desks"].evidence.id]
    verification = verify(draft.finish(), known, context.computations)

    assert "an input" in verification.outcomes["market.total"].reason


def test_a_label_may_not_tell_another_parameter(draft, exhibits, context):
    """What a computation ran with cannot be told otherwise."""
    total = context.compute("total_exposure", {"desks": context["desks"]}, {"factor": "2"})
    draft.value("total", "Total", total, "2026-09-30", "total", parameters={"factor": "3"})

    assert (
        "it ran with factor 2" == checked(draft, exhibits, context).outcomes["market.total"].reason
    )


def test_shares_and_ranks_need_every_row(context, exhibits):
    """Evidence that the row cap cut carries neither."""
    evidence = context["desks"].evidence.model_copy(update={"complete": False})
    cut = dataclasses.replace(context["desks"], evidence=evidence)
    context.exhibits = {**context.exhibits, "desks": cut}
    draft = Draft(context)
    place = (cut, NOW, "exposure")
    draft.share("share", "Share", [place], [place])
    draft.rank("rank", "Rank", place)
    draft.value("value", "Value", *place)
    outcomes = checked(draft, exhibits, context).outcomes

    assert [False, False, True] == [outcome.verified for outcome in outcomes.values()]


def test_an_indicator_shows_the_status_that_follows(draft, exhibits, context):
    """A friendlier status, or a limit in another unit, is refused."""
    desks, limits = context["desks"], context["limits"]
    draft.limit("npl", "NPL ratio", (desks, NOW, "npl"), limits, "npl")
    money = draft.value("money", "Money", desks, NOW, "exposure")
    (indicator,) = draft.finish().indicators
    green = indicator.model_copy(update={"status": "green"})
    mixed = indicator.model_copy(update={"value": money})

    assert {"indicator.status"} == codes(checked(draft, exhibits, context, indicators=(green,)))
    assert "indicator.unit" in codes(checked(draft, exhibits, context, indicators=(mixed,)))


def test_blocks_show_only_claims_of_the_section(draft, exhibits, context):
    """Tables, charts, findings and indicators alike; and columns in the unit they name."""
    desks = context["desks"]
    npl = draft.value("npl", "NPL ratio", desks, NOW, "npl")
    draft.table("t", "T", ["A"], [[npl]])
    draft.chart("c", "bar", "T", "C", desks, x="desk", y="npl", rules=(npl,))
    draft.finding("f", "observation", "info", "NPL", "It is {npl}.")
    analysis = draft.finish()
    (table,), (chart,), (finding,) = analysis.tables, analysis.charts, analysis.findings
    ghost = FigureCell(claim="market.ghost")
    head = table.columns[0].model_copy(update={"unit": "EUR m"})
    changes = {
        "claim.unknown": {"tables": (table.model_copy(update={"rows": ((ghost,),)}),)},
        "table.shape": {"tables": (table.model_copy(update={"rows": ((ghost, ghost),)}),)},
        "table.unit": {"tables": (table.model_copy(update={"columns": (head,)}),)},
        "chart.column": {"charts": (chart.model_copy(update={"series": "ghost"}),)},
        "chart.evidence": {"charts": (chart.model_copy(update={"evidence": "ghost"}),)},
        "chart.unit": {"charts": (chart.model_copy(update={"unit": "EUR"}),)},
        "finding.claims": {"findings": (finding.model_copy(update={"claims": ("market.ghost",)}),)},
        "finding.kind": {"findings": (finding.model_copy(update={"kind": "limit_breach"}),)},
        "prose.digit": {"findings": (finding.model_copy(update={"prose": "It is 5."}),)},
        "prose.date": {"historical": "April to September 1999"},
        "claim.duplicate": {"claims": (*analysis.claims, *analysis.claims)},
        "claim.id": {"section": "credit"},
    }

    assert () == checked(draft, exhibits, context).problems
    for code, change in changes.items():
        assert code in codes(checked(draft, exhibits, context, **change)), code


def test_text_of_the_warehouse_prints_on_one_short_line(exhibits, context):
    """Control characters and length are cut; the words stay what they are."""
    columns = [Column(name="name", type="string"), Column(name="open", type="boolean")]
    table = Table.from_rows(columns, [["a\n\u202eb " + "x" * 200, True]])
    evidence = make_evidence(
        table, source=SqlSource(), snapshot="snap", as_of=date(2026, 9, 30), sql="SELECT 3"
    )
    context.exhibits = {**context.exhibits, "names": Exhibit(evidence, table)}
    draft = Draft(context)
    draft.value("name", "Name", context["names"], "0", "name")
    draft.value("open", "Open", context["names"], "0", "open")
    outcomes = checked(draft, exhibits, context).outcomes

    assert "a b xx" == outcomes["market.name"].display[:6]
    assert 120 == len(outcomes["market.name"].display)
    assert "yes" == outcomes["market.open"].display


@given(
    st.lists(
        st.decimals(
            allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9
        ),
        min_size=2,
        max_size=6,
    )
)
@settings(max_examples=40)
def test_what_a_draft_claims_of_any_numbers_holds(numbers):
    """Shares, ranks, comparisons and changes of whatever numbers verify, and add up."""
    columns = [Column(name="k", type="string"), Column(name="x", type="decimal", unit="EUR")]
    table = Table.from_rows(columns, [[f"r{i}", n] for i, n in enumerate(numbers)], key=("k",))
    day = date(2026, 9, 30)
    evidence = make_evidence(table, source=SqlSource(), snapshot="s", as_of=day, sql="SELECT 4")
    rows = Exhibit(evidence, table)
    draft = Draft(SectionContext("m", "M", day, None, "s", {"rows": rows}, {}))
    places = [(rows, row, "x") for row in table.row_keys]
    for index, place in enumerate(places):
        draft.share(f"share.{index}", "Share", [place], places)
        draft.rank(f"rank.{index}", "Rank", place)
        draft.compare(f"compare.{index}", "Comparison", place, places[0])
    change = draft.change("change", "Change", places[-1], places[0])
    draft.finding("f", "observation", "info", "Change", f"It {draft.moved(change)}.")
    verification = verify(draft.finish(), {evidence.id: rows}, {})
    shares = [verification.outcomes[f"m.share.{i}"].value for i in range(len(numbers))]

    assert () == verification.problems
    assert max(numbers) in {
        n for i, n in enumerate(numbers) if verification.outcomes[f"m.rank.{i}"].value == 1
    }
    # Each share keeps twelve digits; large ones, of amounts that cancel, keep fewer decimals.
    assert None in shares or abs(sum(shares) - 1) <= sum(abs(s) for s in shares) * Decimal("1e-11")
