"""One delivery, sent once: signed, to a checked address, with nothing followed and little read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Final, NamedTuple, Protocol

import httpx

from ._addresses import Forbidden, Resolver, allowed_addresses, resolved
from ._signature import sign

SEND_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
_MOST_TRIED: Final = 2
_MOST_WAIT: Final = 24 * 3600


class Message(NamedTuple):
    """What is sent: the body stays the same from try to try, and the id with it."""

    webhook_id: str
    body: bytes


class Answer(NamedTuple):
    """What came of a try. `status` is 0 when there was no answer."""

    status: int
    problem: str = ""
    retry_after: float = 0.0
    """Seconds for which the receiver wants to be left alone."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Sender(Protocol):
    """Sends a message to a URL, and always has an answer."""

    async def __call__(self, url: str, key: bytes, message: Message, *, at: datetime) -> Answer: ...


class HttpSender:
    """
    Sends over HTTP.

    The host is looked up here and the connection made to the address that was checked, whatever the
    name stands for a moment later. Proxies of the environment are not used: they would look again.
    """

    def __init__(self, *, private: bool, resolve: Resolver = resolved) -> None:
        self._private = private
        self._resolve = resolve

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """The authorities of this machine, read once."""
        return ssl.create_default_context()

    async def __call__(self, url: str, key: bytes, message: Message, *, at: datetime) -> Answer:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._sent(url, _headers(key, message, at), message.body, at)
        except Forbidden as forbidden:
            return Answer(0, f"not sent: {forbidden}")
        except TimeoutError:
            return Answer(0, "no answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Answer(0, f"no connection, or none that held ({type(error).__name__})")

    async def _sent(
        self, url: str, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> Answer:
        parts, port, addresses = await allowed_addresses(
            url, private=self._private, resolve=self._resolve
        )
        timeout = httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        async with httpx.AsyncClient(
            timeout=timeout, verify=self._trust, trust_env=False, follow_redirects=False
        ) as client:
            for left, address in enumerate(reversed(addresses[:_MOST_TRIED])):
                target = httpx.URL(url).copy_with(host=address, port=port)
                request = client.build_request(
                    "POST",
                    target,
                    content=body,
                    headers={"Host": parts.netloc, **headers},
                    extensions={"sni_hostname": parts.hostname or ""},
                )
                try:
                    answer = await client.send(request, stream=True)
                except httpx.ConnectError:
                    if left + 1 == len(addresses[:_MOST_TRIED]):
                        raise
                    continue
                await answer.aclose()  # what it says beyond its status is nobody's
                return _judged(answer, at)
        return Answer(0, "the host has no address")


def _headers(key: bytes, message: Message, at: datetime) -> dict[str, str]:
    timestamp = int(at.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": "assay-webhooks/1",
        "Accept-Encoding": "identity",
        "webhook-id": message.webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(key, message.webhook_id, timestamp, message.body),
    }


def _judged(answer: httpx.Response, at: datetime) -> Answer:
    if answer.is_success:
        return Answer(answer.status_code)
    problem = f"HTTP {answer.status_code}"
    if answer.is_redirect:
        problem += ", a redirect, which is not followed"
    return Answer(answer.status_code, problem, _wait(answer.headers.get("retry-after", ""), at))


def _wait(text: str, at: datetime) -> float:
    """Seconds that a `Retry-After` asks for, as a number or a date."""
    text = text.strip()[:40]
    if text.isascii() and text.isdigit():
        return min(float(text), _MOST_WAIT)
    try:
        seconds = (parsedate_to_datetime(text) - at).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), _MOST_WAIT)
