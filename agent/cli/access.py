"""`assay access`: who may do what through the HTTP door."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from agent.cli.console import JsonFlag, ago, err, is_interactive, local, out, print_json, table

if TYPE_CHECKING:
    from agent.doorkeeping import Doorkeeper
    from agent.stores import Stores
    from services.access import ApiKey, Permission, Role

_T = TypeVar("_T")

app = typer.Typer(help="Keys, users and roles of the HTTP door.", no_args_is_help=True)
keys = typer.Typer(help="Keys of programs.", no_args_is_help=True)
users = typer.Typer(help="People who sign in with a password.", no_args_is_help=True)
app.add_typer(keys, name="key")
app.add_typer(users, name="user")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What records will say.")]
RolesOption = Annotated[
    list[str],
    typer.Option(
        "--role",
        help="viewer, analyst, reviewer, approver or operator; several times for several.",
    ),
]
TenantOption = Annotated[
    str, typer.Option(help="Whose runs and reviews they see; left out: the default tenant's.")
]


@keys.command("add")
def add_key(
    name: NameArgument,
    *,
    role: RolesOption,
    tenant: TenantOption = "",
    only: Annotated[
        str, typer.Option(metavar="LIST", help="Narrow it to these, such as read,start.")
    ] = "",
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="How long it lasts, such as 90d or 12h.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Make a key. It is printed once, and nobody can show it again."""
    from agent.driving import now
    from services.access import ApiKey

    at = now()
    lasts = _lifetime(expires) if expires else None
    key = ApiKey(
        name=name,
        roles=_roles(role),
        tenant=tenant,
        only=_permissions(only) if only else None,
        created_at=at,
        expires_at=at + lasts if lasts else None,
    )
    secret = _changing(lambda door: door.add_key(key))
    if as_json:
        print_json({**_shown(key), "key": secret})
        return
    until = f", until {local(key.expires_at)}" if key.expires_at else ""
    err().print(f"key {name}: {_words(key)}{until}")
    err().print("this is the only time that it is shown")
    sys.stdout.write(secret + "\n")


@keys.command("list")
def list_keys(*, as_json: JsonFlag = False) -> None:
    """List the keys, expired ones too; the keys themselves are kept nowhere."""
    from agent.driving import now
    from services.access import ApiKeys

    found = _reading(lambda stores: ApiKeys(stores.redis).list())
    if as_json:
        print_json([_shown(key) for key in found])
        return
    if not found:
        err().print("no keys")
        return
    rows = table("key", "may", "tenant", "made", "expires")
    for key in found:
        end = "never" if key.expires_at is None else local(key.expires_at)
        if key.expires_at is not None and key.expires_at <= now():
            end = f"expired {ago(key.expires_at)}"
        rows.add_row(key.name, _words(key), key.tenant or "(default)", ago(key.created_at), end)
    out().print(rows)


@keys.command("revoke")
def revoke_key(name: NameArgument, *, as_json: JsonFlag = False) -> None:
    """Forget a key: whoever carries it is refused from now on."""
    _changing(lambda door: door.revoke_key(name))
    _done(f"key {name} revoked", {"name": name, "revoked": True}, as_json=as_json)


@users.command("add")
def add_user(
    name: NameArgument,
    *,
    role: RolesOption,
    tenant: TenantOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Let a person sign in. The password is asked for, or is the first line of stdin."""
    roles, password = _roles(role), _password()
    _changing(lambda door: door.add_user(name, password, roles=roles, tenant=tenant))
    facts = {"name": name, "roles": sorted(roles), "tenant": tenant}
    _done(f"user {name}: {', '.join(sorted(roles))}", facts, as_json=as_json)


@users.command("list")
def list_users(*, as_json: JsonFlag = False) -> None:
    """List the people who may sign in with a password."""
    from services.access import Users

    found = _reading(lambda stores: Users(stores.redis).list())
    if as_json:
        print_json([user.model_dump(mode="json", exclude={"password"}) for user in found])
        return
    if not found:
        err().print("no users")
        return
    rows = table("user", "roles", "tenant", "added")
    for user in found:
        roles = ", ".join(sorted(user.roles))
        rows.add_row(user.name, roles, user.tenant or "(default)", ago(user.created_at))
    out().print(rows)


@users.command("remove")
def remove_user(name: NameArgument, *, as_json: JsonFlag = False) -> None:
    """Forget a person; their sessions end at once."""
    _changing(lambda door: door.remove_user(name))
    _done(f"user {name} removed", {"name": name, "removed": True}, as_json=as_json)


@users.command("password")
def set_password(name: NameArgument, *, as_json: JsonFlag = False) -> None:
    """Give a person another password, asked for or on stdin; their sessions end at once."""
    password = _password()
    _changing(lambda door: door.set_password(name, password))
    _done(f"user {name} has another password", {"name": name}, as_json=as_json)


@users.command("role")
def set_roles(name: NameArgument, *, role: RolesOption, as_json: JsonFlag = False) -> None:
    """Give a person these roles instead of those they had."""
    roles = _roles(role)
    _changing(lambda door: door.set_roles(name, roles))
    words = ", ".join(sorted(roles))
    _done(f"user {name}: {words}", {"name": name, "roles": sorted(roles)}, as_json=as_json)


@app.command("sign-out")
def sign_out(name: NameArgument, *, as_json: JsonFlag = False) -> None:
    """End all sessions of a person; that of an identity provider's is called oidc:NAME."""
    _changing(lambda door: door.sign_out(name))
    _done(f"all sessions of {name} have ended", {"name": name}, as_json=as_json)


@app.command()
def whoami(*, as_json: JsonFlag = False) -> None:
    """Say who commands of this machine act as, and whether the HTTP door asks for keys."""
    from agent.web.access import is_open
    from services.access import local_identity
    from services.settings import load_settings

    settings = load_settings()
    who = local_identity(settings.reviewer)
    is_free = _reading(lambda stores: is_open(stores.redis, settings))
    facts = {
        "name": who.name,
        "kind": who.kind,
        "tenant": who.tenant,
        "roles": sorted(who.roles),
        "permissions": sorted(who.permissions),
        "door": "open" if is_free else "closed",
    }
    if as_json:
        print_json(facts)
        return
    out().print(f"{who.name}: the operator of this machine, who may do everything")
    out().print(
        "the HTTP door has no keys and no users: open to this machine alone"
        if is_free
        else "the HTTP door asks for a key or a session"
    )


@app.command()
def refusals(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, at the most.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List who was turned away at the HTTP door, the newest first."""
    from services.access import Refusals

    found = _reading(lambda stores: Refusals(stores.redis).list(limit=limit))
    if as_json:
        print_json([refusal.model_dump(mode="json") for refusal in found])
        return
    if not found:
        err().print("nobody was turned away")
        return
    rows = table("time", "status", "code", "who", "what", "from", right=("status",))
    for one in found:
        what = f"{one.method} {one.path}"
        rows.add_row(
            local(one.at), str(one.status), one.code, one.who or "?", what, one.address or "?"
        )
    out().print(rows)


@app.command()
def log(*, as_json: JsonFlag = False) -> None:
    """List changes of keys, users and roles, and who signed in, from the audit log."""
    from agent.doorkeeping import access_log

    found = _reading(access_log)
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in found])
        return
    if not found:
        err().print("nothing was changed yet")
        return
    rows = table("seq", "time", "event", "what", right=("seq",))
    for entry in found:
        rows.add_row(str(entry.seq), local(entry.at), entry.event, entry.words())
    out().print(rows)


def _reading(ask: Callable[[Stores], Awaitable[_T]]) -> _T:
    from agent.stores import open_stores
    from services.settings import load_settings

    async def answer() -> _T:
        async with open_stores(load_settings()) as stores:
            return await ask(stores)

    return asyncio.run(answer())


def _changing(change: Callable[[Doorkeeper], Awaitable[_T]]) -> _T:
    from agent.doorkeeping import Doorkeeper
    from services.settings import load_settings

    by = load_settings().reviewer
    return _reading(lambda stores: change(Doorkeeper(stores, by=by)))


def _done(said: str, facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        err().print(said)


def _password() -> str:
    """A password that is on no screen, in no list of processes and in no shell's history."""
    if is_interactive(no_input=False):
        given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return given
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        from services.errors import Invalid

        raise Invalid("There is no password.", hint="Write it to stdin, or run this in a terminal.")
    return given


def _lifetime(text: str) -> timedelta:
    from services.errors import Invalid

    units = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
    number, unit = text[:-1], units.get(text[-1:])
    if unit is None or not (number.isascii() and number.isdigit() and 0 < int(number[:6]) < 10**5):
        raise Invalid("A key lasts for days, hours or minutes.", hint="such as 90d, 12h or 30m")
    return int(number[:6]) * unit


def _roles(names: list[str]) -> frozenset[Role]:
    from services.access import ROLES
    from services.errors import Invalid

    asked = {part.strip() for name in names for part in name.split(",")}
    if asked - set(ROLES):
        raise Invalid("There is no such role.", hint=f"Roles are {', '.join(ROLES)}.")
    return frozenset(role for role in ROLES if role in asked)


def _permissions(text: str) -> frozenset[Permission]:
    from services.access import PERMISSIONS
    from services.errors import Invalid

    known = {permission for granted in PERMISSIONS.values() for permission in granted}
    asked = {part.strip() for part in text.split(",") if part.strip()}
    if not asked or asked - known:
        raise Invalid(
            "A key can be narrowed to permissions only.",
            hint=f"These are {', '.join(sorted(known))}.",
        )
    return frozenset(permission for permission in known if permission in asked)


def _shown(key: ApiKey) -> dict[str, Any]:
    document = key.model_dump(mode="json")
    document["roles"] = sorted(key.roles)
    document["only"] = None if key.only is None else sorted(key.only)
    return document


def _words(key: ApiKey) -> str:
    roles = ", ".join(sorted(key.roles))
    return roles if key.only is None else f"{roles}; only {', '.join(sorted(key.only))}"
