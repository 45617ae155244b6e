"""The command line: `assay`. Each command parses, calls one function, prints."""

from __future__ import annotations

from agent.cli.app import main

__all__ = ["main"]
