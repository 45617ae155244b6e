"""
Every span, attribute and metric name that Assay emits, and where they go.

Names follow the OpenTelemetry GenAI and database conventions; our own stand under `assay.`. Spans
are written to one local file a run, and to an OTLP collector when the standard
`OTEL_EXPORTER_OTLP_ENDPOINT` variables are set. Content (prompts, answers, parameters) is left out
unless `capture_content` is on.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.evidence import Frozen

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span

SCHEMA_URL = "https://opentelemetry.io/schemas/1.42.0"

OPERATION = "gen_ai.operation.name"
WORKFLOW_NAME = "gen_ai.workflow.name"
CONVERSATION_ID = "gen_ai.conversation.id"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_SEED = "gen_ai.request.seed"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
OUTPUT_TYPE = "gen_ai.output.type"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
DB_SYSTEM = "db.system.name"
DB_OPERATION = "db.operation.name"
DB_SUMMARY = "db.query.summary"
DB_TEXT = "db.query.text"
DB_ROWS = "db.response.returned_rows"
RUN_ID = "assay.run.id"
RUN_TRIGGER = "assay.run.trigger"
STEP_NAME = "assay.step.name"
STEP_SECTION = "assay.step.section"
STEP_ATTEMPT = "assay.step.attempt"
MODEL_ROLE = "assay.model.role"
GUARD_VERDICT = "assay.guard.verdict"
GUARD_RULE = "assay.guard.rule"
GRAPH_VERSION = "assay.graph.version"

_current_run: ContextVar[str] = ContextVar("assay_run_id", default="")
_capture_content = False


class SpanRecord(Frozen):
    """A finished span as the local file holds it. Times are nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start: int
    end: int
    error: str = ""
    attributes: dict[str, Any] = {}


class _RunFileExporter:
    """Appends each finished span to the file of its run; a failing disk never fails a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def export(self, spans: Sequence[ReadableSpan]) -> Any:
        from opentelemetry.sdk.trace.export import SpanExportResult

        try:
            for span in spans:
                run_id = (span.attributes or {}).get(RUN_ID)
                if run_id:
                    self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                    with trace_file(self._folder, str(run_id)).open("a", encoding="utf-8") as file:
                        file.write(_record(span).model_dump_json() + "\n")
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is buffered."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        del timeout_millis
        return True


def configure(trace_dir: Path, *, capture_content: bool = False) -> None:
    """Send spans to files under *trace_dir*, and to OTLP when its variables are set. Once a process."""
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    global _capture_content  # noqa: PLW0603 (one switch a process, like the provider itself)
    _capture_content = capture_content
    provider = TracerProvider(resource=Resource.create({"service.name": "assay"}))
    provider.add_span_processor(SimpleSpanProcessor(_RunFileExporter(trace_dir)))  # type: ignore[arg-type]
    if any(os.environ.get(name) for name in _OTLP_VARIABLES):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        # A collector that is away costs one line at the end and little time, not a report.
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)
        seconds = None if "OTEL_EXPORTER_OTLP_TIMEOUT" in os.environ else 3
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=seconds)))
    trace.set_tracer_provider(provider)


_OTLP_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@contextmanager
def run_scope(run_id: str) -> Iterator[None]:
    """Every span opened inside belongs to *run_id*."""
    token = _current_run.set(run_id)
    try:
        yield
    finally:
        _current_run.reset(token)


@contextmanager
def span(
    name: str, attributes: Mapping[str, Any] | None = None, *, is_client: bool = False
) -> Iterator[Span]:
    """
    A span around the block; an exception that leaves it is recorded by type, not by text.

    *is_client* marks a call to another process.
    """
    from opentelemetry import trace
    from opentelemetry.trace import SpanKind, StatusCode

    tracer = trace.get_tracer("assay", schema_url=SCHEMA_URL)
    known = {key: value for key, value in (attributes or {}).items() if value is not None}
    if run_id := _current_run.get():
        known[RUN_ID] = run_id
    with tracer.start_as_current_span(
        name,
        kind=SpanKind.CLIENT if is_client else SpanKind.INTERNAL,
        attributes=known,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute(ERROR_TYPE, getattr(error, "code", None) or type(error).__name__)
            current.set_status(StatusCode.ERROR)
            raise


def content(text: str) -> str | None:
    """*text* when content capture is on, else None: attributes that are None are not set."""
    return text if _capture_content else None


def trace_file(folder: Path, run_id: str) -> Path:
    return folder / f"{run_id}.jsonl"


def read_trace(folder: Path, run_id: str) -> tuple[SpanRecord, ...]:
    """Finished spans of a run by start time; a last line cut by a kill is left out."""
    path = trace_file(folder, run_id)
    if not path.exists():
        return ()
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(SpanRecord.model_validate(json.loads(line)))
        except ValueError:
            continue
    return tuple(sorted(records, key=lambda record: record.start))


def _record(span: ReadableSpan) -> SpanRecord:
    context = span.get_span_context()
    assert context is not None
    attributes = {key: _plain(value) for key, value in (span.attributes or {}).items()}
    return SpanRecord(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{span.parent.span_id:016x}" if span.parent else None,
        name=span.name,
        start=span.start_time or 0,
        end=span.end_time or 0,
        error=str(attributes.get(ERROR_TYPE, "")),
        attributes=attributes,
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
