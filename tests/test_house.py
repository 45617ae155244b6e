"""What holds for the whole house."""

from __future__ import annotations

import importlib
import types
from pathlib import Path

import pytest

PACKAGES = (
    "sql_guard",
    "services.access",
    "services.audit",
    "services.checkpointer",
    "services.measures",
    "services.model",
    "services.oidc",
    "services.retrieval",
    "services.review",
    "services.schedules",
    "services.semantics",
    "services.store",
    "services.warehouse",
    "services.webhooks",
)
ROOMS = ("agent", "reports", "services", "sql_guard")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_exported(name: str) -> None:
    """`__all__` lists exactly the public names of the package."""
    package = importlib.import_module(name)
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and name not in {"annotations", "TYPE_CHECKING"}
    }

    assert sorted(package.__all__) == sorted(public)


def test_files_are_short_enough_to_read() -> None:
    """No source file has more than 450 lines."""
    sources = [path for room in ROOMS for path in Path(room).rglob("*.py")]
    long = {str(p): n for p in sources if (n := len(p.read_text("utf-8").splitlines())) > 450}

    assert sources
    assert {} == long


def test_top_level_holds_nothing_unexplained() -> None:
    """Every folder at the top is a room, or is explained in the architecture page."""
    known = {*ROOMS, "tests", "docs", "bench"}
    folders = {
        path.name
        for path in Path().iterdir()
        if path.is_dir() and not path.name.startswith(".") and not path.name.endswith(".egg-info")
    }

    assert set() == folders - known - {"assay-reports"}
