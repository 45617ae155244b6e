"""
Words that prose may use on a claim, and when each is true.

A word is checked against the value as it is printed, so that no reader sees `rose` beside a zero;
a comparison's word is checked against its relation, which is exact.
"""

from __future__ import annotations

from decimal import Decimal

from services.analysis.claims import (
    ChangeClaim,
    Claim,
    ComparisonClaim,
    Outcome,
    RankClaim,
    ShareClaim,
    TrendClaim,
    ValueClaim,
)
from services.analysis.formats import rounded

_UP = frozenset({"rose", "increased", "grew", "higher", "up", "climbed", "widened", "larger"})
_DOWN = frozenset(
    {"fell", "decreased", "declined", "dropped", "lower", "down", "narrowed", "smaller"}
)
_LEVEL = frozenset({"unchanged", "flat", "stable"})
_TREND = {"rising": "rising", "falling": "falling"}
_BETTER = frozenset({"improved", "better", "strengthened"})
_WORSE = frozenset({"worsened", "deteriorated", "worse", "weakened"})
_ABOVE = frozenset({"above", "exceeds", "exceeded", "over", "exceeding"})
_BELOW = frozenset({"below", "under"})
_KEPT = frozenset({"within", "meets", "inside"})
_BROKEN = frozenset({"breaches", "breached", "breach", "breaching", "outside"})
_HIGHEST = frozenset({"highest", "largest", "biggest", "greatest", "first", "top", "most"})
_LOWEST = frozenset({"lowest", "smallest", "least"})

_COMPARISON = _ABOVE | _BELOW | {"reaches", "reached"}
_LIMIT = _KEPT | _BROKEN
_CHANGE = _UP | _DOWN | _LEVEL
_POLARITY = _BETTER | _WORSE


def words_for(claim: Claim) -> tuple[str, ...]:
    """The words that can be said of *claim*, true or not."""
    match claim:
        case ComparisonClaim():
            known = _COMPARISON | (_LIMIT if claim.limit else frozenset())
        case ChangeClaim():
            known = _CHANGE | (_POLARITY if claim.better else frozenset())
        case TrendClaim():
            known = _CHANGE | _TREND.keys()
        case RankClaim():
            known = _HIGHEST if claim.descending else _LOWEST
        case ShareClaim():
            known = frozenset({"majority", "minority"})
        case ValueClaim():
            known = frozenset({"positive", "negative", "zero"})
        case _:
            known = frozenset({"missing", "unavailable"})
    return tuple(sorted(known))


def word_holds(  # noqa: PLR0911 (one for each kind)
    word: str, claim: Claim, outcome: Outcome
) -> bool:
    """Whether *word* is true of *claim*; false too for a word that cannot be said of it."""
    if word not in words_for(claim):
        return False
    if isinstance(claim, ComparisonClaim):
        return _compares(word, claim)
    if outcome.value is None:
        return word in {"missing", "unavailable"}
    shown = rounded(outcome.value, claim.unit, claim.digits, claim.scale)
    match claim:
        case ChangeClaim() | TrendClaim():
            return _moves(word, shown, claim.better if isinstance(claim, ChangeClaim) else "")
        case RankClaim():
            return outcome.value == 1
        case ShareClaim():
            half = Decimal("0.5")
            return outcome.value > half if word == "majority" else outcome.value < half
        case _:
            return {"positive": shown > 0, "negative": shown < 0, "zero": not shown}[word]


def _compares(word: str, claim: ComparisonClaim) -> bool:
    if word in _ABOVE:
        return claim.relation == "above"
    if word in _BELOW:
        return claim.relation == "below"
    if word in {"reaches", "reached"}:
        return claim.relation in {"above", "at_or_above"}
    breaking = "below" if claim.limit == "min" else "above"
    keeping = {"above", "at_or_above"} if claim.limit == "min" else {"below", "at_or_below"}
    return claim.relation == breaking if word in _BROKEN else claim.relation in keeping


def _moves(word: str, shown: Decimal, better: str) -> bool:
    if word in _LEVEL:
        return not shown
    if word in _UP or word == "rising":
        return shown > 0
    if word in _DOWN or word == "falling":
        return shown < 0
    good = shown > 0 if better == "higher" else shown < 0
    return good if word in _BETTER else bool(shown) and not good
