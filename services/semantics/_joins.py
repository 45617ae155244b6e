"""Where a field is found from a metric's dataset, over many-to-one relationships only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.errors import QueryInvalid

from ._model import Field, Relationship, SemanticModel


@dataclass(frozen=True, slots=True)
class Place:
    """A field, and the relationships that lead to its dataset."""

    dataset: str
    field: Field
    path: tuple[Relationship, ...] = ()


def find_field(model: SemanticModel, base: str, name: str) -> Place:
    """
    The field that *name* (`field` or `dataset.field`) means for rows of dataset *base*.

    The dataset's own field comes first. Raises `QueryInvalid` when the field does not exist,
    when several reachable datasets have it, when several paths lead to it, or when it lies on the
    many side of a relationship, where a join would count each row of *base* more than once.
    """
    qualifier, _, field = name.rpartition(".")
    if qualifier:
        model.dataset(qualifier)
    if model.dataset(base).has(field) and qualifier in ("", base):
        return Place(base, model.dataset(base).field(field))
    places = [
        Place(path[-1].target, model.dataset(path[-1].target).field(field), path)
        for path in _paths(model, base)
        if qualifier in ("", path[-1].target) and model.dataset(path[-1].target).has(field)
    ]
    if len(places) == 1:
        return places[0]
    if places:
        raise _ambiguous(places, field)
    raise _unreachable(model, base, qualifier, field)


def _paths(
    model: SemanticModel, base: str, path: tuple[Relationship, ...] = ()
) -> Iterator[tuple[Relationship, ...]]:
    """Every way from *base* along many-to-one relationships that visits no dataset twice."""
    visited = {relation.source for relation in path} | {base}
    for relation in model.relationships:
        if relation.source == base and relation.target not in visited:
            longer = (*path, relation)
            yield longer
            yield from _paths(model, relation.target, longer)


def _ambiguous(places: list[Place], field: str) -> QueryInvalid:
    datasets = sorted({place.dataset for place in places})
    if len(datasets) > 1:
        options = ", ".join(f"{dataset}.{field}" for dataset in datasets)
        return QueryInvalid(
            f"The field {field} can mean more than one thing here.", hint=f"Name one of: {options}."
        )
    routes = "; ".join(" then ".join(r.name for r in place.path) for place in places)
    return QueryInvalid(
        f"The field {field} is reached over more than one path of relationships.",
        hint=f"The paths are: {routes}. Take the field of a nearer dataset.",
    )


def _unreachable(model: SemanticModel, base: str, qualifier: str, field: str) -> QueryInvalid:
    holders = [d.name for d in model.datasets if d.has(field) and qualifier in ("", d.name)]
    if not holders:
        return QueryInvalid(
            "The query names a field that the semantic model does not have.",
            hint=f"Fields are written field or dataset.field; the metric reads {base}.",
        )
    label = model.dataset(base).label
    many = [name for name in holders if any(p[-1].target == base for p in _paths(model, name))]
    if many:
        return QueryInvalid(
            f"Grouping or filtering {label} by {many[0]}.{field} would count its rows more than "
            f"once: {many[0]} holds many rows for each row of {base}.",
            hint=f"Ask for a metric of {many[0]}, or for a field of {base} itself.",
        )
    return QueryInvalid(
        f"The field {field} has no relationship to {label} ({base}).",
        hint=f"It belongs to: {', '.join(holders)}.",
    )
