"""
An allow-list guard for SQL that a model wrote: policy and SQL in, verdict out, no input or output.

    verdict = Guard(GuardPolicy.load(text)).check("SELECT desk FROM risk.positions")
    if verdict.allowed:
        run(verdict.sql)

Only `Verdict.sql` may run: it is written from the tree that the rules looked at, never copied.
"""

import logging

from ._guard import Guard
from ._policy import FunctionLists, GuardPolicy, Limits, Role, RoleTable
from ._verdict import Reading, SecondOpinion, Verdict, Violation

__all__ = [
    "FunctionLists",
    "Guard",
    "GuardPolicy",
    "Limits",
    "Reading",
    "Role",
    "RoleTable",
    "SecondOpinion",
    "Verdict",
    "Violation",
]

# The parser logs the texts of statements that it only half understands.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
