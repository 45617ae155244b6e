"""Systems start runs by signed calls, and are told what became of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from agent.hooks import Hooks, hooks_of
from agent.intake import Intake
from agent.runner import Runner
from agent.web.access import is_open
from agent.web.app import make_app
from services.access import ApiKey, ApiKeys
from services.audit import SYSTEM, verify_all
from services.store import Journal
from services.warehouse import current_snapshot
from services.webhooks import MAX_BODY, Source, new_secret
from tests.agent.driven import QUESTION

SECRET = new_secret()
MAPPING = {
    "question": {"pointer": "/ask", "optional": True, "max_length": 200},
    "template": {"pointer": "/report", "optional": True},
    "as_of": {"pointer": "/day", "optional": True},
    "formats": {"pointer": "/formats", "default": ["json"]},
}
BODY = json.dumps({"ask": QUESTION}).encode()


@pytest.fixture
async def runner(make_runner: Any) -> AsyncIterator[Runner]:
    async with make_runner() as made:
        yield made


@pytest.fixture
async def hooks(runner: Runner) -> Hooks:
    """With one source, of a tenant."""
    made = hooks_of(runner.stores, runner.settings)
    source = Source.model_validate(
        {"name": "treasury", "tenant": "acme", "priority": "high", "request": MAPPING}
    )
    await made.sources.add(source, [SECRET], at=datetime.now(UTC))
    return made


@pytest.fixture
async def client(runner: Runner, hooks: Hooks) -> AsyncIterator[httpx.AsyncClient]:
    """Of the real application on the real store; with a key set, which calls don't need."""
    app = make_app(runner.settings)
    app.state.runner = runner
    app.state.is_open = await is_open(runner.stores.redis, runner.settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as made:
        yield made


async def post(
    client: httpx.AsyncClient,
    body: bytes = BODY,
    *,
    source: str = "treasury",
    webhook_id: str = "m1",
    secret: str = SECRET,
    at: datetime | None = None,
    **headers: str,
) -> httpx.Response:
    """A call as the library of Standard Webhooks signs it."""
    at = at or datetime.now(UTC)
    signed = {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body.decode("latin-1")),
    }
    return await client.post(f"/v1/webhooks/{source}", content=body, headers=signed | headers)


async def test_a_signed_call_starts_a_run(runner: Runner, client: httpx.AsyncClient) -> None:
    """Queued for a worker, with who asked and by what door; in the audit log and the journal."""
    answer = await post(client)
    run_id = answer.json()["run_id"]
    record = await runner.stores.runs.get(run_id)
    taken = await runner.stores.queue.take()

    assert (202, f"/v1/runs/{run_id}") == (answer.status_code, answer.headers["location"])
    assert {"run_id", "status"} == answer.json().keys()
    assert ("acme", "high", True, "queued") == (
        record.tenant,
        record.priority,
        record.left,
        record.status,
    )
    assert (QUESTION, "webhook:treasury", "webhook", ["json"]) == tuple(
        record.request[name] for name in ("question", "requested_by", "trigger", "formats")
    )
    assert taken is not None
    assert run_id == taken.run_id
    assert ["run.accepted"] == [entry.event for entry in await runner.stores.audit.entries(run_id)]
    assert (await verify_all(runner.stores.audit)).ok
    assert [run_id] == list(Journal(runner.settings.home).runs())


async def test_an_accepted_run_is_the_run_that_the_command_line_accepts(
    runner: Runner, client: httpx.AsyncClient
) -> None:
    """The way for many at once makes the same record, and the same audit entry, as the other."""
    from agent.intake import prepare

    answer = await post(client)
    many = await runner.stores.runs.get(answer.json()["run_id"])
    accepted = prepare(runner.settings, "alone", question=QUESTION, formats=["json"])
    accepted = accepted.asked_by("webhook:treasury", "webhook")
    one = await runner.accept("alone", accepted, left=True, tenant="acme", priority="high")
    own = {"id", "created_at", "updated_at", "output_dir", "request"}

    assert one.model_dump(exclude=own) == many.model_dump(exclude=own)
    assert {**one.request, "output": ""} == {**many.request, "output": ""}


async def test_the_same_call_again_is_the_same_run(
    runner: Runner, client: httpx.AsyncClient
) -> None:
    """Senders send again when an answer is lost. Another body under its id is refused."""
    first = await post(client)
    again = await post(client, at=datetime.now(UTC) - timedelta(minutes=1))
    other = await post(client, json.dumps({"ask": "ROE by segment"}).encode())
    anew = await post(client, webhook_id="m2")

    assert (202, first.json()) == (again.status_code, again.json())
    assert 400 == other.status_code
    assert first.json()["run_id"] != anew.json()["run_id"]
    assert 2 == (await runner.stores.queue.state()).waiting


async def test_calls_at_once_are_as_calls_one_by_one(
    runner: Runner, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is lost, none doubled, whichever come together; the logs hold."""
    import asyncio

    monkeypatch.setattr("agent.intake._TRY_SECONDS", 0.0)
    answers = await asyncio.gather(
        *(post(client, webhook_id=f"m{number % 40}") for number in range(80))
    )
    names = {answer.json()["run_id"] for answer in answers}

    assert {202} == {answer.status_code for answer in answers}
    assert 40 == len(names) == (await runner.stores.queue.state()).waiting
    assert names == set(Journal(runner.settings.home).runs())
    assert (await verify_all(runner.stores.audit)).ok


async def test_what_is_wrong_with_one_call_is_no_others(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of calls that are stored together one fails; of two bodies under one id one is taken."""
    import asyncio

    prepare = Intake.prepare

    async def failing(self: Intake, run_id: str, **asked: Any) -> Any:
        if asked["question"] == "poison":
            raise RuntimeError("nobody has thought of it")
        return await prepare(self, run_id, **asked)

    monkeypatch.setattr(Intake, "prepare", failing)
    bodies = [json.dumps({"ask": "poison" if n == 3 else QUESTION}).encode() for n in range(6)]
    sent = [post(client, body, webhook_id=f"p{n}") for n, body in enumerate(bodies)]
    other = json.dumps({"ask": "ROE"}).encode()
    twice = [post(client, body, webhook_id="same") for body in (BODY, other, BODY)]
    answers = [answer.status_code for answer in await asyncio.gather(*sent, *twice)]

    assert [202, 202, 202, 500, 202, 202] == answers[:6]
    assert [202, 400, 202] == answers[6:]


async def test_every_refusal_of_a_kind_has_the_same_words(
    hooks: Hooks, client: httpx.AsyncClient
) -> None:
    """An attacker learns neither which sources there are nor what was wrong; the operator does."""
    old = datetime.now(UTC) - timedelta(minutes=6)
    strangers = [
        await post(client, source="nobody"),
        await post(client, source="nobody", webhook_id=""),
        await post(client, source="%0aforged%1b[31m"),
        await post(client, secret=new_secret()),
        await post(client, at=old),
        await post(client, **{"webhook-signature": ""}),
        await post(client, **{"content-type": "text/plain"}, secret=new_secret()),
        await post(client, b"[1]", secret=new_secret()),
    ]
    senders = [
        await post(client, b"[1]", webhook_id="p1"),
        await post(client, b'{"a": NaN}', webhook_id="p2"),
        await post(client, b'{"ask": "x", "ask": "y"}', webhook_id="p3"),
        await post(client, b"{}", webhook_id="p4"),
        await post(client, b'{"report": "no such"}', webhook_id="p5"),
        await post(client, b'{"ask": "x", "day": "1066-10-14"}', webhook_id="p6"),
        await post(client, b'{"ask": "x", "formats": ["exe"]}', webhook_id="p7"),
        await post(client, webhook_id="p8", **{"content-type": "text/plain"}),
        await post(client, webhook_id="p9", **{"content-type": "application/json; charset=utf-16"}),
    ]

    for answers, status in ((strangers, 401), (senders, 400)):
        assert {status} == {answer.status_code for answer in answers}
        assert 1 == len({answer.content for answer in answers})
        assert {"application/problem+json"} == {one.headers["content-type"] for one in answers}
    kept = await hooks.refused.list()
    assert len(strangers) + len(senders) == len(kept)
    reasons = {call.reason for call in kept}
    assert {"no such source", "no signature of a known secret", "the JSON is no object"} < reasons
    assert not [call for call in kept if not call.source.isprintable()]
    assert SECRET not in "".join(call.model_dump_json() for call in kept)


async def test_twice_the_same_header_is_none(client: httpx.AsyncClient) -> None:
    """Nobody has to guess which of two an attacker meant."""
    at = datetime.now(UTC)
    headers = [
        ("content-type", "application/json"),
        ("webhook-id", "m1"),
        ("webhook-id", "m2"),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", Webhook(SECRET).sign("m1", at, BODY.decode())),
    ]
    answer = await client.post("/v1/webhooks/treasury", content=BODY, headers=headers)

    assert 401 == answer.status_code


async def test_a_body_is_read_no_further_than_it_may_be_long(client: httpx.AsyncClient) -> None:
    """By what it says of its length, and by what comes when it says nothing."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 8_192

    said = await post(client, b"x" * (MAX_BODY + 1))
    chunked = await client.post("/v1/webhooks/treasury", content=endless())
    wrong = await post(client, **{"content-length": "-1"})
    largest = json.dumps({"ask": QUESTION, "more": ""}).encode()
    fits = largest[:-2] + b"x" * (MAX_BODY - len(largest)) + largest[-2:]

    assert (413, 413, 413) == (said.status_code, chunked.status_code, wrong.status_code)
    assert read <= MAX_BODY // 8_192 + 1
    assert 202 == (await post(client, fits)).status_code


async def test_a_secret_is_changed_without_a_gap(
    hooks: Hooks, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one counts for a while, and then no more; nobody is shown either."""
    monkeypatch.setattr("services.webhooks._gate._FRESH", 0.0)
    newer, newest = new_secret(), new_secret()
    now = datetime.now(UTC)
    await hooks.sources.rotate("treasury", newer, at=now)
    statuses = [
        (await post(client, webhook_id=s[-9:], secret=s)).status_code for s in (SECRET, newer)
    ]
    await hooks.sources.rotate("treasury", newest, at=now, overlap=timedelta())
    after = [
        (await post(client, webhook_id=s[-8:], secret=s)).status_code
        for s in (SECRET, newer, newest)
    ]
    await hooks.sources.remove("treasury")
    gone = await post(client, webhook_id="last", secret=newest)

    assert ([202, 202], [401, 401, 202], 401) == (statuses, after, gone.status_code)


async def test_a_call_pins_the_data_that_are_current_when_it_comes(
    runner: Runner, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those of when the process first looked; without any, senders are told to come again."""
    monkeypatch.setattr("agent.intake._LOOK_SECONDS", 0.0)
    first = await runner.stores.runs.get((await post(client)).json()["run_id"])
    folder = runner.settings.warehouse_dir
    snapshot = current_snapshot(folder)
    assert snapshot is not None
    assert snapshot.id == first.snapshot
    away = snapshot.path.rename(snapshot.path.with_suffix(".away"))
    refused = await post(client, webhook_id="m2")
    away.rename(snapshot.path)
    taken = await post(client, webhook_id="m2")

    assert (503, "The call cannot be taken now.") == (refused.status_code, refused.json()["title"])
    assert str(folder) not in refused.text
    assert 202 == taken.status_code


async def test_a_full_queue_takes_no_more(make_runner: Any) -> None:
    """Those who come too late are told when to come again; what was taken is kept."""
    import asyncio

    async with make_runner(queue_limit=3) as runner:
        made = hooks_of(runner.stores, runner.settings)
        source = Source.model_validate({"name": "treasury", "request": MAPPING})
        await made.sources.add(source, [SECRET], at=datetime.now(UTC))
        app = make_app(runner.settings)
        app.state.runner = runner
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answers = await asyncio.gather(*(post(client, webhook_id=f"m{n}") for n in range(8)))
            again = await post(client, webhook_id="m0")
        full = [answer for answer in answers if answer.status_code == 503]

        assert 3 == (await runner.stores.queue.state()).waiting
        assert (5, {"A105"}) == (len(full), {answer.json()["code"] for answer in full})
        assert all(int(answer.headers["retry-after"]) > 0 for answer in full)
        assert 202 == again.status_code


async def test_a_run_that_the_store_has_lost_is_not_begun_again(
    runner: Runner, client: httpx.AsyncClient
) -> None:
    """A call that comes again after the store was set back starts nothing in silence."""
    await post(client)
    sources = await runner.stores.redis.dump("assay:webhook:sources")
    await runner.stores.redis.flushall()
    await runner.stores.redis.restore("assay:webhook:sources", 0, sources)
    answer = await post(client)

    assert (409, "A207") == (answer.status_code, answer.json()["code"])
    assert 0 == (await runner.stores.queue.state()).waiting


def test_the_command_line_declares_sources_and_shows_no_secret(home: Any, tmp_path: Path) -> None:
    """A secret is shown when it is made, and by no command afterwards; none is stored in clear."""
    file = tmp_path / "treasury.yaml"
    file.write_text(json.dumps({"name": "treasury", "request": MAPPING}))
    made = home.json("webhook", "source", "add", str(file))
    again = home.run("webhook", "source", "add", str(file))
    endpoint = home.json(
        "webhook", "endpoint", "add", "https://hooks.example.com/x", "--event", "run.done"
    )
    private = home.run("webhook", "endpoint", "add", "http://127.0.0.1:9/")
    unknown = home.run("webhook", "endpoint", "add", "https://hooks.example.com/", "--event", "x")
    rotated = home.json("webhook", "source", "rotate", "treasury", "--overlap", "1")
    shown = home.run("webhook", "source", "list", "--json").stdout
    shown += home.run("webhook", "endpoint", "list", "--json").stdout
    stored = b"".join(path.read_bytes() for path in home.folder.rglob("*.aof") if path.is_file())

    assert made["secret"].startswith("whsec_")
    assert ["run.done"] == endpoint["events"]
    assert (2, 2, 2) == (again.returncode, private.returncode, unknown.returncode)
    assert "treasury already" in again.stderr
    for secret in (made["secret"], endpoint["secret"], rotated["secret"]):
        assert secret not in shown
        assert secret.encode() not in stored
    assert 2 == len(
        json.loads(home.run("webhook", "source", "list", "--json").stdout)[0]["secrets"]
    )
    for command in (["deliveries"], ["dead"], ["refused"]):
        assert [] == home.json("webhook", *command)
    assert 0 == home.run("webhook", "source", "remove", "treasury").returncode
    assert 2 == home.run("webhook", "source", "remove", "treasury").returncode
    file.write_text("name: [")
    assert 2 == home.run("webhook", "source", "add", str(file)).returncode
    file.write_text(json.dumps({"name": "Not A Name", "request": MAPPING}))
    bad = home.run("webhook", "source", "add", str(file))
    assert "not valid at name" in bad.stderr


async def carrying(runner: Runner, name: str, role: Any, tenant: str | None) -> httpx.AsyncClient:
    """A client of the real application with a key of its own."""
    key = ApiKey(name=name, roles=frozenset({role}), tenant=tenant, created_at=datetime.now(UTC))
    secret = await ApiKeys(runner.stores.redis).add(key)
    app = make_app(runner.settings)
    app.state.runner, app.state.is_open = runner, False
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)


async def test_operators_do_the_same_over_http(runner: Runner, hooks: Hooks) -> None:
    """A secret is in the answer that makes it; whoever may not administer is refused."""
    operator = await carrying(runner, "ops", "operator", "")
    analyst = await carrying(runner, "jobs", "analyst", "")
    source = {"name": "ledger", "request": MAPPING}
    made = await operator.post("/v1/webhook-sources", json=source)
    rotated = await operator.post("/v1/webhook-sources/ledger/rotate", json={"overlap_hours": 0})
    listed = await operator.get("/v1/webhook-sources")
    endpoint = await operator.post(
        "/v1/webhook-endpoints", json={"url": "https://hooks.example.com/", "events": ["run.done"]}
    )
    inside = await operator.post("/v1/webhook-endpoints", json={"url": "http://169.254.169.254/"})
    endpoints = await operator.get("/v1/webhook-endpoints")

    assert (201, 200, 201, 422) == (
        made.status_code,
        rotated.status_code,
        endpoint.status_code,
        inside.status_code,
    )
    assert ["ledger"] == [one["name"] for one in listed.json()]  # treasury is another tenant's
    for text in (listed.text, endpoints.text):
        assert "whsec_" not in text
        assert "sealed" not in text
    for path in ("sources", "endpoints", "deliveries", "refusals"):
        assert 403 == (await analyst.get(f"/v1/webhook-{path}")).status_code
        assert 200 == (await operator.get(f"/v1/webhook-{path}")).status_code
    gone = await operator.delete(f"/v1/webhook-endpoints/{endpoint.json()['id']}")
    removed = await operator.delete("/v1/webhook-sources/ledger")
    again = await operator.post("/v1/webhook-sources", json=source | {"name": "treasury"})
    assert (204, 204, 409) == (gone.status_code, removed.status_code, again.status_code)
    log = await runner.stores.audit.entries(SYSTEM)
    people = (await runner.stores.audit.personal(SYSTEM)).values()
    assert [
        *("webhook.source_added", "webhook.source_rotated"),
        *("webhook.endpoint_added", "webhook.endpoint_removed", "webhook.source_removed"),
    ] == [entry.event for entry in log]
    assert {"ops"} == set(people)
    assert "hooks.example.com" == log[2].fields["host"]
    assert "whsec_" not in str(log)


async def test_operators_of_a_tenant_see_their_own(
    runner: Runner, hooks: Hooks, client: httpx.AsyncClient
) -> None:
    """Another tenant's sources, endpoints and refused calls are as none."""
    await post(client, b"[]")
    theirs = await hooks.endpoints.add(
        "https://hooks.example.com/", SECRET, at=datetime.now(UTC), tenant="acme"
    )
    acme = await carrying(runner, "acme-ops", "operator", "acme")
    other = await carrying(runner, "other-ops", "operator", "other")

    assert ["treasury"] == [one["name"] for one in (await acme.get("/v1/webhook-sources")).json()]
    assert 1 == len((await acme.get("/v1/webhook-refusals")).json())
    for path in ("sources", "endpoints", "refusals"):
        assert [] == (await other.get(f"/v1/webhook-{path}")).json()
    for method, path in (
        ("DELETE", "sources/treasury"),
        ("POST", "sources/treasury/rotate"),
        ("DELETE", f"endpoints/{theirs.id}"),
    ):
        answers = [
            await other.request(method, f"/v1/webhook-{name}", json={})
            for name in (path, path.replace("treasury", "nothing").replace(theirs.id, "ep-0"))
        ]
        assert [404, 404] == [answer.status_code for answer in answers]
        assert answers[0].content == answers[1].content
    source = {"name": "treasury", "tenant": "acme", "request": MAPPING}
    assert 403 == (await other.post("/v1/webhook-sources", json=source)).status_code
    # The name is another's, which nobody is told: each tenant has its own.
    made = await other.post("/v1/webhook-sources", json=source | {"tenant": "other"})
    assert (201, "treasury~") == (made.status_code, made.json()["name"][:9])
    secret = made.json()["secret"]
    answer = await post(acme, source=made.json()["name"], secret=secret)
    run = await runner.stores.runs.get(answer.json()["run_id"], tenant="other")
    assert run.id.endswith(made.json()["name"].removeprefix("treasury"))
    for forged in ("treasury~0123456789ab", made.json()["name"]):
        body = source | {"name": forged}
        assert 422 == (await acme.post("/v1/webhook-sources", json=body)).status_code
