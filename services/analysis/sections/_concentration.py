"""Concentration of the loan book, as the credit and the limit sections measure it."""

from __future__ import annotations

from collections.abc import Mapping

from services.analysis.build import ClaimId, Draft, How
from services.analysis.context import Exhibit, SectionContext
from services.analysis.sections._figures import figure, place

MEASURE = "exposure_at_default"
LARGEST = 10
INDEX: How = {"scale": "plain", "digits": 3}
BORROWED_BANDS = (
    "The bands of the Herfindahl index are borrowed from merger law; no banking rule sets them."
)
CUTS: Mapping[str, tuple[str, str]] = {
    "sector": ("sectors", "sector"),
    "country": ("countries", "country"),
    "borrower": ("borrowers", "name"),
    "group": ("borrowers", "group_name"),
}
"""Each way the book is cut: the query that holds it, and the column that names the members."""


def concentration(context: SectionContext, cut: str) -> Exhibit:
    """Index and largest member of each date, of exposure at default."""
    alias, by = CUTS[cut]
    parameters = {"by": by, "measure": MEASURE}
    return context.compute("concentration", {"book": context[alias]}, parameters)


def largest(context: SectionContext, cut: str) -> Exhibit:
    """The largest members of each date, as shares of the exposure of the whole book."""
    alias, by = CUTS[cut]
    parameters = {"by": by, "measure": MEASURE, "top": LARGEST}
    return context.compute("largest_members", {"book": context[alias]}, parameters)


_NAMES = {
    "sector": "Sector",
    "country": "Country",
    "borrower": "Borrower",
    "group": "Group of connected clients",
}


def concentration_rows(draft: Draft, found: Mapping[str, Exhibit]) -> list[list[ClaimId | str]]:
    """One row a cut: index then and now, its band, effective number, largest member and its share."""
    context = draft.context
    rows: list[list[ClaimId | str]] = []
    for cut, exhibit in found.items():
        base, name = f"concentration.{cut}", _NAMES[cut]
        before = place(exhibit, "index", as_of=context.previous)
        cells = {
            column: place(exhibit, column, as_of=context.as_of)
            for column in ("index", "band", "effective", "largest", "largest_share")
        }
        rows.append(
            [
                name,
                figure(draft, base, f"Herfindahl index by {name.lower()}", cells["index"], **INDEX),
                figure(draft, f"{base}.previous", "Previous index", before, **INDEX),
                figure(draft, f"{base}.band", "Band", cells["band"]),
                figure(
                    draft, f"{base}.effective", "Effective number", cells["effective"], digits=1
                ),
                figure(draft, f"{base}.largest", "Largest member", cells["largest"]),
                figure(draft, f"{base}.largest_share", "Largest share", cells["largest_share"]),
            ]
        )
    return rows
