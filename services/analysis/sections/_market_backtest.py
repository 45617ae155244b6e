"""The backtest: whether the losses of a year passed VaR as often as its level promises."""

from __future__ import annotations

from typing import Final

from services.analysis.build import ClaimId, Draft, How, number_at, rows_where
from services.analysis.computations.market import TOTAL
from services.analysis.context import Exhibit
from services.analysis.findings import Severity

from ._fx_book import HISTORICAL, SOURCE, FxBook, moment, said

_SEVERITY: Final[dict[str, Severity]] = {"green": "info", "yellow": "medium", "red": "high"}
_MOST_EXCEPTIONS: Final = 12
_P_VALUE: Final[How] = {"digits": 3}
_RESULTS: Final[tuple[tuple[str, str, str, How], ...]] = (
    ("observations", "Days tested", "observations", {}),
    ("exceptions", "Exceptions", "exceptions", {}),
    ("expected", "Exceptions expected", "expected", {"digits": 1}),
    ("zone", "Traffic-light zone", "zone", {}),
    ("kupiec_p", "Number of exceptions (Kupiec), p-value", "kupiec_p", _P_VALUE),
    ("kupiec_verdict", "Number of exceptions (Kupiec)", "kupiec_verdict", {}),
    ("independence_p", "Independence (Christoffersen), p-value", "independence_p", _P_VALUE),
    ("independence_verdict", "Independence (Christoffersen)", "independence_verdict", {}),
    ("conditional_p", "Conditional coverage (Christoffersen), p-value", "conditional_p", _P_VALUE),
    ("conditional_verdict", "Conditional coverage (Christoffersen)", "conditional_verdict", {}),
)


def write_backtest(draft: Draft, book: FxBook, before: FxBook | None) -> None:
    """The backtest of *book*: results beside those of *before*, the exceptions, the picture."""
    backtest, tests = book.backtest()
    if not len(tests.table):
        missing = draft.absent(
            "backtest", "Backtest of VaR", "the rates do not cover the days it needs"
        )
        draft.finding(
            "backtest.missing",
            "not_available",
            "medium",
            "Backtest of VaR",
            f"{missing.at('label')}: {missing.slot}, as {missing.at('reason')}.",
        )
        return
    earlier = before.backtest()[1] if before else None
    _results(draft, book, tests, earlier if earlier and len(earlier.table) else None)
    _exceptions(draft, book, backtest)
    _verdict(draft, tests)
    _picture(draft, backtest)


def _results(draft: Draft, book: FxBook, tests: Exhibit, earlier: Exhibit | None) -> None:
    rows = []
    rolling = moment(book, "rolling historical VaR against the P&L of the day", confidence="0.99")
    for key, label, column, shown in _RESULTS:
        how: How = {"method": rolling["method"], "parameters": rolling["parameters"], **shown}
        row: list[ClaimId | str] = [
            label,
            draft.value(f"backtest.{key}", label, tests, TOTAL, column, **how),
        ]
        if earlier:
            previous = f"{label}, previous"
            row.append(
                draft.value(f"backtest.{key}.previous", previous, earlier, TOTAL, column, **how)
            )
        rows.append(row)
    draft.table(
        "backtest",
        "Backtest of VaR",
        ["Measure", "Now", "Previous"][: 3 if earlier else 2],
        rows,
        note="An exception is a loss that passes the VaR of the eve. The zones are those of the Basel "
        "framework; a test rejects where its p-value does not reach the significance level.",
        evidence=(tests,),
    )


def _exceptions(draft: Draft, book: FxBook, backtest: Exhibit) -> None:
    """The days whose loss passed VaR, the latest first."""
    days = rows_where(backtest, exception=True)[::-1][:_MOST_EXCEPTIONS]
    if not days:
        return
    how = said(book, HISTORICAL)
    rows = []
    for day in days:
        key = f"backtest.day.{day.replace('-', '_')}"
        rows.append(
            (
                draft.value(key, "Date of the exception", backtest, day, "rate_date"),
                draft.value(f"{key}.pnl", "P&L of the exception", backtest, day, "pnl", digits=2),
                draft.value(f"{key}.var", "VaR on the eve", backtest, day, "var", **how),
            )
        )
    draft.table(
        "exceptions",
        "Days whose loss passed VaR",
        ["Date", "P&L", "VaR on the eve"],
        rows,
        note="Sorted by date, descending; the workbook holds every day tested.",
        evidence=(backtest,),
    )


def _verdict(draft: Draft, tests: Exhibit) -> None:
    def claim(key: str) -> ClaimId:
        return ClaimId(f"market.backtest.{key}")

    zone = str(tests.table.value(TOTAL, "zone"))
    severity = _SEVERITY[zone]
    rejected = "rejected" in {
        tests.table.value(TOTAL, f"{test}_verdict")
        for test in ("kupiec", "independence", "conditional")
    }
    if rejected and severity == "info":
        severity = "low"
    owner, role = (ClaimId(f"market.var_99_1d.total.{name}") for name in ("owner", "owner_role"))
    action = ""
    if zone != "green" and owner in draft.claims:
        action = (
            f"{owner.slot}, {role.slot}, should explain each exception and review the VaR model."
        )
    draft.finding(
        "backtest.zone",
        "backtest",
        severity,
        "Backtest of VaR",
        f"Losses passed VaR on {claim('exceptions').slot} of {claim('observations').slot} days, "
        f"{_against_expected(draft, tests)} expected; the model stands in the {claim('zone').slot} zone. "
        f"Kupiec's hypothesis of the right number of exceptions is {claim('kupiec_verdict').slot} "
        f"(p-value {claim('kupiec_p').slot}), Christoffersen's of independence is "
        f"{claim('independence_verdict').slot} (p-value {claim('independence_p').slot}).",
        action=action,
    )


def _against_expected(draft: Draft, tests: Exhibit) -> str:
    """How the count stands to what the level promises: `above the` and the expectation."""
    place, expected = (tests, TOTAL, "exceptions"), (tests, TOTAL, "expected")
    count, promised = number_at(place), number_at(expected)
    slot = ClaimId("market.backtest.expected").slot
    if count is None or promised is None or count == promised:
        return f"against {slot}"
    passed = draft.compare(
        "backtest.vs_expected", "Exceptions against those expected", place, expected
    )
    return f"{passed.word('above' if count > promised else 'below')} the {slot}"


def _picture(draft: Draft, backtest: Exhibit) -> None:
    exceptions, days = (
        ClaimId("market.backtest.exceptions"),
        ClaimId("market.backtest.observations"),
    )
    draft.chart(
        "backtest",
        "backtest",
        f"Losses passed VaR on {exceptions.slot} of {days.slot} days",
        f"Hypothetical P&L of fixed positions against the VaR of the eve, as of {days.at('as_of')}; "
        f"each VaR rests on the {days.at('window')} before its day. {SOURCE}",
        backtest,
        x="rate_date",
        y="pnl",
        band="var",
        y_label="P&L and VaR",
        unit="EUR",
    )
