"""A small question to a model: does it answer, and does it keep to a schema?"""

from __future__ import annotations

import time
from typing import Any, Final

from services.errors import ModelUnavailable
from services.evidence import Frozen
from services.settings import ModelRole

from ._client import ModelClient
from ._reply import UnusableAnswer

_SYSTEM: Final = "You compare exposures. Answer with a JSON object."
_QUESTION: Final = "Exposure alpha is 12, exposure beta is 7. Which is larger?"
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"larger": {"type": "string", "enum": ["alpha", "beta"]}},
    "required": ["larger"],
    "additionalProperties": False,
}


class ModelCheck(Frozen):
    """What came of asking one role's model; without a server there is nothing to ask."""

    role: ModelRole
    server: str = ""
    model: str = ""
    answers: bool = False
    keeps_to_schema: bool = False
    seconds: float = 0.0
    problem: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.problem)

    def row(self) -> tuple[str, str, str, str, str, str]:
        """Role, server, model, answers, keeps to the schema, seconds."""
        if not self.server:
            return (self.role, "none set", "", "", "", "")
        return (
            self.role,
            self.server,
            self.model,
            "yes" if self.answers else "no",
            "yes" if self.keeps_to_schema else "no",
            f"{self.seconds:.1f}",
        )


async def check_model(client: ModelClient) -> ModelCheck:
    """Ask *client* the small question; a failure is part of what is returned."""
    started = time.monotonic()
    answers, problem = True, ""
    try:
        await client.complete(_SYSTEM, _QUESTION, _SCHEMA, schema_name="check", max_tokens=60)
    except UnusableAnswer as error:
        problem = error.message
    except ModelUnavailable as error:
        answers, problem = False, error.message
    return ModelCheck(
        role=client.role,
        server=client.url,
        model=client.name,
        answers=answers,
        keeps_to_schema=not problem,
        seconds=round(time.monotonic() - started, 3),
        problem=problem,
    )
