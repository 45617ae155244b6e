"""`report.json`, the contract with other programs."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.resources import files

import jsonschema
import pytest

from reports.render.json import json_bytes, published_schema, schema_bytes
from reports.render.markdown import markdown_bytes
from tests.reports import report_samples


@pytest.fixture(scope="module")
def document(report):
    return json.loads(json_bytes(report))


def test_published_schema_is_the_one_that_is_written() -> None:
    """The schema beside the module is the contract's own."""
    published = (files("reports.render") / "report.schema.json").read_bytes()

    assert published == schema_bytes()


def test_published_schema_is_a_schema() -> None:
    """It is valid JSON Schema of 2020-12."""
    jsonschema.Draft202012Validator.check_schema(published_schema())


@pytest.mark.parametrize("status", ["DRAFT", "APPROVED", "REJECTED", "WITHDRAWN"])
def test_every_report_keeps_the_contract(status: str) -> None:
    """What is written validates, whatever was decided."""
    document = json.loads(json_bytes(report_samples.report(status)))

    jsonschema.validate(document, published_schema(), cls=jsonschema.Draft202012Validator)
    assert status == document["status"]


def test_values_are_exact_decimal_strings(document, report) -> None:
    """No reader rounds a value; what is not available is null with its reason."""
    shown = {figure["id"]: figure for figure in document["figures"]}

    for figure in report.content.figures:
        if figure.text is None:
            value = shown[figure.id]["value"]
            assert figure.value == (None if value is None else Decimal(value))
            assert value is not None or shown[figure.id]["reason"]


def test_texts_stand_apart_from_numbers(document, report) -> None:
    """A name or a verdict is a text with its own evidence; every figure is a number with a unit."""
    texts = {text["id"]: text["text"] for text in document["texts"]}

    assert {f.id: f.text for f in report.content.figures if f.text is not None} == texts
    assert texts
    assert all(figure["unit"] for figure in document["figures"])


def test_a_figure_on_a_computation_lists_the_statements_beneath(document, report) -> None:
    """Whatever lies between, the SQL is there."""
    figure = document["figures"][0]
    records = {record.id: record for record in report.content.evidence}

    assert [statement["id"] for statement in figure["evidence"]] == ["ev_a0", "ev_a1"]
    assert figure["computations"] == ["ev_b0"]
    for statement in figure["evidence"]:
        record = records[statement["id"]]
        expected = {
            "id": record.id,
            "sql": record.sql,
            "digest": record.digest,
            "rows": record.rows,
        }
        assert expected == statement


def test_findings_name_figures_that_exist(document) -> None:
    """Each claim of a finding is in the register."""
    findings = [f for section in document["sections"] for f in section["findings"]]
    for names, kept in (("claims", "figures"), ("texts", "texts")):
        known = {entry["id"] for entry in document[kept]}
        assert {name for found in findings for name in found[names]} <= known


def test_attestation_binds_the_digest() -> None:
    """An approval names the digest it was made on."""
    document = json.loads(json_bytes(report_samples.report("APPROVED")))

    assert document["digest"] == document["attestation"]["digest"]


def test_an_edited_finding_says_so(report) -> None:
    """In the document and in words; what nobody edited has the digest that it always had."""
    section = report.content.sections[0]
    edited = section.findings[0].model_copy(update={"edited": True})
    changed = section.model_copy(update={"findings": (edited, *section.findings[1:])})
    content = report.content.model_copy(
        update={"sections": (changed, *report.content.sections[1:])}
    )
    document = json.loads(json_bytes(report.model_copy(update={"content": content})))
    text = markdown_bytes(report.model_copy(update={"content": content})).decode()

    assert [True, False] == [f["edited"] for f in document["sections"][0]["findings"][:2]]
    assert "worded by model tiny-instruct, edited by a reviewer*" in text
    assert "Editor: a reviewer, 1 finding" in text
    assert content.digest != report.content.digest
    assert "edited" not in section.findings[0].model_dump(mode="json")
