"""The figures of the sections against statements of the tests' own on the same warehouse."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from services.analysis.computations import COMPUTATIONS
from services.analysis.context import SectionContext
from services.analysis.sections import ANALYSTS
from services.analysis.verify import verify

Make = Callable[..., SectionContext]
Rows = Callable[[str], list[tuple[Any, ...]]]

LOSS = """
    SELECT round(sum(exposure_at_default::DOUBLE * lgd * CASE stage
        WHEN 1 THEN pd WHEN 2 THEN 1 - (1 - pd) ** remaining_years ELSE 1 END))
    FROM syn_loans WHERE as_of = DATE '2026-09-30'
"""
NOW = "as_of = DATE '2026-09-30'"


@pytest.fixture(scope="session")
def value(section: Make) -> Callable[[str], Decimal | None]:
    """The recomputed value of a claim, by its id."""
    known: dict[str, Any] = {}

    def of(claim: str) -> Decimal | None:
        name = claim.split(".", maxsplit=1)[0]
        if name not in known:
            context = section(name)
            analysis = ANALYSTS[name](context)
            exhibits = {e.evidence.id: e for e in (*context.exhibits.values(), *context.computed)}
            known[name] = verify(analysis, exhibits, COMPUTATIONS).outcomes
        found: Decimal | None = known[name][claim].value
        return found

    return of


CASES = {
    "credit.loan_balance": f"SELECT sum(balance) FROM syn_loans WHERE {NOW}",
    "credit.npl_ratio": f"SELECT sum(balance) FILTER (stage = 3) / sum(balance) FROM syn_loans WHERE {NOW}",
    "credit.coverage_ratio": f"SELECT sum(allowance) / sum(balance) FROM syn_loans WHERE {NOW} AND stage = 3",
    "credit.ecl.stage.stage_3.allowance": f"SELECT sum(allowance) FROM syn_loans WHERE {NOW} AND stage = 3",
    "credit.quality.sme.defaulted": f"SELECT sum(balance) FROM syn_loans WHERE {NOW} AND segment = 'SME' AND is_defaulted",
    "credit.quality.total.net": f"SELECT sum(balance - allowance) FROM syn_loans WHERE {NOW}",
    "credit.migration.worse.loans": """
        SELECT count(*) FROM syn_loans a JOIN syn_loans b USING (loan_id)
        WHERE a.as_of = DATE '2026-06-30' AND b.as_of = DATE '2026-09-30' AND a.stage = 1 AND b.stage = 2""",
    "credit.flow.stage_1.originated": f"""
        SELECT sum(balance) FROM syn_loans WHERE {NOW} AND stage = 1
        AND loan_id NOT IN (SELECT loan_id FROM syn_loans WHERE as_of = DATE '2026-06-30')""",
    "credit.flow.stage_2.derecognised": """
        SELECT -sum(balance) FROM syn_loans WHERE as_of = DATE '2026-06-30' AND stage = 2
        AND loan_id NOT IN (SELECT loan_id FROM syn_loans WHERE as_of = DATE '2026-09-30')""",
    "credit.flow.total.difference": "SELECT 0",
    "credit.concentration.sector": f"""
        WITH s AS (SELECT sum(exposure_at_default) AS e FROM syn_loans WHERE {NOW} GROUP BY sector)
        SELECT sum(e * e) / (sum(e) * sum(e)) FROM (SELECT e::DOUBLE AS e FROM s)""",
    "credit.concentration.country.effective": f"""
        WITH s AS (SELECT sum(exposure_at_default)::DOUBLE AS e FROM syn_loans WHERE {NOW} GROUP BY country)
        SELECT sum(e) * sum(e) / sum(e * e) FROM s""",
    "limits.top10_share": f"""
        WITH g AS (SELECT sum(l.exposure_at_default)::DOUBLE AS e FROM syn_loans l
            JOIN syn_counterparties c USING (counterparty_id) WHERE {NOW} GROUP BY c.group_name)
        SELECT (SELECT sum(e) FROM (SELECT e FROM g ORDER BY e DESC LIMIT 10))
            / (SELECT sum(exposure_at_default)::DOUBLE FROM syn_loans WHERE {NOW})""",
    "counterparty.utilisation": f"SELECT max(exposure::DOUBLE / exposure_limit) FROM syn_counterparty_exposures WHERE {NOW}",
    "counterparty.band.over_the_limit.counterparties": f"SELECT count(*) FROM syn_counterparty_exposures WHERE {NOW} AND exposure > exposure_limit",
    "counterparty.warned": f"""
        SELECT count(*) FROM syn_counterparty_exposures
        WHERE {NOW} AND exposure >= 0.8 * exposure_limit AND exposure <= exposure_limit""",
    "counterparty.band.over_the_limit.excess": f"SELECT sum(exposure - exposure_limit) FROM syn_counterparty_exposures WHERE {NOW} AND exposure > exposure_limit",
    "liquidity.coverage.outflow": f"SELECT sum(weighted) FROM syn_lcr_flows WHERE {NOW} AND direction = 'outflow'",
    "liquidity.hqla.total.after_haircut": f"SELECT sum(value_after_haircut) FROM syn_hqla WHERE {NOW}",
    "liquidity.nsfr": f"""
        SELECT sum(weighted) FILTER (side = 'ASF') / sum(weighted) FILTER (side = 'RSF')
        FROM syn_stable_funding WHERE {NOW}""",
    "liquidity.gap.shortfall": f"""
        SELECT -min(c) FROM (SELECT sum(inflow - outflow) OVER (ORDER BY bucket_order) AS c
        FROM syn_liquidity_flows WHERE {NOW})""",
    "capital.cet1_ratio": f"""
        SELECT (SELECT sum(amount) FROM syn_capital WHERE {NOW} AND item = 'CET1')
            / (SELECT sum(rwa) FROM syn_rwa WHERE {NOW})""",
    "capital.density": f"""
        SELECT (SELECT sum(rwa) FROM syn_rwa WHERE {NOW})
            / (SELECT sum(amount) FROM syn_capital WHERE {NOW} AND item = 'Leverage exposure')""",
    "capital.cet1_ratio.headroom": f"""
        SELECT (SELECT sum(amount) FROM syn_capital WHERE {NOW} AND item = 'CET1')
            - (SELECT red FROM syn_limits WHERE limit_id = 'cet1_ratio')
            * (SELECT sum(rwa) FROM syn_rwa WHERE {NOW})""",
    "limits.count.all": "SELECT count(*) FROM syn_limits",
    "retail_history.delinquency.2005_09_01.rate": """
        SELECT avg((repayment_status > 0)::INT) FROM card_history WHERE month = DATE '2005-09-01'""",
    "retail_history.roll.current_2_months.events": """
        SELECT count(*) FROM card_history a JOIN card_history b
        ON a.account_id = b.account_id AND b.month = a.month + INTERVAL 1 MONTH
        WHERE a.repayment_status <= 0 AND b.repayment_status = 2""",
    "retail_history.roll.3_plus_months_current.trials": """
        SELECT count(*) FROM card_history WHERE repayment_status >= 3 AND month < DATE '2005-09-01'""",
    "retail_history.card.education.university.rate": """
        SELECT avg(default_next_month::INT) FROM card_accounts WHERE education = 'university'""",
    "retail_history.small.total.rate": "SELECT avg(is_bad::INT) FROM small_loans",
    "data_quality.completeness.loans_sector.expected": f"SELECT count(*) FROM syn_loans WHERE {NOW}",
}


@pytest.mark.parametrize("claim", CASES)
def test_figure_is_what_the_rows_say(
    value: Callable[[str], Decimal | None], rows: Rows, claim: str
) -> None:
    """A figure of the report equals a statement written for the test alone."""
    [(expected,)] = rows(CASES[claim])

    assert float(value(claim) or 0) == pytest.approx(float(expected), rel=1e-9, abs=0.01)


def test_expected_credit_loss_is_that_of_each_loan(
    value: Callable[[str], Decimal | None], rows: Rows
) -> None:
    """The recomputed loss equals the formula in SQL, to the rounding of each loan to cents."""
    [(expected,)] = rows(LOSS)

    assert float(value("credit.ecl.total.expected_loss") or 0) == pytest.approx(expected, abs=25)


@pytest.mark.parametrize("cut", ["stage.stage_1", "stage.stage_2", "stage.stage_3"])
def test_booked_allowance_covers_the_simplified_loss(
    value: Callable[[str], Decimal | None], cut: str
) -> None:
    """On the sample no stage is booked short of its simplified loss by more than rounding."""
    assert (value(f"credit.ecl.{cut}.surplus") or 0) >= -Decimal(2_000)


def test_stages_and_segments_add_up_to_the_total(value: Callable[[str], Decimal | None]) -> None:
    """Both cuts of the expected credit loss come to the same total, to the cent."""
    stages = [value(f"credit.ecl.stage.stage_{stage}.expected_loss") or 0 for stage in (1, 2, 3)]
    names = ("consumer", "corporate", "retail_mortgage", "sme")
    segments = [value(f"credit.ecl.segment.{name}.expected_loss") or 0 for name in names]
    total = value("credit.ecl.total.expected_loss")

    assert total == sum(stages) == sum(segments)
