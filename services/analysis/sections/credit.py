"""Credit risk: the loan book by segment and stage, losses to expect, migration, concentration."""

from __future__ import annotations

from datetime import date

from services.analysis.build import ClaimId, Draft, number_at, rows_where
from services.analysis.context import Exhibit, SectionContext
from services.analysis.findings import SectionAnalysis
from services.analysis.sections._concentration import (
    BORROWED_BANDS,
    CUTS,
    INDEX,
    LARGEST,
    MEASURE,
    concentration,
    concentration_rows,
    largest,
)
from services.analysis.sections._credit_movement import migration
from services.analysis.sections._figures import (
    figure,
    grid,
    is_there,
    member_id,
    moved,
    movement,
    place,
    rating_order,
    versus,
)

NO_STAGE_THREE = "no balance stands in Stage 3, so there is nothing to cover"
_BENCHMARK_AS_OF = date(2016, 12, 31)
_TOTAL = "Total"


def analyse(context: SectionContext) -> SectionAnalysis:
    """The loan book of the quarter-end against the one before."""
    draft = Draft(context)
    if not rows_where(context["book"], as_of=context.as_of):
        nothing = draft.absent("book", "Loan book", "the warehouse holds no loans for this date")
        draft.gap(f"The loan book is not available in the warehouse ({nothing.slot}).")
        return draft.finish()
    _key_figures(draft)
    _segments(draft)
    _credit_quality(draft)
    _expected_credit_loss(draft)
    migration(draft)
    _concentration(draft)
    _grades(draft)
    return draft.finish()


_MEASURES = {
    "loan_balance": "Loan balance",
    "exposure_at_default": "Exposure at default",
    "undrawn_commitments": "Undrawn commitments",
    "past_due_balance": "Balance past due over a month",
    "loan_allowance": "Allowance booked",
    "expected_loss": "Expected loss of a year",
    "npl_ratio": "Non-performing ratio",
    "stage2_share": "Stage 2 share",
    "coverage_ratio": "Coverage of Stage 3",
}
_LIMITED = ("npl_ratio", "stage2_share")


def _key_figures(draft: Draft) -> None:
    """The measures of the whole book then and now; those under a limit become indicators."""
    context = draft.context
    book, limits = context["book"], context["limits"]
    rows: list[list[ClaimId | str]] = []
    for column, label in _MEASURES.items():
        now = place(book, column, as_of=context.as_of)
        before = place(book, column, as_of=context.previous)
        if column in _LIMITED and now and is_there(now):
            value = draft.limit(column, label, now, limits, column, previous=before)
            change = ClaimId(f"{value}.change") if before else _no_change(draft, column)
        else:
            value = figure(draft, column, label, now, reason=NO_STAGE_THREE)
            change = moved(draft, f"{column}.change", f"{label}: change", now, before)
        earlier = figure(
            draft, f"{column}.previous", f"{label}, previous", before, reason=NO_STAGE_THREE
        )
        rows.append([label, value, earlier, change])
    draft.table(
        "key_figures",
        "The loan book against the previous quarter-end",
        ["Measure", "Now", "Previous", "Change"],
        rows,
        evidence=[book],
    )
    _book_findings(draft)
    draft.method(
        "Exposure at default is the balance plus the converted part of undrawn commitments, as the "
        "warehouse books it. Ratios divide sums and are never averaged."
    )


def _no_change(draft: Draft, column: str) -> ClaimId:
    return draft.absent(f"{column}.change", "Change", "there is no comparable earlier value")


def _book_findings(draft: Draft) -> None:
    balance, change = ClaimId("credit.loan_balance"), ClaimId("credit.loan_balance.change")
    allowance = ClaimId("credit.loan_allowance.change")
    draft.finding(
        "book",
        "observation",
        "info",
        "Size of the loan book",
        f"The loan book stands at {balance.slot}; it {movement(draft, change)}. "
        f"Booked allowances {movement(draft, allowance, plural=True)}.",
    )
    coverage = ClaimId("credit.coverage_ratio")
    if not is_there(place(draft.context["book"], "coverage_ratio", as_of=draft.context.as_of)):
        draft.finding(
            "coverage",
            "not_available",
            "low",
            "Coverage of Stage 3",
            f"Coverage of Stage 3 prints {coverage.slot}: {coverage.at('reason')}.",
        )


_SEGMENT_COLUMNS = {
    "loan_balance": "Balance",
    "exposure_at_default": "Exposure at default",
    "loan_allowance": "Allowance",
    "stage2_share": "Stage 2 share",
    "npl_ratio": "Non-performing ratio",
    "coverage_ratio": "Coverage",
}


def _segments(draft: Draft) -> None:
    """The book by segment; the total is the book's own row, not a sum of what is shown."""
    context = draft.context
    segments = context["segments"]
    reasons = {"coverage_ratio": NO_STAGE_THREE}
    keys = rows_where(segments, as_of=context.as_of)
    rows = grid(draft, "segment", segments, keys, "segment", _SEGMENT_COLUMNS, reasons=reasons)
    rows.append([_TOTAL, *(ClaimId(f"credit.{column}") for column in _SEGMENT_COLUMNS)])
    draft.table(
        "segments",
        "Loan book by segment",
        ["Segment", *_SEGMENT_COLUMNS.values()],
        rows,
        total_row=True,
        evidence=[segments],
    )
    known = [row for row in keys if is_there((segments, row, "npl_ratio"))]
    if known:
        _worst_segment(
            draft, max(known, key=lambda row: number_at((segments, row, "npl_ratio")) or 0)
        )


def _worst_segment(draft: Draft, worst: str) -> None:
    context = draft.context
    segments = context["segments"]
    ratio = (segments, worst, "npl_ratio")
    name = draft.value("worst_segment", "Segment", segments, worst, "segment")
    rank = draft.rank("worst_segment.rank", "Rank of its non-performing ratio", ratio)
    value = draft.value("worst_segment.npl_ratio", "Non-performing ratio", *ratio)
    parameters = {"as_of": context.as_of.isoformat()}
    mix = context.compute("stage_mix", {"mix": context["mix"]}, parameters)
    draft.finding(
        "worst_segment",
        "staging",
        "low",
        "Segment with the most defaults",
        f"{name.slot} has the {rank.word('highest')} non-performing ratio of the segments: "
        f"{value.slot}.",
    )
    draft.chart(
        "stage_mix",
        "grouped_bar",
        f"{name.slot} carries the {rank.word('highest')} share of loans in default",
        f"Share of each segment's balance by stage. Synthetic loan book as of {value.at('as_of')}.",
        mix,
        x="segment",
        y="share",
        series="stage",
        x_label="Segment",
        y_label="Share of balance",
        unit="ratio",
    )


def _credit_quality(draft: Draft) -> None:
    quality = draft.context.compute("credit_quality", {"quality": draft.context["quality"]})
    columns = {
        "defaulted": "Defaulted, gross",
        "performing": "Non-defaulted, gross",
        "allowance": "Allowances",
        "net": "Net values",
    }
    keys = rows_where(quality, as_of=draft.context.as_of)
    draft.table(
        "credit_quality",
        "Credit quality of loans, in the layout of the disclosure template for asset quality",
        ["Segment", *columns.values()],
        grid(draft, "quality", quality, keys, "segment", columns),
        total_row=True,
        evidence=[quality],
    )


_LOSS_COLUMNS = {
    "exposure": "Exposure at default",
    "expected_loss": "Recomputed loss",
    "loss_rate": "Loss rate",
    "allowance": "Allowance booked",
    "surplus": "Booked less recomputed",
}


def _expected_credit_loss(draft: Draft) -> None:
    """The allowance made again from PD, LGD and EAD, by stage and by segment."""
    context = draft.context
    losses = context.compute("expected_credit_loss", {"loans": context["loans"]})
    rows: list[list[ClaimId | str]] = []
    for cut, base in (("stage", "ecl.stage"), ("segment", "ecl.segment"), ("book", "ecl")):
        members = rows_where(losses, as_of=context.as_of, cut=cut)
        rows += grid(draft, base, losses, members, "member", _LOSS_COLUMNS)
    draft.table(
        "ecl",
        "Expected credit loss recomputed beside the allowance booked",
        ["Stage or segment", *_LOSS_COLUMNS.values()],
        rows,
        total_row=True,
        note="Stages and segments are cuts of the same book; each adds to the total.",
        evidence=[losses],
    )
    for row in rows_where(losses, as_of=context.as_of, cut="book"):
        _loss_findings(draft, losses, row)


def _loss_findings(draft: Draft, losses: Exhibit, total: str) -> None:
    recomputed, booked = (losses, total, "expected_loss"), (losses, total, "allowance")
    against = draft.compare("ecl.vs_booked", "Allowance booked", booked, recomputed)
    loss, surplus = (
        ClaimId(f"credit.ecl.total.{column}") for column in ("expected_loss", "surplus")
    )
    short = (number_at((losses, total, "surplus")) or 0) < 0
    draft.finding(
        "ecl",
        "staging",
        "medium" if short else "info",
        "Allowance against recomputed loss",
        f"The booked allowance of {against.slot} {versus(draft, against)} the simplified expected "
        f"credit loss of {loss.slot}. The difference is {surplus.slot}.",
        action="Credit risk control should explain the shortfall." if short else "",
    )
    draft.method(
        "Expected credit loss is EAD times LGD times PD: the PD of a year in Stage 1, the PD over the "
        "remaining life in Stage 2, certain default in Stage 3. It is a simplification of IFRS 9: "
        "undiscounted, a flat exposure, a single scenario and a constant yearly PD."
    )
    missing = draft.value("ecl.unmeasured", "Loans without parameters", losses, total, "unmeasured")
    if number_at((losses, total, "unmeasured")):
        draft.gap(f"Loans without PD, LGD or remaining life take no part: {missing.slot}.")


def _concentration(draft: Draft) -> None:
    context = draft.context
    found = {cut: concentration(context, cut) for cut in CUTS}
    if not all(rows_where(exhibit, as_of=context.as_of) for exhibit in found.values()):
        draft.gap(
            "Concentration is not measured: the book names no sectors, countries or borrowers."
        )
        return
    draft.table(
        "concentration",
        "Concentration of exposure at default",
        ["Cut", "Index", "Previous", "Band", "Effective number", "Largest", "Its share"],
        concentration_rows(draft, found),
        note=f"{BORROWED_BANDS} Retail loans have no borrower in the warehouse and stand outside "
        "the index of borrowers and of groups.",
        evidence=list(found.values()),
    )
    draft.method(
        "Concentration is the Herfindahl index, the sum of squared shares, of exposure at default; "
        f"its inverse is the effective number of members. {BORROWED_BANDS}"
    )
    _sector(draft, found["sector"])
    _groups(draft)


def _sector(draft: Draft, sectors: Exhibit) -> None:
    context = draft.context
    row = rows_where(sectors, as_of=context.as_of)[0]
    index, bound = (sectors, row, "index"), (sectors, row, "high_from")
    name, share, band = (
        ClaimId(f"credit.concentration.sector.{part}")
        for part in ("largest", "largest_share", "band")
    )
    against = draft.compare("concentration.sector.vs_high", "Sector index", index, bound, **INDEX)
    high = draft.value("concentration.high_from", "Start of the high band", *bound, **INDEX)
    draft.finding(
        "sector",
        "concentration",
        "medium" if sectors.table.value(row, "band") == "high" else "info",
        "Sector concentration",
        f"By sector the Herfindahl index of {against.slot} {versus(draft, against)} the start of the "
        f"high band at {high.slot} (band: {band.slot}). {name.slot} leads with {share.slot}.",
    )
    parameters = {"by": "sector", "measure": MEASURE, "as_of": context.as_of.isoformat()}
    shares = context.compute("member_shares", {"book": context["sectors"]}, parameters)
    draft.chart(
        "sectors",
        "bar",
        f"{name.slot} holds {share.slot} of exposure at default",
        f"Exposure at default by sector. Synthetic loan book as of {share.at('as_of')}.",
        shares,
        x="member",
        y="share",
        x_label="Sector",
        y_label="Share of exposure at default",
        unit="ratio",
    )


def _groups(draft: Draft) -> None:
    """What the ten largest groups of connected clients hold; the limits are set on single borrowers."""
    context = draft.context
    groups = largest(context, "group")
    top = place(groups, "running_share", as_of=context.as_of, rank=str(LARGEST))
    before = place(groups, "running_share", as_of=context.previous, rank=str(LARGEST))
    leader = place(groups, "share", as_of=context.as_of, rank="1")
    if top is None or leader is None:
        return
    share = draft.value("top_groups", "Share of the largest groups", *top)
    change = moved(draft, "top_groups.change", "Share of the largest groups: change", top, before)
    name = draft.value("top_group.name", "Largest group", groups, leader[1], "member")
    own = draft.value("top_group", "Share of the largest group", *leader)
    draft.finding(
        "groups",
        "concentration",
        "low",
        "Groups of connected clients",
        f"Taken as groups of connected clients, the {share.at('top')} leading borrowers hold "
        f"{share.slot} of exposure at default; since the previous quarter-end the share "
        f"{movement(draft, change)}. {name.slot} leads with {own.slot}.",
    )


_GRADE_COLUMNS = {"loan_count": "Loans", "loan_balance": "Balance", "average_pd": "Average PD"}


def _grades(draft: Draft) -> None:
    """Internal grades, and rated borrowers beside the long-run default rates of their ratings."""
    context = draft.context
    grades = context["grades"]
    keys = sorted(
        rows_where(grades, as_of=context.as_of),
        key=lambda row: number_at((grades, row, "average_pd")) or 0,
    )
    draft.table(
        "grades",
        "Grade distribution",
        ["Grade", *_GRADE_COLUMNS.values()],
        grid(draft, "grade", grades, keys, "grade", _GRADE_COLUMNS),
        evidence=[grades],
    )
    ratings, benchmark = context["ratings"], context["benchmark"]
    rated = sorted(
        rows_where(ratings, as_of=context.as_of),
        key=lambda row: rating_order(str(ratings.table.value(row, "rating"))),
    )
    columns = {"exposure_at_default": "Exposure at default", "average_pd": "Average PD"}
    rows = grid(draft, "rating", ratings, rated, "rating", columns)
    for key, row in zip(rated, rows, strict=True):
        rating = str(ratings.table.value(key, "rating"))
        at = place(benchmark, "transition_rate", from_rating=rating)
        label = "Long-run default rate"
        base = f"rating.{member_id(rating)}"
        row.append(figure(draft, f"{base}.benchmark", label, at, as_of=_BENCHMARK_AS_OF))
    if not rows:
        return
    dated = next((cell for cell in (row[-1] for row in rows) if isinstance(cell, ClaimId)), None)
    note = f"The benchmark ends on {dated.at('as_of')}." if dated else ""
    draft.table(
        "ratings",
        "Rated borrowers that are not in default, beside long-run default rates of their ratings",
        ["Rating", *columns.values(), "Benchmark"],
        rows,
        note=f"Benchmark only: average default rates of a year published by S&P. {note}",
        evidence=[ratings, benchmark],
    )
