"""What errors advise, as a page says it: links for commands, no folder of the server."""

from __future__ import annotations

import pytest

from agent.web.pages.advice import on_page

HELP = "Whoever runs this server can help."


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("See `assay review list`.", 'See <a href="/reviews">the reviews</a>.'),
        (
            "To end the run instead: `assay run cancel r-1`",
            'To end the run instead: <a href="/runs/r-1/cancel">cancel it</a>',
        ),
        (
            "Its last step is shown by `assay run history r-1`.",
            'Its last step is shown by <a href="/runs/r-1">the page of the run</a>.',
        ),
        (
            "To take it over: `assay review claim rv-1 --take`.",
            'To take it over: <a href="/reviews/rv-1">its page</a>.',
        ),
        ("Fork it instead: `assay run fork`.", "Fork it instead: “copy and change it”."),
        ("See /runs/r-1/report.", 'See <a href="/runs/r-1/report">the report</a>.'),
        ("It is old. Run `assay warehouse build` first.", f"It is old. {HELP}"),
        ("`assay config show` lists them. See `assay store status`.", HELP),
        ("Make room there, or choose another folder (`--out`).", None),
        ("Try again later, or start more workers (`assay worker`).", None),
        ("<b>`assay run list`</b>", '&lt;b&gt;<a href="/runs">the runs</a>&lt;/b&gt;'),
        (
            "cannot be written to /srv/a home/reports/r-1: a file is in the way",
            "cannot be written to its folder on the server: a file is in the way",
        ),
        ("the log is at /var/lib/assay/logs/r.log", "the log is at its folder on the server"),
        ("FROM '/etc/passwd' reads a file, 3/4 of it", None),
    ],
)
def test_advice_is_what_a_page_can_do(said: str, shown: str | None) -> None:
    """Whatever else is said stays, as text."""
    plain = said.replace(" (`--out`)", "").replace(" (`assay worker`)", "").replace("'", "&#39;")

    assert (plain if shown is None else shown) == on_page(said, ["/srv/a home/reports"])
