"""The systems around Assay: one calls in, one is called; both know Standard Webhooks' own library."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from standardwebhooks import Webhook

from tests.browser.elsewhere import Elsewhere, Received
from tests.browser.site import Site

_SOURCE: Final = """\
name: {name}
request:
  question: {{pointer: /alert/question}}
  formats: {{default: [html, json]}}
"""


@dataclass(frozen=True)
class Caller:
    """A source that Assay takes calls of."""

    site: Site
    name: str
    secret: str

    @classmethod
    def known_to(cls, site: Site, name: str) -> Caller:
        file = site.folder / f"{name}.yaml"
        file.write_text(_SOURCE.format(name=name), encoding="utf-8")
        made = site.json("webhook", "source", "add", str(file))
        return cls(site, name, made["secret"])

    def call(self, webhook_id: str, payload: dict[str, Any]) -> httpx.Response:
        body, at = json.dumps(payload), datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(webhook_id, at, body),
        }
        url = f"{self.site.url}/v1/webhooks/{self.name}"
        return httpx.post(url, content=body, headers=headers, timeout=30)


@dataclass(frozen=True)
class Listener:
    """An endpoint that Assay tells of events."""

    site: Site
    elsewhere: Elsewhere
    path: str
    secret: str

    @classmethod
    def known_to(cls, site: Site, elsewhere: Elsewhere, path: str) -> Listener:
        made = site.json("webhook", "endpoint", "add", elsewhere.url + path)
        return cls(site, elsewhere, path, made["secret"])

    def told(self, run_id: str, event: str) -> dict[str, Any]:
        """The data of the one event of that type about the run, once it has come; verified."""
        return self.site.until(lambda: self._events(run_id).get(event), seconds=30)

    def _events(self, run_id: str) -> dict[str, dict[str, Any]]:
        ours = [one for one in self.elsewhere.received if one.path == self.path]
        said = [self._verified(one) for one in ours]
        return {one["type"]: one["data"] for one in said if one["data"].get("run_id") == run_id}

    def _verified(self, received: Received) -> dict[str, Any]:
        content: dict[str, Any] = Webhook(self.secret).verify(received.body, dict(received.headers))
        return content
