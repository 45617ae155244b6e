"""What is told of claims that fail: what they say, and what their cells hold."""

from __future__ import annotations

from services.analysis.build import Draft
from services.analysis.failures import failed_claims, suspects
from services.analysis.verify import verify
from services.evidence import Cell

NOW, BEFORE = "2026-09-30|Spot", "2026-06-30|Spot"


def test_a_failed_claim_says_what_was_expected_and_found(draft: Draft) -> None:
    """A wrong relation, a wrong unit, a cell that is not there; what holds is not told."""
    desks, limits = draft.context["desks"], draft.context["limits"]
    draft.value("fine", "Exposure", desks, NOW, "exposure")
    draft.value("unit", "Exposure", desks, NOW, "exposure")
    draft.value("gone", "Exposure", desks, NOW, "exposure")
    draft.compare("vs", "NPL ratio", (desks, NOW, "npl"), (limits, "npl", "limit_red"))
    draft.trend("moved", "NPL ratio", [(desks, BEFORE, "npl"), (desks, NOW, "npl")])
    known = draft.claims
    nowhere = Cell(evidence=desks.evidence.id, row="nowhere", column="exposure")
    wrong = {
        "market.unit": {"unit": "USD"},
        "market.gone": {"cell": nowhere},
        "market.vs": {"relation": "below"},
        "market.moved": {"direction": "falling"},
    }
    for name, update in wrong.items():
        known[name] = known[name].model_copy(update=update)
    analysis = draft.finish()
    exhibits = draft.context.by_id
    verification = verify(analysis, exhibits, draft.context.computations)
    told = {one.claim: one for one in failed_claims(analysis, verification, exhibits)}

    assert [*wrong] == [*told]
    assert "a value in USD, as of 30\u00a0September\u00a02026" == told["market.unit"].expected
    assert "12,345,678.90 EUR" in told["market.unit"].found
    assert "exposure: no such cell" == told["market.gone"].found
    assert told["market.vs"].expected.startswith("a value in ratio below its threshold")
    assert "npl: 0.0521 ratio" in told["market.vs"].found
    assert "limit_red: 0.05 ratio" in told["market.vs"].found
    assert "that are falling" in told["market.moved"].expected
    assert "the values are rising" == told["market.moved"].reason
    assert (desks.evidence.id, limits.evidence.id) == suspects(analysis, verification, exhibits)
