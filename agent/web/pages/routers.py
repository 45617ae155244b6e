"""The routers of all pages."""

from typing import Final

from fastapi import APIRouter

from agent.web.pages import (
    away,
    compare,
    evidence,
    inbox_events,
    report,
    review_forms,
    review_texts,
    reviews,
    run_actions,
    run_history,
    runs,
)

_OF_RUNS: Final = (runs, report, evidence, compare, run_actions, run_history)
ROUTERS: Final[tuple[APIRouter, ...]] = tuple(
    module.router for module in (*_OF_RUNS, away, inbox_events, reviews, review_texts, review_forms)
)
