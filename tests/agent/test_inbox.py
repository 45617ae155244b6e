"""Items in the shapes of LangGraph's review tools, and the answers that come back."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, get_args

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from langgraph.warnings import LangGraphDeprecatedSinceV10

from agent.compat import shapes
from agent.compat.inbox import (
    NO_REASON,
    decision_of,
    hitl_request,
    human_interrupt,
    parse_answer,
)
from agent.compat.interrupts import shown, understood
from agent.driving import now, thread_of
from agent.pending import Pending
from agent.runner import Runner
from agent.steps import ask
from agent.web.access import is_open
from agent.web.app import make_app
from services.access import ApiKey, ApiKeys, Role
from services.errors import DecisionRefused, Invalid
from services.review import Approve, Decision, Edit, ItemKind, Reject, Respond, ReviewItem
from services.review import DecisionKind as Kind
from tests.agent.driven import approve, nobody, report

KINDS = get_args(ItemKind)
CHOICES: tuple[Kind, ...] = get_args(Kind)
AT = datetime(2026, 11, 1, tzinfo=UTC)
patiently = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

words = st.text(min_size=1, max_size=40).map(str.strip).filter(bool)
choices = st.lists(st.sampled_from(CHOICES), min_size=1, unique=True).map(tuple)
items = st.builds(
    ReviewItem.for_wait,
    st.just("r"),
    st.just("w"),
    kind=st.sampled_from(KINDS),
    section=st.none() | st.sampled_from(("market", "credit")),
    title=words,
    question=words,
    code=st.sampled_from(("", "A301", "A405")),
    detail=st.lists(words, max_size=3).map(tuple),
    choices=choices,
    report_digest=st.none() | st.just("d" * 64),
    created_at=st.just(AT),
)
decisions = st.one_of(
    st.just(Approve()), st.builds(Edit, text=words), st.builds(Respond, text=words),
    st.builds(Reject, reason=words),
)  # fmt: skip


def fitting(item: ReviewItem, decision: Decision) -> Decision:
    """A draft is edited in the text of a finding, whatever else waits in its question."""
    if isinstance(decision, Edit) and item.kind == "publication":
        return Edit(text=decision.text, of="finding", finding="market.var")
    return decision


def in_agent_inbox(item: ReviewItem, decision: Decision) -> dict[str, Any]:
    """The answer that Agent Inbox sends for a decision."""
    action = human_interrupt(item).model_dump(mode="json")["action_request"]
    match decision:
        case Approve():
            return {"type": "accept", "args": None}
        case Edit(text=text, finding=finding):
            args = {**action["args"], "text": text} | ({"finding": finding} if finding else {})
            return {"type": "edit", "args": {**action, "args": args}}
        case Reject(reason=reason):
            return {"type": "ignore", "args": reason}
        case Respond(text=text):
            return {"type": "response", "args": text}


def in_middleware(item: ReviewItem, decision: Decision) -> dict[str, Any]:
    """The answer that the middleware takes for a decision."""
    action = hitl_request(item).model_dump(mode="json")["action_requests"][0]
    match decision:
        case Approve():
            one: dict[str, Any] = {"type": "approve"}
        case Edit(text=text, finding=finding):
            args = {**action["args"], "text": text} | ({"finding": finding} if finding else {})
            one = {"type": "edit", "edited_action": {"name": action["name"], "args": args}}
        case Reject(reason=reason):
            one = {"type": "reject", "message": reason}
        case Respond(text=text):
            one = {"type": "respond", "message": text}
    return {"decisions": [one]}


@patiently
@given(items, decisions, st.booleans())
def test_an_answer_comes_back_as_the_same_decision(
    item: ReviewItem, decision: Decision, as_list: bool
) -> None:
    """In both shapes an allowed answer is the decision it stands for; another is refused."""
    decision = fitting(item, decision)
    one = in_agent_inbox(item, decision)
    for answer in ([one] if as_list else one, in_middleware(item, decision)):
        if decision.kind in item.choices:
            assert decision == decision_of(item, parse_answer(answer))
        else:
            with pytest.raises(DecisionRefused, match=f"does not take '{decision.kind}'"):
                decision_of(item, parse_answer(answer))


@patiently
@given(items)
def test_every_item_has_both_shapes(item: ReviewItem) -> None:
    """What may be answered is offered, and nothing else; title, question and detail are told."""
    interrupt, request = human_interrupt(item), hitl_request(item)
    offered = interrupt.config

    assert set(item.choices) == set(request.review_configs[0].allowed_decisions)
    assert (
        "approve" in item.choices,
        "edit" in item.choices,
        "reject" in item.choices,
        "respond" in item.choices,
    ) == (offered.allow_accept, offered.allow_edit, offered.allow_ignore, offered.allow_respond)
    assert interrupt.description == request.action_requests[0].description
    for words_of_item in (item.title, item.question, *item.detail):
        assert words_of_item in (interrupt.description or "")
    assert ("text" in interrupt.action_request.args) == ("edit" in item.choices)


def item_taking(*allowed: Kind) -> ReviewItem:
    return ReviewItem.for_wait(
        "r",
        "w",
        kind="publication",
        title="Publish",
        question="Publish?",
        code="",
        choices=allowed,
        report_digest="d" * 64,
        created_at=AT,
    )


@pytest.mark.parametrize(
    "answer",
    [
        {},
        "yes",
        None,
        [],
        {"type": "approve"},
        {"type": "accept", "note": "more than the shape has"},
        [{"type": "accept"}, {"type": "accept"}],
        {"decisions": []},
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"decisions": [{"type": "edit"}]},
        {"type": "accept", "args": "a text"},
        {"type": "response"},
        {"type": "response", "args": "  "},
        {"type": "edit", "args": "a text"},
        {"type": "edit", "args": {"action": "publication", "args": {}}},
        {"type": "edit", "args": {"action": "delete_all", "args": {"text": "x"}}},
        {"type": "edit", "args": {"action": "publication", "args": {"text": "x", "more": 1}}},
        {"type": "accept", "args": {"action": "publication", "args": {"report_digest": "other"}}},
        {
            "decisions": [
                {
                    "type": "edit",
                    "edited_action": {
                        "name": "publication",
                        "args": {"text": "x", "report_digest": "other"},
                    },
                }
            ]
        },
    ],
)
def test_answers_without_sense_are_refused(answer: Any) -> None:
    """A wrong shape, two answers, a missing text and a changed argument are errors with a hint."""
    item = item_taking(*CHOICES)
    with pytest.raises(Invalid) as refused:
        decision_of(item, parse_answer(answer))

    assert refused.value.hint


def test_accepting_with_the_action_as_it_was_asked_is_an_approval() -> None:
    """Agent Inbox sends the action back when a person accepts; it has to be the one asked."""
    item = item_taking("approve")
    asked = human_interrupt(item).action_request.model_dump(mode="json")

    assert Approve() == decision_of(item, parse_answer([{"type": "accept", "args": asked}]))


@pytest.mark.parametrize(
    "answer", [{"type": "ignore", "args": None}, {"decisions": [{"type": "reject"}]}]
)
def test_a_rejection_without_a_reason_says_so(answer: Any) -> None:
    """Where a tool asks for no reason, the record says that none was given."""
    assert Reject(reason=NO_REASON) == decision_of(item_taking("reject"), parse_answer(answer))


def test_shapes_have_the_names_of_langgraph() -> None:
    """The fields are those that LangGraph declares."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangGraphDeprecatedSinceV10)
        from langgraph.prebuilt import interrupt as declared

        for name in ("HumanInterruptConfig", "ActionRequest", "HumanInterrupt", "HumanResponse"):
            ours = getattr(shapes, name)

            assert set(getattr(declared, name).__annotations__) == set(ours.model_fields)


@patiently
@given(items, decisions)
def test_a_wait_reads_in_both_shapes_and_in_its_own(item: ReviewItem, decision: Decision) -> None:
    """What the graph waits with carries both shapes, and is still the pending item."""
    assume(item.kind != "breach")  # no step waits with one
    fields = {name: getattr(item, name) for name in Pending.model_fields if hasattr(item, name)}
    pending = Pending(step="review", **{**fields, "section": item.section or ""})
    plain = pending.model_dump(mode="json")
    value = shown(plain)
    decision = fitting(item, decision)

    assert pending == Pending.of(value) == Pending.of(plain)
    assert human_interrupt(pending) == shapes.HumanInterrupt.model_validate(
        {name: value[name] for name in shapes.HumanInterrupt.model_fields}
    )
    assert hitl_request(pending) == shapes.HITLRequest.model_validate(
        {name: value[name] for name in shapes.HITLRequest.model_fields}
    )
    native = {**decision.model_dump(mode="json"), "by": "Ada", "at": AT.isoformat()}
    assert native == understood(plain, native, by="nobody", at=AT)
    if decision.kind in item.choices:
        answer = in_middleware(item, decision)
        assert native == understood(plain, answer, by="Ada", at=AT)


@pytest.fixture
async def runner(make_runner: Any) -> AsyncIterator[Runner]:
    async with make_runner() as made:
        yield made


async def carrying(runner: Runner, role: Role, tenant: str = "") -> httpx.AsyncClient:
    """A client of the real application with a key of its own."""
    key = ApiKey(name=f"{role}{tenant}", roles=frozenset({role}), tenant=tenant, created_at=now())
    secret = await ApiKeys(runner.stores.redis).add(key)
    app = make_app(runner.settings)
    app.state.runner = runner
    app.state.is_open = await is_open(runner.stores.redis, runner.settings)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://127.0.0.1",
        headers={"Authorization": f"Bearer {secret}"},
    )


async def test_items_are_read_and_answered_over_http(runner: Runner) -> None:
    """In both shapes, by whom may; the answer publishes the report that was asked about."""
    await report(runner, "r")
    wait = (await runner.graph.aget_state(thread_of("r"))).interrupts[0].value
    approver = await carrying(runner, "approver")
    reviewer = await carrying(runner, "reviewer")
    elsewhere = await carrying(runner, "approver", tenant="north")
    one = (await approver.get("/v1/inbox")).json()
    other = (await approver.get("/v1/inbox", params={"shape": "middleware"})).json()
    place = f"/v1/inbox/{one['items'][0]['id']}"
    approval = {"decisions": [{"type": "approve"}]}
    refused = [
        await reviewer.post(place, json=approval),
        await elsewhere.post(place, json=approval),
        await approver.post("/v1/inbox/rv-none", json=approval),
        await approver.post(place, json=[{"type": "response", "args": "fine"}]),
        await approver.post(place, json={"type": "edit", "args": "fine"}),
        await approver.post(place, json={"approve": True}),
    ]
    done = await approver.post(place, json=[{"type": "accept", "args": None}])
    late = await approver.post(place, json=approval)
    record = await runner.drive("r", nobody)

    assert Pending.of(wait).kind == "publication"
    for value in (one["items"][0]["value"], other["items"][0]["value"]):
        assert value == {name: wait[name] for name in value}
    shapes.HumanInterrupt.model_validate(one["items"][0]["value"])
    shapes.HITLRequest.model_validate(other["items"][0]["value"])
    assert (1, "agent-inbox", "middleware") == (one["total"], one["shape"], other["shape"])
    assert {"items": [], "total": 0} == {
        k: v for k, v in (await elsewhere.get("/v1/inbox")).json().items() if k != "shape"
    }
    assert [403, 404, 404, 409, 422, 422] == [answer.status_code for answer in refused]
    assert refused[1].json() == refused[2].json()  # another tenant's item is as none
    assert (200, "decided", "approver") == (
        done.status_code,
        done.json()["status"],
        done.json()["decided_by"],
    )
    assert (409, "A302") == (late.status_code, late.json()["code"])
    assert record.receipt is not None
    assert ("done", "approver") == (record.status, record.receipt["by"])


async def test_a_run_that_waited_before_goes_on(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait that carries no shapes, as older ones do, is decided like any other."""
    with monkeypatch.context() as before:
        before.setattr(ask, "shown", lambda item: item)
        await report(runner, "old")
    wait = (await runner.graph.aget_state(thread_of("old"))).interrupts[0].value

    assert set(Pending.model_fields) == set(wait)
    assert "done" == (await approve(runner, "old")).status
