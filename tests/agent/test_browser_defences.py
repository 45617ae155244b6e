"""What pages of other sites, forged links and odd input cannot do."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from agent.doorkeeping import Doorkeeper
from agent.driving import now
from agent.runner import Runner
from agent.web.cookies import COOKIE
from agent.web.paths import HOME, local_path
from services.access import ApiKey, ApiKeys, Identity, Refusals, Sessions
from tests.agent.browsers import PASSWORD, app_of, browser, sign_in, token_of, with_user
from tests.agent.driven import QUESTION

RUN = {"question": QUESTION, "formats": ["json"], "run_id": "r1"}
HERE = "http://127.0.0.1"
ELSEWHERE = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9000"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": HERE},
)


pytestmark = pytest.mark.usefixtures("quick_passwords")


@pytest.fixture
async def runner(make_runner: Any) -> AsyncIterator[Runner]:
    async with make_runner() as made:
        yield made


async def test_no_page_of_another_site_starts_a_run(runner: Runner) -> None:
    """Neither where all is open, nor with a session; as a form, as text, or as JSON."""
    async with browser(app_of(runner)) as client:
        answers = [
            await client.post("/v1/runs", json=RUN, headers={**headers, "Content-Type": kind})
            for headers in ELSEWHERE
            for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded")
        ]
        # What no browser can be made to send is taken for JSON by nobody either.
        untyped = await client.post("/v1/runs", json=RUN, headers={"Content-Type": "text/plain"})
        runs = await client.get("/v1/runs")

    assert {403} == {answer.status_code for answer in answers}
    assert 422 == untyped.status_code
    assert [] == runs.json()["runs"]
    refusals = await Refusals(runner.stores.redis).list()
    assert {("A305", "POST", "/v1/runs", "127.0.0.1")} == {
        (one.code, one.method, one.path, one.address) for one in refusals
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": HERE},
        {"Origin": f"{HERE}:80"},
        {"Sec-Fetch-Site": "same-origin", "Origin": HERE},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_page_of_ours_and_a_program_do(runner: Runner, headers: dict[str, str]) -> None:
    """They are from this place, or from no page at all."""
    async with browser(app_of(runner), headers={"Accept": "*/*"}) as client:
        answer = await client.post("/v1/runs", json=RUN, headers=headers)

    assert 202 == answer.status_code


async def test_a_key_is_judged_by_itself(runner: Runner) -> None:
    """No page can have a browser add one, so an origin beside it says nothing."""
    key = ApiKey(name="jobs", roles=frozenset({"analyst"}), created_at=now())
    secret = await ApiKeys(runner.stores.redis).add(key)
    headers = {"Authorization": f"Bearer {secret}", "Origin": "https://evil.example"}
    async with browser(app_of(runner), headers=headers) as client:
        answer = await client.post("/v1/runs", json=RUN)
        preflight = await client.options("/v1/runs")

    assert 202 == answer.status_code
    assert not [name for name in preflight.headers if name.startswith("access-control")]


async def test_a_session_does_nothing_for_another_site(runner: Runner) -> None:
    """The cookie comes along, and it is not enough."""
    await with_user(runner)
    async with browser(app_of(runner)) as client:
        await sign_in(client)
        forged = [await client.post("/v1/runs", json=RUN, headers=h) for h in ELSEWHERE]
        ours = await client.post("/v1/runs", json=RUN, headers={"Origin": HERE})

    assert {403} == {answer.status_code for answer in forged}
    assert 202 == ours.status_code


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"Host": "evil.example"}, ("127.0.0.1", 1)),
        ({"Host": "127.0.0.1.evil.example"}, ("127.0.0.1", 1)),
        ({"Host": "testserver"}, ("127.0.0.1", 1)),
        ({"Host": "localhost"}, ("10.0.0.9", 1)),
        ({"X-Forwarded-For": "127.0.0.1"}, ("127.0.0.1", 1)),
        ({"Forwarded": "for=127.0.0.1"}, ("127.0.0.1", 1)),
    ],
)
async def test_an_open_door_is_open_to_this_machine_alone(
    runner: Runner, headers: dict[str, str], client: tuple[str, int]
) -> None:
    """Not to rebound names, not to other machines, and not through a proxy."""
    async with browser(app_of(runner), client=client) as visitor:
        answer = await visitor.get("/v1/runs", headers=headers)

    assert 403 == answer.status_code


async def test_the_first_key_closes_the_door_for_good(runner: Runner) -> None:
    """Within a second, for sessions of before too; the last key's end opens nothing."""
    app, door = app_of(runner), Doorkeeper(runner.stores, by="Op")
    async with browser(app, headers={"Accept": "*/*"}) as client:
        cookie, _ = await Sessions(runner.stores.redis).open(
            Identity(name="Ada", kind="local", roles=frozenset({"operator"}))
        )
        client.cookies.set(COOKIE, cookie, domain="127.0.0.1")
        before = await client.get("/v1/runs")
        await door.add_key(ApiKey(name="a", roles=frozenset({"viewer"}), created_at=now()))
        app.state.is_open_since -= 1.1  # a second goes by
        closed = await client.get("/v1/runs")
        await door.revoke_key("a")
        app.state.is_open_since -= 60
        later = await client.get("/v1/runs")

    assert (200, 401, 401) == (before.status_code, closed.status_code, later.status_code)


async def test_nobody_chooses_the_session_of_another(runner: Runner) -> None:
    """Signing in gives a new cookie, and ends what the browser had."""
    await with_user(runner)
    sessions = Sessions(runner.stores.redis)
    app = app_of(runner)
    async with browser(app) as client:
        await sign_in(client)
        first = client.cookies[COOKIE]
        client.cookies.delete(COOKIE)
        csrf = await token_of(client)
        client.cookies.set(COOKIE, first, domain="127.0.0.1", path="/")
        await client.post("/login", data={"csrf": csrf, "name": "Ada", "password": PASSWORD})
        [second] = {value for name, value in client.cookies.items() if name == COOKIE} - {first}
        invented = "chosen-by-somebody"
        client.cookies.clear()
        client.cookies.set(COOKIE, invented, domain="127.0.0.1")
        await sign_in(client)

    assert await sessions.get(first) is None
    assert await sessions.get(second) is not None
    assert await sessions.get(invented) is None


async def test_nobody_is_signed_in_as_somebody_else(runner: Runner) -> None:
    """The form belongs to the browser that it was made for."""
    await with_user(runner)
    app = app_of(runner)
    async with browser(app) as attacker, browser(app) as victim:
        token = await token_of(attacker)
        sent = {"csrf": token, "name": "Ada", "password": PASSWORD}
        without = await victim.post("/login", data=sent)
        await victim.get("/login")
        foreign = await victim.post("/login", data=sent)
        cross = await attacker.post("/login", data=sent, headers={"Origin": "https://evil.example"})

    assert [403, 403, 403] == [a.status_code for a in (without, foreign, cross)]
    assert COOKIE not in victim.cookies


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\\/evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/a\r\nSet-Cookie: x=y",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/login?next=/login",
        "/logout",
        "/" + "a" * 3_000,
        "/é",
        "/a b",
    ],
)
def test_a_path_leads_nowhere_else(path: str) -> None:
    """What is not plainly a page of this site is the first page."""
    assert HOME == local_path(path)


@pytest.mark.parametrize("path", ["/", "/runs", "/reviews?tab=mine&q=%2F%2Fx", "/runs/a//b#c"])
def test_a_path_of_ours_stays(path: str) -> None:
    """Whatever its query says."""
    assert path == local_path(path)


async def test_signing_in_leads_to_no_other_site(runner: Runner) -> None:
    """Nor does it write a header of somebody's."""
    await with_user(runner)
    async with browser(app_of(runner)) as client:
        entered = await sign_in(client, next="//evil.example\r\nX-Forged: 1")

    assert HOME == entered.headers["location"]
    assert "x-forged" not in entered.headers


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cookies_are_for_this_host_and_no_script(runner: Runner, scheme: str) -> None:
    """Under https they cannot be set by another host or without TLS."""
    await with_user(runner)
    async with browser(app_of(runner), f"{scheme}://127.0.0.1") as client:
        before = (await client.get("/login")).headers["set-cookie"]
        entered = (await sign_in(client)).headers.get_list("set-cookie")
        who = await client.get("/v1/whoami")
        if scheme == "https":  # one that plain http could have set is not looked at
            client.cookies = httpx.Cookies({COOKIE: client.cookies[f"__Host-{COOKIE}"]})
            assert 303 == (await client.get("/v1/whoami")).status_code

    prefix = "__Host-" if scheme == "https" else ""
    assert before.startswith(f"{prefix}assay_sign_in=")
    assert entered[0].startswith(f"{prefix}{COOKIE}=")
    for cookie in (before, *entered):
        flags = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= flags
        assert ("secure" in flags) == (scheme == "https")
        assert not [flag for flag in flags if flag.startswith("domain")]
    assert 200 == who.status_code


async def test_every_answer_tells_browsers_what_not_to_do(runner: Runner) -> None:
    """Pages, problems, files, refusals and failures; and to stay with TLS once there."""
    app = app_of(runner)

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError

    async with browser(app, "https://127.0.0.1", headers={"Accept": "*/*"}) as client:
        answers = [
            await client.get("/healthz"),
            await client.get("/v1/runs"),
            await client.get("/v1/none"),
            await client.get("/static/style.css"),
            await client.get("/fails"),
            await client.get("/login"),
            await client.post("/v1/runs", json=RUN, headers={"Origin": "null"}),
        ]
    plain = await browser(app).get("/healthz")

    assert [200, 200, 404, 200, 500, 303, 403] == [answer.status_code for answer in answers]
    for answer in answers:
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "same-origin" == answer.headers["referrer-policy"]
        assert "max-age=31536000" == answer.headers["strict-transport-security"]
        assert "access-control-allow-origin" not in answer.headers
    assert "strict-transport-security" not in plain.headers


async def test_a_refusal_is_one_line_whatever_was_sent(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it can look like another line or field, and no secret is in it."""
    await with_user(runner)
    caplog.set_level(logging.WARNING, "assay.access")
    secret = "assay_secretsecretsecret"
    async with browser(app_of(runner), headers={"Accept": "*/*"}) as client:
        await client.get(
            "/v1/runs/%0d%0aaccess.refused%20who=Root%1b[31m%e2%80%ae?key=" + secret,
            headers={"Authorization": f"Bearer {secret}"},
        )
        csrf = await token_of(client)
        sent = {"csrf": csrf, "name": "Ada\r\nX: y", "password": secret}
        await client.post("/login", data=sent)
    kept = await Refusals(runner.stores.redis).list()

    said = [record.getMessage() for record in caplog.records]
    assert 2 == len(said) == len(kept)
    for line in said:
        assert line.isprintable()
        assert line.isascii()
        assert 1 == line.count("access.refused ")
        assert 1 == line.count(" who=-")
    assert secret not in str(said) + str(kept)
    assert "?" not in kept[1].path


async def test_tenants_of_people_do_not_see_each_other(runner: Runner) -> None:
    """Another's run is no different from none, page or not."""
    await with_user(runner, "Ada", tenant="a")
    await with_user(runner, "Bea", tenant="b")
    app = app_of(runner)
    async with browser(app) as ada, browser(app) as bea:
        await sign_in(ada)
        await sign_in(bea, "Bea")
        started = await ada.post("/v1/runs", json=RUN)
        hidden, missing = await bea.get("/v1/runs/r1"), await bea.get("/v1/runs/r9")
        lists = [(await client.get("/v1/runs")).json()["runs"] for client in (ada, bea)]

    assert 202 == started.status_code
    assert (404, 404) == (hidden.status_code, missing.status_code)
    assert hidden.text == missing.text
    assert [1, 0] == [len(found) for found in lists]
