"""Where events may be sent: public addresses, checked where the connection is made."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from services.errors import Invalid

_MOST_URL: Final = 2_000
_LOOK_UP_SECONDS: Final = 5.0
_HTTPS: Final = 443
_FIRST_FREE_PORT: Final = 1024

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver: TypeAlias = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""The addresses of a host, as text."""

_CLOSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23"),
        *("2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10"),
        *("fec0::/10", "ff00::/8"),
    )
)
"""
Networks that are not the public one, or that lead to any by an address within the address: IPv4
mapped, compatible, translated and tunnelled.
"""


class Forbidden(Exception):
    """An address that nothing is sent to."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet."""
    is_closed = any(address in net for net in _CLOSED if net.version == address.version)
    return address.is_global and not address.is_multicast and not is_closed


def check_url(url: str, *, private: bool) -> str:
    """*url* as it is stored; `Invalid` when events may not be sent there."""
    if problem := _problem_of(url, private=private):
        raise Invalid(
            f"Events are not sent to this URL: {problem}.",
            hint="give one like https://hooks.example.com/assay",
        )
    return url


def _problem_of(url: str, *, private: bool) -> str:
    if len(url) > _MOST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return "it is too long, or has signs that a URL has not"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it cannot be read"
    schemes = ("https", "http") if private else ("https",)
    problems = {
        f"it does not begin with {' or '.join(schemes)}": parts.scheme not in schemes,
        "it names no host": not parts.hostname,
        "it holds a name or a password": "@" in parts.netloc,
        "it has a fragment": bool(parts.fragment),
        "its port is reserved for other services": not _is_open(port, private=private),
        "its address is not a public one": not private and _is_closed(parts.hostname or ""),
    }
    return next((problem for problem, is_so in problems.items() if is_so), "")


def _is_open(port: int | None, *, private: bool) -> bool:
    return port in (None, _HTTPS) or (private and port == 80) or port >= _FIRST_FREE_PORT


def _is_closed(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not is_public(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return False


async def allowed_addresses(
    url: str, *, private: bool, resolve: Resolver
) -> tuple[SplitResult, int, tuple[str, ...]]:
    """
    The parts of *url*, its port, and the addresses to connect to; raises `Forbidden`.

    A host with even one address that is not public is sent nothing.
    """
    if problem := _problem_of(url, private=private):
        raise Forbidden(problem)
    parts = urlsplit(url)
    port = parts.port or (_HTTPS if parts.scheme == "https" else 80)
    found = await resolve(parts.hostname or "", port)
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
    if not private and not all(is_public(address) for address in addresses):
        raise Forbidden("its host has an address that is not public")
    return parts, port, tuple(str(address) for address in addresses)


async def resolved(host: str, port: int) -> tuple[str, ...]:
    """The addresses of *host*, in the order in which to try them; raises `OSError`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_LOOK_UP_SECONDS):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
