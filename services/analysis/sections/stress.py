"""
Stress tests: what moves of the past, and moves assumed, would do to the positions held.

Exchange rates are replayed on net exposures, the US Treasury curve on sensitivities. The curve of
the warehouse ends years before the report, so it serves as a scenario and never as a level.
"""

from __future__ import annotations

from typing import Any, Final

from services.analysis.build import ClaimId, Draft, Place, number_at, row_where, slug
from services.analysis.computations.market import TOTAL
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import SectionAnalysis, Severity

from ._fx_book import HISTORICAL, HOME, SOURCE, FxBook, said

CURRENCY_REPLAYS: Final = (
    {"scenario": "Lehman failure", "start": "2008-09-12", "end": "2008-10-27"},
    {"scenario": "Swiss franc floor removed", "start": "2015-01-14", "end": "2015-01-23"},
    {"scenario": "Brexit referendum", "start": "2016-06-23", "end": "2016-07-06"},
    {"scenario": "Pandemic sell-off", "start": "2020-02-20", "end": "2020-03-19"},
    {"scenario": "Invasion of Ukraine", "start": "2022-02-23", "end": "2022-03-07"},
)
CURVE_REPLAYS: Final = (
    {"scenario": "Bond-market sell-off", "start": "1994-02-03", "end": "1994-11-07"},
    {"scenario": "Mortgage-hedging sell-off", "start": "2003-06-13", "end": "2003-08-13"},
    {"scenario": "Taper tantrum", "start": "2013-05-21", "end": "2013-09-05"},
    {"scenario": "Presidential-election sell-off", "start": "2016-11-08", "end": "2016-12-16"},
)
_EMERGING: Final = [
    "BRL",
    "CNY",
    "CZK",
    "HUF",
    "IDR",
    "INR",
    "KRW",
    "MXN",
    "MYR",
    "PHP",
    "PLN",
    "RON",
    "THB",
    "TRY",
    "ZAR",
]
_SHOCKS: Final[tuple[dict[str, Any], ...]] = (
    {"scenario": "All currencies lose to the euro", "shock": -0.1},
    {"scenario": "All currencies gain on the euro", "shock": 0.1},
    {"scenario": "Emerging-market currencies lose", "shock": -0.2, "currencies": _EMERGING},
)
_LIMIT: Final = "var_99_1d_total"
_COVERED: Final = 0.9
"""Share of the exposure that a scenario should move, below which it is a finding."""
_SEVERE: Final = 0.05
"""Share of CET1 capital from which a scenario's loss is severe."""


def analyse(context: SectionContext) -> SectionAnalysis:
    draft = Draft(context)
    book = FxBook.measured(context, context["positions"], context.as_of)
    losses = _losses(context)
    known = [row for row in losses.table.row_keys if number_at((losses, row, "pnl")) is not None]
    for row in losses.table.row_keys:
        _scenario(draft, losses, row)
    _tables(draft, losses)
    if known:
        _worst(draft, book, losses, known[0])
        _chart(draft, losses, known[0])
        _worst_of_other_kind(draft, losses, known[0])
    _coverage(draft, losses)
    _reverse(draft)
    _methods(draft)
    return draft.finish()


def _losses(context: SectionContext) -> Exhibit:
    """All scenarios, the deepest loss first."""
    positions, home = context["positions"], {"home": HOME}
    replay = context.compute(
        "fx_replay",
        {"positions": positions, "rates": context["replay_rates"]},
        home | {"scenarios": list(CURRENCY_REPLAYS)},
    )
    shock = context.compute(
        "fx_shock", {"positions": positions}, home | {"scenarios": list(_SHOCKS)}
    )
    curve = context.compute(
        "curve_replay",
        {"sensitivities": context["sensitivities"], "curve": context["replay_curve"]},
        {"scenarios": list(CURVE_REPLAYS)},
    )
    kinds = (("replay", CURRENCY_REPLAYS), ("shock", _SHOCKS), ("curve", CURVE_REPLAYS))
    scenarios = [{**one, "kind": kind} for kind, several in kinds for one in several]
    return context.compute(
        "stress_losses",
        {"replay": replay, "shock": shock, "curve": curve, "rates": context["rates"]},
        {"as_of": context.as_of.isoformat(), "scenarios": scenarios},
    )


def _id(row: str, name: str = "") -> ClaimId:
    key = f"stress.scenario.{slug(row)}"
    return ClaimId(f"{key}.{name}" if name else key)


def _scenario(draft: Draft, losses: Exhibit, row: str) -> None:
    """The claims of one scenario."""
    draft.value(_id(row), "Scenario", losses, row, "scenario")
    for name in ("start", "end", "worst_part", "left_out", "applies_to"):
        if losses.table.value(row, name):
            draft.value(_id(row, name), f"{row}: {_LABELS[name]}", losses, row, name)
    for name in ("pnl", "loss", "shock", "covered"):
        label = f"{row}: {_LABELS[name]}"
        if number_at((losses, row, name)) is not None:
            draft.value(_id(row, name), label, losses, row, name, digits=1)
        elif name != "shock":
            draft.absent(_id(row, name), label, "there is no data for it in the scenario's dates")


_LABELS: Final = {
    "start": "from",
    "end": "to",
    "worst_part": "origin of the main loss",
    "left_out": "left out",
    "applies_to": "currencies moved",
    "pnl": "P&L",
    "loss": "loss",
    "shock": "assumed change of value",
    "covered": "exposure covered",
}


def _tables(draft: Draft, losses: Exhibit) -> None:
    rows = losses.table.row_keys
    replays = [row for row in rows if losses.table.value(row, "start")]
    draft.table(
        "replays",
        "Moves of the past on the positions held",
        ["Scenario", "Risk", "From", "To", "P&L", "Main loss from", "Covered"],
        [
            (
                _id(row),
                str(losses.table.value(row, "kind")),
                *(
                    _shown(draft, row, name)
                    for name in ("start", "end", "pnl", "worst_part", "covered")
                ),
            )
            for row in replays
        ],
        note="P&L in euro, a loss negative. Covered is the share of gross exposure, or of sensitivity, "
        "that has data at the start and at the end.",
        evidence=(losses,),
    )
    draft.table(
        "shocks",
        "Assumed moves on the positions held",
        ["Scenario", "Currencies", "Change of value", "P&L", "Main loss from"],
        [
            (
                _id(row),
                *(
                    _shown(draft, row, name)
                    for name in ("applies_to", "shock", "pnl", "worst_part")
                ),
            )
            for row in rows
            if row not in replays
        ],
        note="Each named currency's value in euro changes by the same share; P&L in euro, a loss negative.",
        evidence=(losses,),
    )


_WITHOUT: Final = {
    "applies_to": "all",
    "worst_part": "no loss",
    "start": "",
    "end": "",
    "shock": "",
}


def _shown(draft: Draft, row: str, name: str) -> ClaimId | str:
    claim = _id(row, name)
    return claim if claim in draft.claims else _WITHOUT[name]


def _worst(draft: Draft, book: FxBook, losses: Exhibit, row: str) -> None:
    """The deepest loss, dated, against VaR and against capital."""
    loss = (losses, row, "loss")
    if not _loses(losses, row):
        name, pnl = _id(row).slot, _id(row, "pnl").slot
        prose = f"No scenario makes a loss; {name} leaves the positions with {pnl}."
        draft.finding("worst", "observation", "info", "Worst scenario", prose)
        return
    rank = draft.rank("worst.rank", "Rank of the scenario's loss", loss)
    name, size = _id(row).slot, _id(row, "loss").slot
    largest = f"makes the {rank.word('largest')} loss of the scenarios"
    sentences = [f"{name}{_dates(draft, row)} {largest}: {size}."]
    severity: Severity = "low"
    var, capital = (book.risk, TOTAL, "var"), _capital(draft)
    if number_at(var) is not None:
        severity = "medium" if _times(loss, var) > 1 else severity
        sentences.append(_against_var(draft, book, loss, var))
    if capital is not None:
        severity = "high" if _times(loss, capital) > _SEVERE else severity
        share = draft.share(
            "worst.of_cet1", "Worst loss over CET1 capital", [loss], [capital], digits=1
        )
        sentences.append(f"It would take {share.slot} of CET1 capital.")
    draft.finding("worst", "observation", severity, "Worst scenario", " ".join(sentences))


def _loses(losses: Exhibit, row: str) -> bool:
    return (number_at((losses, row, "loss")) or 0) > 0


def _times(loss: Place, base: Place) -> float:
    """How many times *base* the loss is."""
    return float(number_at(loss) or 0) / float(number_at(base) or 1)


def _dates(draft: Draft, row: str) -> str:
    start, end = _id(row, "start"), _id(row, "end")
    return f", from {start.slot} to {end.slot}," if start in draft.claims else ""


def _against_var(draft: Draft, book: FxBook, loss: Place, var: Place) -> str:
    """A sentence that sets the loss beside the VaR of the same positions."""
    today = draft.value("var_99_1d.total", "VaR, all desks", *var, **said(book, HISTORICAL))
    level = f"VaR of {today.slot} at {today.at('confidence')} over {today.at('horizon')}"
    if number_at(loss) == number_at(var):
        return f"It is the same as {level}."
    compared = draft.compare("worst.vs_var", "Worst loss against VaR", loss, var, digits=1)
    word = "above" if _times(loss, var) > 1 else "below"
    return f"It is {compared.word(word)} {level}."


def _capital(draft: Draft) -> Place | None:
    capital = draft.context["capital"]
    row = row_where(capital, as_of=draft.context.as_of)
    if row is None or not number_at((capital, row, "cet1_capital")):
        return None
    return capital, row, "cet1_capital"


def _chart(draft: Draft, losses: Exhibit, row: str) -> None:
    pnl = _id(row, "pnl")
    draft.chart(
        "losses",
        "bar",
        f"{_id(row).slot}: P&L of {pnl.slot}",
        f"P&L of the positions as of {pnl.at('as_of')} in each scenario. {SOURCE} Yields are US Treasury "
        "par yields of the past, replayed.",
        losses,
        x="scenario",
        y="pnl",
        y_label="P&L",
        unit="EUR",
    )


def _worst_of_other_kind(draft: Draft, losses: Exhibit, worst: str) -> None:
    """The deepest replayed loss of the risk, yields or exchange rates, that the worst is not of."""
    curves = {one["scenario"] for one in CURVE_REPLAYS}
    others = [
        row
        for row in losses.table.row_keys
        if _id(row, "start") in draft.claims
        and (row in curves) != (worst in curves)
        and _loses(losses, row)
    ]
    if not others:
        return
    row = others[0]
    what = "US Treasury yields" if row in curves else "exchange rates"
    draft.finding(
        "worst_other",
        "observation",
        "low",
        f"Worst replay of {what}",
        f"Among replays of {what}, {_id(row).slot}{_dates(draft, row)} costs {_id(row, 'loss').slot}; "
        f"the main part comes from {_id(row, 'worst_part').slot}.",
    )


def _coverage(draft: Draft, losses: Exhibit) -> None:
    """What a scenario could not move is said: a finding when it is much, a gap when it is little."""
    for row in losses.table.row_keys:
        if _id(row, "left_out") not in draft.claims:
            continue
        sentence = (
            f"{_id(row).slot} has no data for {_id(row, 'left_out').slot}, left out; "
            f"{_id(row, 'covered').slot} of the exposure is covered."
        )
        if float(number_at((losses, row, "covered")) or 0) < _COVERED:
            draft.finding(
                f"coverage.{slug(row)}",
                "not_available",
                "medium",
                "Scenario in part without data",
                sentence,
            )
        else:
            draft.gap(sentence)


def _reverse(draft: Draft) -> None:
    """The move of all currencies together that loses as much as the VaR limit."""
    context = draft.context
    reverse = context.compute(
        "reverse_stress",
        {"positions": context["positions"], "limits": context["limits"]},
        {"home": HOME, "limit_id": _LIMIT},
    )
    if _LIMIT not in reverse.table.row_keys or number_at((reverse, _LIMIT, "move")) is None:
        return
    move = draft.value(
        "reverse.move", "Move that loses the VaR limit", reverse, _LIMIT, "move", digits=2
    )
    loss = draft.value("reverse.loss", "Loss to reach", reverse, _LIMIT, "loss", digits=2)
    net = draft.value("reverse.net", "Net foreign exposure", reverse, _LIMIT, "net", digits=1)
    draft.finding(
        "reverse",
        "observation",
        "info",
        "Reverse stress",
        f"A change of {move.slot} in the euro value of every foreign currency together would lose the VaR "
        f"limit of {loss.slot}, given the net exposure of {net.slot}.",
    )


def _methods(draft: Draft) -> None:
    context = draft.context
    draft.method(
        "Exchange-rate replays move each net exposure by the change of the currency's euro value between start "
        "and end at European Central Bank reference rates; positions stay as they are."
    )
    draft.method(
        "Yield-curve replays take minus the sensitivity to a basis-point move times the shift of each tenor's US "
        "Treasury par yield, in dollars, converted at the last reference rate; convexity is left aside."
    )
    last = context["last_curve"] if "last_curve" in context.exhibits else None
    if last is not None and len(last.table):
        row = last.table.row_keys[0]
        end = draft.value("curve.last_date", "Last date of the curve", last, row, "curve_date")
        draft.gap(
            f"The yield curve in the warehouse ends at {end.slot}; it is replayed as a scenario and is no level "
            "as of the report's date."
        )
    draft.gap(
        "Scenarios cover exchange rates and US dollar yields, each on its own; credit spreads, "
        "volatilities and joint moves are not covered."
    )
