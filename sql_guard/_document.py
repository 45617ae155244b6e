"""Policies as YAML, in which a column may be called `on`, `off`, `yes` or `no`."""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """YAML whose only booleans are true and false, and whose mappings name each key once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep=deep)
        if len(made) < len(node.value):
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: a key stands twice")
        return made


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF")
)


def read(text: str) -> Any:
    """What the YAML *text* stands for."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader with fewer implicit types


def write(document: dict[str, Any]) -> str:
    """*document* as YAML, in its own order."""
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))
