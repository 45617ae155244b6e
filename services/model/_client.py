"""A client of one model: a prompt and a JSON schema in, an answer that fits the schema out."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from services import load, telemetry
from services.errors import ModelUnavailable
from services.evidence import Frozen, canonical_json
from services.settings import ModelEndpoint, ModelRole

from ._reply import Reply, UnusableAnswer, read_answer, read_reply
from ._server import Server

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PROMPT_LIMIT: Final = 16_000
"""Most characters of a prompt: what fits, with the answer, into the 8,192 tokens of a small model."""
_SEED: Final = 20_260_930

_Messages: TypeAlias = list[dict[str, str]]


class Usage(Frozen):
    """What a model was asked, and what it answered."""

    calls: int = 0
    failures: int = 0
    """Calls without a usable answer."""
    input_tokens: int = 0
    output_tokens: int = 0


class ModelCall(Frozen):
    """One call of a model, by the digests of what was said."""

    role: ModelRole
    model: str
    schema_name: str
    prompt: str
    """SHA-256 of the messages as canonical JSON."""
    answer: str = ""
    """SHA-256 of the text of the answer; empty when there was none."""
    input_tokens: int = 0
    output_tokens: int = 0
    outcome: str = "answered"
    """Or the code of the error that the call ended in."""
    seconds: float = 0.0


CallWatch: TypeAlias = Callable[[ModelCall], Awaitable[None]]
"""Is told of each call once it is over."""


@dataclass(slots=True)
class _Known:
    """What a role's calls have taught so far."""

    name: str
    usage: Usage = field(default_factory=Usage)


class ModelClient:
    """The model that plays one role."""

    def __init__(
        self,
        endpoint: ModelEndpoint,
        server: Server,
        *,
        known: _Known | None = None,
        watch: CallWatch | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._server = server
        self._known = known or _Known(endpoint.name)
        self._watch = watch

    def watched(self, watch: CallWatch) -> Self:
        """The same client, its name and its ledger, with *watch* told of each call."""
        return type(self)(self._endpoint, self._server, known=self._known, watch=watch)

    @property
    def usage(self) -> Usage:
        """What the role has asked and been answered so far."""
        return self._known.usage

    @property
    def role(self) -> ModelRole:
        return self._endpoint.role

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def name(self) -> str:
        """Name of the model; empty as long as it is not set and the server was not asked for it."""
        return self._known.name

    async def ping(self) -> None:
        """Raise `ModelUnavailable` when the server does not answer."""
        await self._send(_listing)

    async def complete(
        self,
        system: str,
        user: str,
        schema: Mapping[str, Any],
        *,
        schema_name: str,
        max_tokens: int,
    ) -> dict[str, Any]:
        """
        The model's answer to *user* under the instructions of *system*: an object of *schema*.

        An answer that cannot be used is asked for once more, with the reason. Raises
        `ModelUnavailable`, whose message never holds the model's words.
        """
        if len(system) + len(user) > PROMPT_LIMIT:
            raise ModelUnavailable("The prompt is too long for the model, and was not sent.")
        request = {
            "temperature": 0,
            "max_tokens": max_tokens,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": schema_name, "strict": True, "schema": schema},
            },
        }
        try:
            return await self._ask(_messages(system, user), {**request, "seed": _SEED}, schema)
        except UnusableAnswer as unusable:
            again = f"{user}\n\n{_again(unusable)}"
        return await self._ask(_messages(system, again), {**request, "seed": _SEED + 1}, schema)

    async def _ask(
        self, messages: _Messages, request: dict[str, Any], schema: Mapping[str, Any]
    ) -> dict[str, Any]:
        async with self._server.turn():
            call = _Call(await self._model(), messages, request)
            self._count(calls=1)
            try:
                with load.counted("model_calls"):
                    answer = await self._answer(call, schema)
            except ModelUnavailable as error:
                self._count(failures=1)
                await self._tell(call, outcome=error.code)
                raise
            await self._tell(call)
            return answer

    async def _answer(self, call: _Call, schema: Mapping[str, Any]) -> dict[str, Any]:
        with telemetry.span(f"chat {call.model}", self._attributes(call), is_client=True) as span:
            body = await self._send(_completion(call))
            call.reply = read_reply(body)
            self._note(call.reply, span.set_attribute)
            return read_answer(call.reply, schema)

    async def _tell(self, call: _Call, *, outcome: str = "answered") -> None:
        if self._watch is None:
            return
        reply = call.reply
        await self._watch(
            ModelCall(
                role=self.role,
                model=call.model,
                schema_name=call.request["response_format"]["json_schema"]["name"],
                prompt=hashlib.sha256(canonical_json(call.messages)).hexdigest(),
                answer=hashlib.sha256(reply.content.encode()).hexdigest() if reply else "",
                input_tokens=reply.input_tokens if reply else 0,
                output_tokens=reply.output_tokens if reply else 0,
                outcome=outcome,
                seconds=round(time.monotonic() - call.began, 3),
            )
        )

    async def _model(self) -> str:
        """The name that is set, else the first that the server lists."""
        if not self._known.name:
            listed = _first_model(await self._send(_listing))
            if not listed:
                raise self._server.refused("lists no model")
            self._known.name = listed
        return self._known.name

    async def _send(self, call: Callable[[AsyncOpenAI], Awaitable[bytes]]) -> bytes:
        """The body of the server's answer; every error of the library becomes ours here."""
        # The library takes long to import, and the loop has leases to renew meanwhile.
        openai = await asyncio.to_thread(_library)
        seconds = self._endpoint.timeout.total_seconds()
        client = openai.AsyncOpenAI(
            base_url=self._server.url,
            api_key=self._endpoint.api_key.get_secret_value(),
            timeout=seconds,
            max_retries=0,
        )
        try:
            # The library's own timeout is for each read: a server that trickles would never end.
            async with client, asyncio.timeout(seconds):
                body = await call(client)
        except (openai.APITimeoutError, TimeoutError) as error:
            raise self._server.unanswered(f"did not answer within {seconds:g} seconds") from error
        except openai.APIConnectionError as error:
            raise self._server.silent("cannot be reached") from error
        except openai.APIStatusError as error:
            status = error.status_code
            raise self._server.refused(f"refused the request (HTTP {status})") from error
        except (openai.OpenAIError, ValueError, OSError) as error:
            raise self._server.refused("gave no answer that can be read") from error
        self._server.answered()
        return body

    def _attributes(self, call: _Call) -> dict[str, Any]:
        request = call.request
        return {
            telemetry.OPERATION: "chat",
            telemetry.PROVIDER: "openai",
            telemetry.REQUEST_MODEL: call.model,
            telemetry.SERVER_ADDRESS: self._server.host,
            telemetry.SERVER_PORT: self._server.port,
            telemetry.OUTPUT_TYPE: "json",
            telemetry.REQUEST_MAX_TOKENS: request["max_tokens"],
            telemetry.REQUEST_TEMPERATURE: float(request["temperature"]),
            telemetry.REQUEST_SEED: request["seed"],
            telemetry.MODEL_ROLE: self.role,
            telemetry.INPUT_MESSAGES: telemetry.content(json.dumps(call.messages)),
        }

    def _note(self, reply: Reply, set_attribute: Callable[[str, Any], object]) -> None:
        """Put what came back on the span and on the ledger."""
        self._count(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
        for name, value in {
            telemetry.RESPONSE_ID: reply.id,
            telemetry.RESPONSE_MODEL: reply.model,
            telemetry.FINISH_REASONS: [reply.finish_reason],
            telemetry.INPUT_TOKENS: reply.input_tokens,
            telemetry.OUTPUT_TOKENS: reply.output_tokens,
        }.items():
            set_attribute(name, value)
        if (content := telemetry.content(reply.content)) is not None:
            set_attribute(telemetry.OUTPUT_MESSAGES, content)

    def _count(self, **more: int) -> None:
        counted = {name: getattr(self.usage, name) + value for name, value in more.items()}
        self._known.usage = self.usage.model_copy(update=counted)


@dataclass(slots=True)
class _Call:
    """One call under way."""

    model: str
    messages: _Messages
    request: dict[str, Any]
    began: float = field(default_factory=time.monotonic)
    reply: Reply | None = None


def _messages(system: str, user: str) -> _Messages:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _again(unusable: UnusableAnswer) -> str:
    # In the same message: the templates of some models refuse two messages of the user in a row.
    return f"Your last answer {unusable.reason}. Answer again, with the JSON object only."


def _library() -> Any:
    import openai

    return openai


def _completion(call: _Call) -> Callable[[AsyncOpenAI], Awaitable[bytes]]:
    async def ask(client: AsyncOpenAI) -> bytes:
        # Raw, because the library builds its own types without looking at what came.
        raw: Any = client.chat.completions.with_raw_response
        response = await raw.create(model=call.model, messages=call.messages, **call.request)
        return bytes(response.content)

    return ask


async def _listing(client: AsyncOpenAI) -> bytes:
    response = await client.models.with_raw_response.list()
    return bytes(response.content)


def _first_model(body: bytes) -> str:
    try:
        listed = json.loads(body)["data"][0]["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return listed if isinstance(listed, str) else ""
