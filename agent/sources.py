"""Documents that declare webhook sources, as an operator writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from agent.request import FORMATS
from services.analysis.templates import load_template
from services.errors import FileUnreadable, Invalid
from services.store import EVENT_TYPES, EventType
from services.webhooks import Source


def read_source(file: Path) -> Source:
    """The source that *file* declares; `FileUnreadable` names the first thing that is wrong in it."""
    try:
        source = Source.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FileUnreadable(
            f"The source {file} cannot be read ({type(error).__name__}).",
            hint="it is a YAML document; docs/guide.md has one",
        ) from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the document"
        raise FileUnreadable(
            f"The source {file} is not valid at {place}: {problem['msg']}",
            hint="docs/guide.md has an example",
        ) from error
    check_source(source)
    return source


def check_source(source: Source) -> None:
    """Raise `Invalid` when a source asks for what is not there: every call of it would fail."""
    template, formats = source.request.template, source.request.formats
    if template is not None:
        for name in (*template.one_of, *_texts(template.default)):
            load_template(name)
    if formats is not None:
        unknown = {*formats.one_of, *_texts(formats.default)} - set(FORMATS)
        if unknown:
            raise Invalid(
                f"No such format: {', '.join(sorted(unknown))}",
                hint=f"formats are {', '.join(FORMATS)}",
            )


def _texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value or ()


def event_types(names: Sequence[str]) -> tuple[EventType, ...]:
    """The types of those names, in their order; `Invalid` names one that there is not."""
    unknown = sorted(set(names) - set(EVENT_TYPES))
    if unknown:
        raise Invalid(
            f"No such event: {', '.join(unknown)}", hint=f"events are {', '.join(EVENT_TYPES)}"
        )
    return tuple(name for name in EVENT_TYPES if name in names)
