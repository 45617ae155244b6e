"""The seam between DuckDB's exceptions and ours."""

from __future__ import annotations

import duckdb
import pytest

from services.errors import AssayError, WarehouseUnreadable
from services.warehouse import duckdb_errors
from services.warehouse._errors import QUERY_ERRORS

DRIVER_ERRORS = sorted(
    (
        value
        for value in vars(duckdb).values()
        if isinstance(value, type) and issubclass(value, duckdb.Error)
    ),
    key=lambda kind: kind.__name__,
)


def test_every_driver_error_has_a_translation() -> None:
    """The mapping names exactly the exceptions that this DuckDB has."""
    assert {kind.__name__ for kind in DRIVER_ERRORS} == set(QUERY_ERRORS)


@pytest.mark.parametrize("kind", DRIVER_ERRORS, ids=lambda kind: kind.__name__)
def test_a_driver_error_becomes_ours_and_keeps_its_words_to_itself(
    kind: type[duckdb.Error],
) -> None:
    """No text of a query reaches the message; the cause still has it."""
    with pytest.raises(AssayError) as caught, duckdb_errors():
        raise kind("SELECT secret FROM query")

    assert type(caught.value) is QUERY_ERRORS[kind.__name__][0]
    assert "secret" not in str(caught.value) + caught.value.hint
    assert isinstance(caught.value.__cause__, kind)


def test_an_unknown_driver_error_takes_the_nearest_translation() -> None:
    """A class that a later DuckDB adds is treated as its parent is."""

    class NewException(duckdb.IOException):
        pass

    with pytest.raises(WarehouseUnreadable), duckdb_errors():
        raise NewException("text")


def test_other_errors_pass() -> None:
    """A bug stays what it is."""
    with pytest.raises(KeyError), duckdb_errors():
        raise KeyError("bug")
