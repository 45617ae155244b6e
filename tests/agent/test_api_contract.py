"""What holds for every route of the API, read from its own description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agent.runner import Runner
from agent.web.openapi import PREFIX, document
from services.review import ReviewItem
from services.store import Asks
from tests.agent.homes import Home
from tests.agent.test_api_events import serving
from tests.agent.test_api_reviews import ask
from tests.agent.test_api_runs import BEGAN, put
from tests.agent.test_web_access import carrying, door

API: dict[str, Any] = json.loads(document())
BODIES = {
    "rollback": {"to": "plan"},
    "fork": {"at": "plan"},
    "withdraw": {"reason": "x"},
    "reject": {"reason": "x"},
    "edit": {"text": "x"},
    "respond": {"text": "x"},
    "assign": {"to": "x"},
    "delegate": {"to": "x"},
}
FORMAT = "json"
EVIDENCE = "ev_0123456789abcdef01234567"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation that needs a key."""
    for path, methods in API["paths"].items():
        for method, operation in methods.items():
            if path.startswith(PREFIX) and operation.get("security"):
                yield method, path, operation


OURS = [
    (method, path)
    for method, path, operation in operations()
    if {"runs", "artefacts", "reviews"} & set(operation["tags"])
]


def filled(path: str, **names: str) -> str:
    known = {"suffix": FORMAT, "evidence_id": EVIDENCE, **names}
    return re.sub(r"{(\w+)}", lambda found: known.get(found[1], "nothing"), path)


async def send(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    body = BODIES.get(path.rpartition("/")[2], {"question": "x"} if path == "/v1/runs" else None)
    return await client.request(method, path, json=body)


async def theirs(runner: Runner) -> ReviewItem:
    """A run of tenant a, with an item, a file and evidence."""
    folder = runner.settings.home
    (folder / "report.json").write_text("{}")
    await put(
        runner,
        1,
        tenant="a",
        output_dir=str(folder),
        report_digest="d",
        request={
            "as_of": "2026-06-30",
            "output": str(folder),
            "requested_by": "Ada",
            "formats": ["json"],
        },
    )
    await runner.stores.references.put("r001", {}, also=[f"evidence:{EVIDENCE}"])
    return await ask(runner, 1)


async def test_another_tenants_things_do_not_exist(own_runner: Runner) -> None:
    """Each route that names something answers as for a name that nobody has, and changes nothing."""
    item = await theirs(own_runner)
    client = await carrying(own_runner, "b", "analyst", tenant="b")
    approver = await carrying(own_runner, "c", "approver", tenant="b")
    named = [(method, path) for method, path in OURS if "{" in path]
    before = await own_runner.stores.runs.get("r001"), await own_runner.stores.reviews.get(item.id)
    for method, path in named:
        decides = "reviews" in path or path.endswith("withdraw")
        who = approver if decides else client
        hidden = await send(who, method, filled(path, run_id="r001", item_id=item.id))
        missing = await send(who, method, filled(path, run_id="r009", item_id="rv-none"))
        assert 404 == hidden.status_code, (method, path, hidden.text)
        assert hidden.text.replace("r001", "r009") == missing.text, (method, path)

    assert 14 < len(named)
    assert () == await Asks(own_runner.stores.redis).open()
    assert before == (
        await own_runner.stores.runs.get("r001"),
        await own_runner.stores.reviews.get(item.id),
    )


async def test_each_route_asks_who_it_is(own_runner: Runner) -> None:
    """Nobody comes in without a key; a viewer changes nothing, and reads what is theirs."""
    item = await theirs(own_runner)
    viewer = await carrying(own_runner, "v", "viewer", tenant="a")
    nobody = await door(own_runner)
    for method, path, _ in operations():
        answer = await send(nobody, method, filled(path, run_id="r001", item_id=item.id))
        assert 401 == answer.status_code, (method, path)
    await own_runner.stores.runs.update("r001", at=BEGAN, status="done")
    for method, path in OURS:
        answer = await send(viewer, method, filled(path, run_id="r001", item_id=item.id))
        wanted = 403 if method == "post" else 404 if "evidence" in path else 200
        assert wanted == answer.status_code, (method, path, answer.text)


async def test_reading_changes_nothing(own_runner: Runner) -> None:
    """After every GET the store is what it was."""
    item = await theirs(own_runner)
    await own_runner.stores.runs.update("r001", at=BEGAN, status="done")
    client = await carrying(own_runner, "v", "viewer", tenant="a")
    redis = own_runner.stores.redis

    async def picture() -> dict[bytes, bytes | None]:
        return {key: await redis.dump(key) for key in await redis.keys("assay:*")}

    before = await picture()
    for method, path in OURS:
        if method == "get":
            await send(client, method, filled(path, run_id="r001", item_id=item.id))

    assert before == await picture()


def test_the_description_is_whole() -> None:
    """Each operation has a name of its own, a tag, examples, and says how it refuses."""
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    assert API["openapi"].startswith("3.1")
    assert "bearer" == API["components"]["securitySchemes"]["bearer"]["scheme"]
    for method, path, operation in operations():
        if (method, path) not in OURS:
            continue
        assert operation["description"], path
        answers = operation["responses"]
        assert {"401", "403", "422", "429", "503"} <= answers.keys()
        assert ("{" in path) == ("404" in answers), path
        assert (method == "post") == ("409" in answers), path
        for status, answer in answers.items():
            [content] = [*answer.get("content", {}).items()][:1] or [(None, {})]
            if int(status) >= 400:
                assert "application/problem+json" == content[0]
                assert int(status) == content[1]["example"]["status"]
            elif content[0] == "application/json" and "$ref" in content[1]["schema"]:
                name = content[1]["schema"]["$ref"].rpartition("/")[2]
                own = name in ("ReviewItem", "ReviewDetail")
                assert own or API["components"]["schemas"][name]["examples"]


def test_the_kept_description_is_made_from_the_code() -> None:
    """`docs/openapi.json` is what `python -m agent.web.openapi` prints."""
    assert document() == Path("docs/openapi.json").read_text("utf-8")


async def test_nothing_from_outside_breaks_it(own_home: Home, own_runner: Runner) -> None:
    """Whatever is sent, the answer is one that the description names, in the form it says."""
    await put(own_runner, 1, status="done")
    await put(own_runner, 2)
    item = await ask(own_runner, 1, created_at=BEGAN + timedelta(minutes=1))
    known = {"run_id": ["r001", "r002"], "item_id": [item.id]}
    described = {
        **API,
        "paths": {
            path: {m: o for m, o in methods.items() if (m, path) in OURS}
            for path, methods in API["paths"].items()
        },
    }
    with serving(own_home) as (url, _):
        schema = schemathesis.openapi.from_dict(described)
        for result in schema.get_all_operations():
            _try(result.ok(), url, known)


def _try(operation: Any, url: str, known: dict[str, list[str]]) -> None:
    @settings(
        max_examples=8,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), data=st.data())
    def fuzz(case: Any, data: st.DataObject) -> None:
        for name, values in known.items():
            if name in case.path_parameters and data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(st.sampled_from(values))
        if operation.path.endswith("/events") and case.path_parameters["run_id"] == "r002":
            return  # it never ends
        case.call_and_validate(base_url=url, checks=CHECKS, timeout=20)

    fuzz()
