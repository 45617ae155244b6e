"""The sample model says what the sample warehouse holds."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

import services.semantics
from services.semantics import sample_model
from services.warehouse import Warehouse

FOLDER = Path(services.semantics.__file__).parent


def test_the_sample_model_follows_the_ossie_schema():
    """The packaged document breaks no rule of the published schema."""
    schema = json.loads((FOLDER / "osi-schema.json").read_text(encoding="utf-8"))
    document = yaml.safe_load((FOLDER / "models" / "sample.yaml").read_text(encoding="utf-8"))

    assert [] == list(Draft202012Validator(schema).iter_errors(document))


def test_every_table_of_the_sample_is_a_dataset(sample_warehouse: Warehouse):
    """The model leaves out no table and invents none."""
    tables = {table.name for table in sample_warehouse.catalog().tables}

    assert tables == {dataset.table for dataset in sample_model().datasets}


def test_fields_agree_with_the_catalog(sample_warehouse: Warehouse):
    """Each field that is a column has the unit and the sensitivity that the catalog gives it."""
    catalog = sample_warehouse.catalog()
    said = {}
    held = {}
    for dataset in sample_model().datasets:
        for field in dataset.fields:
            if field.expression == field.name:
                column = catalog.table(dataset.table).column(field.name)
                said[dataset.name, field.name] = (field.unit, field.sensitivity)
                held[dataset.name, field.name] = (column.unit, column.sensitivity)

    assert held == said


def test_primary_keys_name_one_row(sample_warehouse: Warehouse):
    """No two rows of the sample share a declared key, so that joins cannot multiply rows."""
    repeated = []
    for dataset in sample_model().datasets:
        key = ", ".join(dataset.primary_key)
        table = sample_warehouse.execute(
            f"SELECT COUNT(*) FROM (SELECT {key} FROM {dataset.table} "
            f"GROUP BY {key} HAVING COUNT(*) > 1)"
        ).table
        if table.data[0][0]:
            repeated.append(dataset.name)

    assert [] == repeated


def test_every_metric_is_labelled_and_can_be_asked_for():
    """Each metric has a label and synonyms, and a ratio never claims to add up."""
    model = sample_model()

    assert [] == [m.name for m in model.metrics if not (m.label and m.synonyms and m.description)]
    assert [] == [m.name for m in model.metrics if m.unit == "ratio" and m.is_additive]
