from datetime import date

import pytest

from services.analysis.build import ClaimId, number_at, row_where, rows_where, slug
from services.analysis.claims import AbsenceClaim, ComparisonClaim, TrendClaim
from services.analysis.findings import StatusCell, TableColumn

NOW, BEFORE, EMPTY = "2026-09-30|Spot", "2026-06-30|Spot", "2026-09-30|Empty"


def test_a_claim_takes_unit_digits_and_date_from_its_cell(draft, context):
    """Money in millions, a ratio in percent, each row at its own date."""
    desks = context["desks"]
    draft.value("now", "Exposure", desks, NOW, "exposure")
    draft.value("then", "Ratio", desks, BEFORE, "npl")
    said = [(c.unit, c.scale, c.digits, c.as_of) for c in draft.claims.values()]

    assert [
        ("EUR", "million", 1, date(2026, 9, 30)),
        ("ratio", "one", 2, date(2026, 6, 30)),
    ] == said


def test_a_claim_of_a_computation_carries_its_name_and_parameters(draft, context):
    """So that every figure says how it was made."""
    total = context.compute("total_exposure", {"desks": context["desks"]}, {"factor": "2"})
    claim = draft.claims[draft.value("total", "Total", total, "2026-09-30", "total")]

    assert ("total_exposure v1", {"factor": "2"}) == (claim.method, claim.parameters)


def test_a_change_of_a_ratio_is_in_percentage_points(draft, context):
    """Of money in its currency, relative ones in percent; each knows since when."""
    desks = context["desks"]
    pairs = {c: ((desks, NOW, c), (desks, BEFORE, c)) for c in ("npl", "exposure")}
    draft.change("npl", "Change", *pairs["npl"])
    draft.change("exposure", "Change", *pairs["exposure"])
    draft.change("relative", "Change", *pairs["exposure"], relative=True)
    claims = draft.claims.values()

    assert ["pp", "EUR", "ratio"] == [claim.unit for claim in claims]
    assert {"2026-06-30"} == {claim.parameters["since"] for claim in claims}


def test_a_comparison_states_what_is_so(draft, context):
    """Strictly beyond a limit breaches it, at the limit does not; without a value it is absent."""
    desks, limits = context["desks"], context["limits"]
    place = (desks, NOW, "npl")
    made = [
        draft.compare("a", "x", place, (limits, "npl", "limit_red"), limit="max"),
        draft.compare("b", "x", place, (limits, "npl_floor", "limit_red"), limit="min"),
        draft.compare("c", "x", place, place, limit="max"),
        draft.compare("d", "x", place, (limits, "npl_floor", "limit_red")),
        draft.compare("e", "x", (desks, EMPTY, "npl"), place),
    ]
    claims = [draft.claims[name] for name in made]

    assert ["above", "at_or_above", "at_or_below", "above"] == [
        claim.relation for claim in claims if isinstance(claim, ComparisonClaim)
    ]
    assert isinstance(claims[-1], AbsenceClaim)


def test_a_trend_takes_its_direction_from_its_ends(draft, context):
    """And its unit from the column; a ratio moves in pp."""
    desks = context["desks"]
    name = draft.trend("t", "Ratio", [(desks, BEFORE, "npl"), (desks, NOW, "npl")])
    claim = draft.claims[name]

    assert isinstance(claim, TrendClaim)
    assert ("rising", "pp") == (claim.direction, claim.unit)


def test_moved_says_only_what_will_be_true(draft, context):
    """A change that prints as zero is unchanged; without an earlier value nothing moved."""
    desks = context["desks"]
    metals = [(desks, f"{day}|Metals", "npl") for day in ("2026-09-30", "2026-06-30")]
    up = draft.change("up", "x", (desks, NOW, "npl"), (desks, BEFORE, "npl"))
    same = draft.change("same", "x", *metals)
    none = draft.change("none", "x", (desks, EMPTY, "npl"), (desks, BEFORE, "npl"))

    assert [
        "{market.up:rose} by {market.up@size}",
        "was {market.same:unchanged}",
        "has no comparable earlier value ({market.none})",
    ] == [draft.moved(name) for name in (up, same, none)]


@pytest.mark.parametrize(
    ("limit", "status", "kinds"),
    [
        ("npl", "red", ["limit_breach"]),
        ("npl_floor", "amber", ["observation"]),
        ("none", "none", []),
    ],
)
def test_a_limit_makes_indicator_and_finding(draft, context, limit, status, kinds):
    """Red strictly beyond the limit, amber beyond the early-warning level, none without a limit."""
    place = (context["desks"], NOW, "npl")
    value = draft.limit("npl", "NPL ratio", place, context["limits"], limit)
    analysis = draft.finish()

    assert status == draft.status(value) == analysis.indicators[0].status
    assert kinds == [finding.kind for finding in analysis.findings]
    assert all("Ana Ruiz" not in finding.action for finding in analysis.findings)


def test_prose_may_name_claims_without_the_section(draft, context):
    """Slots are put under the section's name; a finding rests on the claims it names."""
    draft.value("npl", "NPL ratio", context["desks"], NOW, "npl")
    draft.finding("f", "observation", "info", "NPL", "It is {npl}, {market.npl@label}.")
    finding = draft.finish().findings[0]

    assert ("market.f", "It is {market.npl}, {market.npl@label}.", ("market.npl",)) == (
        finding.id,
        finding.prose,
        finding.claims,
    )


def test_a_table_aligns_and_names_units_by_its_cells(draft, context):
    """One unit in a column goes into its head; mixed units stay with the numbers."""
    desks = context["desks"]
    who = draft.value("who", "Desk", desks, NOW, "desk")
    npl = draft.value("npl", "Ratio", desks, NOW, "npl")
    money = draft.value("money", "Exposure", desks, NOW, "exposure")
    red = StatusCell(status="red")
    draft.table("t", "T", ["A", "B", "C", "D"], [[who, npl, npl, red], [who, npl, money, red]])

    assert (
        TableColumn(label="A", align="left"),
        TableColumn(label="B", unit="%"),
        TableColumn(label="C"),
        TableColumn(label="D", align="center"),
    ) == draft.finish().tables[0].columns


def test_an_id_is_given_once(draft, context):
    """A second claim of the same name is a bug of the section."""
    draft.value("npl", "NPL", context["desks"], NOW, "npl")

    with pytest.raises(ValueError, match="twice"):
        draft.value("npl", "NPL", context["desks"], NOW, "npl")


def test_a_claim_cites_a_cell_that_exists(draft, context):
    """A wrong row or column fails where it is written."""
    with pytest.raises(KeyError):
        draft.value("x", "X", context["desks"], "nowhere", "npl")


def test_findings_come_worst_first_and_synthetic_tables_are_noted(draft, context):
    """Whatever the order in which a section made them."""
    draft.value("npl", "NPL", context["desks"], NOW, "npl")
    for severity in ("info", "high", "medium"):
        draft.finding(severity, "observation", severity, "NPL", "It is {npl}.")
    analysis = draft.finish()

    assert ["high", "medium", "info"] == [finding.severity for finding in analysis.findings]
    assert analysis.synthetic


def test_rows_are_found_by_their_values(context):
    """The first, all, or none."""
    desks = context["desks"]

    assert (NOW, BEFORE) == rows_where(desks, desk="Spot")
    assert None is row_where(desks, desk="Nobody")
    assert None is number_at((desks, EMPTY, "npl"))
    assert ["fx_spot", "a_b", "unnamed"] == [slug(s) for s in ("FX Spot", "A & B.", "\u2026")]
    assert ["{a.b}", "{a.b:rose}", "{a.b@label}"] == [
        ClaimId("a.b").slot,
        ClaimId("a.b").word("rose"),
        ClaimId("a.b").at("label"),
    ]
