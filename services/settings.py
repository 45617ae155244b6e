"""
Settings: read once, named once.

Precedence: command-line flag, environment (`ASSAY_...`), project file `assay.toml`, user file
`$XDG_CONFIG_HOME/assay/config.toml`, default. Secrets are never taken from a flag.
"""

from __future__ import annotations

import getpass
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from services.errors import SettingInvalid
from services.evidence import Frozen

ModelRole: TypeAlias = Literal["sql", "analyst", "narrator"]
RoleName: TypeAlias = Literal["viewer", "analyst", "reviewer", "approver", "operator"]
_SHORTEST_KEY = 16
PROJECT_FILE = Path("assay.toml")
_RATE = r"^[1-9]\d{0,8}/[smh]$"
"""So many by second, minute or hour."""


def _seconds(value: Any) -> Any:
    """A bare number is seconds; everything else is left to pydantic (`PT2M`, `00:02:00`)."""
    return float(value) if isinstance(value, str) and value.replace(".", "", 1).isdigit() else value


def _retention(value: Any) -> Any:
    """`90d` is ninety days, beside the other forms of a duration."""
    if isinstance(value, str) and value[:-1].isdigit() and value.endswith("d"):
        return timedelta(days=int(value[:-1]))
    return _seconds(value)


Retention: TypeAlias = Annotated[
    Annotated[timedelta, Field(gt=timedelta())] | Literal["forever"], BeforeValidator(_retention)
]
Duration: TypeAlias = Annotated[timedelta, BeforeValidator(_seconds)]


def _data_home() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "assay"


def user_file() -> Path:
    """Where a user's own settings live."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "assay" / "config.toml"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


class ModelEndpoint(Frozen):
    """One model behind an OpenAI-compatible server."""

    role: ModelRole
    url: str
    name: str
    """Model name to ask for; empty: the first that the server lists."""
    api_key: SecretStr
    timeout: timedelta


class Settings(BaseSettings):
    """Everything that can be set. Each field's description is its line in the reference."""

    model_config = SettingsConfigDict(
        env_prefix="ASSAY_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    home: Path = Field(
        default_factory=_data_home, description="Folder of all state: store, warehouse, traces."
    )
    output: Path = Field(
        default=Path("assay-reports"),
        description="Folder that reports are written to, one folder a run.",
    )
    redis_url: str | None = Field(
        default=None,
        description="Redis 7+ or Valkey 8+ server (redis, rediss, unix or valkey scheme); unset: the embedded server.",
    )
    store_key: SecretStr | None = Field(
        default=None,
        description="Key that states of runs are encrypted with at rest: 32 bytes in base64.",
    )
    store_idle: Duration = Field(
        default=timedelta(minutes=30),
        description="How long the embedded server stays up with no client.",
    )
    store_fsync: Literal["everysec", "always"] = Field(
        default="everysec",
        description="When the embedded server flushes to disk: every second, or before each answer.",
    )
    objects: Path | None = Field(
        default=None,
        description="Folder of large results, shared by all machines of one store; unset: `objects` in the home.",
    )
    large_result: ByteSize = Field(
        default=ByteSize(8_000_000),
        gt=0,
        description="Compressed size, such as 8MB, from which a result is a file and not in the store.",
    )
    model_url: str | None = Field(
        default=None,
        description="OpenAI-compatible server for all three model roles; unset: no model, the rules write everything.",
    )
    model_name: str = Field(
        default="", description="Model to ask for; empty: the first that the server lists."
    )
    model_api_key: SecretStr = Field(
        default=SecretStr("none"), description="Key for the model server, where it wants one."
    )
    model_timeout: Duration = Field(
        default=timedelta(seconds=120), description="How long one model call may take."
    )
    model_down: Literal["rules", "wait"] = Field(
        default="rules",
        description="What a run does while its model server is down: let the rules write, or `wait` for it as long as `outage_patience`.",
    )
    sql_model_url: str | None = Field(
        default=None, description="Server for the SQL writer, when it differs."
    )
    sql_model_name: str = Field(default="", description="Model of the SQL writer.")
    analyst_model_url: str | None = Field(
        default=None, description="Server for the analyst, when it differs."
    )
    analyst_model_name: str = Field(default="", description="Model of the analyst.")
    narrator_model_url: str | None = Field(
        default=None, description="Server for the narrator, when it differs."
    )
    narrator_model_name: str = Field(default="", description="Model of the narrator.")
    query_timeout: Duration = Field(
        default=timedelta(seconds=30), description="How long one query may run."
    )
    query_memory: str = Field(
        default="512MB", pattern=r"^\d+(KB|MB|GB)$", description="Memory limit of the query engine."
    )
    query_workers: PositiveInt = Field(
        default=2, description="Processes that run queries, each one at a time."
    )
    max_rows: PositiveInt = Field(
        default=200_000, description="Most rows that one query may return."
    )
    run_time: Duration | None = Field(
        default=timedelta(hours=4),
        description="Working time that a run may use before a person is asked.",
    )
    run_tokens: PositiveInt | None = Field(
        default=2_000_000, description="Model tokens that a run may use before a person is asked."
    )
    run_rows: PositiveInt | None = Field(
        default=20_000_000, description="Rows that a run may read before a person is asked."
    )
    outage_patience: Duration = Field(
        default=timedelta(minutes=10),
        description="How long a run waits for a store or warehouse that is away.",
    )
    queue_limit: PositiveInt = Field(
        default=10_000, description="Runs that may wait for a worker; more are refused."
    )
    worker_deaths: PositiveInt = Field(
        default=3, description="Workers that a run may end before a person is asked."
    )
    keep_runs: Retention = Field(
        default=timedelta(days=365),
        description="How long after its end `assay store prune` leaves a finished run, such as 90d; or `forever`.",
    )
    keep_evidence: Retention = Field(
        default=timedelta(days=365),
        description="The same for a finished run's evidence, documents and steps; its record stays.",
    )
    keep_reports: Retention = Field(
        default="forever", description="The same for the files of published reports."
    )
    keep_audit: Retention = Field(
        default="forever",
        description="The same for the audit log of a run that is removed.",
    )
    policy: Path | None = Field(
        default=None,
        description="Policy file that every statement must pass; unset: all tables of the warehouse.",
    )
    role: str = Field(
        default="", description="Role of that policy under which everything is read; empty: none."
    )
    role_parameters: dict[str, bool | int | float | str | None] = Field(
        default={}, description='Values that the row filters take, as JSON: `{"desk": "Rates"}`.'
    )
    reviewer: str = Field(
        default_factory=_login, description="Name that decisions are recorded under."
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="A key to the HTTP API that may do everything, of sixteen characters or more; `assay access key add` makes better ones.",
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="Identity provider (OpenID Connect) that vouches for people and programs; unset: none.",
    )
    oidc_client_id: str = Field(
        default="", description="Who Assay is to it; empty: browsers do not sign in through it."
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Its secret for Assay, where it gives one."
    )
    oidc_audience: str = Field(
        default="", description="Audience that bearer tokens must have; empty: none are taken."
    )
    oidc_name_claim: str = Field(
        default="sub",
        description="Claim that names a person: one that is theirs alone, and that they cannot change.",
    )
    oidc_roles_claim: str = Field(
        default="roles", description="Claim with the roles, such as `realm_access.roles`."
    )
    oidc_tenant_claim: str = Field(
        default="", description="Claim with the tenant; empty: everybody has the default one."
    )
    oidc_roles: dict[str, RoleName] = Field(
        default={},
        description='Role by what the claim says, as JSON: `{"risk-heads": "approver"}`; empty: it names the roles themselves.',
    )
    rate_limit: str | None = Field(
        default=None,
        pattern=_RATE,
        description="Requests that one key, user or session may make, such as 120/m; unset: any number.",
    )
    webhook_rate_limit: str | None = Field(
        default=None,
        pattern=_RATE,
        description="Messages that one webhook source may send, such as 50/s; unset: any number.",
    )
    max_body: ByteSize = Field(
        default=ByteSize(1_000_000),
        gt=0,
        description="Size of the largest request that the HTTP door takes, such as 1MB.",
    )
    review_policy: Path | None = Field(
        default=None,
        description="File with the rules of the review queue: approvals, hours of work, deadlines; unset: the default rules.",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$",
        description="Address that people reach `assay serve` at, such as https://assay.example.org; links in webhooks begin with it.",
    )
    webhook_private: bool = Field(
        default=False,
        description="Send events to private and loopback addresses too, and over plain HTTP.",
    )
    mcp_key: SecretStr | None = Field(
        default=None, description="API key that `assay mcp` asks under; unset: the person here."
    )
    capture_content: bool = Field(
        default=False, description="Write prompts, answers and SQL parameters into traces."
    )

    @field_validator("api_key")
    @classmethod
    def _is_long(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < _SHORTEST_KEY:
            raise ValueError(
                f"a key has {_SHORTEST_KEY} characters or more; try `openssl rand -hex 32`"
            )
        return key

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        if self.oidc_issuer and not (self.oidc_client_id or self.oidc_audience):
            raise ValueError(
                "oidc_issuer needs oidc_client_id (browsers), oidc_audience (tokens) or both"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, PROJECT_FILE),
            TomlConfigSettingsSource(settings_cls, user_file()),
        )

    @property
    def warehouse_dir(self) -> Path:
        return self.home / "warehouse"

    @property
    def objects_dir(self) -> Path:
        return self.objects or self.home / "objects"

    @property
    def trace_dir(self) -> Path:
        return self.home / "traces"

    def endpoint(self, role: ModelRole) -> ModelEndpoint | None:
        """The model that plays *role*, or None when no server is set for it."""
        url = getattr(self, f"{role}_model_url") or self.model_url
        if not url:
            return None
        return ModelEndpoint(
            role=role,
            url=url,
            name=getattr(self, f"{role}_model_name") or self.model_name,
            api_key=self.model_api_key,
            timeout=self.model_timeout,
        )


def load_settings(**flags: Any) -> Settings:
    """Settings from all sources; a flag that is None was not given. Raises `SettingInvalid`."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        said = problem["msg"].removeprefix("Value error, ")
        raise SettingInvalid(
            f"Setting {name!r} is not valid: {said}" if name else f"Settings: {said}",
            hint="`assay config show` lists every setting and where its value came from",
        ) from error
    except SettingsError as error:
        raise SettingInvalid(
            f"A setting cannot be read: {error}",
            hint='values by name are written as JSON, such as {"desk": "Rates"}',
        ) from error
    except (OSError, ValueError) as error:
        raise SettingInvalid(
            f"A settings file cannot be read ({type(error).__name__})",
            hint=f"check {PROJECT_FILE} and {user_file()}: both are TOML",
        ) from error
    return settings.model_copy(
        update={
            "home": settings.home.expanduser().absolute(),
            "output": settings.output.expanduser(),
            "objects": settings.objects and settings.objects.expanduser().absolute(),
            "policy": settings.policy and settings.policy.expanduser(),
            "review_policy": settings.review_policy and settings.review_policy.expanduser(),
        }
    )


def origins(settings: Settings) -> dict[str, str]:
    """Where each setting's value came from: `environment`, a file's path, or `default`."""
    cls = type(settings)
    sources: list[tuple[str, dict[str, Any]]] = [
        ("environment", EnvSettingsSource(cls)()),
        (str(PROJECT_FILE), TomlConfigSettingsSource(cls, PROJECT_FILE)()),
        (str(user_file()), TomlConfigSettingsSource(cls, user_file())()),
    ]
    return {
        name: next((origin for origin, values in sources if name in values), "default")
        for name in cls.model_fields
    }
