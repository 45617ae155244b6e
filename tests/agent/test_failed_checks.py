"""A section whose claims fail: what whoever decides on it is shown, through each door."""

from __future__ import annotations

import pytest

from agent.cli import review as review_command
from agent.exhibits import SHOWN_ROWS
from agent.runner import Runner
from services.analysis.claims import ValueClaim
from services.analysis.context import SectionContext
from services.analysis.findings import SectionAnalysis
from services.analysis.sections import ANALYSTS
from tests.agent.driven import report, waiting
from tests.agent.review_door import browser
from tests.agent.test_web_access import door


@pytest.fixture
def wrong_analyst(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of an answer, which take the unit of a value for another, and type a number."""
    real = ANALYSTS["answer"]

    def analyse(context: SectionContext) -> SectionAnalysis:
        made = real(context)
        number = next(c for c in made.claims if isinstance(c, ValueClaim) and c.unit)
        claims = tuple(
            c.model_copy(update={"unit": "USD"}) if c == number else c for c in made.claims
        )
        [first, *others] = made.findings
        typed = first.model_copy(update={"prose": f"{first.prose} It was 4 before."})
        return made.model_copy(update={"claims": claims, "findings": (typed, *others)})

    monkeypatch.setitem(ANALYSTS._known, "answer", analyse)


async def test_failed_claims_come_first_and_their_evidence_beside(
    own_runner: Runner, wrong_analyst: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Expected and found, the statement, the first rows, how many more there are, and where."""
    await report(own_runner, "failed", "Exposure by counterparty")
    [item] = await waiting(own_runner, "failed")
    client = await door(own_runner)
    shown = (await client.get(f"/v1/reviews/{item.id}")).json()
    html = await (await browser(own_runner)).open(f"/reviews/{item.id}")
    [claim, *_] = shown["claims"]
    rested = next(one for one in shown["evidence"] if one["more"])

    assert "failed_check" == item.kind
    assert claim["expected"].startswith("a value in USD, as of ")
    assert "not in USD" in claim["reason"]
    assert claim["found"]
    assert claim["evidence"][0] == shown["rests_on"][0] == shown["evidence"][0]["id"]
    assert SHOWN_ROWS == len(rested["rows"])
    assert rested["row_count"] == SHOWN_ROWS + rested["more"]
    assert html.index("Claims that failed") < html.index("What else the checks refuse")
    assert '<span class="sql-k">SELECT</span>' in html
    assert f'<a href="{rested["page"]}">{rested["more"]:,} more: see all rows</a>' in html
    assert claim["label"] in html
    assert (await (await browser(own_runner)).open(rested["page"])).count("<tr") > SHOWN_ROWS

    review_command._print_case(await review_command._find(item.id))
    printed = capsys.readouterr().out
    assert printed.index("failed ") < printed.index("checks ") < printed.index("evidence ")
    assert f"{rested['more']:,} more" in printed
