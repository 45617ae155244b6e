"""The HTTP API: start a run, see how far it is, fetch its files. Health for whoever watches."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from agent.intake import new_run_id, prepare
from agent.opening import open_runner
from agent.request import FORMATS, Format
from agent.runner import Runner
from services.errors import AssayError, Invalid, NotFound, Retryable, StoreUnavailable
from services.evidence import Frozen
from services.settings import Settings
from services.store import Priority, RunRecord

_OPEN = ("/healthz", "/readyz")
_RETRY_SECONDS = 15
"""What a caller is told to wait who came while something was away or full."""
_PATIENCE = timedelta(seconds=2)
"""Whoever asks waits for the answer: a store that is away or silent for longer is told at once."""


class NewRun(Frozen):
    """Body of `POST /v1/runs`."""

    question: str = ""
    template: str = "quarterly"
    as_of: date | None = None
    formats: tuple[Format, ...] = FORMATS
    run_id: str | None = None
    priority: Priority = "normal"


def make_app(settings: Settings) -> FastAPI:
    """The application; with an API key set, every path but health asks for it as bearer token."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_runner(settings, patience=_PATIENCE) as runner:
            app.state.runner = runner
            yield

    app = FastAPI(title="Assay", version="1", lifespan=lifespan)
    app.add_exception_handler(AssayError, _problem)
    _require_key(app, settings)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(request: Request) -> dict[str, str]:
        async with _promptly():
            return {"status": "ok", "store": await _runner(request).stores.ping()}

    @app.post("/v1/runs", status_code=202)
    async def start(request: Request, body: NewRun, response: Response) -> dict[str, Any]:
        runner = _runner(request)
        name = body.run_id or new_run_id(body.question, body.template)
        accepted = await asyncio.to_thread(
            prepare,
            settings,
            name,
            question=body.question,
            template=body.template,
            as_of=body.as_of,
            formats=body.formats,
        )
        async with _promptly():
            record = await runner.accept(name, accepted, left=True, priority=body.priority)
        response.headers["Location"] = f"/v1/runs/{name}"
        return record.model_dump(mode="json")

    @app.get("/v1/runs")
    async def list_runs(request: Request) -> list[dict[str, Any]]:
        async with _promptly():
            records = await _runner(request).stores.runs.list(limit=50)
        return [record.model_dump(mode="json") for record in records]

    @app.get("/v1/runs/{run_id}")
    async def show(request: Request, run_id: str) -> dict[str, Any]:
        record = await _found(request, run_id)
        return record.model_dump(mode="json")

    @app.get("/v1/runs/{run_id}/report.{suffix}")
    async def fetch(request: Request, run_id: str, suffix: Format) -> FileResponse:
        record = await _found(request, run_id)
        path = Path(record.output_dir) / f"report.{suffix}"
        if record.report_digest is None or not path.is_file():
            raise NotFound("This run has no such file.", hint=f"see /v1/runs/{run_id}")
        return FileResponse(path)

    return app


def _runner(request: Request) -> Runner:
    runner: Runner = request.app.state.runner
    return runner


async def _found(request: Request, run_id: str) -> RunRecord:
    async with _promptly():
        return await _runner(request).stores.runs.get(run_id)


@asynccontextmanager
async def _promptly() -> AsyncIterator[None]:
    """Bounds how long a silent store may keep a caller; its answer then is `StoreUnavailable`."""
    try:
        async with asyncio.timeout(_PATIENCE.total_seconds() * 1.5):
            yield
    except TimeoutError:
        raise StoreUnavailable("The store does not answer in time.") from None


def _require_key(app: FastAPI, settings: Settings) -> None:
    key = settings.api_key
    if key is None:
        return
    expected = f"Bearer {key.get_secret_value()}".encode()

    @app.middleware("http")
    async def check(request: Request, call_next: Any) -> Any:
        given = request.headers.get("authorization", "").encode()
        if request.url.path in _OPEN or hmac.compare_digest(given, expected):
            return await call_next(request)
        return JSONResponse({"title": "not authenticated", "status": 401}, status_code=401)


async def _problem(request: Request, error: Exception) -> JSONResponse:
    """An error as problem details (RFC 9457), with the code that the command line prints."""
    del request
    assert isinstance(error, AssayError)
    status = 404 if isinstance(error, NotFound) else 503 if isinstance(error, Retryable) else 409
    if isinstance(error, Invalid) and not isinstance(error, NotFound):
        status = 422
    return JSONResponse(
        {
            "type": f"docs/errors.md#{error.code.lower()}",
            "title": error.message,
            "detail": error.hint,
            "status": status,
            "code": error.code,
        },
        status_code=status,
        headers={"Retry-After": str(_RETRY_SECONDS)} if status == 503 else None,
        media_type="application/problem+json",
    )
