"""A run that is set to wait for its model does so, and uses up no try."""

from __future__ import annotations

import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agent.driving import now
from agent.intake import prepare
from agent.retries import retries
from agent.story import story
from tests.agent.driven import QUESTION, entries, nobody, waiting
from tests.agent.test_run_pages import browser


class Listing(BaseHTTPRequestHandler):
    """A model server that answers which models it has, and fails at everything else."""

    def do_GET(self) -> None:
        body = b'{"data": [{"id": "tiny"}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(500)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_run_waits_for_its_model_and_goes_on(make_runner: Any) -> None:
    """
    While the server is down it says so, and its page says when it asks again; once it is back the
    run goes on, with no failed try.
    """
    port, told = free_port(), []
    settings = {"model_url": f"http://127.0.0.1:{port}/v1", "model_down": "wait"}
    async with make_runner(**settings) as runner:
        accepted = prepare(runner.settings, "m1", question=QUESTION, formats=["json"])
        await runner.accept("m1", accepted)
        driving = asyncio.create_task(runner.drive("m1", told.append))
        while not any("waits" in str(event.get("detail")) for event in told):
            await asyncio.sleep(0.1)
        while not await entries(runner, "m1", "step.waits"):
            await asyncio.sleep(0.01)
        meanwhile = (await (await browser(runner, "viewer")).get("/runs/m1")).text
        server = ThreadingHTTPServer(("127.0.0.1", port), Listing)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            record = await driving
        finally:
            server.shutdown()
            server.server_close()
        failed = await entries(runner, "m1", "attempt.failed")
        later = await story(runner, record)

    assert "waiting" == record.status
    assert [] == failed
    assert "try 1 of 3 waits." in meanwhile
    assert "The model server does not answer" in meanwhile
    assert "Such a wait uses up no try." in meanwhile
    assert () == retries(later.timeline, now=now())


async def test_without_that_setting_the_rules_write(make_runner: Any) -> None:
    """A model that is down costs nothing but time."""
    async with make_runner(model_url=f"http://127.0.0.1:{free_port()}/v1") as runner:
        accepted = prepare(runner.settings, "m2", question=QUESTION, formats=["json"])
        await runner.accept("m2", accepted)
        record = await runner.drive("m2", nobody)
        [item] = await waiting(runner, "m2")

    assert ("waiting", "publication") == (record.status, item.kind)


async def test_a_wait_has_an_end(make_runner: Any) -> None:
    """After as long as a run may wait, a person is asked."""
    settings = {"model_url": f"http://127.0.0.1:{free_port()}/v1", "model_down": "wait"}
    async with make_runner(**settings, outage_patience=0.5) as runner:
        accepted = prepare(runner.settings, "m3", question=QUESTION, formats=["json"])
        await runner.accept("m3", accepted)
        record = await runner.drive("m3", nobody)
        [item] = await waiting(runner, "m3")

    assert ("failed", "retries_exhausted", "A103") == (record.status, item.kind, item.code)
