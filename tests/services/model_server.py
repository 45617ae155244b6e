"""A small server that speaks the OpenAI protocol and answers what a test chose."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import SecretStr

from services.model import ModelClient, Models
from services.settings import ModelRole, Settings


@dataclass(frozen=True)
class Status:
    """An HTTP error."""

    code: int


@dataclass(frozen=True)
class Body:
    """A body that is sent as it is."""

    content: bytes


@dataclass(frozen=True)
class Cut:
    """An answer that ran into its length limit."""

    content: str


class Hang:
    """No answer at all, until the test is over."""


Answer = dict[str, Any] | str | Status | Body | Cut | Hang
Script = Callable[[dict[str, Any]], Answer]


@dataclass
class ModelServer:
    """Answers each request with the next of `answers`, the last one for ever, or with a script."""

    answers: list[Answer] = field(default_factory=list)
    script: Script | None = None
    models: Any = field(default_factory=lambda: {"data": [{"id": "tiny-1"}]})
    """What the server says when asked which models it has."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def next(self, request: dict[str, Any]) -> Answer:
        self.requests.append(request)
        if self.script is not None:
            return self.script(request)
        return self.answers[min(len(self.requests), len(self.answers)) - 1]

    def settings(self, **more: Any) -> Settings:
        return Settings(
            model_url=self.url,
            model_api_key=SecretStr("none"),
            **{"model_timeout": timedelta(seconds=20), **more},
        )

    def client(self, role: ModelRole, **more: Any) -> ModelClient:
        client = Models(self.settings(**more)).client(role)
        assert client is not None
        return client

    def prompts(self) -> list[str]:
        """The user's message of each request."""
        return [request["messages"][-1]["content"] for request in self.requests]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    model: ModelServer


class _Handler(BaseHTTPRequestHandler):
    server: _Http

    def do_GET(self) -> None:
        self._send(json.dumps(self.server.model.models).encode())

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        match self.server.model.next(json.loads(self.rfile.read(length))):
            case Status(code):
                self.send_error(code)
            case Body(content):
                self._send(content)
            case Hang():
                self.server.model.over.wait(30)
            case Cut(content):
                self._send(completion(content, "length"))
            case str() as content:
                self._send(completion(content))
            case dict() as document:
                self._send(completion(json.dumps(document)))

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""


@contextmanager
def serving() -> Iterator[ModelServer]:
    """A running server on a port of its own."""
    http = _Http(("127.0.0.1", 0), _Handler)
    http.model = server = ModelServer(url=f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        http.shutdown()
        thread.join()
        http.server_close()


def completion(content: str, finish_reason: str = "stop") -> bytes:
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": "tiny-1",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish_reason,
                    "message": {"role": "assistant", "content": content},
                }
            ],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
    ).encode()
