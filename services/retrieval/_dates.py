"""The dates at which the warehouse holds the whole stock."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from services.errors import AsOfOutOfRange

from ._retriever import Retriever


class DataDates(NamedTuple):
    """The dates that a warehouse has data of."""

    stock: tuple[date, ...]
    """Of whole snapshots, in order."""
    others: tuple[date, ...]
    """Of any dataset, where there are no snapshots."""

    def resolve(self, as_of: date | None) -> date:
        """The date that *as_of* stands for: the latest of a snapshot that is not after it."""
        if as_of is None:
            return self._default()
        if not self.stock:
            return as_of
        earlier = [day for day in self.stock if day <= as_of]
        if not earlier:
            raise AsOfOutOfRange(
                f"There are no data as of {as_of}: they begin on {min(self.stock)}.",
                hint=f"Dates with data: {', '.join(str(day) for day in self.stock)}.",
            )
        return max(earlier)

    def _default(self) -> date:
        days = self.stock or self.others
        if not days:
            raise AsOfOutOfRange(
                "The warehouse holds no dates.", hint="Name the date that its data stand for."
            )
        return max(days)


def data_dates(retriever: Retriever) -> DataDates:
    """The dates that there are, to be asked without the warehouse afterwards."""
    stock = snapshot_dates(retriever)
    datasets = () if stock else retriever.model.datasets
    return DataDates(
        stock, tuple(day for dataset in datasets for day in retriever.dates_of(dataset.name))
    )


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
    return data_dates(retriever).resolve(None)


def previous_period(retriever: Retriever, as_of: date) -> date | None:
    """The latest snapshot date before *as_of*, or None."""
    return max((day for day in snapshot_dates(retriever) if day < as_of), default=None)


def check_as_of(retriever: Retriever, as_of: date) -> date:
    """
    The latest snapshot date that is not after *as_of*.

    Raises `AsOfOutOfRange` when the data begin later. Without snapshots every date is good.
    """
    return data_dates(retriever).resolve(as_of)


def resolve_as_of(retriever: Retriever, as_of: date | None) -> date:
    """The snapshot date that *as_of* stands for; the default where none is given."""
    return data_dates(retriever).resolve(as_of)
