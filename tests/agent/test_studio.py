"""The graph as LangGraph's own tools open it, by `langgraph.json`."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent.driving import thread_of
from agent.graph import build_graph
from services.settings import Settings
from tests.agent.driven import QUESTION
from tests.agent.homes import Home

FILE = json.loads(Path("langgraph.json").read_text("utf-8"))


def named() -> Any:
    """What the file names, imported from its path as those tools do."""
    path, _, name = FILE["graphs"]["assay"]["path"].partition(":")
    spec = importlib.util.spec_from_file_location("opened_by_path", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


async def test_the_file_opens_the_graph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It compiles with the nodes of the graph, and looking at it opens no home."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    async with named()() as opened:
        nodes, sections = set(opened.nodes), dict(opened.get_subgraphs())["section"]
    real = build_graph(InMemorySaver())

    assert set(real.nodes) == nodes
    assert set(dict(real.get_subgraphs())["section"].nodes) == set(sections.nodes)
    assert not (tmp_path / "home").exists()


def test_the_file_sets_a_home_of_its_own_and_no_secret() -> None:
    """What is answered in Studio decides nothing of the real runs; only known settings are set."""
    settings = {f"ASSAY_{name.upper()}": field for name, field in Settings.model_fields.items()}

    assert {"ASSAY_HOME", "ASSAY_OUTPUT"} == set(FILE["env"]) <= set(settings)
    assert all(value.startswith(".studio/") for value in FILE["env"].values())


async def test_a_thread_runs_and_is_answered_in_agent_inbox(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question is all the input; the wait reads as an interrupt, the answer goes on from it."""
    for name, value in home.environment.items():
        if name.startswith(("ASSAY_", "XDG_")):
            monkeypatch.setenv(name, value)
    saver, thread = InMemorySaver(), thread_of("t")
    async with named()() as opened:
        opened.checkpointer = saver
        asked = await opened.ainvoke({"request": {"question": QUESTION}}, thread)
    async with named()() as opened:  # each visit to a thread is one of its own
        opened.checkpointer = saver
        done = await opened.ainvoke(Command(resume=[{"type": "accept", "args": None}]), thread)

    wait = asked["__interrupt__"][0].value
    assert ("publication", True, ["approve", "edit", "reject"]) == (
        wait["action_request"]["action"],
        wait["config"]["allow_accept"],
        wait["review_configs"][0]["allowed_decisions"],
    )
    assert ("approve", "Ada") == (done["decision"]["kind"], done["receipt"]["by"])
    assert "APPROVED" == home.report("studio-t")["status"]
