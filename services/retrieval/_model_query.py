"""
A question that the parser did not read, filled into a metric query by a model.

The model only chooses: metrics, groups, values and a ranking, all from what exists. Periods,
numbers and whatever else the parser is certain of stay as the parser read them, and what the
model adds has to rest on words of the question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from services.errors import ModelUnavailable, QueryInvalid
from services.model import ModelClient
from services.semantics import SemanticModel, compile_query

from ._draft import Condition, Draft
from ._lexicon import KnownValues, Meanings
from ._model_scope import Scope, answer_schema, is_near
from ._resolve import Resolver
from ._restate import restate
from ._scan import Named, Top
from ._time import NotUnderstood
from ._understanding import Understanding
from ._words import forms

_SYSTEM: Final = """\
You turn a question about a bank's risk data into a query. You may use only the metrics, groups
and values that are listed; choose the metric whose meaning is what the question asks for.
Group only by what the question says "by", "per" or "which". Filter only on values that it names.
Leave dates and numbers alone: they are read elsewhere.
If no listed metric is what the question asks for, answer {"answer": {"cannot_answer": true}}.
Answer with one JSON object."""
_CANNOT: Final = "Neither the known names nor the model find this question answered by the data."
_MAX_TOKENS: Final = 400


async def fill_query(
    client: ModelClient,
    model: SemanticModel,
    question: str,
    *,
    as_of: date,
    values: KnownValues,
) -> Understanding:
    """How *client* reads *question*, when that holds up; otherwise no query, and the problem."""
    scope = Scope(model, values, question, as_of)
    if not scope.metrics:
        return Understanding(problem=_CANNOT, words=tuple(scope.words.values()))
    try:
        document = await client.complete(
            _SYSTEM,
            _prompt(scope),
            answer_schema(scope),
            schema_name="metric_query",
            max_tokens=_MAX_TOKENS,
        )
        return _understanding(scope, document["answer"])
    except ModelUnavailable as error:
        return Understanding(problem=error.message, suggestions=_labels(scope))
    except NotUnderstood as refusal:
        return Understanding(
            problem=refusal.problem,
            words=refusal.words,
            suggestions=refusal.suggestions or _labels(scope),
        )


def _labels(scope: Scope) -> tuple[str, ...]:
    return tuple(metric.label for metric in scope.metrics[:5])


def _prompt(scope: Scope) -> str:
    metrics = [
        f"- {m.name}: {m.label} ({', '.join((m.unit, *m.synonyms[:4])).strip(', ')})"
        for m in scope.metrics
    ]
    values = [f"- {name}: {'; '.join(found)}" for name, found in scope.filters.items()]
    groups = [f"Groups: {', '.join(scope.groups) or 'none'}"]
    groups += ["Values to filter on:", *values] if values else ["Values to filter on: none"]
    asked = f"Question: {scope.question}"
    return "\n".join(["Metrics:", *metrics, *groups, asked])


def _understanding(scope: Scope, answer: Mapping[str, Any]) -> Understanding:
    if "cannot_answer" in answer:
        raise NotUnderstood(_CANNOT)
    draft = _filled(scope, answer)
    metrics = [scope.model.metric(name) for name in dict.fromkeys(answer["metrics"])]
    query, when = Resolver(scope.lexicon, draft, scope.values, scope.as_of).query(metrics)
    try:
        compile_query(scope.model, query)
    except QueryInvalid as error:
        raise NotUnderstood(error.message) from error
    unused = _unused(scope, draft)
    said = restate(scope.model, query, when)
    if unused:
        said += f" Taken to say nothing: {', '.join(unused)}."
    return Understanding(query=query, restatement=said, comparison=when.comparison, words=unused)


def _filled(scope: Scope, answer: Mapping[str, Any]) -> Draft:
    """The parser's draft with the model's choices in it; raises `NotUnderstood` for a wild one."""
    read, chosen = scope.draft, tuple(dict.fromkeys(answer["metrics"]))
    for named in read.metrics:
        if not set(named.meanings.metrics) & set(chosen):
            raise NotUnderstood(f"The model leaves out '{named.text}'.", words=(named.text,))
    conditions = [_condition(scope, wanted) for wanted in answer["filters"]]
    # What the parser read of a value stands, `not in Germany` too.
    known = {(name, value) for c in read.conditions for name in c.fields for value in c.values}
    new = [c for c in conditions if not {(name, c.values[0]) for name in c.fields} & known]
    top = read.top
    if top is None and answer["ranking"] != "none":
        top = Top(None, descending=answer["ranking"] == "largest")
    return Draft(
        metrics=[_metric(scope, name) for name in chosen],
        ranked_by=read.ranked_by,
        groups=_groups(scope, answer["group_by"]),
        scopes=read.scopes,
        conditions=[*read.conditions, *new],
        thresholds=read.thresholds,
        spans=read.spans,
        compared=read.compared,
        top=top,
        marks=read.marks - {"count"},
    )


def _metric(scope: Scope, name: str) -> Named:
    return Named(Meanings(metrics=(name,)), scope.model.metric(name).label)


def _groups(scope: Scope, chosen: Iterable[str]) -> list[Named]:
    """The parser's groups, and those of the model's that no group of the parser's stands for."""
    groups = list(scope.draft.groups)
    for name in dict.fromkeys(chosen):
        fields = scope.fields[name]
        if not any(set(fields) & set(group.meanings.fields) for group in groups):
            groups.append(Named(Meanings(fields=fields), name))
    return groups


def _condition(scope: Scope, wanted: Mapping[str, str]) -> Condition:
    field, value = wanted["field"], wanted["value"]
    return Condition(scope.fields[field], "eq", (value,), value)


def _unused(scope: Scope, draft: Draft) -> tuple[str, ...]:
    """
    Unknown words of the question that nothing in *draft* stands for.

    A name among them is refused: a figure of something else would look like its own.
    """
    spoken = [named.text for named in (*draft.metrics, *draft.groups)]
    spoken += [phrase for m in draft.metrics for phrase in _phrases(scope, m)]
    spoken += [str(value) for c in draft.conditions for value in c.values]
    spoken += [c.text for c in draft.conditions]
    known = {form for phrase in spoken for form in forms(phrase)}
    unknown = dict.fromkeys(text for text in scope.draft.unknown if forms(text))
    unused = [text for text in unknown if not is_near(forms(text)[0], known)]
    opening = scope.question.lstrip().split(" ")[0]
    names = tuple(text for text in unused if not text.islower() and text != opening)
    if names:
        raise NotUnderstood(f"Not understood: {', '.join(names)}.", words=names)
    return tuple(unused)


def _phrases(scope: Scope, named: Named) -> Iterable[str]:
    for name in named.meanings.metrics:
        metric = scope.model.metric(name)
        yield from (metric.name, metric.label, *metric.synonyms)
