"""What whoever watches is told: whether the door can serve, and how the whole stands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from agent.driving import now
from agent.pulse import Pulse
from agent.runner import Runner
from agent.scheduling import NewSchedule
from agent.web.metrics import exposition
from services import load
from services.review import ReviewItem
from services.store import RunRecord, WorkerLoad, remove_run, run_all
from tests.agent.homes import Home
from tests.agent.servers import Server, free_port
from tests.agent.test_web_access import carrying, door

Series = dict[tuple[str, str], float]


async def scraped(runner: Runner) -> Series:
    """The metrics as Prometheus reads them: name and label values to figure."""
    text = (await exposition(runner.stores, runner.settings)).decode()
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def run(name: str, **changes: Any) -> RunRecord:
    return RunRecord(id=name, request={}, created_at=now(), updated_at=now(), **changes)


def item(name: str, **changes: Any) -> ReviewItem:
    return ReviewItem(
        **{
            "id": f"rv-{name}",
            "run_id": "r1",
            "interrupt_id": name,
            "kind": "publication",
            "title": "Publish?",
            "question": "Publish?",
            "code": "A000",
            "choices": ("approve",),
            "created_at": now() - timedelta(hours=1),
        }
        | changes
    )


async def test_ready_says_of_each_part_what_keeps_it(make_runner: Any) -> None:
    """And nothing else: no path, no version, no address."""
    async with make_runner(queue_limit=1) as runner:
        client = await door(runner)
        well = await client.get("/readyz")
        await runner.stores.queue.put("r1")
        pointer = runner.settings.warehouse_dir / "current"
        digest = pointer.read_text()
        snapshot = next(runner.settings.warehouse_dir.glob("*.duckdb"))
        shutil.copy(snapshot, snapshot.with_suffix(".kept"))
        snapshot.write_bytes(b"no database at all")
        ill = await client.get("/readyz")
        pointer.unlink()
        none = await client.get("/readyz")
        pointer.write_text(digest)
        shutil.move(snapshot.with_suffix(".kept"), snapshot)
        await runner.stores.queue.remove("r1")

        assert (200, "ok") == (well.status_code, well.json()["status"])
        assert {"store", "queue", "warehouse", "disk"} == set(well.json()["parts"])
        assert {"store": "ok", "queue": "is full", "disk": "ok"}.items() <= ill.json()[
            "parts"
        ].items()
        assert 503 == ill.status_code == none.status_code
        assert "cannot be used (A403)" == ill.json()["parts"]["warehouse"]
        assert "A403" in none.json()["parts"]["warehouse"]
        assert str(runner.settings.home) not in ill.text + none.text
        assert 200 == (await client.get("/readyz")).status_code


async def test_a_full_disk_and_an_end_are_told(
    make_runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Liveness stays: starting the process anew would help with neither."""
    async with make_runner() as runner:
        client = await door(runner)
        app = client._transport.app  # type: ignore[attr-defined]
        usage = shutil.disk_usage(runner.settings.home)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        full = await client.get("/readyz")
        monkeypatch.undo()
        app.state.closing.set()
        closing = await client.get("/readyz")

        assert "is nearly full" == full.json()["parts"]["disk"]
        assert (503, "is shutting down") == (
            closing.status_code,
            closing.json()["parts"]["process"],
        )
        assert 200 == (await client.get("/healthz")).status_code


async def test_a_store_that_is_silent_is_told_within_its_bound(
    make_runner: Any, tmp_path: Path
) -> None:
    """A frozen server answers nothing; the probe does, in time for whoever asks."""
    server = Server(tmp_path / "store")
    server.start()
    try:
        async with make_runner(redis_url=server.url) as runner:
            client = await door(runner)
            server.freeze()
            began = time.monotonic()
            answer = await client.get("/readyz")
            took = time.monotonic() - began
            alive = await client.get("/healthz")
            server.thaw()

        assert (503, 200) == (answer.status_code, alive.status_code)
        assert "does not answer in time" == answer.json()["parts"]["store"]
        assert took < 4
        assert str(server.port) not in answer.text
    finally:
        server.end()


async def test_metrics_say_how_runs_queue_inbox_and_workers_stand(make_runner: Any) -> None:
    """From the store alone, so that every web process says the same."""
    async with make_runner() as runner:
        stores = runner.stores
        for name, priority in (("r1", "high"), ("r2", "normal"), ("r3", "normal"), ("r4", "low")):
            await stores.runs.create(run(name))
            await stores.queue.put(name, priority=priority)
        await stores.queue.take()
        await stores.runs.update("r1", at=now(), status="waiting")
        await stores.queue.put("r9", delay=timedelta(hours=1))
        await stores.reviews.open_item(item("a"))
        await stores.reviews.open_item(item("b", kind="breach", created_at=now()))
        await stores.workers.beat("w1", WorkerLoad(driving=True, queries_running=2, query_slots=2))
        await stores.workers.beat("w2", WorkerLoad(query_slots=2, model_calls=1))
        late = NewSchedule(name="late", cron="* * * * *", question="NPL ratio")
        await stores.schedules.add(late.made(at=now() - timedelta(hours=1), by="Ada"))
        await asyncio.sleep(0.05)
        found = await scraped(runner)

        assert 1 == found["assay_queue_runs", "high,taken"]
        assert [0, 2, 1] == [
            found["assay_queue_runs", f"{one},waiting"] for one in ("high", "normal", "low")
        ]
        assert 0.05 <= found["assay_queue_oldest_seconds", ""] < 10
        assert 1 == found["assay_queue_put_off", ""]
        assert [3, 1, 0] == [found["assay_runs", s] for s in ("queued", "waiting", "failed")]
        assert [1, 1, 0] == [
            found["assay_review_open", kind] for kind in ("publication", "breach", "held")
        ]
        assert 3600 <= found["assay_review_age_seconds", ""] < 3700
        assert [2, 1] == [found["assay_workers", ""], found["assay_workers_driving", ""]]
        assert [2, 0, 4, 1] == [
            found["assay_warehouse_queries", "running"],
            found["assay_warehouse_queries", "waiting"],
            found["assay_warehouse_query_slots", ""],
            found["assay_model_calls", ""],
        ]
        assert 1 == found["assay_schedules_late", ""]


async def test_counts_by_state_are_exact_through_changes_removals_and_an_older_store(
    make_runner: Any,
) -> None:
    """A store that an earlier version filled is counted once, and then kept up."""
    async with make_runner() as runner:
        runs, redis = runner.stores.runs, runner.stores.redis
        for number in range(6):
            await runs.create(run(f"r{number}"))
        await runs.create(await runs.get("r0"))
        await runs.update("r1", at=now(), status="running")
        await runs.update("r1", at=now(), title="another")
        await runs.update("r2", at=now(), status="done")
        await remove_run(redis, "r3")
        await remove_run(redis, "r3")
        before = await runs.states()
        await redis.delete("assay:runs:states")  # as an earlier version has none
        await runs.update("r4", at=now(), status="failed")
        await remove_run(redis, "r5")
        counted = await runs.states()
        await runs.update("r0", at=now(), status="done")

        assert {"queued": 3, "running": 1, "done": 1} == before
        assert {"queued": 1, "running": 1, "done": 1, "failed": 1} == counted
        assert {"running": 1, "done": 2, "failed": 1} == {
            state: count for state, count in (await runs.states()).items() if count
        }


async def test_a_scrape_does_not_read_ten_thousand_runs(make_runner: Any) -> None:
    """Nor does it take longer for them: what it asks for is kept up as it changes."""
    async with make_runner() as runner:
        stores = runner.stores
        for batch in range(20):
            names = [f"r{batch}-{number}" for number in range(500)]
            await stores.runs.create_all([run(name, left=True) for name in names])
            await run_all(stores.redis, stores.queue.puts([(name, "", "normal") for name in names]))
        calls = (await stores.redis.info("commandstats")).get("cmdstat_get", {}).get("calls", 0)
        took = []
        for _ in range(5):
            began = time.monotonic()
            await exposition(stores, runner.settings)
            took.append(time.monotonic() - began)
        found = await scraped(runner)
        after = (await stores.redis.info("commandstats")).get("cmdstat_get", {}).get("calls", 0)

        assert (
            10_000 == found["assay_runs", "queued"] == found["assay_queue_runs", "normal,waiting"]
        )
        assert calls == after
        assert min(took) < 0.1, took


async def test_a_pulse_tells_of_a_worker_and_what_its_guard_refused(make_runner: Any) -> None:
    """Until it leaves, or is silent for too long."""
    async with make_runner() as runner:
        load.take_refusals()
        pulse = Pulse(runner)
        load.refused(["only_select", "only_select"])
        with load.counted("runs"), load.counted("model_calls"):
            await pulse()
        await pulse()
        (worker,) = await runner.stores.workers.alive()
        refused = await scraped(runner)
        await pulse.leave()

        assert (True, 1) == (worker.driving, worker.model_calls)
        assert 2 == refused["assay_guard_refusals_total", "only_select"]
        assert () == await runner.stores.workers.alive()


async def test_metrics_are_for_whoever_may_administer(make_runner: Any) -> None:
    """They count the runs of all tenants; health does not ask who asks."""
    async with make_runner() as runner:
        operator = await carrying(runner, "prometheus", "operator")
        viewer = await carrying(runner, "screen", "viewer")
        theirs = await carrying(runner, "acme-ops", "operator", tenant="acme")
        nobody = await door(runner)
        answer = await operator.get("/metrics")

        assert (200, True) == (
            answer.status_code,
            "version=0.0.4" in answer.headers["content-type"],
        )
        assert (403, 403, 401) == (
            (await viewer.get("/metrics")).status_code,
            (await theirs.get("/metrics")).status_code,
            (await nobody.get("/metrics")).status_code,
        )
        assert 200 == (await nobody.get("/readyz")).status_code


async def test_what_the_documented_files_name_is_exported(make_runner: Any) -> None:
    """The autoscaler's example and the dashboard ask for no metric that there is not."""
    async with make_runner() as runner:
        text = (await exposition(runner.stores, runner.settings)).decode()
    exported = set(re.findall(r"^# TYPE (assay_\w+)", text, re.MULTILINE))
    dashboard = json.loads(Path("docs/grafana-dashboard.json").read_text("utf-8"))
    keda = list(yaml.safe_load_all(Path("docs/keda.yaml").read_text("utf-8")))
    queries = [
        *(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])),
        *(
            trigger["metadata"]["query"]
            for one in keda
            for trigger in one["spec"].get("triggers", [])
            if trigger["type"] == "prometheus"
        ),
    ]
    named = {name for query in queries for name in re.findall(r"assay_\w+", query)}
    # A counter is declared without its ending in the format's newer form only.
    exported |= {f"{name}_total" for name in exported}

    assert {"ScaledObject"} <= {one["kind"] for one in keda}
    assert len(named) > 10
    assert set() == named - exported
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_a_stopped_server_answers_what_is_under_way(home: Home) -> None:
    """SIGTERM in the midst of a request: it is answered, a new one finds no door, and it ends soon."""
    port = free_port()
    with home.start("serve", "--port", str(port)) as process:
        next(line for line in process.stderr if "listening" in line)
        end = time.monotonic() + 30
        while True:
            with suppress(OSError):
                under_way = socket.create_connection(("127.0.0.1", port), timeout=20)
                break
            assert time.monotonic() < end
            time.sleep(0.1)
        body = b'{"question": "NPL ratio", "formats": ["json"], "run_id": "r1"}'
        head = f"POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with under_way:
            under_way.sendall(head.encode() + body[:10])
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=2)
            under_way.sendall(body[10:])
            answer = under_way.recv(65536)
        began = time.monotonic()
        process.wait(30)

    assert answer.startswith(b"HTTP/1.1 202"), answer
    assert time.monotonic() - began < 10
    assert "r1" == home.json("run", "show", "r1")["id"]


@pytest.mark.slow
def test_processes_that_share_a_port_are_replaced_and_end_together(home: Home) -> None:
    """One that is killed is replaced; without the one that would do that the others end too."""
    port = free_port()

    def is_answered() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as caller:
            caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            return caller.recv(65536).startswith(b"HTTP/1.1 200")
        return False

    def until(is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < end
            time.sleep(0.1)

    command = ("serve", "--port", str(port), "--processes", "2")
    with home.start(*command) as process:
        until(is_answered)
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        first = listed.read_text().split()
        os.kill(int(first[-1]), signal.SIGKILL)
        until(lambda: first[-1] not in listed.read_text().split())
        until(is_answered)
        process.kill()
        until(lambda: not is_answered() and not _is_listened_to(port))


def _is_listened_to(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
