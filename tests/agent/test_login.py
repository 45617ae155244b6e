"""People sign in with a password, and are out again when they or an operator say so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from agent.doorkeeping import Doorkeeper, access_log
from agent.runner import Runner
from agent.web.cookies import COOKIE
from services.access import Refusals
from tests.agent.browsers import PASSWORD, app_of, browser, sign_in, token_of, with_user

pytestmark = pytest.mark.usefixtures("quick_passwords")


@pytest.fixture
async def runner(make_runner: Any) -> AsyncIterator[Runner]:
    async with make_runner() as made:
        yield made


@pytest.fixture
async def ada(runner: Runner) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of a person who may sign in, and has not yet."""
    await with_user(runner)
    async with browser(app_of(runner)) as client:
        yield client


async def test_a_browser_is_sent_to_sign_in_and_back(ada: httpx.AsyncClient) -> None:
    """A person ends up where they wanted to go; a program is told what it lacks."""
    asked = await ada.get("/v1/whoami?a=1&b=%0d")
    program = await ada.get("/v1/whoami", headers={"Accept": "*/*"})
    page = await ada.get(asked.headers["location"])
    entered = await sign_in(ada, next="/v1/whoami?a=1")
    arrived = await ada.get(entered.headers["location"])

    assert (303, "/login?next=%2Fv1%2Fwhoami%3Fa%3D1%26b%3D%250d") == (
        asked.status_code,
        asked.headers["location"],
    )
    assert 'value="/v1/whoami?a=1&amp;b=%0d"' in page.text
    assert (401, "application/problem+json") == (
        program.status_code,
        program.headers["content-type"],
    )
    assert (303, "/v1/whoami?a=1") == (entered.status_code, entered.headers["location"])
    assert ("Ada", ["read", "start", "steer"]) == (
        arrived.json()["name"],
        arrived.json()["permissions"],
    )


async def test_on_a_machine_of_ones_own_nobody_signs_in(runner: Runner) -> None:
    """The page leads on at once."""
    async with browser(app_of(runner)) as client:
        answer = await client.get("/login?next=/runs")

    assert (303, "/runs") == (answer.status_code, answer.headers["location"])


async def test_a_wrong_password_and_an_unknown_name_look_alike(
    runner: Runner, ada: httpx.AsyncClient
) -> None:
    """In every word; and the operator learns of the known name only."""
    wrong = await sign_in(ada, password="not the password")
    unknown = await sign_in(ada, name="my password by mistake", password=PASSWORD)
    refused = await Refusals(runner.stores.redis).list()

    assert (401, 401) == (wrong.status_code, unknown.status_code)
    assert wrong.text == unknown.text
    assert COOKIE not in ada.cookies
    assert [("", "/login"), ("Ada", "/login")] == [(one.who, one.path) for one in refused]
    assert "by mistake" not in str(refused)


async def test_signing_out_ends_the_session(ada: httpx.AsyncClient) -> None:
    """In the store too: who has noted the cookie has nothing. A form of another site does not do it."""
    await sign_in(ada)
    stolen = ada.cookies[COOKIE]
    forged = await ada.post("/logout", data={"csrf": "x"})
    still = await ada.get("/v1/whoami")
    csrf = await token_of(ada, "/v1/runs/none")
    out = await ada.post("/logout", data={"csrf": csrf})
    ada.cookies.set(COOKIE, stolen, domain="127.0.0.1")
    after = await ada.get("/v1/whoami", headers={"Accept": "*/*"})

    assert (403, 200) == (forged.status_code, still.status_code)
    assert (303, "/login") == (out.status_code, out.headers["location"])
    assert 'assay_session=""' in out.headers["set-cookie"]
    assert 401 == after.status_code


@pytest.mark.parametrize("change", ["remove", "password", "sign_out"])
async def test_a_session_ends_with_what_it_stands_on(
    runner: Runner, ada: httpx.AsyncClient, change: str
) -> None:
    """At the next request after the person is removed, has another password, or is signed out."""
    door = Doorkeeper(runner.stores, by="Op")
    await sign_in(ada)
    before = await ada.get("/v1/whoami")
    match change:
        case "remove":
            await door.remove_user("Ada")
        case "password":
            await door.set_password("Ada", "another long password")
        case _:
            await door.sign_out("Ada")
    after = await ada.get("/v1/whoami", headers={"Accept": "*/*"})

    assert (200, 401) == (before.status_code, after.status_code)


async def test_other_roles_count_at_once(runner: Runner, ada: httpx.AsyncClient) -> None:
    """The session goes on with them, and every change stands in the audit log."""
    await sign_in(ada)
    await Doorkeeper(runner.stores, by="Op").set_roles("Ada", frozenset({"viewer"}))
    who = await ada.get("/v1/whoami")
    log = await access_log(runner.stores)

    assert ["read"] == who.json()["permissions"]
    assert [
        ("access.signed_in", {"kind": "user", "by": "Ada"}),
        ("access.roles_set", {"person": "Ada", "roles": ["viewer"], "by": "Op"}),
    ] == [(entry.event, entry.fields) for entry in log]


async def test_who_guesses_passwords_has_to_wait(ada: httpx.AsyncClient) -> None:
    """The right one does not help then; from elsewhere the person gets in."""
    csrf = await token_of(ada)
    tries = [
        await ada.post("/login", data={"csrf": csrf, "name": "Ada", "password": f"guess {n}"})
        for n in range(5)
    ]
    late = await ada.post("/login", data={"csrf": csrf, "name": "Ada", "password": PASSWORD})
    async with browser(ada._transport.app, client=("10.1.1.1", 1)) as elsewhere:  # type: ignore[attr-defined]
        entered = await sign_in(elsewhere)

    assert [401] * 5 == [answer.status_code for answer in tries]
    assert 429 == late.status_code
    assert 800 < int(late.headers["retry-after"]) <= 900
    assert "Too many attempts" in late.text
    assert 303 == entered.status_code


async def test_errors_are_pages_for_people(ada: httpx.AsyncClient) -> None:
    """With the status that programs get, and nothing of what was sent."""
    await sign_in(ada)
    missing = await ada.get("/v1/runs/none")
    unknown = await ada.get("/<script>alert(1)</script>")
    forbidden = await ada.post("/logout", data={"csrf": "<script>"})

    for status, answer in ((404, missing), (404, unknown), (403, forbidden)):
        assert (status, "text/html; charset=utf-8") == (
            answer.status_code,
            answer.headers["content-type"],
        )
        assert "<h1>" in answer.text
        assert "Sign out" in answer.text or answer is unknown
        assert "<script>" not in answer.text.replace('<script src="/static/assay.js"', "")
