"""Why a call is not taken: told to the operator, never to the caller."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

RefusalKind: TypeAlias = Literal["authentication", "payload"]


class Refusal(Exception):
    """A call that is refused. All of a kind are answered with the same words."""

    def __init__(self, kind: RefusalKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason

    @classmethod
    def of_caller(cls, reason: str) -> Self:
        """Who calls is not shown to be who they say."""
        return cls("authentication", reason)

    @classmethod
    def of_payload(cls, reason: str) -> Self:
        """What is asked cannot be done."""
        return cls("payload", reason)
