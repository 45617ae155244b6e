"""The page: closed, safe, and every figure one step from its evidence."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from reports.figures import variables
from reports.render._view import laid_out
from reports.render.html import html_bytes
from tests.reports import report_samples


@pytest.fixture(scope="module")
def page(report, drawings) -> str:
    return html_bytes(report, drawings).decode()


class _Reader(HTMLParser):
    """Ids, links and elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []


@pytest.fixture(scope="module")
def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def test_page_asks_nothing_of_the_network(read: _Reader, page: str) -> None:
    """No element loads anything, the icon is in the page, and no link leaves it."""
    embedding = {"img", "iframe", "object", "embed", "link", "base"}
    loading = [
        (tag, given)
        for tag, given in read.tags
        if tag in embedding and not str(given.get("href")).startswith("data:image/svg+xml,")
    ]
    sources = [a for _, a in read.tags if {"src", "srcset", "action"} & a.keys()]

    assert ([], []) == (loading, sources)
    assert all(link.startswith("#") for link in read.links)
    assert "@import" not in page
    assert "url(" not in page


def test_policy_admits_only_the_page_s_own_style_and_script(page: str) -> None:
    """The digests of the policy are those of the style and the script, and nothing else runs."""
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1])

    def source(tag: str) -> str:
        text = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy.startswith("default-src 'none'; ")
    assert f"style-src '{source('style')}'" in policy
    assert f"script-src '{source('script')}'" in policy
    assert "unsafe" not in policy


def test_hostile_text_stays_text(page: str, read: _Reader) -> None:
    """Markup in cells, labels, SQL and names is printed, not obeyed."""
    scripts = [tag for tag, _ in read.tags if tag == "script"]
    handlers = [a for _, a in read.tags if any(name.startswith("on") for name in a)]

    assert scripts == ["script"]
    assert handlers == []
    assert [a for _, a in read.tags if "style" in a] == []
    for said in report_samples.HOSTILE:
        assert said in unescape(page)


def test_every_link_leads_somewhere(read: _Reader) -> None:
    """Each figure and piece of evidence that is linked has its panel, and ids are unique."""
    assert sorted(set(read.ids)) == sorted(read.ids)
    assert {link[1:] for link in read.links} - {"-"} <= set(read.ids)


def test_every_figure_has_a_panel(read: _Reader, report) -> None:
    """The panel of each figure stands in the panel of its evidence."""
    expected = {f"fig-{figure.id}" for figure in report.content.figures}

    assert expected == {name for name in read.ids if name.startswith("fig-")}


@pytest.mark.parametrize("status", ["DRAFT", "APPROVED", "REJECTED", "WITHDRAWN"])
def test_status_is_in_the_title_and_the_band(drawings, status: str) -> None:
    """A reader sees the status wherever the page is open."""
    page = html_bytes(report_samples.report(status), drawings).decode()

    assert f"<title>{status}: " in page
    assert f'<span class="stamp {status.lower()}">{status}</span>' in page


def test_a_status_is_a_word_beside_its_colour(page: str) -> None:
    """Each status of the traffic-light table prints its word."""
    words = re.findall(r'<span class="status (\w+)"><svg[^>]*><path[^>]*/></svg>(\w+)', page)

    assert {("red", "Red"), ("amber", "Amber"), ("green", "Green"), ("none", "No")} <= set(words)


def test_what_is_missing_gives_its_reason(page: str) -> None:
    """A table with a figure that is not available says why beneath it."""
    assert ">n/a</a>: No defaulted balance in the segment" in page


def test_every_colour_of_a_chart_has_a_variable(page: str) -> None:
    """The page defines each variable that pictures use."""
    defined = set(re.findall(r"--(chart-[\w-]+):", page))

    assert defined == set(variables())


@pytest.mark.parametrize("name", ["ink", "muted", "link", "red", "amber", "green"])
@pytest.mark.parametrize("theme", [0, 1])
def test_text_colours_are_readable(page: str, name: str, theme: int) -> None:
    """Text on the page's ground has a contrast of at least 4.5, in light and in dark."""
    pairs = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", page))

    def luminance(variable: str) -> float:
        colour = pairs[variable].split(", ")[theme]
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ground in ("paper", "raised"):
        low, high = sorted([luminance(name), luminance(ground)])
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_sql_is_laid_out_without_touching_its_strings() -> None:
    """Clauses start lines; a clause word inside a string or a name does not."""
    sql = 'SELECT "a FROM b", \' WHERE \' FROM "t" LEFT JOIN "u" ON TRUE WHERE x = 1'

    assert laid_out(sql).split("\n") == [
        "SELECT \"a FROM b\", ' WHERE '",
        'FROM "t"',
        'LEFT JOIN "u" ON TRUE',
        "WHERE x = 1",
    ]
