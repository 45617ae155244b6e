"""A question read against the semantic model: resolved into a query, or refused with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches

from services.errors import Ambiguous, QueryInvalid, QuestionNotUnderstood
from services.semantics import Metric, SemanticModel, compile_query

from ._draft import Condition, Draft, DraftReader
from ._lexicon import KnownValues, Lexicon
from ._resolve import Resolver
from ._restate import restate
from ._scan import Named, scan
from ._time import NotUnderstood
from ._understanding import Option, Understanding
from ._words import forms, read_words

_MAX_QUESTION = 1_000


def understand(
    model: SemanticModel, question: str, *, as_of: date, values: KnownValues
) -> Understanding:
    """
    Read *question* by the model's names and synonyms and by the *values* that occur.

    Nothing is guessed: a word that matters and is not known, or a phrase that fits two metrics
    equally well, gives an understanding without a query. Without a date, figures are taken on the
    latest date that is not after *as_of*, and the restatement says so.
    """
    lexicon = Lexicon(model, values)
    if len(question) > _MAX_QUESTION:
        return Understanding(problem="The question is too long to be read.")
    words = read_words(question)
    draft = DraftReader(model).read(scan(words, lexicon, as_of))
    try:
        _check_words(draft, lexicon)
        _take_labels(model, draft)
        resolver = Resolver(lexicon, draft, values, as_of)
        readings = _readings(model, draft, resolver, {word.form for word in words})
    except NotUnderstood as refusal:
        return Understanding(
            problem=refusal.problem,
            words=refusal.words,
            suggestions=refusal.suggestions or _nearest(lexicon, question),
        )
    if len(readings) == 1:
        return readings[0][1]
    return Understanding(
        problem="The question can mean more than one figure: "
        f"{', '.join(metric.label for metric, _ in readings)}.",
        options=tuple(
            Option(label=reading.restatement, query=reading.query)
            for _, reading in readings
            if reading.query is not None
        ),
        suggestions=tuple(metric.label for metric, _ in readings),
    )


def understand_or_raise(
    model: SemanticModel, question: str, *, as_of: date, values: KnownValues
) -> Understanding:
    """As `understand`; raises `QuestionNotUnderstood` or `Ambiguous` where there is no query."""
    understanding = understand(model, question, as_of=as_of, values=values)
    if understanding.query is not None:
        return understanding
    error = Ambiguous if understanding.options else QuestionNotUnderstood
    # The words themselves stay in the understanding: errors are logged.
    problem = (
        "Some words of the question are not known here."
        if understanding.words
        else understanding.problem
    )
    raise error(problem, hint=_hint(understanding.suggestions))


def _hint(suggestions: Sequence[str]) -> str:
    return f"Known here: {'; '.join(suggestions)}." if suggestions else ""


def _check_words(draft: Draft, lexicon: Lexicon) -> None:
    if draft.unknown:
        words = tuple(dict.fromkeys(draft.unknown))
        raise NotUnderstood(
            f"Not understood: {', '.join(words)}.",
            words=words,
            suggestions=_nearest(lexicon, " ".join(words)),
        )
    if not draft.metrics and not any(t.subject for t in draft.thresholds):
        raise NotUnderstood("The question names no figure that is known here.")


def _take_labels(model: SemanticModel, draft: Draft) -> None:
    """The `NPL ratio` of `red threshold for the NPL ratio` names a limit, not a second figure."""
    grains = {
        f"{dataset}.{name}"
        for named in draft.metrics
        for metric in map(model.metric, named.meanings.metrics)
        for dataset in metric.datasets
        for name in metric.grain
        if not named.meanings.values
    }
    for named in tuple(draft.metrics):
        labels = [value for value in named.meanings.values if value.field in grains]
        if labels:
            draft.metrics.remove(named)
            fields = tuple(label.field for label in labels)
            draft.conditions.append(Condition(fields, "eq", (labels[0].value,), named.text))


def _readings(
    model: SemanticModel, draft: Draft, resolver: Resolver, asked: set[str]
) -> list[tuple[Metric, Understanding]]:
    """One reading for each way to choose the metrics, best choices only."""
    first, *others = _mentions_of_metrics(draft)
    chosen = [_best(model, resolver, named, asked) for named in others]
    for named, options in zip(others, chosen, strict=True):
        if len(options) > 1:
            raise _unclear(named, options)
    rest = [options[0] for options in chosen]
    readings = []
    for metric in _best(model, resolver, first, asked):
        query, when = resolver.query(list(dict.fromkeys((metric, *rest))))
        try:
            compile_query(model, query)
        except QueryInvalid as error:
            raise NotUnderstood(
                error.message, suggestions=(error.hint,) if error.hint else ()
            ) from error
        said = restate(model, query, when)
        readings.append(
            (metric, Understanding(query=query, restatement=said, comparison=when.comparison))
        )
    return readings


def _mentions_of_metrics(draft: Draft) -> list[Named]:
    named = list(draft.metrics)
    named.extend(
        t.subject
        for t in draft.thresholds
        if t.subject and t.subject.meanings.metrics and not draft.metrics
    )
    if not named:
        raise NotUnderstood("The question names no figure that is known here.")
    return named


def _best(model: SemanticModel, resolver: Resolver, named: Named, asked: set[str]) -> list[Metric]:
    """The metrics that *named* can mean here: those that fit the rest, and of these the closest."""
    metrics = [model.metric(name) for name in resolver.candidates(named)]
    fitting = []
    refusal: NotUnderstood | None = None
    for metric in metrics:
        try:
            resolver.query([metric])
            fitting.append(metric)
        except NotUnderstood as error:
            refusal = refusal or error
    if not fitting:
        assert refusal is not None
        raise refusal
    spoken = forms(named.text)
    others = asked - set(spoken)
    scores = {m.name: _closeness(m, spoken, others) for m in fitting}
    best = max(scores.values())
    return [metric for metric in fitting if scores[metric.name] == best]


def _closeness(metric: Metric, spoken: tuple[str, ...], others: set[str]) -> tuple[bool, int]:
    """Whether the phrase is the metric's own name, and how much of it the other words say."""
    own = (forms(metric.name), forms(metric.label))
    return spoken in own, len(others & {form for name in own for form in name})


def _unclear(named: Named, options: Sequence[Metric]) -> NotUnderstood:
    labels = tuple(metric.label for metric in options)
    return NotUnderstood(
        f"'{named.text}' can mean {' or '.join(labels)}; say which.",
        words=(named.text,),
        suggestions=labels,
    )


def _nearest(lexicon: Lexicon, text: str) -> tuple[str, ...]:
    """Labels of the metrics whose phrases look most like *text*, or hold one of its words."""
    phrases = lexicon.phrases()
    tried = [" ".join(forms(text)), *(word for word in forms(text) if len(word) > 2)]
    near = [phrase for word in tried for phrase in get_close_matches(word, phrases, 3, 0.7)]
    within = [phrase for phrase in phrases for word in tried if word in phrase.split()]
    labels = list(dict.fromkeys(phrases[phrase] for phrase in (*near, *within)))
    return tuple(labels[:5] or _one_of_each(lexicon.model))


def _one_of_each(model: SemanticModel) -> tuple[str, ...]:
    """The first metric of each dataset, for a question that comes near to none."""
    firsts: dict[tuple[str, ...], str] = {}
    for metric in model.metrics:
        firsts.setdefault(metric.datasets, metric.label)
    return tuple(firsts.values())[:8]
