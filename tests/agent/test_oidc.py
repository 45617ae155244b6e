"""People and programs that an identity provider vouches for."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from agent.doorkeeping import Doorkeeper
from agent.runner import Runner
from agent.web.cookies import COOKIE
from services.access import Refusals, _attempts
from tests.agent.browsers import app_of, browser, token_of
from tests.agent.identity_provider import AUDIENCE, CLIENT, SECRET, IdentityProvider, encoded

ANALYST = {"sub": "ada@bank.example", "roles": ["analyst", "unknown"]}


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider(claims=dict(ANALYST)) as made:
        yield made


@pytest.fixture
async def runner(provider: IdentityProvider, make_runner: Any) -> AsyncIterator[Runner]:
    settings = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SECRET,
        "oidc_audience": AUDIENCE,
    }
    async with make_runner(**settings) as made:
        yield made


@pytest.fixture
def app(runner: Runner) -> FastAPI:
    return app_of(runner)


async def asked(app: FastAPI, token: str) -> httpx.Response:
    """A program asks who it is, with *token*."""
    async with browser(app, headers={"Accept": "*/*"}) as client:
        return await client.get("/v1/whoami", headers={"Authorization": f"Bearer {token}"})


async def left(client: httpx.AsyncClient, path: str = "/v1/whoami") -> str:
    """The browser presses the button; where it is sent."""
    sent = {"csrf": await token_of(client), "next": path}
    answer = await client.post("/login/provider", data=sent)
    assert 303 == answer.status_code
    return answer.headers["location"]


async def test_a_token_says_who_asks(app: FastAPI, provider: IdentityProvider) -> None:
    """Its keys are fetched once for many."""
    answers = [await asked(app, provider.token()) for _ in range(3)]

    assert [200] * 3 == [answer.status_code for answer in answers]
    assert {
        "name": "oidc:ada@bank.example",
        "kind": "oidc",
        "tenant": "",
        "roles": ["analyst"],
        "permissions": ["read", "start", "steer"],
    } == answers[0].json()
    assert 1 == provider.fetched


def forged(provider: IdentityProvider, algorithm: str, secret: bytes | None) -> str:
    """A token that is signed with what everybody knows, or with nothing."""
    header = {"alg": algorithm, "typ": "JWT", "kid": provider.key.kid}
    now = int(time.time())
    claims = {"iss": provider.issuer, "aud": AUDIENCE, "iat": now, "exp": now + 300, **ANALYST}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    digest = hmac.digest(secret, signed.encode(), hashlib.sha256) if secret else b""
    return f"{signed}.{encoded(digest)}"


def bad_tokens(provider: IdentityProvider) -> Iterator[tuple[str, str]]:
    """Tokens that must not count, and why."""
    now = int(time.time())
    good = provider.token()
    head, body, signature = good.split(".")
    public = provider.key.as_pem(private=False)
    modulus = provider.key.as_dict(private=False)["n"]
    yield "another audience", provider.token(aud="somebody-else")
    yield "an ID token of ours", provider.token(aud=CLIENT, nonce="n")
    yield "no audience", provider.token(aud=None)
    yield "another issuer", provider.token(iss="https://evil.example")
    yield "no issuer", provider.token(iss=None)
    yield "expired", provider.token(exp=now - 61)
    yield "without an end", provider.token(exp=None)
    yield "an end that is no time", provider.token(exp="9999999999")
    yield "not yet", provider.token(nbf=now + 3_600)
    yield "of the future", provider.token(iat=now + 3_600)
    yield "without a subject", provider.token(sub=None)
    yield "a name for a log", provider.token(sub="a\nb")
    yield "alg none", forged(provider, "none", None)
    yield "HS256 with the public key", forged(provider, "HS256", public)
    yield "HS256 with the modulus", forged(provider, "HS256", str(modulus).encode())
    yield "no signature", f"{head}.{body}."
    yield "another's signature", f"{head}.{provider.token(sub='x').split('.')[1]}.{signature}"
    yield (
        "an extension that must be understood",
        provider.token(header={"alg": "RS256", "kid": "k1", "crit": ["exp"], "exp": 1}),
    )
    yield "no JSON", f"{encoded(b'[' * 400)}.{body}.{signature}"
    yield "no token", "a.b.c"
    yield "nothing", ".."
    yield "too long", f"{head}.{body}.{'a' * 8_000}"


async def test_what_is_wrong_with_a_token_is_not_said(
    app: FastAPI, runner: Runner, provider: IdentityProvider
) -> None:
    """Each is refused in the same way, none by an unexpected error, and all are noted."""
    tokens = dict(bad_tokens(provider))
    found = {why: await asked(app, token) for why, token in tokens.items()}

    assert dict.fromkeys(tokens, (401, "A304")) == {
        why: (answer.status_code, answer.json()["code"]) for why, answer in found.items()
    }
    assert len(tokens) == len(await Refusals(runner.stores.redis).list())


async def test_a_key_that_the_provider_does_not_publish_signs_nothing(
    app: FastAPI, provider: IdentityProvider
) -> None:
    """Under a known name or an unknown one; made-up names have nobody fetch again and again."""
    await asked(app, provider.token())
    published = list(provider.published)
    answers = []
    for kid in ("k1", "k9", "k10", "k11"):
        provider.rotate(kid)
        provider.published = published
        answers.append(await asked(app, provider.token()))

    assert [401] * 4 == [answer.status_code for answer in answers]
    assert 1 == provider.fetched


async def test_a_new_key_of_the_provider_is_found(app: FastAPI, provider: IdentityProvider) -> None:
    """Without a restart; and while the provider is away, what is known goes on to count."""
    first = provider.token()
    await asked(app, first)
    keys = app.state.provider._keys
    provider.rotate()
    keys._tried -= 31  # half a minute goes by
    rotated = await asked(app, provider.token())
    old = await asked(app, first)
    keys._fetched -= 3_601
    keys._tried -= 31
    provider.issuer = "https://somebody-else.example"
    away = await asked(app, provider.token(iss=app.state.provider.settings.issuer))

    assert [200, 401, 200] == [answer.status_code for answer in (rotated, old, away)]


async def test_a_provider_that_lies_about_its_name_is_not_believed(
    app: FastAPI, provider: IdentityProvider
) -> None:
    """Nobody gets in, and callers are told to come again."""
    token = provider.token()
    provider.issuer = "https://somebody-else.example"
    answer = await asked(app, token)

    assert (503, "A108") == (answer.status_code, answer.json()["code"])
    assert "retry-after" in answer.headers


async def test_whoever_has_no_role_may_do_nothing_and_is_told(
    app: FastAPI, provider: IdentityProvider
) -> None:
    """The provider knows them; we let them do nothing."""
    for roles in (None, [], "root", ["root"], {"analyst": True}, 7):
        token = provider.token(roles=roles)
        async with browser(app, headers={"Accept": "*/*"}) as client:
            answer = await client.get("/v1/runs", headers={"Authorization": f"Bearer {token}"})

        assert (403, "A305") == (answer.status_code, answer.json()["code"])
        assert "have no role" in answer.json()["title"]


async def test_claims_are_read_as_the_settings_say(
    provider: IdentityProvider, make_runner: Any
) -> None:
    """A path into a claim, our role for theirs, and a tenant that must be there."""
    settings = {
        "oidc_issuer": provider.issuer,
        "oidc_audience": AUDIENCE,
        "oidc_name_claim": "preferred_username",
        "oidc_roles_claim": "realm_access.roles",
        "oidc_tenant_claim": "desk",
        "oidc_roles": {"risk-heads": "approver"},
    }
    said = {"preferred_username": "Ada", "realm_access": {"roles": ["risk-heads", "operator"]}}
    async with make_runner(**settings) as runner:
        app = app_of(runner)
        whole = await asked(app, provider.token(**said, desk="rates"))
        without = await asked(app, provider.token(**said))
        odd = await asked(app, provider.token(**said, desk=["rates"]))
        async with browser(app) as client:
            page = await client.get("/login")

    assert ("oidc:Ada", ["approver"], "rates") == tuple(
        whole.json()[name] for name in ("name", "roles", "tenant")
    )
    assert [403, 403] == [without.status_code, odd.status_code]
    assert "organisation" not in page.text


async def test_a_person_signs_in_through_the_provider(
    app: FastAPI, runner: Runner, provider: IdentityProvider
) -> None:
    """With code, PKCE, state and nonce; the operator can end their sessions."""
    async with browser(app) as client:
        where = await left(client, "/v1/whoami?x=1")
        back = await client.get(provider.authorize(where))
        who = await client.get(back.headers["location"])
        await Doorkeeper(runner.stores, by="Op").sign_out("oidc:ada@bank.example")
        ended = await client.get("/v1/whoami")

    query = {name: value[0] for name, value in parse_qs(urlsplit(where).query).items()}
    assert where.startswith(f"{provider.url}/authorize?")
    assert {"client_id", "redirect_uri", "state", "nonce", "code_challenge", "scope"} <= set(query)
    assert "http://127.0.0.1/login/provider/callback" == query["redirect_uri"]
    assert (303, "/v1/whoami?x=1") == (back.status_code, back.headers["location"])
    assert ("oidc:ada@bank.example", ["analyst"]) == (who.json()["name"], who.json()["roles"])
    assert 303 == ended.status_code


async def test_a_way_back_is_gone_once_and_by_who_began(
    app: FastAPI, provider: IdentityProvider
) -> None:
    """A replayed state, one of another browser's, and an invented one sign nobody in."""
    async with browser(app) as client, browser(app) as victim:
        used = provider.authorize(await left(client))
        await client.get(used)
        await client.post("/logout", data={"csrf": await token_of(client, "/v1/runs/none")})
        await client.get("/login")
        replayed = await client.get(used)
        await victim.get("/login")
        lured = await victim.get(provider.authorize(await left(client)))
        invented = await victim.get("/login/provider/callback?state=x&code=y")
        denied = await victim.get("/login/provider/callback?error=access_denied&state=<b>")

    for answer in (replayed, lured, invented, denied):
        assert 401 == answer.status_code
        assert "not begun here" in answer.text
        assert not [c for c in answer.headers.get_list("set-cookie") if c.startswith(COOKIE)]


@pytest.mark.parametrize("wrong", ["nonce", "code", "audience", "party", "key"])
async def test_an_answer_that_is_not_ours_signs_nobody_in(
    app: FastAPI, provider: IdentityProvider, wrong: str
) -> None:
    """Whatever the provider, or somebody in its place, has put into it."""
    async with browser(app) as client:
        back = provider.authorize(await left(client))
        match wrong:
            case "nonce":
                provider.nonce = "of another sign-in"
            case "code":
                provider.codes.clear()
            case "audience":
                provider.token = lambda **_: IdentityProvider.token(provider, nonce="n")  # type: ignore[method-assign]
            case "party":
                provider.claims["azp"] = "another-client"
            case _:
                provider.rotate("k1")
                provider.published = []
        answer = await client.get(back)
        after = await client.get("/v1/whoami")

    assert (401, 303) == (answer.status_code, after.status_code)


async def test_a_person_without_a_role_is_told_on_a_page(
    app: FastAPI, provider: IdentityProvider
) -> None:
    """They are signed in, can sign out, and see nothing."""
    provider.claims["roles"] = []
    async with browser(app) as client:
        back = await client.get(provider.authorize(await left(client, "/v1/runs")))
        page = await client.get(back.headers["location"])

    assert 403 == page.status_code
    assert "have no role" in page.text
    assert "Sign out" in page.text


async def test_a_browser_leaves_from_our_page_only(
    app: FastAPI, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not for ever: what is kept meanwhile is bounded."""
    monkeypatch.setattr(_attempts, "_VISITS", 3)
    async with browser(app) as client:
        forged_form = await client.post("/login/provider", data={"csrf": "x"})
        csrf = await token_of(client)
        answers = [
            await client.post("/login/provider", data={"csrf": csrf, "next": "//evil"})
            for _ in range(4)
        ]
    states = [name async for name in runner.stores.redis.scan_iter("assay:oidc:state:*")]

    assert 403 == forged_form.status_code
    assert [303] * 3 + [429] == [answer.status_code for answer in answers]
    assert 3 == len(states)
