"""
The two shapes in which LangGraph's tools put a question to a person, and take the answer.

The field names are those of `langgraph.prebuilt.interrupt`, which Agent Inbox reads, and of the
human-in-the-loop middleware of LangChain 1.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from services.evidence import Frozen
from services.review import DecisionKind

Shape: TypeAlias = Literal["agent-inbox", "middleware"]
_Args: TypeAlias = dict[str, Any]


class ActionRequest(Frozen):
    """What is to be done, in Agent Inbox."""

    action: str
    args: _Args


class HumanInterruptConfig(Frozen):
    """Which answers Agent Inbox offers."""

    allow_ignore: bool
    allow_respond: bool
    allow_edit: bool
    allow_accept: bool


class HumanInterrupt(Frozen):
    """A question as Agent Inbox reads it."""

    action_request: ActionRequest
    config: HumanInterruptConfig
    description: str | None


class HumanResponse(Frozen):
    """An answer as Agent Inbox writes it."""

    type: Literal["accept", "ignore", "response", "edit"]
    args: ActionRequest | str | None = None
    """The action for edit and, unchanged, accept; a text for response and, as a reason, ignore."""


class Action(Frozen):
    """What is to be done, for the middleware."""

    name: str
    args: _Args


class ReviewedAction(Action):
    """An action that the middleware asks about."""

    description: str


class ReviewConfig(Frozen):
    """Which answers the middleware takes for an action."""

    action_name: str
    allowed_decisions: tuple[DecisionKind, ...]


class HITLRequest(Frozen):
    """A question as the middleware puts it. Ours has one action."""

    action_requests: Annotated[tuple[ReviewedAction, ...], Field(min_length=1, max_length=1)]
    review_configs: Annotated[tuple[ReviewConfig, ...], Field(min_length=1, max_length=1)]


class ApproveDecision(Frozen):
    type: Literal["approve"] = "approve"


class EditDecision(Frozen):
    type: Literal["edit"] = "edit"
    edited_action: Action


class RejectDecision(Frozen):
    type: Literal["reject"] = "reject"
    message: str = ""


class RespondDecision(Frozen):
    type: Literal["respond"] = "respond"
    message: str


MiddlewareDecision: TypeAlias = Annotated[
    ApproveDecision | EditDecision | RejectDecision | RespondDecision, Field(discriminator="type")
]


class HITLResponse(Frozen):
    """An answer as the middleware takes it: one decision for our one action."""

    decisions: Annotated[tuple[MiddlewareDecision, ...], Field(min_length=1, max_length=1)]


InboxAnswer: TypeAlias = (
    HumanResponse
    | Annotated[tuple[HumanResponse, ...], Field(min_length=1, max_length=1)]
    | HITLResponse
)
"""Agent Inbox sends its answer in a list of one."""
