"""
What prose may not hold outside a slot: number-words, dates, comparisons, and their symbols.

Strict on purpose. A false alarm costs a rewording; a miss prints a claim that nobody checked.
"""

from __future__ import annotations

import re
from typing import Final


def _words(*patterns: str) -> re.Pattern[str]:
    """Matches one whole word that any of the space-separated *patterns* describes."""
    return re.compile("|".join(f"(?:{p})" for p in " ".join(patterns).split()), re.IGNORECASE)


NUMBER_WORDS: Final = _words(
    "zero nil nought naught one ones two twos three four five six seven eight nine ten tens",
    "eleven twelve (?:thir|four|fif|six|seven|eigh|nine)teen(?:th)?s?",
    "(?:twen|thir|for|fif|six|seven|eigh|nine)t(?:y|ies|ieths?)",
    "(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:one|two|three|four|five|six|seven|eight|nine)",
    "hundred(?:th)?s? thousand(?:th)?s? (?:m|b|tr|quadr)illion(?:th|fold)?s? millionaires? lakhs? crores?",
    "bn mn bps? pps? pct percent(?:s|ile|iles)? basis-points?",
    "first(?:ly)? second(?:ly|s)? thirds?(?:ly)? fourths? fifths? sixths? sevenths? eighths? ninths?",
    "tenths? eleventh twelfth half halves halv(?:e[ds]?|ing) quarters both pair pairs couple",
    "twice thrice once dozens? doubl(?:e[ds]?|ing|y) tripl(?:e[ds]?|ing)",
    "trebl(?:e[ds]?|ing) quadrupl(?:e[ds]?|ing) quintupl(?:e[ds]?|ing) twofold threefold",
    "(?:four|five|six|seven|eight|nine|ten|hundred|thousand|many|several)fold fortnight(?:s|ly)?",
)

DATE_WORDS: Final = _words(
    "january february april june july august september october november december",
    "(?:mon|tues|wednes|thurs|fri|satur|sun)days?",
    "today tonight yesterday tomorrow nowadays currently presently recently lately",
    "winter summer autumn spring(?:time)?",
)
"""Without May and March, which are words of their own: see `DATES`."""

DATES: Final = re.compile(
    r"\b(?:May|March|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Tue|Wed|Thu|Fri)\b"
)

PERIODS: Final = re.compile(
    r"\b(?:(?:last|this|next|previous|prior|past|preceding|coming|current|latest|same)\s+"
    r"(?:\w+\s+)?(?:day|week|month|quarter|half|year|decade|century|season)s?\b(?!-end)"
    r"|(?:day|week|month|quarter|year)s?[\s-]+(?:ago|on[\s-](?:day|week|month|quarter|year)|to[\s-]date)"
    r"|(?:in|since|until|during|mid|early|late)[\s-]+(?:march|may|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
    r"|quarter\s+of\b|per[\s-]+(?:cents?|mille)|basis\s+points?|basis-points|percentage[\s-]+points?|right\s+now)\b",
    re.IGNORECASE,
)

DIRECTION_WORDS: Final = _words(
    # Movement
    "rise[sn]? rising rose increas(?:e[ds]?|ing|ingly) grow(?:s|n|ing|th)? grew climb(?:s|ed|ing)?",
    "surg(?:e[ds]?|ing) soar(?:s|ed|ing)? jump(?:s|ed|ing)? spik(?:e[ds]?|ing) rall(?:y|ies|ied)",
    "rebound(?:s|ed|ing)? recover(?:s|ed|ing) gain(?:s|ed|ing) accelerat(?:e[ds]?|ing)",
    "fall(?:s|en|ing)? fell decreas(?:e[ds]?|ing) declin(?:e[ds]?|ing) drop(?:s|ped|ping)?",
    "plung(?:e[ds]?|ing) slump(?:s|ed|ing)? tumbl(?:e[ds]?|ing) slid(?:es?|ing)? sank sink(?:s|ing)?",
    "shr[aiu]nk(?:s|ing)? reduc(?:e[ds]|ing|tions?) lessen(?:s|ed|ing)? lost eas(?:e[ds]|ing)",
    "widen(?:s|ed|ing)? narrow(?:s|ed|ing|er|est) tighten(?:s|ed|ing)? expand(?:s|ed|ing)?",
    "contract(?:ed|ing) slow(?:s|ed|ing|er)? up(?:wards?)? down(?:wards?)? uptick downturn upturn",
    "unchanged flat steady stead(?:ily|ier) stable stabili[sz](?:e[ds]?|ing) constant(?:ly)?",
    "improv(?:e[ds]?|ing|ements?) worsen(?:s|ed|ing)? deteriorat(?:e[ds]?|ing|ions?)",
    "strengthen(?:s|ed|ing)? weaken(?:s|ed|ing)? escalat(?:e[ds]?|ing|ions?) migrat(?:ed|ing)",
    "plummet(?:s|ed|ing)? collaps(?:e[ds]?|ing) crash(?:es|ed|ing) dwindl(?:e[ds]?|ing) ebb(?:s|ed|ing)?",
    "diminish(?:es|ed|ing)? dip(?:s|ped|ping)? swell(?:s|ed|ing)? swollen balloon(?:s|ed|ing)?",
    "skyrocket(?:s|ed|ing)? mushroom(?:s|ed|ing)? erod(?:e[ds]?|ing) (?:ap|de)preciat(?:e[ds]?|ing)",
    # Comparison
    "above below beneath beyond exceed(?:s|ed|ing|ances?)? surpass(?:e[ds]|ing)? outpac(?:e[ds]?|ing)",
    "breach(?:e[ds]|ing)? violat(?:e[ds]?|ing|ions?) within outside compl(?:y|ies|ied|iant|iance)",
    "non-?compliant noncompliance than higher highest lower lowest larger largest smaller smallest",
    "bigger biggest greater greatest fewer fewest more most mostly less least lesser better best",
    "worse worst stronger strongest weaker weakest wider widest deeper deepest steeper steepest",
    "longer longest shorter shortest faster fastest slowest heavier heaviest lighter lightest",
    "healthier safer riskier older newer major(?:ity|ities)? minorit(?:y|ies) predominant(?:ly)?",
    "top peak(?:s|ed|ing)? trough(?:s|ed)? bottom(?:s|ed|ing)? record-?high record-?low maxim(?:um|al)",
    "minim(?:um|al) equal(?:s|led|ling)? outperform(?:s|ed|ing)? underperform(?:s|ed|ing)?",
    "double-?digit outweigh(?:s|ed|ing)? dwarf(?:s|ed|ing)? domina(?:te[ds]?|ting|nt)",
    "elevated excess(?:es|ive)? overshoot(?:s|ing)? overshot undershoot(?:s|ing)? undershot",
    "cross(?:es|ed|ing) tops topped topping trail(?:s|ed|ing)? lag(?:s|ged|ging)? ahead behind",
    # Status
    "red amber green",
)

COMPARISONS: Final = re.compile(
    r"\b(?:over|under|past|inside|short\s+of|in\s+breach\s+of|meets?|met|miss(?:es|ed)?|hits?"
    r"|satisf(?:y|ies|ied)|respect(?:s|ed)?|pass(?:es|ed)?|fail(?:s|ed)?)"
    r"\s+(?:its|the|their|this|that|any|all|every)\s+(?:[\w'\u2019]+\s+){0,2}"
    r"(?:limit|threshold|minimum|maximum|target|cap|floor|bound|requirement)s?\b",
    re.IGNORECASE,
)
"""Words that compare with a limit only where they stand before one."""

HEDGES: Final = _words(
    "nearly almost roughly approximately around circa about some over under between",
    "near close approaching minus negative plus",
)
"""Refused straight before a slot: the figure there is exact, and comparisons are claims."""

NEGATIONS: Final = _words(
    "not no never nor neither without hardly barely scarcely cannot fail(?:s|ed|ing)? avoid(?:s|ed)?",
    "if unless would could might nowhere none nobody nothing hardly rarely seldom",
    "\\w+n['\u2019]t false(?:ly)? untrue wrong(?:ly)? incorrect(?:ly)? alleged(?:ly)? supposed(?:ly)?",
)
"""Refused in a sentence with a checked word, whose sense they would turn."""

UNITS_AFTER: Final = _words(
    "times fold percent per k m b bn mn million billion thousand trillion euros? dollars? points?",
    "pounds? yen francs? cents?",
)
"""Refused straight after a slot, which prints its own unit."""

TERMS: Final = re.compile(
    r"(?<![\w.,])(?:"
    r"IFRS\s(?:9|7)|BCBS\s239|SR\s26-2|Tier\s[12]|CET1|AT1|T[12]|[Ss]tages?\s[123]"
    r"|Level\s(?:1|2A|2B)|L1|L2A|L2B|Pillar\s[123]"
    r"|(?:[Nn]et\s)?[Ss]table\s[Ff]unding|[Ss]ingle[\s-]name|[Tt]hird[\s-]part(?:y|ies)"
    r"|(?:[Ll]ower|[Uu]pper)\s(?:and\supper\s)?bounds?|(?:[Rr]ed|[Aa]mber)\s(?:threshold|limit|level)s?"
    r"|(?:[Rr]egulatory|[Rr]equired)\sminimum|[Oo]ther\sthan|[Rr]ather\sthan|[Ff]irst[\s-]in|[Mm]ore\sdetail|[Bb]elow\s[Ii]nvestment\s[Gg]rade"
    r")(?!\w|[.,]\d|\s*%)"
)
"""Terms of art that look like numbers or comparisons and are none."""

PUNCTUATION: Final = frozenset(" \u00a0\n.,;:()'\"\u2018\u2019\u201c\u201d\u2013\u2014-/!?&")
"""All that prose may hold besides letters and slots."""
