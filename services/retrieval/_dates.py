"""The dates at which the warehouse holds the whole stock."""

from __future__ import annotations

from datetime import date

from services.errors import AsOfOutOfRange

from ._retriever import Retriever


def snapshot_dates(retriever: Retriever) -> tuple[date, ...]:
    """Every date on which some snapshot dataset of the model has rows, in order."""
    return tuple(
        sorted(
            {
                value
                for dataset in retriever.model.datasets
                if dataset.time_is_snapshot
                for value in retriever.dates_of(dataset.name)
            }
        )
    )


def default_as_of(retriever: Retriever) -> date:
    """The latest snapshot date; without snapshots, the latest date of any dataset."""
    days = snapshot_dates(retriever) or tuple(
        value for dataset in retriever.model.datasets for value in retriever.dates_of(dataset.name)
    )
    if not days:
        raise AsOfOutOfRange(
            "The warehouse holds no dates.", hint="Name the date that its data stand for."
        )
    return max(days)


def previous_period(retriever: Retriever, as_of: date) -> date | None:
    """The latest snapshot date before *as_of*, or None."""
    return max((day for day in snapshot_dates(retriever) if day < as_of), default=None)


def check_as_of(retriever: Retriever, as_of: date) -> date:
    """
    The latest snapshot date that is not after *as_of*.

    Raises `AsOfOutOfRange` when the data begin later. Without snapshots every date is good.
    """
    days = snapshot_dates(retriever)
    if not days:
        return as_of
    earlier = [day for day in days if day <= as_of]
    if not earlier:
        raise AsOfOutOfRange(
            f"There are no data as of {as_of}: they begin on {min(days)}.",
            hint=f"Dates with data: {', '.join(str(day) for day in days)}.",
        )
    return max(earlier)


def resolve_as_of(retriever: Retriever, as_of: date | None) -> date:
    """The snapshot date that *as_of* stands for; the default where none is given."""
    return default_as_of(retriever) if as_of is None else check_as_of(retriever, as_of)
