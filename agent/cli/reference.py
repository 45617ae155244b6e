"""Writes `docs/reference.md` from the code: `python -m agent.cli.reference > docs/reference.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO

from typer.main import get_command

from agent.cli.app import app
from services.semantics import SemanticModel, sample_model
from services.settings import Settings


def reference() -> str:
    """The whole reference: commands, settings, metrics."""
    return "\n".join([*_head(), *_commands(), *_settings(), *_metrics(sample_model())]) + "\n"


def _head() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Made from the code by `python -m agent.cli.reference`; a test compares."


def _commands() -> Iterator[str]:
    yield from ("", "## Commands")
    command = get_command(app)
    for path in _paths(command):
        said = StringIO()
        with redirect_stdout(said):
            command.main(
                [*path, "--help"], prog_name="assay", standalone_mode=False, terminal_width=80
            )
        lines = [line.rstrip() for line in said.getvalue().strip().splitlines()]
        yield from ("", f"### {' '.join(('assay', *path))}", "", "```text", *lines, "```")


def _paths(group: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The commands of a group and of the groups in it."""
    commands = getattr(group, "commands")  # noqa: B009 (untyped)
    for name, command in sorted(commands.items()):
        if hasattr(command, "commands"):
            yield from _paths(command, (*above, name))
        else:
            yield (*above, name)


def _settings() -> Iterator[str]:
    yield from ("", "## Settings", "", "| setting | environment | default | what it does |")
    yield "|---|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = "(by user)" if field.default_factory else _shown(field.default)
        yield f"| `{name}` | `ASSAY_{name.upper()}` | {default} | {field.description} |"


def _shown(default: object) -> str:
    if default is None or default == "":
        return "(unset)"
    return f"`{default}`"


def _metrics(model: SemanticModel) -> Iterator[str]:
    yield from ("", "## Metrics of the sample warehouse", "", "| metric | unit | what it is |")
    yield "|---|---|---|"
    for metric in sorted(model.metrics, key=lambda metric: metric.name):
        yield f"| `{metric.name}` | {metric.unit or ''} | {metric.description} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
