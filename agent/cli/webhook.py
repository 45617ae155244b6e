"""`assay webhook`: who may call, who is called, and what came of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from agent.cli.console import JsonFlag, ago, err, local, out, print_json, table

if TYPE_CHECKING:
    from agent.hookkeeping import Hookkeeper
    from agent.hooks import Hooks
    from services.webhooks import Delivery

app = typer.Typer(help="Calls that start runs, and calls that tell of them.", no_args_is_help=True)
source_app = typer.Typer(help="Systems that may start runs.", no_args_is_help=True)
endpoint_app = typer.Typer(help="Systems that are told what happens.", no_args_is_help=True)
app.add_typer(source_app, name="source")
app.add_typer(endpoint_app, name="endpoint")

_T = TypeVar("_T")

SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file", help="File with the secret, `-` for stdin; default: one is made and shown."
    ),
]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="How many, at most.")]


@source_app.command("add")
def add_source(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML document of the source.")],
    *,
    secret_file: SecretFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a system start runs; its secret is shown this once."""
    from agent.sources import read_source

    source = read_source(file)
    secret, is_new = _secret(secret_file)
    _changing(lambda keeper: keeper.add_source(source, secret))
    if as_json:
        path = f"/v1/webhooks/{source.name}"
        print_json({"name": source.name, "path": path, **({"secret": secret} if is_new else {})})
        return
    err().print(f"{source.name} may call POST /v1/webhooks/{source.name}")
    _show_secret(secret, is_new=is_new)


@source_app.command("list")
def list_sources(*, as_json: JsonFlag = False) -> None:
    """List the sources; their secrets are shown to nobody."""
    sources = _on_hooks(lambda hooks: hooks.sources.list())
    if as_json:
        print_json(
            [
                {
                    **one.source.model_dump(mode="json"),
                    "secrets": [secret.model_dump(exclude={"sealed"}) for secret in one.secrets],
                }
                for one in sources
            ]
        )
        return
    if not sources:
        err().print("no sources")
        return
    rows = table("name", "tenant", "priority", "asks", "secrets")
    for one in sources:
        said = one.source.request.model_dump(exclude_none=True)
        counting = sum(secret.counts(datetime.now(UTC)) for secret in one.secrets)
        rows.add_row(
            one.source.name, one.source.tenant, one.source.priority, ", ".join(said), str(counting)
        )
    out().print(rows)


@source_app.command("remove")
def remove_source(name: str) -> None:
    """Let a system call no more; its runs stay."""
    _changing(lambda keeper: keeper.remove_source(name))
    err().print(f"{name} may call no more (within a second)")


@source_app.command("rotate")
def rotate_source(
    name: str,
    *,
    secret_file: SecretFile = None,
    overlap: Annotated[
        float, typer.Option(min=0, max=720, help="Hours for which the old secrets still count.")
    ] = 24,
    as_json: JsonFlag = False,
) -> None:
    """Give a source a new secret, which is shown this once."""
    from datetime import timedelta

    secret, is_new = _secret(secret_file)
    lasting = timedelta(hours=overlap)
    _changing(lambda keeper: keeper.rotate_source(name, secret, overlap=lasting))
    if as_json:
        print_json({"name": name, **({"secret": secret} if is_new else {})})
        return
    err().print(f"{name} has a new secret; the old ones count for {overlap:g} hours more")
    _show_secret(secret, is_new=is_new)


@endpoint_app.command("add")
def add_endpoint(
    url: str,
    *,
    event: Annotated[
        list[str] | None, typer.Option(help="A type of event to send; default: all. Repeatable.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose events to send.")] = "",
    secret_file: SecretFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Send events to a URL, signed with a secret that is shown this once."""
    from agent.sources import event_types

    types = event_types(event or [])
    secret, is_new = _secret(secret_file)
    endpoint = _changing(
        lambda keeper: keeper.add_endpoint(url, secret, types=types, tenant=tenant)
    )
    if as_json:
        said = endpoint.model_dump(mode="json", exclude={"sealed"})
        print_json({**said, **({"secret": secret} if is_new else {})})
        return
    err().print(f"{endpoint.id} is sent {', '.join(types) or 'every event'}")
    _show_secret(secret, is_new=is_new)


@endpoint_app.command("list")
def list_endpoints(*, as_json: JsonFlag = False) -> None:
    """List the endpoints; their secrets are shown to nobody."""
    endpoints = _on_hooks(lambda hooks: hooks.endpoints.list())
    if as_json:
        print_json([one.model_dump(mode="json", exclude={"sealed"}) for one in endpoints])
        return
    if not endpoints:
        err().print("no endpoints")
        return
    rows = table("id", "url", "tenant", "events", "state")
    for one in endpoints:
        state = f"off: {one.disabled}" if one.disabled else "on"
        rows.add_row(one.id, one.url, one.tenant, ", ".join(one.events) or "all", state)
    out().print(rows)


@endpoint_app.command("remove")
def remove_endpoint(endpoint: str) -> None:
    """Send nothing to an endpoint any more; what waits for it is given up."""
    _changing(lambda keeper: keeper.remove_endpoint(endpoint))
    err().print(f"{endpoint} is sent nothing more")


@app.command()
def deliveries(
    *,
    status: Annotated[
        Literal["waiting", "delivered", "dead", "all"], typer.Option(help="Which deliveries.")
    ] = "all",
    limit: LimitOption = 50,
    as_json: JsonFlag = False,
) -> None:
    """List what is sent: what waits, what arrived, and what was given up."""
    wanted = None if status == "all" else status
    found = _on_hooks(lambda hooks: hooks.deliveries.list(status=wanted, limit=limit))
    _show_deliveries(found, as_json=as_json)


@app.command()
def dead(*, limit: LimitOption = 50, as_json: JsonFlag = False) -> None:
    """List deliveries that were given up."""
    found = _on_hooks(lambda hooks: hooks.deliveries.list(status="dead", limit=limit))
    _show_deliveries(found, as_json=as_json)


@app.command()
def redeliver(
    delivery: Annotated[
        str | None, typer.Argument(metavar="[DELIVERY]", help="Id of a dead delivery.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All dead deliveries.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Send dead deliveries again, under their old ids; a worker does it."""
    from services.errors import Invalid

    if (delivery is None) == (not every):
        raise Invalid("Name one delivery, or say --all.", hint="See `assay webhook dead`.")

    dead: tuple[Delivery, ...] = ()
    if every:
        dead = _on_hooks(lambda hooks: hooks.deliveries.list(status="dead", limit=100_000))
    names = [one.id for one in dead] if delivery is None else [delivery]

    async def work(keeper: Hookkeeper) -> list[Delivery]:
        return [await keeper.redeliver(name) for name in names]

    again = _changing(work)
    if as_json:
        print_json([one.model_dump(mode="json") for one in again])
    else:
        err().print(f"{len(again)} will be sent again")


@app.command()
def refused(*, limit: LimitOption = 50, as_json: JsonFlag = False) -> None:
    """List calls that were refused, newest first, with the reason that their senders were not told."""
    calls = _on_hooks(lambda hooks: hooks.refused.list(limit=limit))
    if as_json:
        print_json([call.model_dump(mode="json") for call in calls])
        return
    if not calls:
        err().print("no refused calls")
        return
    rows = table("time", "source", "reason", "bytes", "digest", "payload")
    for call in calls:
        rows.add_row(
            local(call.at),
            call.source,
            call.reason,
            str(call.size),
            call.digest[:12],
            call.payload[:60],
        )
    out().print(rows)


def _show_deliveries(found: tuple[Delivery, ...], *, as_json: bool) -> None:
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    if not found:
        err().print("no deliveries")
        return
    rows = table("id", "event", "status", "tries", "last answer", "age", "next try")
    for one in found:
        answer = one.problem or (f"HTTP {one.answer}" if one.answer else "")
        after = local(one.next_at) if one.status == "waiting" else ""
        rows.add_row(
            one.id, one.type, one.status, str(one.attempts), answer, ago(one.created_at), after
        )
    out().print(rows)


def _secret(file: Path | None) -> tuple[str, bool]:
    """The secret to use, and whether it is a new one."""
    from services.errors import FileUnreadable
    from services.webhooks import key_of, new_secret

    if file is None:
        return new_secret(), True
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable(f"The secret in {file} cannot be read.") from error
    key_of(text)
    return text.strip(), False


def _show_secret(secret: str, *, is_new: bool) -> None:
    if is_new:
        err().print("its secret, which is not shown again:")
        sys.stdout.write(f"{secret}\n")


def _changing(work: Callable[[Hookkeeper], Awaitable[_T]]) -> _T:
    from agent.hookkeeping import Hookkeeper
    from services.settings import load_settings

    return _on_hooks(lambda hooks: work(Hookkeeper(hooks, by=load_settings().reviewer)))


def _on_hooks(work: Callable[[Hooks], Awaitable[_T]]) -> _T:
    from agent.hooks import hooks_of
    from agent.stores import open_stores
    from services.settings import load_settings

    settings = load_settings()

    async def opened() -> _T:
        async with open_stores(settings) as stores:
            return await work(hooks_of(stores, settings))

    return asyncio.run(opened())
