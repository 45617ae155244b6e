"""Answering one free question with one governed query."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import Any

from agent.opening import open_retriever
from services.errors import QuestionNotUnderstood
from services.evidence import Evidence, Table, encode_scalar
from services.model import Models
from services.retrieval import interpret, resolve_as_of
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, what they answer, and the statement that made them."""

    question: str
    restatement: str
    query: dict[str, Any]
    evidence: Evidence
    table: Table

    def document(self) -> dict[str, Any]:
        """The answer for `--json`; decimals are strings."""
        return {
            "question": self.question,
            "understood": self.restatement,
            "query": self.query,
            "sql": self.evidence.sql,
            "evidence": self.evidence.id,
            "digest": self.evidence.digest,
            "as_of": self.evidence.as_of.isoformat(),
            "snapshot": self.evidence.snapshot,
            "complete": self.evidence.complete,
            "columns": [column.model_dump() for column in self.table.columns],
            "rows": [
                {name: encode_scalar(value) for name, value in row.items()}
                for row in self.table.rows()
            ],
        }


async def answer(settings: Settings, question: str, as_of: date | None) -> Answer:
    """Rows for *question*; raises `QuestionNotUnderstood` with suggestions rather than guess."""
    retriever = await asyncio.to_thread(open_retriever, settings)
    try:
        resolved = await asyncio.to_thread(resolve_as_of, retriever, as_of)
        models = Models(settings)
        found = await interpret(retriever, question, as_of=resolved, writer=models.client("sql"))
        if found.query is None:
            raise QuestionNotUnderstood(found.problem, hint="; ".join(found.suggestions))
        evidence, table = await asyncio.to_thread(retriever.retrieve, found.query, as_of=resolved)
    finally:
        retriever.close()
    return Answer(
        question=question,
        restatement=found.restatement,
        query=found.query.model_dump(mode="json"),
        evidence=evidence,
        table=table,
    )
