"""The documentation says what the code does."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from agent.cli.reference import reference
from services import errors
from services.errors import AssayError

DOCS = Path("docs")


def all_errors(root: type[AssayError] = AssayError) -> Iterator[type[AssayError]]:
    yield root
    for child in root.__subclasses__():
        yield from all_errors(child)


def test_every_error_code_is_documented() -> None:
    """`docs/errors.md` has a heading for each code that is raised, and for no other."""
    branches = {f"A{digit}00" for digit in "123"}
    headings = re.findall(r"^## (A\d{3})$", (DOCS / "errors.md").read_text("utf-8"), re.MULTILINE)
    raised = {error.code for error in all_errors() if "code" in vars(error)} - branches

    assert sorted(raised) == headings


def test_error_tree_in_the_docstring_is_whole() -> None:
    """The tree drawn at the top of the module names every error with its code."""
    drawn = dict(re.findall(r"(\w+) +(A\d{3})\b", errors.__doc__ or ""))
    leaves = {
        e.__name__: e.code
        for e in all_errors()
        if e.__module__ == errors.__name__ and not e.code.endswith("00")
    }

    assert leaves == drawn


def test_reference_is_made_from_the_code() -> None:
    """`docs/reference.md` is what `python -m agent.cli.reference` prints."""
    assert reference() == (DOCS / "reference.md").read_text("utf-8")


def test_links_of_the_readme_lead_somewhere() -> None:
    """Every relative link of the README names a file that exists."""
    targets = re.findall(r"\]\(([^)#:]+)\)", Path("README.md").read_text("utf-8"))

    assert targets
    assert [] == [target for target in targets if not Path(target).exists()]


def test_notice_names_every_source_of_the_sample() -> None:
    """NOTICE names each source of real data that the sample warehouse ships."""
    notice = " ".join(Path("NOTICE").read_text("utf-8").split())

    for source in ("European Central Bank", "Treasury", "UCI", "S&P"):
        assert source in notice


def test_compose_file_has_every_part() -> None:
    """The compose file starts store, app, worker, model, collector and trace viewer."""
    services = yaml.safe_load(Path("docker-compose.yml").read_text("utf-8"))["services"]

    assert {"store", "app", "worker", "model", "collector", "traces"} == set(services)
    assert "--appendonly yes" in services["store"]["command"][-1]


def test_compose_file_has_no_default_secret() -> None:
    """Without the two secrets the file does not even parse; no password stands in it."""
    text = Path("docker-compose.yml").read_text("utf-8")

    for name in ("ASSAY_API_KEY", "ASSAY_REDIS_PASSWORD"):
        assert all(use.startswith(":?") for use in re.findall(rf"\$\{{{name}(.*?)\}}", text))


@pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="docker-compose is not installed"
)
def test_compose_file_is_valid() -> None:
    """`docker-compose config` accepts the file once the secrets are given."""
    subprocess.run(
        ["docker-compose", "config", "-q"],
        env={"PATH": "/usr/bin:/bin", "ASSAY_API_KEY": "k", "ASSAY_REDIS_PASSWORD": "p"},
        check=True,
    )
