"""Who asks too often, sends too much, or takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from agent.web.bounds import Bounds
from services.store import Rate, RateLimits
from tests.agent.homes import Home
from tests.agent.nursery import Command
from tests.agent.servers import free_port
from tests.agent.test_web_access import carrying, door

SMALL = 200


async def test_a_rate_allows_a_burst_and_then_its_share(redis: Redis) -> None:
    """Of ten at once as many pass as the rate has, whichever process asks; later ones in turn."""
    limits, other = RateLimits(redis), RateLimits(redis)
    rate = Rate.parse("4/s")
    waits = await asyncio.gather(*(one.take("a", rate) for one in (limits, other) * 5))
    refused = [wait for wait in waits if wait]
    await asyncio.sleep(min(refused).total_seconds() + 0.02)

    assert 4 == len(waits) - len(refused)
    assert all(timedelta() < wait <= timedelta(seconds=0.25) for wait in refused)
    assert not await limits.take("a", rate)
    assert await limits.take("a", rate)
    assert not await limits.take("b", rate)


async def test_a_limit_leaves_nothing_behind(redis: Redis) -> None:
    """Its key goes when all that was used is free again."""
    await RateLimits(redis).take("a", Rate.parse("20/s"))
    await asyncio.sleep(0.1)

    assert [] == [key async for key in redis.scan_iter("assay:limit:*")]


@pytest.mark.parametrize("text", ["", "0/s", "-1/m", "5", "5/d", "1.5/s", "9999999999/s", "5/m x"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    """By name, not by guess."""
    with pytest.raises(ValueError, match="120/m"):
        Rate.parse(text)


async def test_a_key_above_its_rate_is_told_when_to_come_again(make_runner: Any) -> None:
    """Another key, the health of the process and the person of an open machine are not held up."""
    async with make_runner(rate_limit="3/m") as runner:
        local = await door(runner)
        assert {200} == {(await local.get("/v1/runs")).status_code for _ in range(6)}
        busy = await carrying(runner, "busy", "analyst")
        calm = await carrying(runner, "calm", "viewer")
        answers = [await busy.get("/v1/runs") for _ in range(5)]
        last = answers[-1]

        assert [200, 200, 200, 429, 429] == [answer.status_code for answer in answers]
        assert "A107" == last.json()["code"]
        assert 1 <= int(last.headers["retry-after"]) <= 20
        assert "application/problem+json" == last.headers["content-type"]
        assert 200 == (await calm.get("/v1/runs")).status_code
        assert 200 == (await busy.get("/healthz")).status_code
        assert {"caller": 2} == await runner.stores.tally.of("requests.limited")


async def test_a_full_queue_says_when_to_come_again(make_runner: Any) -> None:
    """503 with Retry-After, and nothing is stored."""
    async with make_runner(queue_limit=1) as runner:
        client = await door(runner)
        first = await client.post("/v1/runs", json={"question": "NPL ratio", "run_id": "r1"})
        full = await client.post("/v1/runs", json={"question": "NPL ratio", "run_id": "r2"})

        assert (202, 503, "A105") == (first.status_code, full.status_code, full.json()["code"])
        assert int(full.headers["retry-after"]) > 0
        assert 404 == (await client.get("/v1/runs/r2")).status_code


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await Response(str(len(body)))(scope, receive, send)


async def ask(bounds: Bounds, pieces: list[bytes], **scope: Any) -> list[Message]:
    """What the middleware sends for a body that comes in pieces; one that ends in None never ends."""
    waiting = list(pieces)
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await asyncio.sleep(60)
        piece = waiting.pop(0)
        return {"type": "http.request", "body": piece, "more_body": piece != b""}

    async def send(message: Message) -> None:
        sent.append(message)

    base = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await bounds(base | scope, receive, send)
    return sent


def bounds(app: Any = echo, **options: Any) -> Bounds:
    return Bounds(
        app,
        asyncio.Event(),
        max_body=SMALL,
        **{"patience": timedelta(seconds=0.2), **options},
    )


@pytest.mark.parametrize(
    ("pieces", "headers", "status"),
    [
        ([b"x" * SMALL, b""], [], 200),
        ([b"x" * SMALL, b"x", b""], [], 413),
        ([b""], [(b"content-length", b"201")], 413),
        ([b""], [(b"content-length", b"9" * 5000)], 413),
        ([b"x"], [], 408),
        ([b""], [(b"cookie", b"c" * 17_000)], 431),
    ],
)
async def test_a_request_keeps_within_its_bounds(
    pieces: list[bytes], headers: list[tuple[bytes, bytes]], status: int
) -> None:
    """Without a length that says so too; the application's own answer to half a body is dropped."""
    sent = await ask(bounds(), pieces, headers=headers)

    assert status == sent[0]["status"]
    assert 1 == sum(message["type"] == "http.response.start" for message in sent)


async def test_a_client_that_takes_nothing_does_not_hold_a_stream() -> None:
    """The application is told that the client is gone."""
    ended = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        except OSError:
            ended.append(True)

    async def stuck(message: Message) -> None:
        await asyncio.sleep(60)

    await bounds(endless)(
        {"type": "http", "headers": [], "query_string": b""},
        stuck,
        stuck,  # type: ignore[arg-type]
    )

    assert [True] == ended


async def test_streams_end_when_the_process_does() -> None:
    """With a proper last piece, and without waiting for the client."""

    async def ticks() -> Any:
        while True:
            yield b"data: tick\n\n"
            await asyncio.sleep(0.01)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = StreamingResponse(ticks(), media_type="text/event-stream")
        await response(scope | {"asgi": {"spec_version": "2.3"}}, receive, send)

    made = bounds(app)
    asking = asyncio.create_task(ask(made, [b""]))
    await asyncio.sleep(0.1)
    assert not asking.done()
    made.closing.set()
    async with asyncio.timeout(1):
        sent = await asking

    assert not sent[-1]["more_body"]


@pytest.fixture(scope="module")
def served(shared: Home) -> Iterator[tuple[Command, int]]:
    """A real `assay serve`."""
    port = free_port()
    with shared.start("serve", "--port", str(port), ASSAY_MAX_BODY="10kB") as process:
        next(line for line in process.stderr if "listening" in line)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process, port


def say(port: int, *pieces: bytes) -> bytes:
    """What a raw socket is answered, to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
            if b"\r\n\r\n" in answer and b"connection: close" not in answer.lower():
                break
        return answer


HEAD = b"POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([HEAD + b"Content-Length: 20000\r\n\r\n"], b"413"),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n"], b"413"),
        ([b"GET /healthz HTTP/1.1\r\nHost: h\r\nCookie: " + b"c" * 17_000 + b"\r\n\r\n"], b"431"),
        ([b"GET /healthz HTTP/1.1\r\nHost: h\r\n"] + [b"X: " + b"y" * 9000 + b"\r\n"] * 2, b"400"),
        ([b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n"], b"431"),
        ([b"NONSENSE\r\n\r\n"], b"400"),
        ([HEAD + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello"], b"400"),
        ([b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\r\n b\x00\r\n\r\n"], b"400"),
    ],
)  # fmt: skip
def test_oversized_and_broken_requests_are_refused_at_the_socket(
    served: tuple[Command, int], pieces: list[bytes], status: bytes
) -> None:
    """With a status, a closed connection, and a process that goes on."""
    answer = say(served[1], *pieces)

    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert say(served[1], b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def test_slow_requests_do_not_hold_the_door(served: tuple[Command, int]) -> None:
    """Of a head that never ends and of one that never begins the connection is closed, others served."""
    began = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", served[1])) as silent,
        socket.create_connection(("127.0.0.1", served[1])) as slow,
    ):
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: ")
        assert say(served[1], b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").startswith(
            b"HTTP/1.1 200"
        )
        for connection in (silent, slow):
            connection.settimeout(15)
            with contextlib.suppress(ConnectionResetError):
                assert b"" == connection.recv(100)

    assert 9 < time.monotonic() - began < 14


CHUNKED = b"POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def pour(port: int, head: bytes, piece: bytes, *, every: float, times: int) -> bool:
    """Send *piece* again and again; whether the connection ends before they are all sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(head)
        try:
            for _ in range(times):
                connection.sendall(piece)
                time.sleep(every)
        except OSError:
            return True
    return False


@pytest.mark.parametrize("end", [b"0\r\nX-A: ", b"1;a="])
def test_what_never_becomes_a_body_is_not_kept(served: tuple[Command, int], end: bytes) -> None:
    """A header behind the body, or beside a piece of it, that never ends: the connection does."""
    assert pour(served[1], CHUNKED + end, b"y" * 100_000, every=0.005, times=100)


def test_a_body_behind_its_answer_is_not_waited_for(served: tuple[Command, int]) -> None:
    """However slowly it comes."""
    head = b"POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n"
    began = time.monotonic()

    assert pour(served[1], head, b"y", every=0.5, times=30)
    assert time.monotonic() - began > 9


def test_headers_behind_a_body_are_left_out(served: tuple[Command, int]) -> None:
    """As if they were before it they could say who asks, past whoever looked at those before it."""
    asked = b"POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
    ends = b"\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\nConnection: close\r\n\r\n"
    answer = say(served[1], asked + b"Connection: close\r\n" + ends)

    assert not answer.startswith(b"HTTP/1.1 403"), answer
