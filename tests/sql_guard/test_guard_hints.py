"""A refusal says what to write instead, and where, in the policy's own names."""

from __future__ import annotations

import pytest

from sql_guard import Guard


@pytest.mark.parametrize(
    ("sql", "place", "hint"),
    [
        ("SELECT desks FROM risk.limits", (1, 8, 5), "Did you mean desk?"),
        ("SELECT l.thresold FROM risk.limits l", (1, 10, 8), "Did you mean threshold?"),
        ("SELECT x.desk FROM risk.limits l", (1, 8, 1), "The name before the dot"),
        ("SELECT desk FROM limits", (1, 18, 6), "Did you mean risk.limits?"),
        ("SELECT desk FROM risk.limit", (1, 23, 5), "Did you mean risk.limits?"),
        ("SELECT desk FROM prod.risk.limits", (1, 28, 6), "Did you mean risk.limits?"),
        ("SELECT desk FROM risk.trades", (1, 23, 6), "Tables that may be read: risk.counter"),
        ("SELECT DATEADD(day, 1, d) FROM risk.prices", (1, 8, 7), "INTERVAL 1 DAY"),
        ("SELECT ADD_MONTHS(d, 1) FROM risk.prices", (1, 8, 10), "INTERVAL 1 MONTH"),
        ("SELECT GETDATE()", (1, 8, 7), "current_date"),
        ("SELECT ISNULL(desk, 'x') FROM risk.limits", (1, 8, 6), "coalesce(a, b)"),
        ("SELECT NVL2(desk, 1, 2) FROM risk.limits", (1, 8, 4), "CASE WHEN a IS NOT NULL"),
        ("SELECT TO_CHAR(d, 'YYYY') FROM risk.prices", (1, 8, 7), "strftime(d, '%Y-%m')"),
        ("SELECT DATE_FORMAT(d, '%Y') FROM risk.prices", (1, 8, 11), "strftime"),
        ("SELECT TO_DATE('2026-01-01', 'Y')", (1, 8, 7), "strptime"),
        ("SELECT SAFE_DIVIDE(ead, pd) FROM risk.loans", (1, 8, 11), "a / nullif(b, 0)"),
        ("SELECT PERCENTILE(ead, 0.5) FROM risk.loans", (1, 8, 10), "quantile_cont(x, 0.5)"),
        ("SELECT INITCAP(desk) FROM risk.limits", (1, 8, 7), "upper(s[1])"),
        ("SELECT EOMONTH(d) FROM risk.prices", (1, 8, 7), "last_day(d)"),
        ("SELECT STD(ead) FROM risk.loans", (1, 8, 3), "stddev_samp(x)"),
        ("SELECT COUNT_DISTINCT(desk) FROM risk.limits", (1, 8, 14), "count(DISTINCT x)"),
        ("SELECT CEILLING(ead) FROM risk.loans", (1, 8, 8), "Did you mean ceiling?"),
        ("SELECT list_transform([1], x -> 2)", (1, 28, 1), "write lambda x:"),
        ("SELECT TOP 10 desk FROM risk.limits", (1, 12, 2), "LIMIT 10 at the end"),
        ("SELECT `desk` FROM risk.limits", (1, 13, 1), "double quotes"),
        ("SELECT 1 FROM [risk].[limits]", (1, 15, 1), "double quotes"),
        ("SELECT 1 FROM risk.limits WHERE threshold => 5", (1, 43, 2), "<= or >="),
        ("SELECT desk FROM risk.limits;\n SELECT 1", (1, 29, 1), "exactly one SELECT"),
        ("\n SHOW TABLES", (2, 2, 4), "nothing may be changed"),
        ("SELECT 1 FROM risk.limits WHERE desk = :d", (1, 33, 4), "$name parameters"),
    ],
)
def test_a_common_mistake_gets_a_hint_at_its_place(
    guard: Guard, sql: str, place: tuple[int, int, int], hint: str
) -> None:
    """The first violation points at the mistake and names what would be right."""
    first = guard.check(sql).violations[0]

    assert place == (first.line, first.column, first.length)
    assert hint in first.hint


def test_a_hint_holds_no_name_that_is_not_on_the_policy(guard: Guard) -> None:
    """What a statement says of hidden things is not said back, however close the names."""
    texts = [
        "SELECT salary_of_bob FROM hr.salaries_secret",
        "SELECT secret_fn(desk) FROM risk.limits",
        "SELECT lei_code FROM risk.counterparties",
        "SELECT secret.desk FROM risk.limits",
    ]
    said = [v.message + v.hint for sql in texts for v in guard.check(sql).violations]

    assert said
    assert not any(word in text for text in said for word in ("secret", "salar", "lei"))
