"""What can be done to a run: each asks first, and says what it will do."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from agent.intake import copy_run_id
from agent.request import QUESTION_TEMPLATE
from agent.returns import returns
from agent.rewind import Place
from agent.runner import Runner
from agent.story import Story, story
from agent.web.access import checked_form, needs
from agent.web.asking import ask
from agent.web.pages import page
from agent.web.pages.run_history import ACTIONS, Action, possible
from agent.web.pages.runs import day
from agent.web.problems import status_of
from agent.web.serving import promptly, runner_of, visible_run
from services.access import Identity
from services.analysis.templates import load_template, template_names
from services.errors import (
    AssayError,
    DecisionRefused,
    InputConflict,
    Invalid,
    NotFound,
    NotPermitted,
)
from services.retrieval import resolve_as_of
from services.store import RunRecord

router = APIRouter(include_in_schema=False)
Reader = Annotated[Identity, Depends(needs("read"))]
Steerer = Annotated[Identity, Depends(needs("steer"))]
Publisher = Annotated[Identity, Depends(needs("publish"))]
Reason = Annotated[str, Form(max_length=1_000)]
_form = [Depends(checked_form)]


@router.get("/runs/{run_id}/resume")
@router.get("/runs/{run_id}/cancel")
@router.get("/runs/{run_id}/rollback")
@router.get("/runs/{run_id}/fork")
@router.get("/runs/{run_id}/withdraw")
async def confirm(request: Request, run_id: str, who: Reader) -> Response:
    """The page that says what an action will do, and has the button for it."""
    return await _asked(request, run_id, who, request.url.path.rpartition("/")[2])


@router.post("/runs/{run_id}/resume", dependencies=_form)
async def resume(request: Request, run_id: str, who: Steerer) -> Response:
    """Have a worker go on with the run."""
    told = await _story(request, run_id, who)
    try:
        _check_resume(told)
        await runner_of(request).resume(told.record.id, by=who.name)
    except (InputConflict, DecisionRefused) as error:
        return await _asked(request, run_id, who, "resume", error=error)
    return _back(run_id)


@router.post("/runs/{run_id}/cancel", dependencies=_form)
async def cancel(request: Request, run_id: str, who: Steerer, reason: Reason = "") -> Response:
    """End the run for good."""
    record = await visible_run(request, who, run_id)
    try:
        await ask(request, who, record, "cancel", reason=reason.strip())
    except InputConflict as error:
        return await _asked(request, run_id, who, "cancel", error=error)
    return _back(run_id)


@router.post("/runs/{run_id}/rollback", dependencies=_form)
async def rollback(
    request: Request,
    run_id: str,
    who: Steerer,
    to: Annotated[str, Form(max_length=200)] = "",
    reason: Reason = "",
) -> Response:
    """Take the run back to a step."""
    record = await visible_run(request, who, run_id)
    try:
        place = str(Place.parse(to))
        await ask(request, who, record, "rollback", reason=reason.strip(), to=place)
    except (Invalid, InputConflict) as error:
        given = {"to": to, "reason": reason}
        return await _asked(request, run_id, who, "rollback", given=given, error=error)
    return _back(run_id)


@router.post("/runs/{run_id}/fork", dependencies=_form)
async def fork(
    request: Request,
    run_id: str,
    who: Steerer,
    at: Annotated[str, Form(max_length=200)] = "",
    question: Annotated[str, Form(max_length=2_000)] = "",
    template: Annotated[str, Form(max_length=100)] = "",
    as_of: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Go on from a step in a copy of the run."""
    record = await visible_run(request, who, run_id)
    given = {"at": at, "question": question, "template": template, "as_of": as_of}
    name = copy_run_id(None, record)
    try:
        changes = await _changes(runner_of(request), record, given)
        place = Place.parse(at)
        await runner_of(request).fork(
            record.id, name, place, by=who.name, changes=changes, left=True
        )
    except (Invalid, InputConflict) as error:
        return await _asked(request, run_id, who, "fork", given=given, error=error)
    return _back(name)


@router.post("/runs/{run_id}/withdraw", dependencies=_form)
async def withdraw(
    request: Request,
    run_id: str,
    who: Publisher,
    reason: Reason = "",
    typed: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Take the published report back."""
    record = await visible_run(request, who, run_id)
    try:
        _check_withdrawal(record.id, reason, typed)
        await ask(request, who, record, "withdraw", reason=reason.strip())
    except (Invalid, InputConflict) as error:
        given = {"reason": reason, "typed": typed}
        return await _asked(request, run_id, who, "withdraw", given=given, error=error)
    return _back(run_id)


def _check_resume(told: Story) -> None:
    record = told.record
    if told.is_over:
        raise InputConflict(f"Run {record.id} is {record.status}.")
    if told.driver:
        raise InputConflict(f"Run {record.id} is under way already, driven by {told.driver}.")
    if record.status == "waiting":
        raise InputConflict(f"Run {record.id} waits for a person's decision, not to be resumed.")


def _check_withdrawal(run_id: str, reason: str, typed: str) -> None:
    if not reason.strip():
        raise Invalid("A withdrawal needs a reason.", hint="It is printed on the report.")
    if typed.strip() != run_id:
        raise Invalid("The run id is not typed as it is.", hint="Nothing was withdrawn.")


async def _asked(
    request: Request,
    run_id: str,
    who: Identity,
    name: str,
    *,
    given: dict[str, str] | None = None,
    error: AssayError | None = None,
) -> Response:
    """The page of an action; with *error*, what kept it from being done."""
    told = await _story(request, run_id, who)
    action = _action(name)
    runner = runner_of(request)
    values: dict[str, Any] = {
        "story": told,
        "action": action,
        "is_possible": action in possible(told),
        "given": given or {},
        "error": error,
        "returns": (),
        "templates": (),
    }
    if name in ("rollback", "fork"):
        async with promptly():
            values["returns"] = await returns(runner, told)
    if name == "fork" and told.record.template != QUESTION_TEMPLATE:
        values["templates"] = [load_template(one) for one in template_names()]
    refused = NotPermitted.code if not who.may(action.permission) else ""
    status = 403 if refused else status_of(error) if error else 200
    return await page(request, who, "run_action.html.j2", status=status, **values)


async def _changes(runner: Runner, record: RunRecord, given: dict[str, str]) -> dict[str, Any]:
    """What the form changes of the request, each checked as a new request's would be."""
    changes: dict[str, Any] = {}
    question, template = given["question"].strip(), given["template"].strip()
    if record.template == QUESTION_TEMPLATE and question not in ("", record.request["question"]):
        changes["question"] = question
    if record.template != QUESTION_TEMPLATE and template not in ("", record.template):
        changes["template"] = load_template(template).name
    as_of = day(given["as_of"])
    if as_of not in (None, record.as_of):
        changes["as_of"] = await asyncio.to_thread(_resolved, runner, record, as_of)
    return changes


def _resolved(runner: Runner, record: RunRecord, as_of: date | None) -> date:
    retriever = runner.open_retriever(runner.settings, record.snapshot)
    try:
        return resolve_as_of(retriever, as_of)
    finally:
        retriever.close()


async def _story(request: Request, run_id: str, who: Identity) -> Story:
    record = await visible_run(request, who, run_id)
    async with promptly():
        return await story(runner_of(request), record)


def _action(name: str) -> Action:
    for action in ACTIONS:
        if action.name == name:
            return action
    raise NotFound("There is nothing of that name to be done to a run.")


def _back(run_id: str) -> Response:
    return RedirectResponse(f"/runs/{run_id}", status_code=303)
