"""One model behind a server: what comes of good answers, of bad ones, and of none."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services import telemetry
from services.errors import ModelUnavailable, SettingInvalid
from services.evidence import canonical_json
from services.model import PROMPT_LIMIT, ModelCall, Models, Usage
from services.settings import Settings
from tests.services.model_server import Answer, Body, Cut, Hang, ModelServer, Status, completion

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"desk": {"type": "string", "enum": ["Spot", "Metals"]}},
    "required": ["desk"],
    "additionalProperties": False,
}
GOOD = {"desk": "Spot"}
SECRET = "wire the money to"


@pytest.fixture(autouse=True)
def _no_model_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models of the shell that runs the tests are not theirs."""
    monkeypatch.delenv("ASSAY_MODEL_URL", raising=False)
    monkeypatch.delenv("ASSAY_MODEL_NAME", raising=False)


async def ask(server: ModelServer, **settings: Any) -> dict[str, Any]:
    client = server.client("analyst", **settings)
    return await client.complete("Be brief.", "Which?", SCHEMA, schema_name="desk", max_tokens=50)


async def test_a_good_answer_is_returned(model_server: ModelServer) -> None:
    """An answer that fits the schema is returned as it is."""
    model_server.answers = [GOOD]

    assert await ask(model_server) == GOOD


async def test_the_request_is_bound_to_the_schema(model_server: ModelServer) -> None:
    """Each request asks for the schema, strictly, at temperature zero and with a fixed seed."""
    model_server.answers = [GOOD]

    await ask(model_server)
    await ask(model_server)

    first, second = model_server.requests
    assert first == second
    assert first["temperature"] == 0
    assert first["max_tokens"] == 50
    assert first["model"] == "tiny-1"
    assert first["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "desk", "strict": True, "schema": SCHEMA},
    }


async def test_a_set_name_is_asked_for(model_server: ModelServer) -> None:
    """The model that is set is asked for, whatever the server lists."""
    model_server.answers = [GOOD]

    await ask(model_server, analyst_model_name="fin-7b")

    assert model_server.requests[0]["model"] == "fin-7b"


async def test_the_name_is_found_on_the_server(model_server: ModelServer) -> None:
    """Without a name the first model that the server lists is asked, and named."""
    model_server.answers = [GOOD]
    client = model_server.client("sql")

    await client.complete("", "", SCHEMA, schema_name="desk", max_tokens=5)

    assert client.name == "tiny-1"


@pytest.mark.parametrize("listed", [{}, {"data": []}, {"data": [{"id": 7}]}, "no"])
async def test_a_server_without_models_is_unavailable(
    model_server: ModelServer, listed: Any
) -> None:
    """A server that lists no model cannot be asked."""
    model_server.models = listed

    with pytest.raises(ModelUnavailable, match="lists no model"):
        await ask(model_server)


UNUSABLE: list[Answer] = [
    "not JSON",
    f'{{"desk": "{SECRET}"}}',
    '{"desk": "Spot", "also": 1}',
    "[]",
    "",
    '{"desk": NaN}',
    "[" * 100_000,
    Cut('{"desk": "Sp'),
    Body(b"<html>busy</html>"),
    Body(b"[]"),
    Body(b'{"choices": []}'),
    Body(b'{"choices": [{"message": {"content": 7}}]}'),
    Body(b"\xff\xfe"),
]


@pytest.mark.parametrize("answer", UNUSABLE, ids=map(str, range(len(UNUSABLE))))
async def test_an_unusable_answer_is_asked_for_once_more(
    model_server: ModelServer, answer: Answer
) -> None:
    """What cannot be used is asked for again, with the reason, and the second answer counts."""
    model_server.answers = [answer, GOOD]

    assert await ask(model_server) == GOOD
    first, second = model_server.prompts()
    assert second.startswith(first)
    assert "Answer again" in second


@pytest.mark.parametrize("answer", UNUSABLE, ids=map(str, range(len(UNUSABLE))))
async def test_two_unusable_answers_are_an_error(model_server: ModelServer, answer: Answer) -> None:
    """After two answers that cannot be used the model is unavailable, and is not quoted."""
    model_server.answers = [answer]

    with pytest.raises(ModelUnavailable) as caught:
        await ask(model_server)

    assert len(model_server.requests) == 2
    assert caught.value.code == "A103"
    assert SECRET not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("code", [400, 401, 404, 429, 500, 503])
async def test_an_http_error_is_an_error_at_once(model_server: ModelServer, code: int) -> None:
    """A server that refuses the request is not asked again; the message names the status."""
    model_server.answers = [Status(code)]

    with pytest.raises(ModelUnavailable, match=f"HTTP {code}"):
        await ask(model_server)

    assert len(model_server.requests) == 1


async def test_a_server_that_hangs_is_given_up(model_server: ModelServer) -> None:
    """A call ends with its timeout."""
    model_server.answers = [Hang()]

    with pytest.raises(ModelUnavailable, match="did not answer within"):
        await ask(model_server, model_timeout=timedelta(seconds=1), model_name="tiny-1")


async def test_a_dead_server_costs_two_timeouts(model_server: ModelServer) -> None:
    """After two calls without an answer those behind them fail at once, in every role."""
    model_server.answers = [Hang()]
    models = Models(model_server.settings(model_timeout=timedelta(seconds=1), model_name="t"))
    clients = [models.client("narrator"), models.client("analyst")] * 3

    started = time.monotonic()
    outcomes = await asyncio.gather(
        *(
            client.complete("", "", SCHEMA, schema_name="desk", max_tokens=5)
            for client in clients
            if client
        ),
        return_exceptions=True,
    )

    assert [ModelUnavailable] * 6 == [type(outcome) for outcome in outcomes]
    assert len(model_server.requests) == 2
    assert time.monotonic() - started < 15


async def test_nobody_listening_is_unavailable() -> None:
    """A server that cannot be reached is named by its host, and nothing else of it."""
    client = Models(Settings(model_url="http://127.0.0.1:9/v1")).client("sql")
    assert client is not None

    with pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1 cannot be reached"):
        await client.complete("", "", SCHEMA, schema_name="desk", max_tokens=5)


async def test_a_prompt_that_is_too_long_is_not_sent(model_server: ModelServer) -> None:
    """A prompt beyond the limit is an error before anything is sent."""
    client = model_server.client("narrator")

    with pytest.raises(ModelUnavailable, match="too long"):
        await client.complete("", "x" * (PROMPT_LIMIT + 1), SCHEMA, schema_name="d", max_tokens=5)

    assert model_server.requests == []


@pytest.mark.parametrize("url", ["localhost:8081", "ftp://models", "http://", "http://h:99999"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """A URL that cannot be one is refused when the settings are taken up."""
    with pytest.raises(SettingInvalid):
        Models(Settings(model_url=url))


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_the_url_may_leave_out_its_version(model_server: ModelServer, suffix: str) -> None:
    """`http://host:port` means its `/v1`."""
    expected = f"{model_server.url}/v1"
    model_server.url += suffix

    assert model_server.client("sql").url == expected


async def test_roles_without_a_server_have_no_client(model_server: ModelServer) -> None:
    """A role has a client exactly when a server is set for it."""
    models = Models(Settings(analyst_model_url=model_server.url))

    assert models.any_set
    assert models.client("analyst") is not None
    assert models.client("narrator") is None
    assert not Models(Settings()).any_set


async def test_usage_is_counted_by_role(model_server: ModelServer) -> None:
    """The ledger holds calls, failures and tokens of each role."""
    model_server.answers = ["not JSON", GOOD]
    models = Models(model_server.settings())
    client = models.client("narrator")
    assert client is not None

    await client.complete("", "", SCHEMA, schema_name="desk", max_tokens=5)

    expected = Usage(calls=2, failures=1, input_tokens=22, output_tokens=14)
    assert models.usage["narrator"] == expected
    assert models.usage["sql"] == Usage()


async def test_a_check_says_what_works(model_server: ModelServer) -> None:
    """A check tells a model that answers from one that does not keep to the schema."""
    models = Models(model_server.settings())
    model_server.answers = [{"larger": "alpha"}]
    good = await models.check("sql")
    model_server.answers = [{"larger": "gamma"}]
    loose = await models.check("sql")
    model_server.answers = [Status(500)]
    broken = await models.check("sql")

    assert (good.answers, good.keeps_to_schema, good.failed) == (True, True, False)
    assert (loose.answers, loose.keeps_to_schema, loose.failed) == (True, False, True)
    assert (broken.answers, broken.keeps_to_schema, broken.failed) == (False, False, True)
    assert good.row()[:5] == ("sql", f"{model_server.url}/v1", "tiny-1", "yes", "yes")


async def test_a_role_without_a_server_does_not_fail_its_check() -> None:
    """There is nothing to fail where no server is set."""
    check = await Models(Settings()).check("sql")

    assert not check.failed
    assert len(check.row()) == 6


@pytest.fixture
def spans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Collects the spans of one run; the provider of the process is left alone."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    exporter = telemetry._RunFileExporter(tmp_path)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda *_, **__: provider.get_tracer("test"))
    return lambda: telemetry.read_trace(tmp_path, "run")


async def test_a_call_is_a_span_with_its_tokens(model_server: ModelServer, spans: Any) -> None:
    """A call is a `chat` span with model, server, role and tokens, and without what was said."""
    model_server.answers = [GOOD]

    with telemetry.run_scope("run"):
        await ask(model_server)

    (span,) = spans()
    assert span.name == "chat tiny-1"
    assert span.attributes["gen_ai.usage.input_tokens"] == 11
    assert span.attributes["gen_ai.usage.output_tokens"] == 7
    assert span.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert span.attributes["assay.model.role"] == "analyst"
    assert span.attributes["server.address"] == "127.0.0.1"
    assert "Spot" not in json.dumps(span.model_dump())


async def test_content_is_captured_when_asked_for(
    model_server: ModelServer, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With content capture on, prompt and answer stand on the span."""
    monkeypatch.setattr(telemetry, "_capture_content", True)
    model_server.answers = [Body(completion('{"desk": "Spot"}'))]

    with telemetry.run_scope("run"):
        await ask(model_server)

    (span,) = spans()
    assert "Which?" in span.attributes["gen_ai.input.messages"]
    assert span.attributes["gen_ai.output.messages"] == '{"desk": "Spot"}'


async def test_a_failed_call_is_marked_on_its_span(model_server: ModelServer, spans: Any) -> None:
    """A call without a usable answer has the error's code on its span."""
    model_server.answers = [Status(500)]

    with telemetry.run_scope("run"), pytest.raises(ModelUnavailable):
        await ask(model_server)

    assert [span.error for span in spans()] == ["A103"]


async def test_a_watch_is_told_of_each_call(model_server: ModelServer) -> None:
    """It hears digests and counts, of answers that are no use too; the ledger stays one."""
    heard: list[ModelCall] = []

    async def hear(call: ModelCall) -> None:
        heard.append(call)

    model_server.answers = [f"{SECRET} no JSON", GOOD]
    client = model_server.client("analyst")
    await client.watched(hear).complete(
        "Be brief.", "Which?", SCHEMA, schema_name="desk", max_tokens=50
    )
    sent = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which?"}]

    assert ["A103", "answered"] == [call.outcome for call in heard]
    assert {("analyst", "tiny-1", "desk", 11, 7)} == {
        (c.role, c.model, c.schema_name, c.input_tokens, c.output_tokens) for c in heard
    }
    assert hashlib.sha256(canonical_json(sent)).hexdigest() == heard[0].prompt != heard[1].prompt
    assert hashlib.sha256(f"{SECRET} no JSON".encode()).hexdigest() == heard[0].answer
    assert (2, 1, "tiny-1") == (client.usage.calls, client.usage.failures, client.name)


async def test_a_call_that_got_no_answer_is_told_too(model_server: ModelServer) -> None:
    """A server that is down leaves a call without an answer."""
    heard: list[ModelCall] = []

    async def hear(call: ModelCall) -> None:
        heard.append(call)

    model_server.answers = [Status(500)]
    with pytest.raises(ModelUnavailable):
        await (
            model_server.client("analyst", model_name="set")
            .watched(hear)
            .complete("Be brief.", "Which?", SCHEMA, schema_name="desk", max_tokens=50)
        )

    assert [("set", "A103", "", 0)] == [
        (call.model, call.outcome, call.answer, call.input_tokens) for call in heard
    ]
