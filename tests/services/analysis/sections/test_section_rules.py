"""Every section says only what its cells prove, whatever the warehouse holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.analysis.computations import COMPUTATIONS
from services.analysis.context import SectionContext
from services.analysis.findings import SectionAnalysis
from services.analysis.prose import render_prose
from services.analysis.sections import ANALYSTS
from services.analysis.verify import Verification, verify
from services.evidence import Table

SECTIONS = (
    "credit",
    "retail_history",
    "counterparty",
    "liquidity",
    "capital",
    "limits",
    "data_quality",
)
Make = Callable[..., SectionContext]


def analysed(context: SectionContext) -> tuple[SectionAnalysis, Verification]:
    analysis = ANALYSTS[context.section](context)
    exhibits = {e.evidence.id: e for e in (*context.exhibits.values(), *context.computed)}
    return analysis, verify(analysis, exhibits, COMPUTATIONS)


def without_rows(table: Table) -> Table:
    return Table.from_rows(table.columns, [], table.key)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_claim_and_sentence_of_the_sample_holds(section: Make, name: str) -> None:
    """On the sample warehouse nothing keeps a section from publication."""
    analysis, verification = analysed(section(name))

    assert () == verification.problems
    assert analysis.claims
    assert analysis.tables


@pytest.mark.parametrize("name", SECTIONS)
def test_the_first_quarter_has_nothing_to_compare_with(section: Make, name: str) -> None:
    """Without an earlier quarter-end a section says so, and still stands."""
    _, verification = analysed(section(name, previous=None))

    assert () == verification.problems


@pytest.mark.parametrize("name", SECTIONS)
def test_an_empty_warehouse_is_an_absence(section: Make, name: str) -> None:
    """With no rows at all a section names its gaps and claims no value."""
    analysis, verification = analysed(section(name, edit=lambda _, table: without_rows(table)))

    assert () == verification.problems
    assert analysis.gaps
    assert not [claim for claim in analysis.claims if claim.kind == "value" and claim.unit == "EUR"]


@pytest.mark.parametrize("name", SECTIONS)
def test_any_single_query_may_come_back_empty(section: Make, name: str) -> None:
    """Whichever one query finds nothing, the section stands and verifies."""
    for alias in section(name).exhibits:

        def empty(which: str, table: Table, alias: str = alias) -> Table:
            return without_rows(table) if which == alias else table

        _, verification = analysed(section(name, edit=empty))

        assert () == verification.problems, alias


@pytest.mark.parametrize("name", SECTIONS)
def test_the_same_rows_say_the_same(section: Make, name: str) -> None:
    """A section is a function of its evidence."""
    first, _ = analysed(section(name))
    second, _ = analysed(section(name))

    assert first == second


def test_indicators_are_unique_over_the_sections(section: Make) -> None:
    """No two sections show the same indicator."""
    names = [i.id for name in SECTIONS for i in analysed(section(name))[0].indicators]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", SECTIONS)
def test_breaches_come_before_other_findings(section: Make, name: str) -> None:
    """Findings are ordered by severity."""
    order = ("critical", "high", "medium", "low", "info")
    severities = [order.index(finding.severity) for finding in analysed(section(name))[0].findings]

    assert sorted(severities) == severities


def test_historical_figures_carry_their_own_date(section: Make) -> None:
    """Cards are of 2005 and small loans of 1975; no figure of theirs bears the report's date."""
    analysis, _ = analysed(section("retail_history"))

    assert {1975, 2005} == {claim.as_of.year for claim in analysis.claims}
    assert analysis.historical


def test_the_benchmark_carries_its_own_date(section: Make) -> None:
    """Long-run default rates end in 2016 and say so."""
    analysis, _ = analysed(section("credit"))
    benchmarks = [claim for claim in analysis.claims if claim.id.endswith(".benchmark")]

    assert {2016} == {claim.as_of.year for claim in benchmarks}


def test_a_breach_names_owner_and_action(section: Make) -> None:
    """A counterparty over its limit is a finding that says who should act."""
    analysis, verification = analysed(section("counterparty"))
    claims = {claim.id: claim for claim in analysis.claims}
    breach = next(f for f in analysis.findings if f.id.startswith("counterparty.over."))
    action = "".join(run.text for run in render_prose(breach.action, claims, verification.outcomes))

    assert "limit_breach" == breach.kind
    assert action.startswith("Sofia Lindqvist, Head of Counterparty Risk, should")
