"""Review items in the shapes of LangGraph's review tools, and their answers as our decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, assert_never

from pydantic import TypeAdapter, ValidationError

from agent.compat.shapes import (
    Action,
    ActionRequest,
    ApproveDecision,
    EditDecision,
    HITLRequest,
    HITLResponse,
    HumanInterrupt,
    HumanInterruptConfig,
    HumanResponse,
    InboxAnswer,
    MiddlewareDecision,
    RejectDecision,
    RespondDecision,
    ReviewConfig,
    ReviewedAction,
)
from services.errors import DecisionRefused, Invalid
from services.review import Approve, Decision, DecisionKind, Reject, parse_decision

NO_REASON: Final = "No reason was given: the tool that sent the answer asks for none."
"""Stands in the record of a rejection where a tool knows no reasons."""

_TEXT: Final = "text"
"""The argument that an edit sets: what to go on with."""
_FINDING: Final = "finding"
"""The argument that names the finding whose text it is, where a draft is edited."""
_ANSWER: Final[TypeAdapter[InboxAnswer]] = TypeAdapter(InboxAnswer)


class Asked(Protocol):
    """What a review item, and the wait of a graph that it stands for, have in common."""

    @property
    def kind(self) -> str: ...
    @property
    def section(self) -> str | None: ...
    @property
    def title(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def detail(self) -> tuple[str, ...]: ...
    @property
    def choices(self) -> Sequence[DecisionKind]: ...
    @property
    def report_digest(self) -> str | None: ...


def human_interrupt(item: Asked) -> HumanInterrupt:
    """The item as Agent Inbox reads it; to ignore it there is to reject it."""
    return HumanInterrupt(
        action_request=ActionRequest(action=item.kind, args=_args(item)),
        config=HumanInterruptConfig(
            allow_ignore="reject" in item.choices,
            allow_respond="respond" in item.choices,
            allow_edit="edit" in item.choices,
            allow_accept="approve" in item.choices,
        ),
        description=_description(item),
    )


def hitl_request(item: Asked) -> HITLRequest:
    """The item as the approve/edit/reject/respond middleware puts it."""
    action = ReviewedAction(name=item.kind, args=_args(item), description=_description(item))
    config = ReviewConfig(action_name=item.kind, allowed_decisions=tuple(item.choices))
    return HITLRequest(action_requests=(action,), review_configs=(config,))


def parse_answer(content: Any) -> InboxAnswer:
    """An answer in one of the two shapes from its plain form."""
    try:
        return _ANSWER.validate_python(content)
    except ValidationError as error:
        raise Invalid(
            "The answer has neither of the shapes that are known.",
            hint='Send {"type": "accept"} as Agent Inbox does, or {"decisions": [{"type": '
            '"approve"}]} as the middleware takes it; an item takes one answer.',
        ) from error


def decision_of(item: Asked, answer: InboxAnswer) -> Decision:
    """
    Our decision for an *answer* in either shape.

    Raises `DecisionRefused` for an answer that the item does not take, `Invalid` for one that lacks
    its text or changes what cannot be changed.
    """
    decision = _decision(item, answer)
    if decision.kind not in item.choices:
        raise DecisionRefused(
            f"This item does not take '{decision.kind}'.",
            hint=f"It takes {', '.join(item.choices)}.",
        )
    return decision


def _decision(item: Asked, answer: InboxAnswer) -> Decision:
    match answer:
        case HumanResponse():
            return _from_agent_inbox(item, answer)
        case HITLResponse(decisions=(one, *_)):
            return _from_middleware(item, one)
        case (HumanResponse() as one, *_):
            return _from_agent_inbox(item, one)
        case _:
            raise AssertionError(answer)


def _from_agent_inbox(item: Asked, answer: HumanResponse) -> Decision:
    args = answer.args
    match answer.type:
        case "accept":
            if isinstance(args, str):
                raise Invalid("To accept takes no text.", hint="Answer with type 'response'.")
            if args is not None:
                _edited(item, args.action, args.args, accepted=True)
            return Approve()
        case "ignore":
            return _rejection(args if isinstance(args, str) else "")
        case "response":
            return parse_decision({"kind": "respond", "text": args})
        case "edit":
            if not isinstance(args, ActionRequest):
                raise Invalid(
                    "An edit sends the action with its changed arguments.", hint=_how(item)
                )
            return _edited(item, args.action, args.args)
        case _:
            assert_never(answer.type)


def _from_middleware(item: Asked, decision: MiddlewareDecision) -> Decision:
    match decision:
        case ApproveDecision():
            return Approve()
        case EditDecision(edited_action=Action(name=name, args=args)):
            return _edited(item, name, args)
        case RejectDecision(message=message):
            return _rejection(message)
        case RespondDecision(message=message):
            return parse_decision({"kind": "respond", "text": message})
        case _:
            assert_never(decision)


def _rejection(reason: str) -> Reject:
    return Reject(reason=reason.strip() or NO_REASON)


def _edited(item: Asked, name: str, args: dict[str, Any], *, accepted: bool = False) -> Decision:
    """The edit that *args* make; nothing but the text may differ from what was asked about."""
    asked = _args(item)
    changed = {key for key, value in args.items() if key not in asked or asked[key] != value}
    if name != item.kind or changed - (set() if accepted else set(_blanks(item))):
        raise Invalid("The answer is about something else than was asked.", hint=_how(item))
    if accepted:
        return Approve()
    of = "finding" if item.kind == "publication" else "question"
    said = {blank: args.get(blank) for blank in _blanks(item)}
    return parse_decision({"kind": "edit", "of": of, **said})


def _how(item: Asked) -> str:
    blanks = " and ".join(map(repr, _blanks(item)))
    return f"The action is {item.kind!r}; an edit sets its argument {blanks} and changes no other."


def _blanks(item: Asked) -> tuple[str, ...]:
    """The arguments that an edit fills in."""
    return (_FINDING, _TEXT) if item.kind == "publication" else (_TEXT,)


def _args(item: Asked) -> dict[str, Any]:
    """What a decision is about, as plain values, and what there is to be filled in by an edit."""
    said = {"code": item.code, "section": item.section, "report_digest": item.report_digest}
    args: dict[str, Any] = {name: value for name, value in said.items() if value}
    return args | (dict.fromkeys(_blanks(item), "") if "edit" in item.choices else {})


def _description(item: Asked) -> str:
    """Title, question and detail in Markdown, as both kinds of tools show it."""
    said = f"**{item.title}**\n\n{item.question}"
    return "\n".join((said, "", *(f"- {line}" for line in item.detail))) if item.detail else said
