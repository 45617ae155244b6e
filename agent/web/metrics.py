"""
What a Prometheus server reads here: computed from the store when it asks, so that every web process
says the same. No label has more than a few values, and none is an id or a tenant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from agent.driving import now
from agent.pulse import GUARD_REFUSALS
from agent.stores import Stores
from agent.web.limits import REFUSED
from services.review import ItemKind, standing
from services.settings import Settings
from services.store import QueueLoad, RunStatus, WorkerLoad

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
WEBHOOKS_REJECTED: Final = "webhooks.rejected"
"""Where refused webhooks are counted, by reason."""
_LATE: Final = timedelta(minutes=1)
_MOST_LABELS: Final = 100
"""Of one tally; a label that should not be there fills no memory of others."""


async def exposition(stores: Stores, settings: Settings) -> bytes:
    """All metrics, in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Read(await read(stores, settings, at=now())))
    return generate_latest(registry)


async def read(stores: Stores, settings: Settings, *, at: datetime) -> list[Metric]:
    """The metrics as they are now."""
    tally = stores.tally
    inbox = await standing(stores.redis, at=at)
    return [
        *_queue(await stores.queue.load(), settings.queue_limit),
        _by(
            "assay_runs",
            "Runs, by how far they are",
            "status",
            _all(RunStatus, await stores.runs.states()),
        ),
        _by("assay_review_open", "Open review items", "kind", _all(ItemKind, inbox.kinds)),
        _one("assay_review_age_seconds", "Age of the oldest open item", inbox.oldest),
        _one("assay_review_overdue", "Open items past their deadline", inbox.overdue),
        _one(
            "assay_schedules_late",
            "Schedules whose tick nobody has started",
            await stores.schedules.late(at - _LATE),
        ),
        *_workers(await stores.workers.alive()),
        _count(
            "assay_guard_refusals",
            "Statements that workers' guard refused",
            "rule",
            await tally.of(GUARD_REFUSALS),
        ),
        _count(
            "assay_webhook_rejected",
            "Webhooks that were refused",
            "reason",
            await tally.of(WEBHOOKS_REJECTED),
        ),
        _count(
            "assay_requests_limited",
            "Requests above their rate limit",
            "door",
            await tally.of(REFUSED),
        ),
    ]


class _Read(Collector):
    """What was read before: collecting is not awaited."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _queue(queue: QueueLoad, limit: int) -> Iterator[Metric]:
    runs = GaugeMetricFamily(
        "assay_queue_runs", "Runs in the queue, by priority", labels=["state", "priority"]
    )
    for state, counts in (("waiting", queue.waiting), ("taken", queue.taken)):
        for priority, count in counts.items():
            runs.add_metric([state, priority], count)
    yield runs
    yield _one(
        "assay_queue_oldest_seconds", "How long the longest waiting run has waited", queue.oldest
    )
    yield _one("assay_queue_put_off", "Runs that wait for a time first", queue.put_off)
    yield _one("assay_queue_limit", "Runs that may wait before more are refused", limit)


def _workers(workers: tuple[WorkerLoad, ...]) -> Iterator[Metric]:
    driving = sum(worker.driving for worker in workers)
    yield _one("assay_workers", "Workers that are alive", len(workers))
    yield _one("assay_workers_driving", "Workers that drive a run", driving)
    queries = {
        "running": sum(worker.queries_running for worker in workers),
        "waiting": sum(worker.queries_waiting for worker in workers),
    }
    yield _by("assay_warehouse_queries", "Queries of workers under way", "state", queries)
    slots = sum(worker.query_slots for worker in workers)
    yield _one("assay_warehouse_query_slots", "Queries that workers can run at a time", slots)
    calls = sum(worker.model_calls for worker in workers)
    yield _one("assay_model_calls", "Model calls of workers under way", calls)


def _one(name: str, help_text: str, value: float | timedelta) -> Metric:
    number = value.total_seconds() if isinstance(value, timedelta) else value
    return GaugeMetricFamily(name, help_text, value=number)


def _by(name: str, help_text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _count(name: str, help_text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for value, count in sorted(values.items())[:_MOST_LABELS]:
        family.add_metric([value], count)
    return family


def _all(known: object, counts: Mapping[str, int]) -> dict[str, int]:
    """A count for each value that there can be: a series that comes and goes alarms nobody."""
    return dict.fromkeys(get_args(known), 0) | dict(counts)
