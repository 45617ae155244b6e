"""The models of a run: who plays which role, and what it has cost so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from services.settings import ModelRole, Settings

from ._check import ModelCheck, check_model
from ._client import CallWatch, ModelClient, Usage
from ._server import Server

__all__ = ["Models", "Usage"]


class Models:
    """One client for each role that has a server; roles on one server share its queue."""

    def __init__(self, settings: Settings) -> None:
        endpoints = [settings.endpoint(role) for role in get_args(ModelRole)]
        known = [endpoint for endpoint in endpoints if endpoint is not None]
        servers = {endpoint.url: Server(endpoint.url) for endpoint in known}
        self._clients = {e.role: ModelClient(e, servers[e.url]) for e in known}
        self._taken = 0
        self._waits = settings.model_down == "wait"

    @property
    def any_set(self) -> bool:
        """Whether any role has a model."""
        return bool(self._clients)

    def client(self, role: ModelRole, watch: CallWatch | None = None) -> ModelClient | None:
        """The model that plays *role*, *watch* told of its calls; None when no server is set for it."""
        client = self._clients.get(role)
        return client.watched(watch) if client and watch else client

    @property
    def usage(self) -> Mapping[ModelRole, Usage]:
        """What each role has asked and been answered so far."""
        return {role: client.usage for role, client in self._clients.items()}

    def take_tokens(self) -> int:
        """Tokens that all roles have used since this was last asked."""
        total = sum(u.input_tokens + u.output_tokens for u in self.usage.values())
        taken, self._taken = total - self._taken, total
        return taken

    async def wait_for(self) -> None:
        """
        Raise `ModelUnavailable` when a server is down that runs are set to wait for.

        Where the rules write in its stead, nothing is asked and nothing raised.
        """
        if self._waits:
            for client in self._clients.values():
                await client.ping()

    async def check(self, role: ModelRole) -> ModelCheck:
        """Ask the model of *role* a small question; a role without a server has nothing to fail."""
        client = self.client(role)
        return ModelCheck(role=role) if client is None else await check_model(client)
