"""What to write instead: hints made of the policy's own names and of fixed texts only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

_INTERVAL: Final = "Write d + INTERVAL 1 DAY, or d - INTERVAL 1 MONTH."
_TODAY: Final = "Write current_date, or now() for the time of day."
_FORMAT: Final = "Write strftime(d, '%Y-%m')."
_PARSE: Final = "Write strptime(s, '%Y-%m-%d')::DATE, or s::DATE."
_RATIO: Final = "Write a / nullif(b, 0)."
_NUMBER: Final = "Write try_cast(s AS DOUBLE)."
_QUANTILE: Final = "Write quantile_cont(x, 0.5)."
_SERIES: Final = "Write generate_series(a, b, INTERVAL 1 DAY)."

# How other systems call what DuckDB has under another name or as an operator.
_ELSEWHERE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("dateadd", "date_add", "adddate", "timestampadd", "add_months"), _INTERVAL),
    **dict.fromkeys(("getdate", "curdate", "sysdate", "current_datetime", "getutcdate"), _TODAY),
    **dict.fromkeys(("date_format", "to_char", "format_date", "format_datetime"), _FORMAT),
    **dict.fromkeys(("to_date", "str_to_date", "parse_date", "date_parse"), _PARSE),
    **dict.fromkeys(("safe_divide", "div0", "nullifzero", "try_divide"), _RATIO),
    **dict.fromkeys(("to_number", "to_decimal", "isnumeric", "safe_cast"), _NUMBER),
    **dict.fromkeys(("percentile", "approx_percentile", "percentile_approx"), _QUANTILE),
    **dict.fromkeys(("generate_date_array", "generate_array", "sequence"), _SERIES),
    "isnull": "Write coalesce(a, b), or a IS NULL.",
    "nvl2": "Write CASE WHEN a IS NOT NULL THEN b ELSE c END.",
    "zeroifnull": "Write coalesce(x, 0).",
    "std": "Write stddev_samp(x), or stddev_pop(x).",
    "stdev": "Write stddev_samp(x), or stddev_pop(x).",
    "stdevp": "Write stddev_pop(x).",
    "var": "Write var_samp(x), or var_pop(x).",
    "varp": "Write var_pop(x).",
    "total": "Write sum(x).",
    "average": "Write avg(x).",
    "count_distinct": "Write count(DISTINCT x).",
    "initcap": "Write upper(s[1]) || lower(s[2:]).",
    "substring_index": "Write split_part(s, ',', 1).",
    "eomonth": "Write last_day(d).",
    "months_between": "Write date_diff('month', a, b).",
    "datefromparts": "Write make_date(y, m, d).",
    "datename": "Write dayname(d) or monthname(d).",
    "unix_timestamp": "Write epoch(d).",
    "from_unixtime": "Write to_timestamp(n).",
    "regexp_substr": "Write regexp_extract(s, 'pattern').",
    "regexp_count": "Write len(regexp_extract_all(s, 'pattern')).",
    "regexp_like": "Write regexp_matches(s, 'pattern').",
    "array_join": "Write array_to_string(l, ', ').",
    "square": "Write power(x, 2).",
    "width_bucket": "Write floor((x - low) / width).",
    "ratio_to_report": "Write x / sum(x) OVER ().",
    "convert": "Write CAST(x AS VARCHAR).",
    "decode": "Write CASE x WHEN 1 THEN 'a' ELSE 'b' END.",
    "parse_json": "Write s::JSON.",
}
_MOST_NAMES: Final = 40
_MOST_OFF: Final = 3


def for_function(names: Iterable[str], allowed: Iterable[str], dialect: str) -> str:
    """What to call instead of a function that goes by *names*."""
    names = list(names)
    if dialect == "duckdb":
        for name in names:
            if name in _ELSEWHERE:
                return _ELSEWHERE[name]
    for name in names[:1]:
        # Comparing with all of them would take longer than the check itself.
        near = [k for k in allowed if k[:1] == name[:1] and abs(len(k) - len(name)) <= _MOST_OFF]
        if close := difflib.get_close_matches(name, sorted(near), 3, 0.75):
            return f"Did you mean {' or '.join(close)}?"
    return "Use common aggregate, window, date, text and list functions."


def for_table(name: str, tables: Iterable[str]) -> str:
    """What to read instead of a table called *name*, without its schema."""
    known = {table.rpartition(".")[2].lower(): table for table in sorted(tables)}
    listed = f"Tables that may be read: {', '.join(sorted(known.values())[:_MOST_NAMES])}."
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"Did you mean {known[close[0]]}? {listed}" if close else listed


def for_syntax(found: str, before: str) -> str:
    """What to write where the parser stopped at *found*, with *before* in front of it."""
    if found == "`":
        return "Write names plainly, or in double quotes."
    if found == "[":
        return "Write names plainly, or in double quotes; brackets are for lists."
    if found in ("=>", "=<"):
        return "Compare with <= or >=."
    if before.rstrip().lower().endswith("select top"):
        return "Write LIMIT 10 at the end in place of TOP 10."
    return "Write one plain SELECT statement, and only SQL."


LAMBDA: Final = "If this is meant as a lambda, write lambda x: x + 1."
QUALIFIER: Final = "The name before the dot is that of no table that is read here."
