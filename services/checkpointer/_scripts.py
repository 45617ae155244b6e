"""The scripts, each an atomic operation of the server."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

FENCED: Final = b"fenced"
TAKEN: Final = b"taken"


@dataclass(frozen=True, slots=True)
class Script:
    """`name` is its place in the list of failpoints, too."""

    name: str
    text: str
    sha: str


def _read(name: str, *parts: str) -> Script:
    folder = files(__package__) / "scripts"
    texts = [(folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("prelude", *parts)]
    text = "\n".join(texts)
    # The protocol's own name for a script, no safeguard.
    return Script(
        f"checkpoint.{name}", text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    )


PUT: Final = _read("put", "sweep", "put")
PUT_WRITES: Final = _read("put_writes", "put_writes")
GET: Final = _read("get", "show", "get")
LIST: Final = _read("list", "show", "list")
ANCESTORS: Final = _read("get", "show", "ancestors")
DELETE: Final = _read("delete", "delete")
DELETE_RUNS: Final = _read("delete", "sweep", "delete_runs")
PRUNE: Final = _read("prune", "sweep", "prune")
DUMP: Final = _read("copy", "dump")
LOAD: Final = _read("copy", "load")
