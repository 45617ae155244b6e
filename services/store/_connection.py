"""The one way to a Redis or Valkey server, and the one seam where its errors become ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from redis import exceptions as foreign
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.connection import HiredisRespSerializer

from services.errors import SettingInvalid, StoreUnavailable

from ._embedded import DEFAULT_IDLE, EmbeddedServer, Fsync

_SCHEMES: Final = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}

_MEANINGS: Final[dict[type[Exception], tuple[str, str]]] = {
    # The first match counts, so the narrow ones come first.
    foreign.AuthenticationError: (
        "The store does not accept our name or password",
        "Check ASSAY_REDIS_URL.",
    ),
    foreign.AuthorizationError: ("The store does not let us in", "Check ASSAY_REDIS_URL."),
    foreign.NoPermissionError: (
        "The store's user may not run a command that Assay needs",
        "Grant it all commands on keys that start with 'assay:'.",
    ),
    foreign.BusyLoadingError: ("The store is still loading its data", "Try again shortly."),
    foreign.OutOfMemoryError: (
        "The store has no memory left",
        "Raise its maxmemory, or remove old runs.",
    ),
    foreign.ReadOnlyError: (
        "The store is a read-only replica",
        "Set ASSAY_REDIS_URL to the primary server.",
    ),
    foreign.InvalidResponse: (
        "What answers is no Redis or Valkey server",
        "Check ASSAY_REDIS_URL.",
    ),
    foreign.ClusterDownError: ("The store's cluster is down", "See `assay store status`."),
    foreign.MasterDownError: ("The store's primary server is down", "Try again shortly."),
    foreign.TryAgainError: ("The store's cluster is moving its data", "Try again shortly."),
    foreign.TimeoutError: ("The store does not answer in time", "See `assay store status`."),
    foreign.ConnectionError: ("The store does not answer", "See `assay store status`."),
    OSError: ("The store does not answer", "See `assay store status`."),
}

_T = TypeVar("_T")

_ANSWER_SECONDS: Final = 15.0
_SILENT: Final = "no answer in time"
_PACKER: Final = HiredisRespSerializer()
_LONGEST_PAUSE: Final = 1.0
_UNWRITABLE: Final = ("MISCONF", "NOREPLICAS")


def connect(
    redis_url: str | None,
    home: Path,
    *,
    idle: timedelta = DEFAULT_IDLE,
    patience: timedelta = timedelta(seconds=2),
    fsync: Fsync = "everysec",
) -> Redis:
    """
    A client of the server at *redis_url*, or of the home's embedded server when that is None.

    Nothing is sent yet. The embedded server is started by whatever connection first finds it
    absent, so a killed or idle-stopped server comes back by itself. Outages up to *patience* are
    ridden out; what takes longer, or a silence that does, ends as `StoreUnavailable` under
    `redis_errors`. A command may be sent twice: ours are made so that this does no harm.
    """
    policy: dict[str, Any] = {
        "retry": _Patience(patience),
        "socket_connect_timeout": 5.0,
        "socket_timeout": None,
        "health_check_interval": 30,
        "decode_responses": False,
    }
    if redis_url is None:
        pool = ConnectionPool(
            connection_class=_EmbeddedConnection,
            server=EmbeddedServer(home, idle=idle, fsync=fsync),
            **policy,
        )
    else:
        url = _redis_url(redis_url)
        pool = ConnectionPool.from_url(url, **policy)
        pool.connection_class = _CONNECTIONS[url.partition("://")[0]]
    return Redis.from_pool(pool)


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn what goes wrong between us and the server into `StoreUnavailable`; bugs pass through."""
    try:
        yield
    except (foreign.RedisError, OSError) as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error


def _translate(error: Exception) -> StoreUnavailable | None:
    cause = error.__cause__
    if isinstance(cause, StoreUnavailable):
        return cause
    if isinstance(cause, foreign.RedisError):  # the client wraps what a new connection meets
        return _translate(cause)
    # Of an error in a pipeline the client first says which command it was.
    said = str(error).rpartition("caused error: ")[2].lstrip("('\"")
    if isinstance(error, foreign.ResponseError) and said.startswith(_UNWRITABLE):
        return StoreUnavailable(
            "The store cannot write to its disk, and takes nothing new until it can.",
            hint="Free some space on the disk of the store.",
        )
    for kind, (meaning, hint) in _MEANINGS.items():
        if isinstance(error, kind):
            return StoreUnavailable(f"{meaning}.", hint=hint)
    return None


def _redis_url(url: str) -> str:
    scheme, found, rest = url.partition("://")
    known = _SCHEMES.get(scheme.lower())
    try:
        port_is_valid = urlsplit(url).port != 0
    except ValueError:
        port_is_valid = False
    if not found or known is None or not port_is_valid:
        raise SettingInvalid(
            "The store's URL is not understood.",
            hint="ASSAY_REDIS_URL is like redis://host:6379/0, rediss://user:password@host:6380/0 or unix:///path/to.sock.",
        )
    return f"{known}://{rest}"


_RETRIES: Final = ContextVar("retries", default=False)
"""Whether an operation is under way that is tried again when it fails."""


class _Patience(Retry):
    """
    Tries again for so long, by the clock.

    The client opens connections with tries of their own, within those of a command. Here only the
    outer one tries again: else their numbers would multiply, and a short patience be a long one.
    """

    def __init__(self, patience: timedelta) -> None:
        super().__init__(
            ExponentialWithJitterBackoff(base=0.05, cap=_LONGEST_PAUSE),
            retries=1,
            # A refused connection arrives as Python's own error.
            supported_errors=(
                foreign.ConnectionError,
                foreign.TimeoutError,
                ConnectionError,  # type: ignore[arg-type]
                FileNotFoundError,
            ),
        )
        self._seconds = patience.total_seconds()

    async def call_with_retry(
        self,
        do: Callable[[], Awaitable[_T]],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> _T:
        deadline = 0.0 if _RETRIES.get() else time.monotonic() + self._seconds
        token = _RETRIES.set(True)
        failures = 0
        try:
            while True:
                try:
                    return await do()
                except self._supported_errors as error:
                    failures += 1
                    await (fail(error, failures) if with_failure_count else fail(error))
                    pause = self._backoff.compute(failures)
                    is_over = time.monotonic() + pause > deadline
                    if is_over or (is_retryable and not is_retryable(error)):
                        raise
                await asyncio.sleep(pause)
        finally:
            _RETRIES.reset(token)


class _Deadlines:
    """
    Deadlines of a connection that leave cancellation alone.

    The client's own, `socket_timeout`, rest on `asyncio.wait_for`, which before Python 3.12 may
    swallow a cancellation: a run that is told to stop would go on.
    """

    def pack_command(self, *args: Any) -> list[bytes]:
        """A command as it is sent; packed in C, which the client has for its other connections only."""
        packed: list[bytes] = _PACKER.pack(*args)
        return packed

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await super().send_packed_command(*args, **options)  # type: ignore[misc]
        except TimeoutError as error:
            raise foreign.TimeoutError(_SILENT) from error

    async def read_response(self, *args: Any, **options: Any) -> Any:
        if options.get("timeout") is not None:  # a reader that waits for news has its own
            return await super().read_response(*args, **options)  # type: ignore[misc]
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await super().read_response(*args, **options)  # type: ignore[misc]
        except TimeoutError as error:
            raise foreign.TimeoutError(_SILENT) from error


class _TcpConnection(_Deadlines, Connection):
    pass


class _TlsConnection(_Deadlines, SSLConnection):
    pass


class _UnixConnection(_Deadlines, UnixDomainSocketConnection):
    pass


class _EmbeddedConnection(_UnixConnection):
    """A connection that starts the embedded server when it finds none."""

    def __init__(self, *, server: EmbeddedServer, **options: Any) -> None:
        super().__init__(**options)
        self._server = server

    async def _connect(self) -> None:
        try:
            self.path = self._server.address()
            await super()._connect()  # type: ignore[no-untyped-call]  # redis-py left it untyped
        except OSError:
            await asyncio.to_thread(self._server.ensure)
            self.path = self._server.address()
            await super()._connect()  # type: ignore[no-untyped-call]  # redis-py left it untyped

    async def on_connect(self) -> None:
        await super().on_connect()
        if self._server.fsync == "always":
            await self.send_command("CONFIG", "SET", "appendfsync", "always")
            await self.read_response()


_CONNECTIONS: Final[dict[str, type[AbstractConnection]]] = {
    "redis": _TcpConnection,
    "rediss": _TlsConnection,
    "unix": _UnixConnection,
}
