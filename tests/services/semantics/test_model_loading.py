"""A model file that breaks a rule is refused with a sentence that says which."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.errors import FileUnreadable
from services.semantics import load_model


def _expression(sql: str) -> dict[str, Any]:
    return {"dialects": [{"dialect": "ANSI_SQL", "expression": sql}]}


DOCUMENT: dict[str, Any] = {
    "version": "0.2.0.dev0",
    "semantic_model": [
        {
            "name": "shop",
            "datasets": [
                {
                    "name": "sales",
                    "source": "sales",
                    "primary_key": ["id"],
                    "fields": [
                        {"name": "id", "datatype": "Integer", "expression": _expression("id")},
                        {
                            "name": "buyer",
                            "dimension": {"is_time": False},
                            "expression": _expression("buyer"),
                        },
                        {
                            "name": "amount",
                            "datatype": "Decimal",
                            "expression": _expression("amount"),
                        },
                    ],
                },
                {
                    "name": "buyers",
                    "source": "buyers",
                    "primary_key": ["buyer"],
                    "fields": [
                        {"name": "buyer", "expression": _expression("buyer")},
                        {
                            "name": "town",
                            "dimension": {"is_time": False},
                            "expression": _expression("town"),
                        },
                    ],
                },
            ],
            "relationships": [
                {
                    "name": "sale_buyer",
                    "from": "sales",
                    "to": "buyers",
                    "from_columns": ["buyer"],
                    "to_columns": ["buyer"],
                }
            ],
            "metrics": [{"name": "turnover", "expression": _expression("SUM(sales.amount)")}],
        }
    ],
}


def _changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = copy.deepcopy(DOCUMENT)
    change(document["semantic_model"][0])
    return yaml.safe_dump(document)


def _set(document: dict[str, Any], key: str, value: object) -> None:
    document[key] = value


def test_a_model_is_read_from_text_and_from_a_file(tmp_path: Path):
    """A path and the text in it give equal models."""
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")

    assert load_model(path) == load_model(yaml.safe_dump(DOCUMENT))


BROKEN = {
    "a key that is no key": (
        lambda m: _set(m["relationships"][0], "to_columns", ["town"]),
        "no declared key",
    ),
    "a relationship to nowhere": (
        lambda m: _set(m["relationships"][0], "to", "shops"),
        "unknown dataset 'shops'",
    ),
    "a metric over an unknown field": (
        lambda m: _set(m["metrics"][0], "expression", _expression("SUM(sales.price)")),
        "sales.price",
    ),
    "a metric that is no aggregate": (
        lambda m: _set(m["metrics"][0], "expression", _expression("sales.amount")),
        "outside an aggregate",
    ),
    "an aggregate over two datasets": (
        lambda m: _set(
            m["metrics"][0], "expression", _expression("SUM(sales.amount * buyers.town)")
        ),
        "exactly one dataset",
    ),
    "broken SQL": (
        lambda m: _set(m["metrics"][0], "expression", _expression("SUM(")),
        "no valid SQL",
    ),
    "a field defined twice": (
        lambda m: m["datasets"][0]["fields"].append(m["datasets"][0]["fields"][0]),
        "defined twice",
    ),
    "an extension that is no JSON": (
        lambda m: _set(
            m["metrics"][0], "custom_extensions", [{"vendor_name": "ASSAY", "data": "{"}]
        ),
        "no JSON",
    ),
    "an extension with an unknown word": (
        lambda m: _set(
            m["metrics"][0],
            "custom_extensions",
            [{"vendor_name": "ASSAY", "data": '{"aggregation": "median"}'}],
        ),
        "aggregation",
    ),
    "a value without grain": (
        lambda m: _set(
            m["metrics"][0],
            "custom_extensions",
            [{"vendor_name": "ASSAY", "data": '{"aggregation": "none"}'}],
        ),
        "names no grain",
    ),
    "a sort by what is no field": (
        lambda m: _set(
            m["datasets"][0]["fields"][1],
            "custom_extensions",
            [{"vendor_name": "ASSAY", "data": '{"sort_by": "rank"}'}],
        ),
        "no field 'rank'",
    ),
    "a property outside the schema": (lambda m: _set(m, "owner", "me"), "Ossie schema"),
}


@pytest.mark.parametrize(("change", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_model_is_refused_with_its_reason(change, reason: str):
    """Each contradiction is told in the message."""
    with pytest.raises(FileUnreadable) as refusal:
        load_model(_changed(change))

    assert reason in refusal.value.message


@pytest.mark.parametrize("text", ["a: [", "- 1", "version: 0.2.0.dev0\nsemantic_model: []"])
def test_what_is_no_model_is_refused(text: str):
    """Broken YAML, a list, and a document without a model are no models."""
    with pytest.raises(FileUnreadable):
        load_model(text)


def test_a_missing_file_is_refused(tmp_path: Path):
    """A path that leads nowhere is an input error, not a crash."""
    with pytest.raises(FileUnreadable):
        load_model(tmp_path / "none.yaml")
