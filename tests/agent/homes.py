"""The command line as a user runs it: its own process, its own home."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.agent.nursery import Command


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

    def start(self, *arguments: str, **environment: str) -> Command:
        """`assay` in the background."""
        return Command(arguments, environment=self.environment | environment, folder=self.folder)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `assay` to its end."""
        with self.start(*arguments, **environment) as command:
            too_long = threading.Timer(240, command.kill)
            too_long.start()
            said = command.stderr.read()
            too_long.cancel()
            code = command.wait(10)
            return subprocess.CompletedProcess(arguments, code, command.output(), said)

    def run_afresh(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `assay` to its end, in an interpreter of its own."""
        return subprocess.run(
            [sys.executable, "-m", "agent", *arguments],
            env=self.environment,
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
        done = self._signal_when(signal.SIGKILL, line, *arguments)
        assert done.returncode == -signal.SIGKILL

    def interrupt_when(self, line: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `assay`, and press Ctrl-C once *line* shows on stderr."""
        return self._signal_when(signal.SIGINT, line, *arguments)

    def _signal_when(
        self, number: signal.Signals, line: str, *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as command:
            seen = any(line in text for text in command.stderr)
            command.send_signal(number)
            rest = command.stderr.read()
            assert seen, f"{line!r} never showed"
            return subprocess.CompletedProcess(arguments, command.wait(60), "", rest)

    def report(self, run_id: str) -> dict[str, Any]:
        """A run's report.json."""
        path = self.folder / "reports" / run_id / "report.json"
        return dict(json.loads(path.read_text(encoding="utf-8")))


class Collector:
    """An OTLP collector that only notes what paths are posted to."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        paths = self.paths

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                paths.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
