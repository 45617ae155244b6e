"""Calls are who they say they are by Standard Webhooks, and nothing else passes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from services.errors import Invalid
from services.webhooks import Refusal, SignedHeaders, key_of, new_secret, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = new_secret()
BODY = b'{"question": "NPL ratio by segment \xe2\x82\xac"}'

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def signed(
    *, secret: str = SECRET, at: datetime | None = None, body: bytes = BODY, webhook_id: str = "m1"
) -> SignedHeaders:
    """What the library of Standard Webhooks sends."""
    at = at or now()
    signature = Webhook(secret).sign(webhook_id, at, body.decode())
    return SignedHeaders(webhook_id, str(int(at.timestamp())), signature)


def test_what_the_library_signs_is_accepted() -> None:
    """With the secret among several, in whatever place."""
    for keys in ([SECRET], [OTHER, SECRET], [SECRET, OTHER]):
        verify(signed(), BODY, [key_of(secret) for secret in keys], at=now())


def test_what_we_sign_the_library_verifies() -> None:
    """And nothing else: not another body, id, time or secret."""
    at = int(now().timestamp())
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(at),
        "webhook-signature": sign(key_of(SECRET), "evt_1", at, BODY),
    }
    Webhook(SECRET).verify(BODY, headers)
    for changed in (
        {"webhook-id": "evt_2"},
        {"webhook-timestamp": str(at + 1)},
        {"webhook-signature": sign(key_of(OTHER), "evt_1", at, BODY)},
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(BODY, headers | changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", headers)


def test_one_of_several_signatures_is_enough() -> None:
    """As a sender has them who changes its secret; versions that we do not know are passed over."""
    good, other = signed(), signed(secret=OTHER)
    both = good._replace(signature=f"v1a,AAAA v2,BBBB {other.signature} {good.signature}")
    verify(both, BODY, [key_of(SECRET)], at=now())


@pytest.mark.parametrize(
    "headers",
    [
        signed()._replace(webhook_id=""),
        signed()._replace(webhook_id="m2"),
        signed()._replace(webhook_id="m1\r\nx: y"),
        signed()._replace(webhook_id="m" * 257),
        signed()._replace(timestamp=""),
        signed()._replace(timestamp="hello"),
        signed()._replace(timestamp="1e9"),
        signed()._replace(timestamp="-1"),
        signed()._replace(timestamp="\u0661"),
        signed()._replace(signature=""),
        signed()._replace(signature=signed().signature[3:]),
        signed()._replace(signature=signed().signature.replace("v1,", "v2,")),
        signed()._replace(signature="v1,"),
        signed()._replace(signature="v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="),
        signed()._replace(signature="v1,\u20ac"),
        signed()._replace(signature=" ".join(["v1,AAAA"] * 17 + [signed().signature])),
        signed(secret=OTHER),
        signed(body=BODY + b" "),
    ],
)
def test_the_bad_cases_are_refused(headers: SignedHeaders) -> None:
    """Missing, changed, malformed, and of another secret."""
    with pytest.raises(Refusal) as refused:
        verify(headers, BODY, [key_of(SECRET)], at=now())

    assert "authentication" == refused.value.kind


def test_times_within_the_tolerance_pass() -> None:
    """Five minutes both ways, and no longer."""
    for off in (timedelta(minutes=-4, seconds=-58), timedelta(minutes=4, seconds=58)):
        verify(signed(at=NOON + off), BODY, [key_of(SECRET)], at=NOON)
    for off in (timedelta(minutes=-5, seconds=-2), timedelta(minutes=5, seconds=2)):
        with pytest.raises(Refusal):
            verify(signed(at=NOON + off), BODY, [key_of(SECRET)], at=NOON)


def test_without_a_key_nothing_passes() -> None:
    """A source that is not there is refused as a wrong signature is."""
    with pytest.raises(Refusal) as refused:
        verify(signed(), BODY, [], at=now())

    assert "authentication" == refused.value.kind


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "secret",
        "whsec_AAAA",
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + "A" * 100,
    ],
)
def test_a_secret_has_the_standards_form_and_strength(secret: str) -> None:
    """Prefix, base64, 24 to 64 bytes."""
    with pytest.raises(Invalid):
        key_of(secret)
    assert 32 == len(key_of(new_secret()))
