"""A client of one model: a prompt and a JSON schema in, an answer that fits the schema out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from services import telemetry
from services.errors import ModelUnavailable
from services.evidence import Frozen
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


class ModelClient:
    """The model that plays one role."""

    def __init__(self, endpoint: ModelEndpoint, server: Server) -> None:
        self._endpoint = endpoint
        self._server = server
        self._name = endpoint.name
        self.usage = Usage()

    @property
    def role(self) -> ModelRole:
        return self._endpoint.role

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def name(self) -> str:
        """Name of the model; empty as long as it is not set and the server was not asked for it."""
        return self._name

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
            model = await self._model()
            with telemetry.span(
                f"chat {model}", self._attributes(model, messages, request), is_client=True
            ) as span:
                self._count(calls=1)
                try:
                    body = await self._send(_completion(model, messages, request))
                    reply = read_reply(body)
                    self._note(reply, span.set_attribute)
                    return read_answer(reply, schema)
                except ModelUnavailable:
                    self._count(failures=1)
                    raise

    async def _model(self) -> str:
        """The name that is set, else the first that the server lists."""
        if not self._name:
            listed = _first_model(await self._send(_listing))
            if not listed:
                raise self._server.refused("lists no model")
            self._name = listed
        return self._name

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

    def _attributes(
        self, model: str, messages: _Messages, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            telemetry.OPERATION: "chat",
            telemetry.PROVIDER: "openai",
            telemetry.REQUEST_MODEL: model,
            telemetry.SERVER_ADDRESS: self._server.host,
            telemetry.SERVER_PORT: self._server.port,
            telemetry.OUTPUT_TYPE: "json",
            telemetry.REQUEST_MAX_TOKENS: request["max_tokens"],
            telemetry.REQUEST_TEMPERATURE: float(request["temperature"]),
            telemetry.REQUEST_SEED: request["seed"],
            telemetry.MODEL_ROLE: self.role,
            telemetry.INPUT_MESSAGES: telemetry.content(json.dumps(messages)),
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
        self.usage = self.usage.model_copy(update=counted)


def _messages(system: str, user: str) -> _Messages:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _again(unusable: UnusableAnswer) -> str:
    # In the same message: the templates of some models refuse two messages of the user in a row.
    return f"Your last answer {unusable.reason}. Answer again, with the JSON object only."


def _library() -> Any:
    import openai

    return openai


def _completion(
    model: str, messages: _Messages, request: Mapping[str, Any]
) -> Callable[[AsyncOpenAI], Awaitable[bytes]]:
    async def call(client: AsyncOpenAI) -> bytes:
        # Raw, because the library builds its own types without looking at what came.
        raw: Any = client.chat.completions.with_raw_response
        response = await raw.create(model=model, messages=messages, **request)
        return bytes(response.content)

    return call


async def _listing(client: AsyncOpenAI) -> bytes:
    response = await client.models.with_raw_response.list()
    return bytes(response.content)


def _first_model(body: bytes) -> str:
    try:
        listed = json.loads(body)["data"][0]["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return listed if isinstance(listed, str) else ""
