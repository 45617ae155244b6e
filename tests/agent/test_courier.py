"""Who listens is told what happened: signed, until it arrives, and nobody else is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from agent.courier import Courier
from agent.driving import now
from agent.hooks import Hooks, hooks_of
from agent.intake import prepare
from agent.runner import Runner
from services import failpoints
from services.review import Approve
from services.store import Event
from services.webhooks import Delivery, Endpoint, HttpSender, Persistence, new_secret
from tests.agent.driven import QUESTION
from tests.agent.homes import Home

SECRET = new_secret()
SOON = Persistence(first=timedelta(), longest=timedelta(), jitter=0)


class Receiver:
    """A real HTTP server, which notes what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.calls.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status, headers = receiver.answers.pop(0) if receiver.answers else (204, {})
                self.send_response(status)
                for name, value in ({"Content-Length": "0"} | headers).items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?a=b"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.calls]

    def verified(self) -> list[dict[str, Any]]:
        """What came, checked by the library of Standard Webhooks."""
        return [Webhook(SECRET).verify(body, headers) for headers, body in self.calls]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.set_traps("")


@pytest.fixture
async def runner(make_runner: Any) -> AsyncIterator[Runner]:
    async with make_runner(webhook_private=True) as made:
        yield made


@pytest.fixture
def hooks(runner: Runner) -> Hooks:
    return hooks_of(runner.stores, runner.settings)


def courier(runner: Runner, hooks: Hooks, persistence: Persistence = SOON) -> Courier:
    return Courier(hooks, runner.stores.outbox, HttpSender(private=True), persistence)


async def listens(hooks: Hooks, receiver: Receiver, *events: Any, tenant: str = "") -> Endpoint:
    return await hooks.endpoints.add(
        receiver.url, SECRET, at=now(), events=tuple(events), tenant=tenant
    )


def happened(number: int = 1, tenant: str = "") -> Event:
    key = f"test {number}"
    return Event.of("run.done", {"run_id": f"r{number}"}, key=key, at=now(), tenant=tenant)


async def accept(runner: Runner, name: str, *, tenant: str = "") -> str:
    """The id of a run of that name, accepted."""
    accepted = prepare(runner.settings, name, question=QUESTION, formats=["json"])
    return (await runner.accept(name, accepted, tenant=tenant)).id


async def make_due(runner: Runner) -> None:
    """As if so much time had gone by."""
    redis = runner.stores.redis
    for delivery in await redis.zrange("assay:webhook:due", 0, -1):
        await redis.zadd("assay:webhook:due", {delivery: 0})


async def test_who_listens_is_told_of_a_whole_run(
    runner: Runner, hooks: Hooks, receiver: Receiver
) -> None:
    """Every state once, verified by the standard's own library; no figures and no names of people."""
    await listens(hooks, receiver)
    send = courier(runner, hooks)
    await accept(runner, "r1")
    await runner.drive("r1", lambda _: None)
    await runner.decide("r1", Approve(note="looks fine"), by="Ada")
    await runner.drive("r1", lambda _: None)
    await runner.withdraw("r1", by="Ada", reason="a wrong figure")
    await send.deliver()
    told = receiver.verified()

    assert [
        *("report.published", "review.decided", "review.opened", "run.accepted"),
        *("run.done", "run.waiting", "run.withdrawn"),
    ] == sorted(event["type"] for event in told)
    assert len(told) == len(set(receiver.ids))
    assert {"r1"} == {event["data"]["run_id"] for event in told}
    text = json.dumps(told)
    for said in ("Ada", "looks fine", "a wrong figure", QUESTION):
        assert said not in text
    await send.deliver()
    assert len(told) == len(receiver.calls)
    assert len(told) == len(await hooks.deliveries.list(status="delivered"))


async def test_each_is_told_what_it_wants_of_its_tenant(
    runner: Runner, hooks: Hooks, receiver: Receiver
) -> None:
    """Another tenant's runs are nobody else's business; before there was an endpoint, nobody's."""
    await accept(runner, "early")
    other = Receiver()
    await listens(hooks, receiver, "run.accepted", "run.cancelled", tenant="acme")
    await listens(hooks, other, "run.done")
    hers = await accept(runner, "hers", tenant="acme")
    await accept(runner, "ours")
    await runner.cancel(hers, by="Ada")
    await runner.cancel("ours", by="Ada")
    await courier(runner, hooks).deliver()
    other.close()

    told = receiver.verified()
    assert {("run.accepted", hers), ("run.cancelled", hers)} == {
        (event["type"], event["data"]["run_id"]) for event in told
    }
    assert [] == other.calls


async def test_an_event_is_put_once(runner: Runner, hooks: Hooks, receiver: Receiver) -> None:
    """However often whoever cannot know puts it again; two couriers send it once."""
    await listens(hooks, receiver)
    for _ in range(3):
        await runner.stores.outbox.put(happened())
    first, second = courier(runner, hooks), courier(runner, hooks)
    await asyncio.gather(*(one.deliver() for one in (first, second, first, second)))
    await runner.stores.outbox.put(happened())
    await first.deliver()

    assert [happened().id] == receiver.ids


async def test_many_are_each_sent_once_by_couriers_at_once(
    runner: Runner, hooks: Hooks, receiver: Receiver
) -> None:
    """A delivery is with one of them at a time."""
    await listens(hooks, receiver)
    for number in range(60):
        await runner.stores.outbox.put(happened(number))
    await asyncio.gather(*(courier(runner, hooks).deliver() for _ in range(4)))

    assert 60 == len(receiver.ids) == len(set(receiver.ids))


async def test_what_fails_is_sent_again_as_the_same(
    runner: Runner, hooks: Hooks, receiver: Receiver
) -> None:
    """The same id and body, signed anew, until the receiver has it."""
    await listens(hooks, receiver)
    receiver.answers = [(500, {}), (302, {"Location": "http://127.0.0.1:1/"}), (429, {}), (200, {})]
    await runner.stores.outbox.put(happened())
    await courier(runner, hooks).deliver()
    [delivery] = await hooks.deliveries.list()

    assert ("delivered", 4, 200) == (delivery.status, delivery.attempts, delivery.answer)
    assert 1 == len(set(receiver.ids))
    assert 1 == len({body for _, body in receiver.calls})
    assert 4 == len(receiver.verified())
    assert receiver.url.split("/")[2] == receiver.calls[0][0]["host"]


@pytest.mark.parametrize("place", ["courier.send:after", "webhooks.conclude:before"])
async def test_who_dies_between_sending_and_noting_sends_the_same_again(
    home: Home, runner: Runner, hooks: Hooks, receiver: Receiver, place: str
) -> None:
    """A receiver that has seen the id knows it; nobody sends it while the dead one might."""
    await listens(hooks, receiver)
    await runner.stores.outbox.put(happened())
    with home.start("worker", ASSAY_FAILPOINTS=f"{place}=kill", ASSAY_WEBHOOK_PRIVATE="1") as dead:
        await asyncio.to_thread(dead.wait, 60)
    await courier(runner, hooks).deliver()
    assert [happened().id] == receiver.ids
    await make_due(runner)
    await courier(runner, hooks).deliver()

    assert [happened().id] * 2 == receiver.ids
    assert 2 == len(receiver.verified())


@pytest.mark.parametrize(
    "place",
    ["webhooks.hand_out:before", "webhooks.hand_out:after", "webhooks.take:after"],
)
async def test_who_dies_before_sending_loses_nothing(
    runner: Runner, hooks: Hooks, receiver: Receiver, place: str
) -> None:
    """What was put is sent by the next."""
    await listens(hooks, receiver)
    await runner.stores.outbox.put(happened())
    failpoints.set_traps(f"{place}=crash")
    with pytest.raises(failpoints.Crash):
        await courier(runner, hooks).deliver()
    failpoints.set_traps("")
    await make_due(runner)
    await courier(runner, hooks).deliver()

    assert [happened().id] == receiver.ids


async def test_what_never_arrives_is_kept_and_sent_again_on_demand(
    runner: Runner, hooks: Hooks, receiver: Receiver
) -> None:
    """After a day it is dead; who sends it again starts from the beginning, under the same id."""
    await listens(hooks, receiver)
    receiver.answers = [(503, {})]
    short = Persistence(first=timedelta(minutes=1), altogether=timedelta(seconds=30))
    await runner.stores.outbox.put(happened())
    await courier(runner, hooks, short).deliver()
    [dead] = await hooks.deliveries.list(status="dead")
    assert ("HTTP 503", 1) == (dead.problem, dead.attempts)
    await hooks.deliveries.redeliver(dead.id, at=now())
    await courier(runner, hooks, short).deliver()

    assert () == await hooks.deliveries.list(status="dead")
    assert [happened().id] * 2 == receiver.ids


async def test_a_receiver_that_is_gone_is_sent_no_more(
    runner: Runner, hooks: Hooks, receiver: Receiver
) -> None:
    """HTTP 410 turns its endpoint off; a removed one gets nothing of what waits either."""
    endpoint = await listens(hooks, receiver)
    receiver.answers = [(410, {})]
    await runner.stores.outbox.put(happened(1))
    await courier(runner, hooks).deliver()
    await runner.stores.outbox.put(happened(2))
    await courier(runner, hooks).deliver()
    [off] = await hooks.endpoints.list()
    assert "410" in off.disabled
    assert 1 == len(receiver.calls)

    await hooks.endpoints.remove(endpoint.id)
    removed = await listens(hooks, receiver)
    receiver.answers = [(500, {})]
    await runner.stores.outbox.put(happened(3))
    await courier(runner, hooks, Persistence()).deliver()
    await hooks.endpoints.remove(removed.id)
    await make_due(runner)
    await courier(runner, hooks).deliver()

    assert 2 == len(receiver.calls)
    assert "its endpoint was removed" in {
        one.problem for one in await hooks.deliveries.list(status="dead")
    }


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("120", 120, 130),
        ("in an hour", 3_000, 3_700),
        ("soon", 3, 7),
        ("-5", 3, 7),
        ("9" * 30, -1, -1),
    ],
)
async def test_a_receiver_may_ask_for_time(
    runner: Runner, hooks: Hooks, receiver: Receiver, asked: str, least: int, most: int
) -> None:
    """By seconds or a date; who asks for more than a day gets nothing more."""
    if asked == "in an hour":
        asked = (datetime.now(UTC) + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    await listens(hooks, receiver)
    receiver.answers = [(429, {"Retry-After": asked})]
    await runner.stores.outbox.put(happened())
    before = now()
    await courier(runner, hooks, Persistence()).deliver()
    [delivery] = await hooks.deliveries.list()

    if most < 0:
        assert "dead" == delivery.status
    else:
        assert least <= (delivery.next_at - before).total_seconds() <= most + 5
        await courier(runner, hooks).deliver()
        assert 1 == len(receiver.calls)


def test_links_are_those_that_people_can_open() -> None:
    """They begin with the address of our pages, and everything else stays as it is."""
    said = {"item_id": "rv-1", "url": "/reviews/rv-1", "api_url": "/v1/reviews/rv-1"}
    event = Event.of("review.opened", said, key="k", at=now(), tenant="")
    endpoint = Endpoint(id="ep-1", url="https://x.example", sealed="", created_at=now())
    delivery = Delivery.of(event, endpoint, at=now(), site="https://assay.example")

    assert json.loads(delivery.body)["data"] == {
        "item_id": "rv-1",
        "url": "https://assay.example/reviews/rv-1",
        "api_url": "https://assay.example/v1/reviews/rv-1",
    }


def test_pauses_grow_and_end_within_a_day() -> None:
    """From seconds to hours; some ten tries, and then no more."""
    from services.webhooks import Answer

    at = datetime(2026, 10, 1, tzinfo=UTC)
    endpoint = Endpoint(id="ep-1", url="https://x.example", sealed="", created_at=at)
    delivery = Delivery.of(happened(), endpoint, at=at)
    pauses = []
    while delivery.status == "waiting":
        last = delivery
        delivery = Persistence().after(delivery, Answer(500, "HTTP 500"), at=delivery.next_at)
        pauses.append(delivery.next_at - last.next_at)

    assert pauses[0] < timedelta(seconds=7)
    assert max(pauses) < timedelta(hours=4)
    assert 12 <= delivery.attempts <= 22
    assert timedelta(hours=18) < last.next_at - at <= timedelta(hours=24)


@pytest.mark.parametrize(
    "answer", ["nothing", "garbage", "endless header", "endless body", "a closed door"]
)
async def test_a_receiver_that_misbehaves_costs_one_try(
    runner: Runner, hooks: Hooks, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """It is neither waited for without end nor read without end."""
    monkeypatch.setattr("services.webhooks._sending.SEND_SECONDS", 1.0)

    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            if answer == "garbage":
                writer.write(b"hello\r\n\r\n")
            elif answer == "endless header":
                writer.write(b"HTTP/1.1 200 OK\r\n")
                while True:
                    writer.write(b"x: " + b"y" * 1000 + b"\r\n")
                    await writer.drain()
            elif answer == "endless body":
                writer.write(b"HTTP/1.1 500 no\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    writer.write(b"3e8\r\n" + b"y" * 1000 + b"\r\n")
                    await writer.drain()
            elif answer == "nothing":
                await asyncio.sleep(5)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(misbehave, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if answer == "a closed door":
        server.close()
    endpoint = await hooks.endpoints.add(f"http://127.0.0.1:{port}/", SECRET, at=now())
    await runner.stores.outbox.put(happened())
    await courier(runner, hooks, Persistence()).deliver()
    server.close()
    [delivery] = await hooks.deliveries.list()

    assert (endpoint.id, "waiting", 1) == (delivery.endpoint, delivery.status, delivery.attempts)
    assert delivery.problem
    assert delivery.problem.isprintable()


async def test_without_leave_nothing_is_sent_to_this_machine(
    runner: Runner, hooks: Hooks, receiver: Receiver
) -> None:
    """Also not to an endpoint that was made while it was allowed, or whose name leads here."""
    await listens(hooks, receiver)
    await runner.stores.outbox.put(happened())
    strict = Courier(hooks, runner.stores.outbox, HttpSender(private=False), Persistence())
    await strict.deliver()
    [delivery] = await hooks.deliveries.list()

    assert [] == receiver.calls
    assert delivery.problem.startswith("not sent")


async def test_a_worker_delivers(
    home: Home, runner: Runner, hooks: Hooks, receiver: Receiver
) -> None:
    """It is one of its chores."""
    await listens(hooks, receiver)
    await runner.stores.outbox.put(happened())

    def deliver(until: Callable[[], bool]) -> None:
        with home.start("worker", ASSAY_WEBHOOK_PRIVATE="1") as worker:
            for _ in range(300):
                if until():
                    break
                threading.Event().wait(0.1)
            worker.kill()

    await asyncio.to_thread(deliver, lambda: bool(receiver.calls))

    assert [happened().id] == receiver.ids
