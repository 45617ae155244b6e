"""
Language models behind OpenAI-compatible servers, one for each role.

`Models` knows which role has a model; a `ModelClient` asks it for an answer that fits a JSON
schema. Every way in which a server or an answer can fail ends in one error, `ModelUnavailable`.
"""

from ._check import ModelCheck
from ._client import PROMPT_LIMIT, CallWatch, ModelCall, ModelClient
from ._models import Models, Usage
from ._reply import UnusableAnswer

__all__ = [
    "PROMPT_LIMIT",
    "CallWatch",
    "ModelCall",
    "ModelCheck",
    "ModelClient",
    "Models",
    "UnusableAnswer",
    "Usage",
]
