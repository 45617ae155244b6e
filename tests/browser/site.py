"""A real Assay for browsers to visit: store, warehouse, people, `assay serve` and `assay worker`."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx

from agent.driving import now
from agent.opening import open_retriever
from agent.runner import Runner
from agent.stores import open_stores
from services.access import ROLES, Role, Users
from services.settings import Settings
from services.store import EmbeddedServer
from services.warehouse import build_sample
from tests.agent.homes import Home
from tests.agent.nursery import Command
from tests.agent.servers import free_port

T = TypeVar("T")
PASSWORD: Final = "correct horse battery staple"
PEOPLE: Final[dict[str, tuple[Role, ...]]] = {
    "Ada": ROLES,
    "Ben": ("analyst", "reviewer", "approver"),
    "Cleo": ("reviewer", "approver"),
    "Vic": ("viewer",),
}
"""Ada may do everything; Vic may only look."""
_FOUR_EYES: Final = """\
[[approvals]]
kind = "publication"
needed = 2
"""
_START: Final = 60


@dataclass
class Site:
    """One Assay of its own, from `start` to `stop`."""

    folder: Path
    port: int = field(default_factory=free_port)
    people: dict[str, tuple[Role, ...]] = field(default_factory=lambda: dict(PEOPLE))
    _commands: list[Command] = field(default_factory=list)
    _said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def home(self) -> Home:
        return Home(self.folder)

    @property
    def settings(self) -> Settings:
        """Those of the server, for what the test itself does through the services."""
        return Settings(
            home=self.folder / "home",
            output=self.folder / "reports",
            review_policy=self._policy,
            webhook_private=True,
        )

    @property
    def _policy(self) -> Path:
        return self.folder / "review.toml"

    @property
    def _environment(self) -> dict[str, str]:
        return {"ASSAY_REVIEW_POLICY": str(self._policy), "ASSAY_WEBHOOK_PRIVATE": "true"}

    def start(self, *, worker: bool = True) -> Self:
        """Build the warehouse, make the people, and have the server and a worker answer."""
        warehouse = self.folder / "home" / "warehouse"
        warehouse.mkdir(parents=True)
        build_sample(warehouse)
        self._policy.write_text(_FOUR_EYES, encoding="utf-8")
        self.act(self._make_people)
        self._begin("serve", "--port", str(self.port))
        if worker:
            self._begin("worker")
        self._await(self._answers)
        return self

    def stop(self) -> None:
        """End everything that was started here, the store last."""
        for command in reversed(self._commands):
            command.__exit__()
        EmbeddedServer(self.folder / "home").stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def act(self, deed: Callable[[Runner], Awaitable[T]]) -> T:
        """
        Do something through the real services, beside the server.

        In a thread of its own: the browser's driver keeps a loop running in this one.
        """

        async def acting() -> T:
            settings = self.settings
            async with open_stores(settings) as stores:
                runner = Runner(settings=settings, stores=stores, open_retriever=open_retriever)
                return await deed(runner)

        with ThreadPoolExecutor(1) as threads:
            return threads.submit(lambda: asyncio.run(acting())).result()

    def json(self, *arguments: str) -> Any:
        """What a command of the machine's operator prints as JSON."""
        return self.home.json(*arguments, **self._environment)

    def said(self) -> str:
        """What server and worker have written to stderr so far."""
        return "".join(self._said)

    def until(self, holds: Callable[[], T], *, seconds: float = 30) -> T:
        """What *holds* gives once it is true."""
        return self._await(holds, seconds=seconds)

    async def _make_people(self, runner: Runner) -> None:
        users, at = Users(runner.stores.redis), now()
        for name, roles in self.people.items():
            await users.add(name, PASSWORD, roles=frozenset(roles), at=at)

    def _begin(self, *arguments: str) -> None:
        command = self.home.start(*arguments, **self._environment)
        self._commands.append(command)
        threading.Thread(target=self._listen, args=(command,), daemon=True).start()

    def _listen(self, command: Command) -> None:
        try:
            self._said.extend(command.stderr)
        except ValueError:  # closed at the end
            return

    def _answers(self) -> bool:
        assert all(command.poll() is None for command in self._commands), self.said()
        try:
            return httpx.get(f"{self.url}/healthz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _await(self, holds: Callable[[], Any], *, seconds: float = _START) -> Any:
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, f"not within {seconds} s\n{self.said()}"
            time.sleep(0.1)
        return found
