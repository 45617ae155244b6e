"""The routers of all pages."""

from typing import Final

from fastapi import APIRouter

from agent.web.pages import compare, evidence, report, run_actions, run_history, runs

ROUTERS: Final[tuple[APIRouter, ...]] = tuple(
    module.router for module in (runs, report, evidence, compare, run_actions, run_history)
)
