"""Nothing is sent to an address that is not public, by whatever way it is named."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

import pytest

from services.errors import Invalid
from services.webhooks import HttpSender, Message, check_url, is_public
from services.webhooks._addresses import Forbidden, allowed_addresses

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.9.9.9",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
OPEN = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1"]
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_is_not_public_is_closed(address: str) -> None:
    """Private, loopback, link-local, shared, documented, reserved, multicast, mapped, tunnelled."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_is_open(address: str) -> None:
    """Also one that lies beside a closed network."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "//example.com",
        "https://user:word@example.com/",
        "https://user@example.com/",
        "https://example.com/#part",
        "https://example.com:22/",
        "https://example.com:80/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com/a b",
        "https://example.com/\r\nx: y",
        "https://ex\u0430mple.com/",
        "https://localhost/",
        "https://a.localhost/",
        "https://db.internal/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[bad",
        "https://example.com/" + "x" * 2_000,
    ],
)
def test_a_url_that_nothing_may_be_sent_to_is_refused(url: str) -> None:
    """When an endpoint is made, with the reason."""
    with pytest.raises(Invalid, match="Events are not sent to this URL"):
        check_url(url, private=False)


def test_private_urls_are_for_who_allows_them() -> None:
    """Over plain HTTP too; a name and a password never."""
    for url in ("http://127.0.0.1:8080/x", "http://localhost/", "https://10.0.0.1/"):
        assert url == check_url(url, private=True)
    for url in ("http://127.0.0.1:22/", "http://user:word@127.0.0.1:8080/", "gopher://127.0.0.1/"):
        with pytest.raises(Invalid):
            check_url(url, private=True)
    for url in ("https://hooks.example.com/a?b=c", "https://example.com:8443/", "https://1.1.1.1/"):
        assert url == check_url(url, private=False)


@pytest.mark.parametrize("text", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"])
async def test_numbers_that_the_resolver_takes_for_addresses_are_closed(text: str) -> None:
    """They are no addresses to us, but what they are resolved to is looked at."""
    import socket

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return tuple(str(entry[4][0]) for entry in socket.getaddrinfo(host, port))

    with pytest.raises(Forbidden):
        await allowed_addresses(f"https://{text}/", private=False, resolve=resolve)


@pytest.mark.parametrize("address", CLOSED)
async def test_a_name_of_a_closed_address_is_sent_nothing(address: str) -> None:
    """Also when only one of its addresses is closed."""

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return ("1.1.1.1", address)

    answer = await HttpSender(private=False, resolve=resolve)(
        "https://hooks.example.com/", bytes(32), Message("evt_1", b"{}"), at=NOON
    )

    assert (0, "not sent: its host has an address that is not public") == answer[:2]


async def test_what_was_looked_up_is_what_is_connected_to() -> None:
    """A name is looked up once for a try: it cannot stand for another address a moment later."""
    looked: list[str] = []

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        looked.append(host)
        return ("127.0.0.1",) if len(looked) > 1 else ("192.0.2.1",)

    parts, port, addresses = await allowed_addresses(
        "https://rebound.example.com:8443/x", private=True, resolve=resolve
    )

    assert ["rebound.example.com"] == looked
    assert (8443, ("192.0.2.1",)) == (port, addresses)
    assert "rebound.example.com" == parts.hostname
