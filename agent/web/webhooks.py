"""The door for systems: a signed call starts a run. What it asks is stored, and no more is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from agent.admission import Admission, Arrival
from agent.driving import now
from agent.hooks import hooks_of
from agent.intake import Intake
from agent.request import FORMATS
from agent.runner import Runner
from agent.web.limits import admit_source
from agent.web.metrics import WEBHOOKS_REJECTED
from agent.web.problems import MEDIA_TYPE, problem
from agent.web.serving import promptly
from services.batches import Batches
from services.errors import (
    AssayError,
    InputConflict,
    Invalid,
    NotFound,
    OutputUnwritable,
    Retryable,
    SettingInvalid,
    StoreUnavailable,
    WarehouseUnreadable,
)
from services.store import RunRecord
from services.webhooks import (
    MAX_BODY,
    Admitted,
    Call,
    Claimed,
    Gate,
    Refusal,
    RefusedCall,
    Replays,
    SignedHeaders,
)


class _Plain(APIRoute):
    """A route whose function is given the request and the parts of its path, and no more is done."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function itself."""

        async def handle(request: Request) -> Response:
            answer: Response = await self.endpoint(request, **request.path_params)
            return answer

        return handle


router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=_Plain)

_SIGNED: Final = ("id", "timestamp", "signature")
_LINGER: Final = 0.004
"""Seconds that calls wait for others when many come: a batch costs little more than a call."""
_OURS: Final = (WarehouseUnreadable, OutputUnwritable, SettingInvalid)
"""What is wrong here and not with the call: the sender tries again, the operator is told."""

_ANSWERS: Final[dict[int, tuple[str, str]]] = {
    400: ("A400", "The call is not taken."),
    401: ("A306", "The call is not taken."),
    413: ("A400", f"The body is larger than {MAX_BODY} bytes."),
}
_EXAMPLE: Final = {"question": "NPL ratio by segment"}
_DOCUMENTED: Final[dict[str, Any]] = {
    "parameters": [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}},
    },
}


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "A run is queued."},
    503: {"description": "Try again later.", "content": {MEDIA_TYPE: {}}},
    **{
        code: {"description": said, "content": {MEDIA_TYPE: {}}}
        for code, (_, said) in _ANSWERS.items()
    },
}


@router.post(
    "/{source}",
    status_code=202,
    openapi_extra=_DOCUMENTED,
    responses=_RESPONSES,
)
async def receive(request: Request, source: str) -> Response:
    """Start a run by a call that is signed as Standard Webhooks has it."""
    body = await _body(request)
    if isinstance(body, Response):
        return body
    headers = request.headers
    signed = SignedHeaders(*(_single(request, f"webhook-{name}") for name in _SIGNED))
    call = Call(source, signed, headers.get("content-type", ""), body)
    door = door_of(request.app)
    try:
        admitted = await door.admit(call)
        await admit_source(request, admitted.source.name)  # a stranger uses up nobody's share
        record = await door.start(admitted)
    except Refusal as refusal:
        await door.keep(refusal, call)
        return _answer(401 if refusal.kind == "authentication" else 400)
    except Retryable as error:
        return problem(error)
    except _OURS as error:
        await door.keep(Refusal.of_payload(f"it cannot be done here now: {error.code}"), call)
        return problem(StoreUnavailable("The call cannot be taken now.", hint="Try again later."))
    return Response(
        json.dumps({"run_id": record.id, "status": record.status}),
        status_code=202,
        headers={"Location": f"/v1/runs/{record.id}"},
        media_type="application/json",
    )


class Door:
    """
    Takes calls in for one process, whose warehouse and sources it knows.

    Those that come while others are stored are stored together next, each as safely as alone.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._hooks = hooks_of(runner.stores, runner.settings)
        self._gate = Gate(self._hooks.sources, Replays(runner.stores.redis))
        self._intake = Intake(runner.settings)
        self._admission = Admission(runner)
        self._batches: Batches[Admitted, RunRecord] = Batches(self._start, linger=_LINGER)

    async def warm(self) -> None:
        """Open the warehouse before the first call does, if there is anybody who may call."""
        with suppress(AssayError):  # whoever calls is told
            if await self._hooks.sources.list():
                await self._intake.warm()

    async def admit(self, call: Call) -> Admitted:
        """What a call asks, once it is shown who calls; raises `Refusal`."""
        async with promptly():
            return await self._gate.admit(call, at=now())

    async def start(self, admitted: Admitted) -> RunRecord:
        """The run of a call; the same for the same call. Raises `Refusal`, or why it can't now."""
        async with promptly():
            return await self._batches.result_of(admitted)

    async def keep(self, refusal: Refusal, call: Call) -> None:
        """Keep a refused call for the operator. That is no reason to answer it otherwise."""
        kept = RefusedCall.of(
            refusal,
            at=now(),
            source=call.source,
            webhook_id=call.headers.webhook_id,
            body=call.body,
        )
        try:
            async with promptly():
                await self._hooks.refused.keep(kept)
                await self.runner.stores.tally.add(WEBHOOKS_REJECTED, {refusal.kind: 1})
        except StoreUnavailable:
            return

    async def _start(self, calls: list[Admitted]) -> list[RunRecord | Exception]:
        claims = await self._gate.claim(calls)
        asked = [await self._asked(*one) for one in zip(calls, claims, strict=True)]
        arrivals = [one for one in asked if isinstance(one, Arrival)]
        admitted = iter(await self._admission.admit(arrivals))
        ends = [next(admitted) if isinstance(one, Arrival) else one for one in asked]
        return [await self._ended(*one) for one in zip(calls, claims, ends, strict=True)]

    async def _asked(self, call: Admitted, claimed: Claimed) -> Arrival | RunRecord | Exception:
        """What is to be admitted for a call; or the run that it has, or why it can have none."""
        if claimed == "other":
            return Refusal.of_payload("the webhook-id was used for another body")
        try:
            if claimed == "again" and (known := await self._known(call)) is not None:
                return await self._admission.again(known)
            return await self._arrival(call)
        except _OURS as error:
            return error
        except Invalid as error:
            return Refusal.of_payload(f"{error.code} {error.message}")
        except Exception as error:  # noqa: BLE001 (those that came with it have no part in it)
            return error

    async def _arrival(self, call: Admitted) -> Arrival:
        wanted, source = call.wanted, call.source
        accepted = await self._intake.prepare(
            call.claim.run_id,
            question=wanted.question,
            template=wanted.template,
            as_of=wanted.as_of,
            formats=FORMATS if wanted.formats is None else wanted.formats,
        )
        asked = accepted.asked_by(f"webhook:{source.name}", "webhook")
        return Arrival(call.claim.run_id, asked, source.tenant, source.priority)

    async def _ended(
        self, call: Admitted, claimed: Claimed, end: RunRecord | Exception
    ) -> RunRecord | Exception:
        """The run that a call has under its id, where it is not the one that it would be now."""
        if not isinstance(end, InputConflict):
            return end
        # Sent twice at once, while the warehouse changed; or its id is older than our memory.
        known = await self._known(call) if claimed == "again" else None
        return known or Refusal.of_payload("the webhook-id was used long ago")

    async def _known(self, call: Admitted) -> RunRecord | None:
        runs = self.runner.stores.runs
        with suppress(NotFound):
            return await runs.get(call.claim.run_id, tenant=call.source.tenant)
        return None


def is_call(scope: Scope) -> bool:
    """Whether a request is a call of a system."""
    return str(scope.get("path", "")).startswith(router.prefix)


def door_of(app: Starlette) -> Door:
    """The door of this process."""
    runner, state = app.state.runner, app.state
    door: Door | None = getattr(state, "webhook_door", None)
    if door is None or door.runner is not runner:
        door = state.webhook_door = Door(runner)
    return door


async def _body(request: Request) -> bytes | Response:
    """
    The body, read no further than it may be long; or the answer to one that is too long.

    How long it may take is bounded for all requests (`bounds`).
    """
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
        return _answer(413)
    read = bytearray()
    try:
        async for chunk in request.stream():
            read += chunk
            if len(read) > MAX_BODY:
                return _answer(413)
    except ClientDisconnect:
        return _answer(400)
    return bytes(read)


def _single(request: Request, name: str) -> str:
    """A header that is there once, and nothing for any other number of times."""
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def _answer(status: int) -> Response:
    """One answer for all refusals of a kind: it tells nothing of the reason."""
    code, title = _ANSWERS[status]
    document = {"type": f"docs/errors.md#{code.lower()}", "title": title, "status": status}
    headers = {"WWW-Authenticate": "Webhook-Signature"} if status == HTTPStatus.UNAUTHORIZED else {}
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers["Connection"] = "close"  # what is left of the body is not read
    return Response(
        json.dumps({**document, "detail": "", "code": code}),
        status_code=status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )
