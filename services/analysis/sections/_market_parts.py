"""What the book is made of: each desk against its limit, each currency's part of VaR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from services.analysis.build import ClaimId, Draft, Place, number_at, row_where, slug
from services.analysis.computations.market import TOTAL
from services.analysis.context import Exhibit
from services.analysis.findings import StatusCell

from ._fx_book import HISTORICAL, NORMAL, SOURCE, TAIL_MEAN, FxBook, said
from ._market_totals import LIMIT_IDS, NO_LIMIT, red_of

_Row: TypeAlias = tuple[ClaimId | str | StatusCell, ...]

_MOST_ROWS: Final = 12
_DOMINANT: Final = 0.5
"""Share of component VaR from which one currency is more than an observation."""
_DESK_HEADS: Final = (
    "Desk",
    "Gross exposure",
    "VaR",
    "Shortfall",
    "Component VaR",
    "Limit",
    "Use of limit",
    "Status",
)
_VAR: Final = ClaimId("market.var_99_1d.total")
_PARAMETRIC: Final = ClaimId("market.parametric_var_99_1d")


@dataclass(frozen=True)
class Parts:
    """Writes what is said of desks and currencies, after the whole book's measures."""

    draft: Draft
    book: FxBook
    before: FxBook | None
    limits: Exhibit

    def write(self) -> None:
        desks, currencies = self.book.desks, self.book.currencies
        self._desks(desks)
        self.draft.value("net_exposure.total", "Net exposure", desks, TOTAL, "net")
        self._currencies(currencies)
        self._exposure_chart(currencies)

    def _desks(self, desks: Exhibit) -> None:
        components = self.book.components("desk")
        names = [name for name in desks.table.row_keys if name != TOTAL]
        names.sort(key=lambda name: -(number_at((self.book.risk, name, "var")) or 0))
        rows = [self._desk(name, desks, components) for name in names]
        total = (
            "All desks",
            self.draft.value("gross_exposure.total", "Gross exposure", desks, TOTAL, "gross"),
            _VAR,
            ClaimId("market.es_975_1d.total"),
            _PARAMETRIC,
            red_of(self.draft, _VAR),
            self._use("total", LIMIT_IDS["var_99_1d"], TOTAL),
            StatusCell(status=self.draft.status(_VAR)),
        )
        self.draft.table(
            "desks",
            "Desks against their limits",
            _DESK_HEADS,
            [*rows, total],
            total_row=True,
            note="VaR and shortfall are those of each desk alone. Component VaR is parametric and "
            "sums to the parametric VaR of all desks. Gross exposure sums the size of the net "
            "position in each currency.",
            evidence=(self.book.risk, desks, components),
        )
        self._limit_chart(names)

    def _desk(self, name: str, desks: Exhibit, components: Exhibit) -> _Row:
        draft, risk, key = self.draft, self.book.risk, f"desk.{slug(name)}"
        limit_id = f"var_99_1d_{slug(name)}"
        earlier = self.before.risk if self.before else None
        var = draft.limit(
            f"var_99_1d.{key}",
            f"VaR of {name}",
            (risk, name, "var"),
            self.limits,
            limit_id,
            previous=(earlier, name, "var") if earlier and name in earlier.table.row_keys else None,
            **said(self.book, HISTORICAL),
        )
        shortfall = draft.value(
            f"es_975_1d.{key}",
            f"Expected shortfall of {name}",
            risk,
            name,
            "es",
            **said(self.book, TAIL_MEAN, confidence="0.975"),
        )
        return (
            draft.value(key, "Desk", desks, name, "scope"),
            draft.value(f"gross_exposure.{key}", f"Gross exposure of {name}", desks, name, "gross"),
            var,
            shortfall,
            self._component(key, components, name),
            red_of(draft, var),
            self._use(key, limit_id, name),
            StatusCell(status=draft.status(var)),
        )

    def _limit_chart(self, names: Sequence[str]) -> None:
        use = self.book.context.compute(
            "fx_limit_use",
            {"risk": self.book.risk, "limits": self.limits},
            {"limits": {name: f"var_99_1d_{slug(name)}" for name in names}},
        )
        if not len(use.table):
            return
        key = f"desk.{slug(names[0])}"
        top, var = ClaimId(f"market.{key}"), ClaimId(f"market.var_99_1d.{key}")
        self.draft.chart(
            "desk_limits",
            "grouped_bar",
            f"{top.slot} alone has VaR of {var.slot}",
            f"VaR of each desk and its limit, as of {var.at('as_of')}; {var.at('method')} at "
            f"{var.at('confidence')} over {var.at('horizon')}. {SOURCE}",
            use,
            x="scope",
            y="amount",
            series="series",
            y_label="VaR and limit",
            unit="EUR",
        )

    def _currencies(self, currencies: Exhibit) -> None:
        """What each currency adds to the parametric VaR of the whole, the most first."""
        components = self.book.components("ccy")
        parts = sorted(
            components.table.row_keys,
            key=lambda part: -(number_at((components, part, "component_var")) or 0),
        )
        if not parts:
            return
        whole = [(components, part, "component_var") for part in parts]
        rows = [self._currency(part, currencies, whole) for part in parts[:_MOST_ROWS]]
        share = self.draft.share(
            "component_share.total", "Share of all currencies", whole, whole, digits=1
        )
        total = ("All currencies", ClaimId("market.net_exposure.total"), _PARAMETRIC, _PARAMETRIC)
        self.draft.table(
            "components",
            "What each currency adds to VaR",
            ["Currency", "Net exposure", "Stand-alone VaR", "Component VaR", "Share"],
            [*rows, (*total, share)],
            total_row=True,
            note="Parametric, from the sample covariance of the window; a negative component is a "
            "hedge. The workbook holds every currency.",
            evidence=(components, currencies),
        )
        self._concentration(parts[0], components)

    def _currency(self, part: str, currencies: Exhibit, whole: Sequence[Place]) -> _Row:
        draft, key, components = self.draft, f"currency.{slug(part)}", whole[0][0]
        alone = draft.value(
            f"standalone_var.{key}",
            f"Stand-alone VaR of {part}",
            components,
            part,
            "standalone_var",
            **said(self.book, NORMAL),
        )
        share = draft.share(
            f"component_share.{key}",
            f"Share of {part} in component VaR",
            [(components, part, "component_var")],
            whole,
            digits=1,
        )
        exposure = f"net_exposure.{key}"
        return (
            draft.value(key, "Currency", components, part, "part"),
            draft.value(exposure, f"Net exposure in {part}", currencies, part, "exposure"),
            alone,
            self._component(key, components, part),
            share,
        )

    def _concentration(self, top: str, components: Exhibit) -> None:
        draft, key = self.draft, f"currency.{slug(top)}"
        name, component, share = (
            ClaimId(f"market.{prefix}{key}")
            for prefix in ("", "component_var.", "component_share.")
        )
        place = (components, top, "component_var")
        rank = draft.rank(f"component_rank.{key}", f"Rank of {top} by component VaR", place)
        values = [
            float(number_at((*place[:1], part, place[2])) or 0)
            for part in components.table.row_keys
        ]
        draft.finding(
            "concentration.currency",
            "concentration",
            "medium" if max(values) > _DOMINANT * sum(values) else "low",
            "Contribution to VaR by currency",
            f"{name.slot} makes the {rank.word('largest')} contribution to parametric VaR: "
            f"{component.slot} of {_PARAMETRIC.slot}, a share of {share.slot}.",
        )

    def _exposure_chart(self, currencies: Exhibit) -> None:
        net, gross = ClaimId("market.net_exposure.total"), ClaimId("market.gross_exposure.total")
        self.draft.chart(
            "exposures",
            "bar",
            f"Net foreign exposure is {net.slot}, gross {gross.slot}",
            f"Net exposure by currency, as of {net.at('as_of')}; euro positions carry no "
            "exchange-rate risk. Positions are synthetic.",
            currencies,
            x="ccy",
            y="exposure",
            y_label="Net exposure",
            unit="EUR",
        )

    def _component(self, key: str, components: Exhibit, part: str) -> ClaimId:
        name, label = f"component_var.{key}", f"Component VaR of {part}"
        if part not in components.table.row_keys:
            return self.draft.absent(name, label, "it makes no contribution to compute")
        how = said(self.book, f"Euler allocation, {NORMAL}")
        return self.draft.value(name, label, components, part, "component_var", **how)

    def _use(self, key: str, limit_id: str, scope: str) -> ClaimId | str:
        """Share of the limit that VaR takes."""
        row = row_where(self.limits, limit_id=limit_id)
        if row is None:
            return NO_LIMIT
        var, red = (self.book.risk, scope, "var"), (self.limits, row, "limit_red")
        label = f"Use of the VaR limit, {scope}"
        if number_at(var) is None or not number_at(red):
            return self.draft.absent(f"limit_use.{key}", label, "there is no VaR")
        return self.draft.share(f"limit_use.{key}", label, [var], [red], digits=1)
