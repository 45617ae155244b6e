"""
What errors and items advise, as a page says it.

They are worded for whoever reads them at a command line. On a page a command is the link or the
button that does the same; where only the server's operator can do it, the page says so; and a
folder of the server is not named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from markupsafe import Markup, escape

_COMMAND: Final = re.compile(
    r"`assay (?P<quoted>[^`]+)`"
    r"|\bassay (?P<bare>(?:run|review) \w+ [\w.:-]*\w)"
    r"|(?P<path>(?<![\w/])/(?:runs|reviews)\b[\w./-]*\w)"
)
_FLAG: Final = re.compile(r" \(`(?:--|assay )[^`]*`\)")
"""A way of the command line that is named in passing."""
_FOLDER: Final = re.compile(r"(?<![\w\"'`<./:])/(?!(?:runs|reviews)\b)[\w.~+-]+/[^\s:;,()'\"`]+")
_SENTENCE: Final = re.compile(r"(?<=[.;:!?]) +(?=[A-Z`])")
_RUN_ACTIONS: Final = {
    "resume": "resume it",
    "cancel": "cancel it",
    "rollback": "go back in it",
    "fork": "copy and change it",
    "withdraw": "withdraw its report",
}
_OPERATOR: Final = "Whoever runs this server can help."
_OWN_FOLDER: Final = "its folder on the server"


def on_page(text: str, folders: Iterable[str] = ()) -> Markup:
    """*text* with links for its commands, and without *folders* or any other path of the server."""
    for folder in sorted(filter(None, folders), key=len, reverse=True):
        text = re.sub(re.escape(folder) + r"(?:/[^\s:;,()'\"`]*)?", _OWN_FOLDER, text)
    text = _FLAG.sub("", _FOLDER.sub(_OWN_FOLDER, text))
    said = dict.fromkeys(_sentence(one) for one in _SENTENCE.split(text))
    return Markup(" ").join(said)


def _sentence(text: str) -> Markup:
    said, end = Markup(), 0
    for found in _COMMAND.finditer(text):
        place = _place(found)
        if place is None:
            return escape(_OPERATOR)
        path, words = place
        link = Markup('<a href="{}">{}</a>').format(path, words) if path else escape(f"“{words}”")
        said += escape(text[end : found.start()]) + link
        end = found.end()
    return said + escape(text[end:])


def _place(found: re.Match[str]) -> tuple[str, str] | None:
    """
    The page that does what a command does, and its words; None when there is none.

    The path is empty where the command does not say which run.
    """
    if path := found["path"]:
        return path, _page_words(path)
    noun, verb, name = [*(found["quoted"] or found["bare"]).split(), "", ""][:3]
    run = f"/runs/{name}" if name else ""
    place = None
    match noun, verb:
        case "review", "list":
            place = "/reviews", "the reviews"
        case "review", _ if name:
            place = f"/reviews/{name}", "its page"
        case "run", "list":
            place = "/runs", "the runs"
        case "run", "show" | "watch" | "history" | "trace":
            place = run, "the page of the run"
        case "run", _ if verb in _RUN_ACTIONS:
            place = run and f"{run}/{verb}", _RUN_ACTIONS[verb]
    return place


def _page_words(path: str) -> str:
    names = {"report": "the report", "runs": "the runs", "reviews": "the reviews"}
    return names.get(path.rpartition("/")[2], "the page of the run")
