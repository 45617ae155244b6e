"""Items in the shapes of LangGraph's review tools, and the answers that come back."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
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
from agent.pending import Pending
from services.errors import DecisionRefused, Invalid
from services.review import Approve, Decision, Edit, ItemKind, Reject, Respond, ReviewItem
from services.review import DecisionKind as Kind

KINDS = get_args(ItemKind)
CHOICES: tuple[Kind, ...] = get_args(Kind)
AT = datetime(2026, 11, 1, tzinfo=UTC)

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


def in_agent_inbox(item: ReviewItem, decision: Decision) -> dict[str, Any]:
    """The answer that Agent Inbox sends for a decision."""
    action = human_interrupt(item).model_dump(mode="json")["action_request"]
    match decision:
        case Approve():
            return {"type": "accept", "args": None}
        case Edit(text=text):
            args = {**action["args"], "text": text}
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
        case Edit(text=text):
            args = {**action["args"], "text": text}
            one = {"type": "edit", "edited_action": {"name": action["name"], "args": args}}
        case Reject(reason=reason):
            one = {"type": "reject", "message": reason}
        case Respond(text=text):
            one = {"type": "respond", "message": text}
    return {"decisions": [one]}


@given(items, decisions, st.booleans())
def test_an_answer_comes_back_as_the_same_decision(
    item: ReviewItem, decision: Decision, as_list: bool
) -> None:
    """In both shapes an allowed answer is the decision it stands for; another is refused."""
    one = in_agent_inbox(item, decision)
    for answer in ([one] if as_list else one, in_middleware(item, decision)):
        if decision.kind in item.choices:
            assert decision == decision_of(item, parse_answer(answer))
        else:
            with pytest.raises(DecisionRefused, match=f"does not take '{decision.kind}'"):
                decision_of(item, parse_answer(answer))


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


@given(items, decisions)
def test_a_wait_reads_in_both_shapes_and_in_its_own(item: ReviewItem, decision: Decision) -> None:
    """What the graph waits with carries both shapes, and is still the pending item."""
    if item.kind == "breach":
        return
    fields = {name: getattr(item, name) for name in Pending.model_fields if hasattr(item, name)}
    pending = Pending(step="review", **{**fields, "section": item.section or ""})
    plain = pending.model_dump(mode="json")
    value = shown(plain)

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
