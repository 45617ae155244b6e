"""The command line as a user runs it: its own process, its own home."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ASSAY = (sys.executable, "-m", "agent")


@dataclass(frozen=True)
class Home:
    """One ASSAY_HOME, with the commands run in it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ASSAY_", "OTEL_"))}
        return {
            **kept,
            "ASSAY_HOME": str(self.folder / "home"),
            "ASSAY_OUTPUT": str(self.folder / "reports"),
            "ASSAY_REVIEWER": "Ada",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `assay` to its end."""
        return subprocess.run(
            [*ASSAY, *arguments],
            env=self.environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=240,
        )

    def json(self, *arguments: str, **environment: str) -> Any:
        """The one JSON document that a command prints on stdout."""
        return json.loads(self.run(*arguments, "--json", **environment).stdout)

    def kill_when(self, line: str, *arguments: str) -> None:
        """Run `assay`, and kill -9 it once *line* shows on stderr."""
        process = subprocess.Popen(
            [*ASSAY, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert process.stderr is not None
        with process.stderr:
            seen = any(line in text for text in process.stderr)
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert seen, f"{line!r} never showed"

    def report(self, run_id: str) -> dict[str, Any]:
        """A run's report.json."""
        path = self.folder / "reports" / run_id / "report.json"
        return dict(json.loads(path.read_text(encoding="utf-8")))
