"""Read an Apache Ossie document into a `SemanticModel`, or say what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from services.errors import FileUnreadable
from services.evidence import ColumnType

from ._model import Dataset, Field, Metric, Relationship, SemanticModel

VENDOR = "ASSAY"
_HERE = Path(__file__).parent
_TYPES: Mapping[str, ColumnType] = {
    "String": "string",
    "Integer": "integer",
    "Decimal": "decimal",
    "Float": "double",
    "Boolean": "boolean",
    "Date": "date",
}


def load_model(source: Path | str) -> SemanticModel:
    """
    The semantic model in *source*: a path, or the text of an Ossie document.

    Raises `FileUnreadable` when the document breaks the schema or contradicts itself.
    """
    document = _parse(source if isinstance(source, str) else _text(source))
    _check_schema(document)
    return _read(document)


@cache
def sample_model() -> SemanticModel:
    """
    The semantic model of the sample warehouse.

    It ships with the program and its tests hold it against the schema; checking it again at every
    start would cost a quarter of a second.
    """
    return _read(_parse(_text(_HERE / "models" / "sample.yaml")))


def _read(document: dict[str, Any]) -> SemanticModel:
    if len(document.get("semantic_model", ())) != 1:
        raise FileUnreadable("A model file holds exactly one semantic model.")
    try:
        model = _model(document["semantic_model"][0])
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise FileUnreadable(
            f"An {VENDOR} extension of the semantic model is wrong at {place}.",
            hint="Extensions hold label, unit, sensitivity, sign, digits, aggregation, grain.",
        ) from error
    _check(model)
    return model


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable("The file of the semantic model cannot be read.") from error


def _parse(text: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(text, Loader=loader)  # noqa: S506 (both loaders are the safe kind)
    except yaml.YAMLError as error:
        raise FileUnreadable("The semantic model is no valid YAML.") from error
    if not isinstance(document, dict):
        raise FileUnreadable("The semantic model is no YAML mapping.")
    return document


def _check_schema(document: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = json.loads((_HERE / "osi-schema.json").read_text(encoding="utf-8"))
    error = best_match(Draft202012Validator(schema).iter_errors(document))
    if error is not None:
        raise FileUnreadable(
            f"The semantic model breaks the Apache Ossie schema at {error.json_path} "
            f"(rule {error.validator!r}).",
            hint="The schema is version 0.2.0.dev0; Assay's additions go to custom_extensions.",
        )


def _model(raw: Mapping[str, Any]) -> SemanticModel:
    return SemanticModel(
        name=raw["name"],
        description=raw.get("description", ""),
        datasets=tuple(_dataset(entry) for entry in raw["datasets"]),
        relationships=tuple(_relationship(entry) for entry in raw.get("relationships", ())),
        metrics=tuple(_metric(entry) for entry in raw.get("metrics", ())),
    )


def _dataset(raw: Mapping[str, Any]) -> Dataset:
    extension = _extension(raw)
    sensitivity = extension.get("sensitivity", "internal")
    return Dataset(
        name=raw["name"],
        table=raw["source"],
        primary_key=tuple(raw.get("primary_key", ())),
        unique_keys=tuple(tuple(key) for key in raw.get("unique_keys", ())),
        fields=tuple(_field(entry, sensitivity) for entry in raw.get("fields", ())),
        description=raw.get("description", ""),
        synonyms=_synonyms(raw),
        **{"label": _humanised(raw["name"]), **extension},
    )


def _field(raw: Mapping[str, Any], sensitivity: str) -> Field:
    type_ = _TYPES.get(raw.get("datatype", "String"))
    if type_ is None:
        raise FileUnreadable(f"Field {raw['name']!r} has a data type that no query can carry.")
    dimension = raw.get("dimension")
    return Field(
        name=raw["name"],
        expression=_expression(raw),
        type=type_,
        is_dimension=dimension is not None,
        is_time=(dimension or {}).get("is_time", type_ == "date"),
        description=raw.get("description", ""),
        synonyms=_synonyms(raw),
        value_synonyms=_value_synonyms(raw),
        **{
            "label": raw.get("label") or _humanised(raw["name"]),
            "sensitivity": sensitivity,
            **_extension(raw),
        },
    )


def _relationship(raw: Mapping[str, Any]) -> Relationship:
    return Relationship(
        name=raw["name"],
        source=raw["from"],
        target=raw["to"],
        source_columns=tuple(raw["from_columns"]),
        target_columns=tuple(raw["to_columns"]),
    )


def _metric(raw: Mapping[str, Any]) -> Metric:
    from ._expressions import datasets_of

    expression = _expression(raw)
    return Metric(
        name=raw["name"],
        expression=expression,
        datasets=datasets_of(expression, metric=raw["name"]),
        type=_TYPES.get(raw.get("datatype", "Decimal"), "decimal"),
        description=raw.get("description", ""),
        synonyms=_synonyms(raw),
        **{"label": _humanised(raw["name"]), **_extension(raw)},
    )


def _extension(raw: Mapping[str, Any]) -> dict[str, Any]:
    for extension in raw.get("custom_extensions", ()):
        if extension["vendor_name"] == VENDOR:
            try:
                data = json.loads(extension["data"])
            except ValueError as error:
                raise FileUnreadable(
                    f"The {VENDOR} extension of {raw['name']!r} is no JSON."
                ) from error
            if isinstance(data, dict):
                return data
            raise FileUnreadable(f"The {VENDOR} extension of {raw['name']!r} is no JSON object.")
    return {}


def _expression(raw: Mapping[str, Any]) -> str:
    for entry in raw["expression"]["dialects"]:
        if entry["dialect"] == "ANSI_SQL":
            return str(entry["expression"])
    raise FileUnreadable(f"{raw['name']!r} has no expression in ANSI_SQL.")


def _synonyms(raw: Mapping[str, Any]) -> tuple[str, ...]:
    context = raw.get("ai_context", {})
    return tuple(context.get("synonyms", ())) if isinstance(context, dict) else ()


def _value_synonyms(raw: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """`ai_context.values` maps a value of the field to other words for it."""
    context = raw.get("ai_context", {})
    values = context.get("values", {}) if isinstance(context, dict) else {}
    return {str(value): tuple(words) for value, words in values.items()}


def _humanised(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _check(model: SemanticModel) -> None:
    """Refuse a model whose parts do not fit together."""
    problem = next(_contradictions(model), None)
    if problem:
        raise FileUnreadable(f"The semantic model contradicts itself: {problem}.")


def _contradictions(model: SemanticModel) -> Iterator[str]:
    yield from _twice("dataset", [dataset.name for dataset in model.datasets])
    yield from _twice("metric", [metric.name for metric in model.metrics])
    yield from _twice("relationship", [relation.name for relation in model.relationships])
    for dataset in model.datasets:
        yield from _dataset_contradictions(dataset)
    for relation in model.relationships:
        yield from _relation_contradictions(model, relation)
    for metric in model.metrics:
        yield from _metric_contradictions(model, metric)


def _dataset_contradictions(dataset: Dataset) -> Iterator[str]:
    yield from _twice(f"field of {dataset.name}", [field.name for field in dataset.fields])
    named = [*dataset.primary_key, *(name for key in dataset.unique_keys for name in key)]
    named.extend(field.sort_by for field in dataset.fields if field.sort_by)
    if dataset.time_field:
        named.append(dataset.time_field)
    for name in named:
        if not dataset.has(name):
            yield f"dataset {dataset.name!r} has no field {name!r}"
    time = dataset.time_field
    if time and dataset.has(time) and not dataset.field(time).is_dimension:
        yield f"the time field of dataset {dataset.name!r} is no dimension"


def _relation_contradictions(model: SemanticModel, relation: Relationship) -> Iterator[str]:
    ends = ((relation.source, relation.source_columns), (relation.target, relation.target_columns))
    for name, columns in ends:
        if not model.has_dataset(name):
            yield f"relationship {relation.name!r} names the unknown dataset {name!r}"
            return
        for column in columns:
            if not model.dataset(name).has(column):
                yield f"relationship {relation.name!r}: {name!r} has no field {column!r}"
    if len(relation.source_columns) != len(relation.target_columns):
        yield f"relationship {relation.name!r} pairs unequal numbers of columns"
    if not model.dataset(relation.target).is_unique(relation.target_columns):
        yield (
            f"relationship {relation.name!r} points to columns of {relation.target!r} "
            "that are no declared key"
        )


def _metric_contradictions(model: SemanticModel, metric: Metric) -> Iterator[str]:
    from ._expressions import fields_of

    for dataset, field in fields_of(metric.expression):
        if not model.has_dataset(dataset) or not model.dataset(dataset).has(field):
            yield f"metric {metric.name!r} reads {dataset}.{field}, which is no field"
    for name in metric.grain:
        for dataset in metric.datasets:
            if model.has_dataset(dataset) and not model.dataset(dataset).has(name):
                yield f"the grain of metric {metric.name!r} names {name!r}, which is no field"
    if metric.aggregation == "none" and not metric.grain:
        yield f"metric {metric.name!r} is not additive and names no grain"


def _twice(kind: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if names.count(name) > 1:
            yield f"{kind} {name!r} is defined twice"
            return
