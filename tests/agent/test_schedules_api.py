"""Schedules through the HTTP door."""

from __future__ import annotations

from typing import Any

from services.audit import SYSTEM
from tests.agent.test_web_access import carrying, door

NEW = {"name": "daily", "cron": "30 6 * * MON-FRI", "zone": "Europe/Berlin", "question": "NPL"}


async def test_an_operator_adds_pauses_and_removes(make_runner: Any) -> None:
    """Of their own tenant; for others the schedule does not exist, and analysts may not look."""
    async with make_runner() as runner:
        ours = await carrying(runner, "ops", "operator", tenant="a")
        theirs = await carrying(runner, "others", "operator", tenant="b")
        analyst = await carrying(runner, "jobs", "analyst", tenant="a")
        added = await ours.post("/v1/schedules", json=NEW)
        again = await ours.post("/v1/schedules", json=NEW)
        paused = await ours.post("/v1/schedules/daily/pause")
        resumed = await ours.post("/v1/schedules/daily/resume")
        shown = await ours.get("/v1/schedules/daily")
        hidden = await theirs.delete("/v1/schedules/daily")
        refused = await analyst.get("/v1/schedules")
        listed = (await ours.get("/v1/schedules")).json()
        removed = await ours.delete("/v1/schedules/daily")

        assert (201, "/v1/schedules/daily") == (added.status_code, added.headers["location"])
        assert ("ops", "a") == (added.json()["created_by"], added.json()["tenant"])
        assert 409 == again.status_code
        assert (True, False) == (paused.json()["paused"], resumed.json()["paused"])
        assert 5 == len(shown.json()["next_ticks"])
        assert (404, []) == (hidden.status_code, (await theirs.get("/v1/schedules")).json())
        assert (403, ["daily"]) == (refused.status_code, [one["name"] for one in listed])
        assert (204, []) == (removed.status_code, (await ours.get("/v1/schedules")).json())
        log = await runner.stores.audit.entries(SYSTEM)
        assert ["added", "paused", "resumed", "removed"] == [
            entry.event.removeprefix("schedule.") for entry in log
        ]
        assert {("daily", "a")} == {(e.fields["schedule"], e.fields["tenant"]) for e in log}
        assert {"ops"} == set((await runner.stores.audit.personal(SYSTEM)).values())


async def test_what_makes_no_sense_is_a_problem(make_runner: Any) -> None:
    """With the words of the command line, or by field."""
    async with make_runner() as runner:
        client = await door(runner)
        cron = await client.post("/v1/schedules", json=NEW | {"cron": "61 * * * *"})
        zone = await client.post("/v1/schedules", json=NEW | {"zone": "Mars/Base"})
        limit = await client.post("/v1/schedules", json=NEW | {"catch_up_limit": 1000})

        assert [422] * 3 == [answer.status_code for answer in (cron, zone, limit)]
        assert "minute field" in cron.json()["title"]
        assert "time zone" in zone.json()["title"]
        assert "body.catch_up_limit" == limit.json()["errors"][0]["field"]
