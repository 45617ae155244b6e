"""`assay access`, and where `assay serve` listens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from typer.testing import CliRunner, Result

from agent.cli.app import app
from agent.cli.console import err, out
from services.errors import AssayError, Invalid
from tests.agent.homes import Home
from tests.agent.servers import free_port

PASSWORD = "correct horse battery"


@pytest.fixture
def assay(
    home: Home, monkeypatch: pytest.MonkeyPatch, quick_passwords: None
) -> Iterator[CliRunner]:
    """Runs commands in this process, with something on their stdin."""
    for name, value in home.environment.items():
        if name.startswith(("ASSAY_", "XDG_")):
            monkeypatch.setenv(name, value)
    out.cache_clear()
    err.cache_clear()
    yield CliRunner()
    out.cache_clear()
    err.cache_clear()


def run(assay: CliRunner, *arguments: str, given: str = "") -> Result:
    out.cache_clear()
    err.cache_clear()
    return assay.invoke(app, ["access", *arguments], input=given)


def test_a_key_is_made_shown_once_and_revoked(assay: CliRunner) -> None:
    """The secret alone is on stdout; lists and the log do not have it."""
    made = run(
        assay, "key", "add", "jobs", "--role", "analyst", "--only", "read", "--expires", "9d"
    )
    listed = run(assay, "key", "list", "--json")
    revoked = run(assay, "key", "revoke", "jobs")
    log = run(assay, "log", "--json")

    secret = made.stdout.strip()
    assert secret.startswith("assay_")
    assert "jobs" in made.stderr
    assert '"only": [\n      "read"\n    ]' in listed.stdout
    assert 0 == revoked.exit_code
    assert "[]\n" == run(assay, "key", "list", "--json").stdout
    events = [(one["event"], one["fields"]["by"]) for one in json.loads(log.stdout)]
    assert [("access.key_added", "Ada"), ("access.key_revoked", "Ada")] == events
    assert secret not in listed.stdout + log.stdout + made.stderr


def test_a_user_has_a_password_from_stdin(assay: CliRunner) -> None:
    """It is echoed nowhere; a short or missing one is refused, and so is a name that is taken."""
    added = run(assay, "user", "add", "Bea", "--role", "reviewer", given=PASSWORD + "\n")
    changed = run(assay, "user", "password", "Bea", given="another long password\n")
    again = run(assay, "user", "add", "Bea", "--role", "viewer", given=PASSWORD)
    as_key = run(assay, "key", "add", "Bea", "--role", "viewer")
    short = run(assay, "user", "add", "Cyd", "--role", "viewer", given="short\n")
    without = run(assay, "user", "add", "Cyd", "--role", "viewer")
    roles = run(assay, "user", "role", "Bea", "--role", "viewer,approver", "--json")
    listed = run(assay, "user", "list", "--json")
    gone = run(assay, "user", "remove", "Bea")

    assert [0, 0, 0, 0] == [one.exit_code for one in (added, changed, roles, gone)]
    assert '"viewer"' in roles.stdout
    assert "argon2" not in listed.stdout
    assert PASSWORD not in added.output + listed.output
    for refused, code in ((again, "A411"), (as_key, "A411"), (short, "A400"), (without, "A400")):
        assert isinstance(refused.exception, AssayError)
        assert code == refused.exception.code


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "add", "a", "--role", "boss"),
        ("key", "add", "a", "--role", "viewer", "--only", "publish"),
        ("key", "add", "a", "--role", "viewer", "--only", ","),
        ("key", "add", "a", "--role", "viewer", "--expires", "soon"),
        ("key", "add", "a", "--role", "viewer", "--expires", "0d"),
        ("key", "add", "a", "--role", "viewer", "--tenant", "a b"),
        ("key", "add", "a\nb", "--role", "viewer"),
        ("key", "add", "api-key", "--role", "viewer"),
        ("key", "revoke", "nobody"),
        ("user", "remove", "nobody"),
        ("user", "role", "nobody", "--role", "viewer"),
        ("sign-out", "nobody"),
    ],
)
def test_what_cannot_be_is_refused_and_not_logged(
    assay: CliRunner, arguments: tuple[str, ...]
) -> None:
    """With an error that says what to do."""
    refused = run(assay, *arguments)

    assert isinstance(refused.exception, Invalid)
    assert refused.exception.hint
    assert "[]\n" == run(assay, "log", "--json").stdout


def test_nobody_was_turned_away_yet(assay: CliRunner) -> None:
    """And this machine's person may do everything."""
    assert "[]\n" == run(assay, "refusals", "--json").stdout
    assert "open to this machine alone" in run(assay, "whoami").stdout


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.0.2.1", "example.org", "127.0.0.1.nip.io"]
)
def test_without_authentication_no_other_address_is_served(home: Home, host: str) -> None:
    """Whatever it is called."""
    refused = home.run("serve", "--host", host, "--port", str(free_port()))

    assert 2 == refused.returncode
    assert "A404" in refused.stderr
    assert "assay access key add" in refused.stderr


def test_a_weak_key_and_a_careless_proxy_are_refused(home: Home) -> None:
    """Before anything listens; the key is not repeated."""
    weak = home.run("serve", ASSAY_API_KEY="hunter2")
    anybody = home.run("serve", "--proxy", "*", ASSAY_API_KEY="a" * 16)
    open_door = home.run("serve", "--proxy", "127.0.0.1")
    issuer = home.run("serve", ASSAY_OIDC_ISSUER="http://idp.example", ASSAY_OIDC_AUDIENCE="a")

    for refused in (weak, anybody, open_door, issuer):
        assert (2, True) == (refused.returncode, "A404" in refused.stderr)
    assert "16 characters" in weak.stderr
    assert "hunter2" not in weak.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_real_server_closes_when_the_first_key_is_made(home: Home, host: str) -> None:
    """While it runs; refusals are in its log and in `assay access refusals`, headers are not believed."""
    port = free_port()
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    with home.start("serve", "--host", host, "--port", str(port)) as server:
        said = next(line for line in server.stderr if "listening" in line or "error" in line)
        assert "listening" in said
        with httpx.Client(base_url=url, trust_env=False) as client:
            opened = retried(client, "/v1/whoami")
            secret = home.run("access", "key", "add", "jobs", "--role", "viewer").stdout.strip()
            time.sleep(1.1)  # within a second it is seen
            closed = client.get("/v1/whoami", headers={"X-Forwarded-For": "203.0.113.7"})
            known = client.get("/v1/whoami", headers={"Authorization": f"Bearer {secret}"})
        server.kill()
        log = server.stderr.read()
    [refusal] = home.json("access", "refusals")

    assert ("local", 401, "jobs") == (
        opened.json()["kind"],
        closed.status_code,
        known.json()["name"],
    )
    assert "server" not in closed.headers
    assert host == refusal["address"]
    assert (
        f"access.refused code=A304 status=401 who=- method=GET path=/v1/whoami from={host}" in log
    )
    assert secret not in log


def retried(client: httpx.Client, path: str) -> httpx.Response:
    transport = httpx.HTTPTransport(retries=8)
    client._transport = transport
    return client.get(path, timeout=30)


def test_a_proxy_is_believed_when_told(home: Home) -> None:
    """Then its client's address counts, and https is https."""
    port, secret = free_port(), "x" * 16
    with home.start(
        "serve", "--port", str(port), "--proxy", "127.0.0.1", ASSAY_API_KEY=secret
    ) as server:
        assert any("listening" in line for line in server.stderr)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
            client.headers.update(headers)
            answer = retried(client, "/v1/whoami")
        server.kill()
    [refusal] = home.json("access", "refusals")

    assert 401 == answer.status_code
    assert "strict-transport-security" in answer.headers
    assert "203.0.113.7" == refusal["address"]
