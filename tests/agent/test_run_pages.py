"""The pages of runs: what each shows of a run in each state, and what its buttons do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

import httpx
import pytest

from agent.comparison import Difference
from agent.driving import now
from agent.intake import prepare
from agent.lanes import lanes
from agent.opening import open_retriever
from agent.retries import retries
from agent.runner import Runner
from agent.stores import open_stores
from agent.timeline import timeline
from agent.web.app import make_app
from agent.web.pages.compare import moved_words
from reports.document import Figure
from services.access import Identity, Role, Sessions, Users
from services.audit import AuditEntry, AuditVerdict, Flaw, events
from services.review import Approve, Reject
from services.settings import load_settings
from services.store import remove_run
from tests.agent.browsers import PASSWORD
from tests.agent.conftest import close_home, make_home
from tests.agent.driven import QUESTION, nobody
from tests.agent.homes import Home

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
STATES = {
    "r-queued": "queued",
    "r-interrupted": "interrupted",
    "r-waiting": "waiting",
    "r-failed": "failed",
    "r-done": "done",
    "r-rejected": "rejected",
    "r-cancelled": "cancelled",
    "r-withdrawn": "withdrawn",
}
PAGES = (
    "",
    "/compact",
    "/json",
    "/trace",
    "/audit",
    "/resume",
    "/rollback",
    "/fork",
    "/cancel",
    "/withdraw",
)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Home]:
    """A home with a run in every state, made once; tests only look at them."""
    home = make_home(tmp_path_factory.mktemp("runs in states"), sample)

    async def make() -> None:
        async with opened(home) as runner:
            await _make_states(runner)

    asyncio.run(make())
    yield home
    close_home(home)


async def _make_states(runner: Runner) -> None:
    stores = runner.stores
    asked = prepare(runner.settings, "r", question=QUESTION, formats=["json"])
    for run_id in STATES:
        changes: dict[str, Any] = {"output": str(runner.settings.output / run_id)}
        changes |= {"question": f"{QUESTION} {HOSTILE}"} if run_id == "r-queued" else {}
        changes |= {"formats": ("html", "json")} if run_id == "r-done" else {}
        request = asked.request.model_copy(update=changes)
        accepted = replace(asked, request=request, title=request.question)
        await runner.accept(run_id, accepted, left=run_id == "r-queued")
    driven = ("r-waiting", "r-done", "r-rejected", "r-withdrawn")
    await asyncio.gather(*(runner.drive(run_id, nobody) for run_id in driven))
    for run_id in ("r-done", "r-withdrawn"):
        await runner.decide(run_id, Approve(note=HOSTILE), by=HOSTILE)
    await runner.decide("r-rejected", Reject(reason=HOSTILE), by="Ada")
    await asyncio.gather(*(runner.drive(run_id, nobody) for run_id in driven[1:]))
    await runner.cancel("r-cancelled", by="Ada", reason=HOSTILE)
    await runner.withdraw("r-withdrawn", by="Ada", reason=HOSTILE)
    at = datetime.now(UTC)
    await stores.runs.update("r-interrupted", at=at, status="running")
    await _fail(runner, "r-failed")


async def _fail(runner: Runner, run_id: str) -> None:
    """A run whose step uses up its tries: its warehouse cannot be asked in time."""
    from services.errors import QueryTimedOut
    from services.retrieval import Retriever

    def refuse(*_: object, **__: object) -> None:
        raise QueryTimedOut("The query took too long.")

    patch = pytest.MonkeyPatch()
    patch.setattr(Retriever, "retrieve", refuse)
    try:
        await runner.drive(run_id, nobody)
    finally:
        patch.undo()


@asynccontextmanager
async def opened(home: Home) -> AsyncIterator[Runner]:
    settings = load_settings(
        home=Path(home.environment["ASSAY_HOME"]),
        output=Path(home.environment["ASSAY_HOME"]) / "reports",
    )
    async with open_stores(settings) as stores:
        yield Runner(settings=settings, stores=stores, open_retriever=open_retriever)


@pytest.fixture
async def runner(states: Home) -> AsyncIterator[Runner]:
    async with opened(states) as made:
        yield made


@pytest.fixture
async def own(make_runner: Any) -> AsyncIterator[Runner]:
    """A runner on a home that the test may change."""
    async with make_runner() as made:
        yield made


async def browser(
    runner: Runner, *roles: Role, tenant: str = "", is_open: bool = False
) -> httpx.AsyncClient:
    """A signed-in browser; an open server needs no sign-in."""
    app = make_app(runner.settings)
    app.state.runner, app.state.is_open = runner, is_open
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://127.0.0.1",
        follow_redirects=False,
    )
    if not is_open:
        who = await _known(runner, "-".join(("Grace", *roles, tenant)), frozenset(roles), tenant)
        cookie, session = await Sessions(runner.stores.redis).open(who)
        client.cookies.set("assay_session", cookie, domain="127.0.0.1")
        client.headers["x-test-csrf"] = session.csrf
    return client


async def _known(runner: Runner, name: str, roles: frozenset[Role], tenant: str) -> Identity:
    users = Users(runner.stores.redis)
    if user := await users.find(name):
        return user.identity
    return (await users.add(name, PASSWORD, roles=roles, tenant=tenant, at=now())).identity


async def post(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """As the form on the page would."""
    return await client.post(path, data={"csrf": client.headers["x-test-csrf"], **fields})


class Page(HTMLParser):
    """What a page holds that matters here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "style" in given or tag == "style" or (tag == "script" and "src" not in given):
            self.faults.append(f"{tag} {given}")
        self.faults += [f"{tag} {name}" for name in given if name.startswith("on")]
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in ("href", "src", "action"):
            if given.get(name) and not (tag == "form" and given.get("method") == "post"):
                self.links.append(str(given[name]))


@pytest.mark.parametrize(("run_id", "status"), STATES.items())
async def test_each_page_of_a_run_in_each_state(runner: Runner, run_id: str, status: str) -> None:
    """Each says the status in a word, and has neither inline style nor script, nor an id twice."""
    client = await browser(runner, "operator", "approver")
    for suffix in PAGES:
        answer = await client.get(f"/runs/{run_id}{suffix}")
        page = Page(answer.text)

        assert (200, suffix) == (answer.status_code, suffix)
        assert re.search(rf'class="status \w+">{status}<', answer.text)
        assert [] == page.faults
        assert len(page.ids) == len(set(page.ids))
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert str(runner.settings.home) not in answer.text
        assert suffix == "/json" or not re.search(r"assay (run|review|audit) ", answer.text)


async def test_what_people_wrote_is_only_ever_text(runner: Runner) -> None:
    """A question, a note, a reason and a name with markup in them stand on the pages escaped."""
    client = await browser(runner, "operator", "approver")
    said = {
        "/runs": "r-queued",
        "/runs/r-queued": "",
        "/runs/r-done/compact": "",
        "/runs/r-done/json": "",
        "/runs/r-done/report": "",
        "/runs/r-rejected/compact": "",
        "/runs/r-cancelled/compact": "",
        "/runs/r-withdrawn/report": "",
        "/compare?a=r-done&b=r-queued": "",
        f"/runs?text={HOSTILE}&who={HOSTILE}": "",
    }
    for path in said:
        answer = await client.get(path)

        assert (200, path) == (answer.status_code, path)
        assert "&lt;script&gt;alert(" in answer.text
        assert "<script>alert(" not in answer.text
        assert "<img src=x" not in answer.text
        assert [] == Page(answer.text).faults


async def test_every_link_of_the_pages_leads_somewhere(runner: Runner) -> None:
    """Reviews are another's pages, the API's documents are not followed further."""
    client = await browser(runner, "operator", "approver")
    seen: dict[str, int] = {}
    waiting = ["/runs", "/compare"]
    while waiting:
        path = waiting.pop()
        if path in seen or len(seen) > 900:
            continue
        answer = await client.get(path)
        seen[path] = answer.status_code
        if "text/html" not in answer.headers.get("content-type", "") or "/files/" in path:
            continue
        for link in Page(answer.text).links:
            target = urldefrag(urljoin(path, link))[0]
            # A thousand figures lead to a few pieces of evidence: two of a page do.
            figures = sum("figure=" in known for known in [*seen, *waiting])
            if target.startswith("/reviews") or ("figure=" in target and figures > 40):
                continue
            waiting.append(target)

    assert {} == {path: status for path, status in seen.items() if status not in (200, 303)}
    assert {f"/runs/{run_id}" for run_id in STATES} <= seen.keys()
    assert any("/evidence/" in path for path in seen)


async def test_the_list_is_filtered_and_paged_by_its_url(own: Runner) -> None:
    """Nothing is twice and nothing is left out when one goes on; a new run moves no page."""
    client = await browser(own, "analyst")
    empty = await client.get("/runs")
    accepted = prepare(own.settings, "r", question=QUESTION, formats=["json"])
    for number in range(30):
        name = "Ada" if number % 3 else "Bob"
        await own.accept(f"r{number:02}", accepted.asked_by(name, "api"), left=True)
    first = await client.get("/runs")
    onward = next(link for link in Page(first.text).links if "behind=" in link)
    await own.accept("newer", accepted, left=True)
    second = await client.get(onward)
    filtered = await client.get("/runs?status=queued&who=bob&text=r0")
    none = await client.get("/runs?status=done")

    assert "There are no runs yet" in empty.text
    assert [f"r{n:02}" for n in range(29, -1, -1)] == _listed(first) + _listed(second)
    assert ["r09", "r06", "r03", "r00"] == _listed(filtered)
    assert "No runs fit" in none.text
    assert 422 == (await client.get("/runs?behind=x")).status_code


def _listed(answer: httpx.Response) -> list[str]:
    return re.findall(r'<td data-head="Run"><a href="/runs/([^"]+)"', answer.text)


async def test_the_list_says_the_next_step(runner: Runner) -> None:
    """A run that waits for a person leads to what it waits for."""
    client = await browser(runner, "viewer")
    text = (await client.get("/runs")).text
    [item] = [i for i in await runner.stores.reviews.of_run("r-waiting") if i.status == "open"]

    assert f'<a href="/reviews/{item.id}">waits for a person: 1 item</a>' in text
    assert "Starting a run needs the role analyst or operator" in text


async def test_a_run_is_started_by_a_form(own: Runner) -> None:
    """By who may, with the token of their session; a mistake comes back with what was typed."""
    analyst = await browser(own, "analyst", tenant="a")
    viewer = await browser(own, "viewer", tenant="a")
    fields = {"question": QUESTION, "template": "quarterly", "as_of": "2026-09-30"}
    started = await post(analyst, "/runs", **fields)
    forged = await analyst.post("/runs", data=fields)
    barred = await post(viewer, "/runs", **fields)
    wrong = await post(analyst, "/runs", question=HOSTILE, as_of="soon")
    [record] = await own.stores.runs.list()

    assert (303, f"/runs/{record.id}") == (started.status_code, started.headers["location"])
    assert ("a", "Grace-analyst-a", True) == (
        record.tenant,
        record.request["requested_by"],
        record.left,
    )
    assert [403, 403] == [forged.status_code, barred.status_code]
    assert 422 == wrong.status_code
    assert "The date is not valid" in wrong.text
    assert "&lt;script&gt;" in wrong.text
    assert (await own.stores.queue.place(record.id)).state == "queued"


async def test_home_leads_to_what_waits_for_whoever_looks(runner: Runner, own: Runner) -> None:
    """Reviews for who may answer some; the runs otherwise."""
    reviewer, viewer = await browser(runner, "reviewer"), await browser(runner, "viewer")
    idle = await browser(own, "reviewer")

    assert ["/reviews", "/runs", "/runs"] == [
        (await client.get("/")).headers["location"] for client in (reviewer, viewer, idle)
    ]


async def test_other_tenants_have_no_such_run(runner: Runner) -> None:
    """Of any page and any action, in the same words as for a run that there is not."""
    client = await browser(runner, "operator", "approver", tenant="other")
    suffixes = [*PAGES, "/report", "/fragment", "/history.json", "/files/report.html", "/charts/x"]
    for suffix in [*suffixes, "/evidence/ev_1"]:
        theirs, none = [await client.get(f"/runs/{n}{suffix}") for n in ("r-done", "r-none")]
        assert (404, none.text) == (theirs.status_code, theirs.text)
    for action in ("resume", "cancel", "rollback", "fork", "withdraw"):
        answer = await post(client, f"/runs/r-done/{action}", to="plan", at="plan")
        assert (404, action) == (answer.status_code, action)

    assert 404 == (await client.get("/compare?b=r-done")).status_code
    assert [] == _listed(await client.get("/runs"))


async def test_buttons_are_for_who_may_and_others_are_told(runner: Runner) -> None:
    """In words, on the page and on the action's own; the server refuses the rest."""
    viewer = await browser(runner, "viewer")
    approver = await browser(runner, "approver")
    page = (await viewer.get("/runs/r-done")).text
    own_page = await viewer.get("/runs/r-done/fork")

    assert "this needs the role analyst or operator" in page
    assert "this needs the role approver" in page
    assert 'href="/runs/r-done/fork"' not in page
    assert 'href="/runs/r-done/withdraw"' in (await approver.get("/runs/r-done")).text
    assert 403 == own_page.status_code
    assert 'action="/runs/r-done/fork"' not in own_page.text
    for action in ("resume", "cancel", "rollback", "fork", "withdraw"):
        assert 403 == (await post(viewer, f"/runs/r-done/{action}")).status_code


async def test_a_run_is_cancelled_taken_back_resumed_and_copied(own: Runner) -> None:
    """Each is done once confirmed, by whom the log says, and left to a worker to go on with."""
    client = await browser(own, "analyst", "approver")
    await own.accept("r1", prepare(own.settings, "r1", question=QUESTION, formats=["json"]))
    await own.drive("r1", nobody)
    asked = await client.get("/runs/r1/rollback")
    forged = await client.post("/runs/r1/rollback", data={"to": "compose"})
    back = await post(client, "/runs/r1/rollback", to="compose", reason="again")
    rewound = await own.stores.runs.get("r1")
    wrong = await post(client, "/runs/r1/rollback", to="nowhere")
    copied = await post(client, "/runs/r1/fork", at="clarify", question="CET1 ratio")
    refused = await post(client, "/runs/r1/fork", at="compose", question="CET1 ratio")
    copy = copied.headers["location"].removeprefix("/runs/")
    resumed = await post(client, f"/runs/{copy}/resume")
    cancelled = await post(client, f"/runs/{copy}/cancel", reason="no longer needed")
    again = await post(client, f"/runs/{copy}/resume")
    log = [(e.event, e.fields.get("to")) for e in await own.stores.audit.entries("r1")]

    assert "Done again: compose, review." in " ".join(asked.text.split())
    assert 403 == forged.status_code
    assert (303, "/runs/r1", "queued", True) == (
        back.status_code,
        back.headers["location"],
        rewound.status,
        rewound.left,
    )
    assert ("run.rolled_back", "compose") in log
    assert (422, 422) == (wrong.status_code, refused.status_code)
    assert "Steps before compose have used question" in refused.text
    assert ("CET1 ratio", "r1") == (
        (await own.stores.runs.get(copy)).request["question"],
        (await own.stores.runs.get(copy)).forked_from,
    )
    assert (303, 303, 409) == (resumed.status_code, cancelled.status_code, again.status_code)
    assert "cancelled" == (await own.stores.runs.get(copy)).status
    assert '<a href="/runs/r1">r1</a>' in (await client.get(f"/runs/{copy}")).text
    assert f'<a href="/runs/{copy}">{copy}</a>' in (await client.get("/runs/r1")).text
    await remove_run(own.stores.redis, "r1")
    assert "r1 (removed since)" in (await client.get(f"/runs/{copy}")).text


async def test_a_report_is_withdrawn_by_its_typed_name_and_a_reason(own: Runner) -> None:
    """And by an approver only; whatever is missing comes back on the form."""
    await own.accept("r1", prepare(own.settings, "r1", question=QUESTION, formats=["json"]))
    await own.drive("r1", nobody)
    await own.decide("r1", Approve(), by="Ada")
    await own.drive("r1", nobody)
    approver, operator = await browser(own, "approver"), await browser(own, "operator")
    barred = await post(operator, "/runs/r1/withdraw", reason="x", typed="r1")
    unnamed = await post(approver, "/runs/r1/withdraw", reason="stale", typed="r2")
    silent = await post(approver, "/runs/r1/withdraw", reason=" ", typed="r1")
    status = (await own.stores.runs.get("r1")).status
    done = await post(approver, "/runs/r1/withdraw", reason="stale", typed="r1")

    assert (403, 422, 422) == (barred.status_code, unnamed.status_code, silent.status_code)
    assert "done" == status
    assert "The run id is not typed as it is" in unnamed.text
    assert (303, "withdrawn") == (done.status_code, (await own.stores.runs.get("r1")).status)
    assert "WITHDRAWN" in (await approver.get("/runs/r1/report")).text


async def test_asking_a_busy_driver_keeps_nobody_waiting(own: Runner) -> None:
    """The page says what was asked while the driver finishes its steps; then it is done."""
    client = await browser(own, "operator")
    await own.accept("r1", prepare(own.settings, "r1", question=QUESTION, formats=["json"]))
    async with own.stores.runs.lease("r1"):
        began = asyncio.get_running_loop().time()
        asked = await post(client, "/runs/r1/cancel", reason="enough")
        took = asyncio.get_running_loop().time() - began
        page = (await client.get("/runs/r1")).text
    async with asyncio.timeout(10):
        while (await own.stores.runs.get("r1")).status != "cancelled":
            await asyncio.sleep(0.05)

    assert 303 == asked.status_code
    assert took < 3
    assert "Asked to stop for good" in page
    assert "Asked to stop for good" not in (await client.get("/runs/r1")).text


async def test_a_fragment_is_the_part_that_changes(runner: Runner) -> None:
    """Without the page around it, for both views; a run that is over says so."""
    client = await browser(runner, "viewer")
    waiting = (await client.get("/runs/r-waiting/fragment?view=compact")).text
    done = (await client.get("/runs/r-done/fragment")).text

    assert "<html" not in waiting
    assert 'data-over="no"' in waiting
    assert 'data-over="yes"' in done
    assert 422 == (await client.get("/runs/r-done/fragment?view=x")).status_code


async def test_the_audit_log_is_checked_on_its_page(runner: Runner) -> None:
    """When somebody presses the button; each entry has its digest there."""
    client = await browser(runner, "viewer")
    shown = (await client.get("/runs/r-done/audit")).text
    checked = (await client.get("/runs/r-done/audit?check=true")).text
    entries = await runner.stores.audit.entries("r-done")

    assert "as it was written" not in shown
    assert "The log is as it was written" in checked
    assert all(f'title="{entry.digest}"' in shown for entry in entries)


async def test_logs_are_checked_one_at_a_time(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check reads the log over all runs: no number of them keeps the process from its work."""
    going = asyncio.Event()

    async def slow(*_: object) -> AuditVerdict:
        await going.wait()
        return AuditVerdict(ok=True, entries=1, head="")

    monkeypatch.setattr("agent.web.pages.run_history.verify_run", slow)
    client = await browser(runner, "viewer")
    first = asyncio.create_task(client.get("/runs/r-done/audit?check=true"))
    await asyncio.sleep(0.1)
    second = await client.get("/runs/r-done/audit?check=true")
    going.set()

    assert (429, "5") == (second.status_code, second.headers["retry-after"])
    assert 200 == (await first).status_code


async def test_a_log_over_all_runs_that_is_long_is_checked_elsewhere(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page names the command, and does not check whatever its address says."""
    monkeypatch.setattr("agent.web.pages.run_history._MOST_LINKS", 0)
    client = await browser(runner, "viewer")
    shown = (await client.get("/runs/r-done/audit?check=true")).text

    assert "as it was written" not in shown
    assert "check=true" not in shown
    assert "assay audit verify r-done" in shown


async def test_a_tenant_is_not_told_what_is_wrong_with_other_logs(
    own: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That something is, and no more: its words name runs."""
    reason = "it stands for entry 5 of r-secret, 4 is the next"
    flaws = (Flaw(run="@global", seq=71, reason=reason),)

    async def found(*_: object) -> AuditVerdict:
        return AuditVerdict(ok=False, entries=1, head="", flaws=flaws)

    monkeypatch.setattr("agent.web.pages.run_history.verify_run", found)
    shown = []
    for tenant in ("acme", ""):
        client = await browser(own, "analyst", tenant=tenant)
        started = await post(client, "/runs", question=QUESTION, as_of="2026-09-30")
        path = started.headers["location"].partition("?")[0]
        shown.append((await client.get(f"{path}/audit?check=true")).text)

    assert "The log over all runs is not as it was written" in shown[0]
    assert not re.search(r"r-secret|\b71\b", shown[0])
    assert reason in shown[1]


async def test_the_history_is_a_document(runner: Runner) -> None:
    """The same on its page and as a file."""
    client = await browser(runner, "viewer")
    answer = await client.get("/runs/r-done/history.json")
    document = json.loads(answer.text)

    assert 'attachment; filename="r-done.json"' == answer.headers["content-disposition"]
    assert ("r-done", "done") == (document["run"]["id"], document["standing"])
    assert document["audit"][-1]["digest"] == document["audit_head"]
    assert "run.accepted" == document["audit"][0]["event"]


async def test_a_figure_leads_to_its_cells(runner: Runner) -> None:
    """In evidence that the run refers to; of other evidence there is none."""
    client = await browser(runner, "viewer")
    report = (await client.get("/runs/r-done/report")).text
    links = [link for link in Page(report).links if "?figure=" in link]
    pages = [(await client.get(link)).text for link in links[:8]]
    figure_of_none = await client.get(links[0].split("?")[0] + "?figure=none")
    elsewhere = links[0].replace("r-done", "r-queued")

    assert "APPROVED" in report
    assert links
    assert all(link.endswith("#cell") for link in links)
    assert any('id="cell"' in page for page in pages)
    assert any('class="sql-k"' in page for page in pages)
    assert 404 == figure_of_none.status_code
    assert 404 == (await client.get(elsewhere)).status_code
    assert 404 == (await client.get("/runs/r-done/evidence/ev_none")).status_code


async def test_files_of_a_report_are_kept_apart_from_the_site(runner: Runner) -> None:
    """The page among them in a sandbox, under its digest; a name that is no format is refused."""
    client = await browser(runner, "viewer")
    page = await client.get("/runs/r-done/files/report.html")
    part = await client.get("/runs/r-done/files/report.json", headers={"Range": "bytes=0-9"})
    listed = (await client.get("/runs/r-done/report")).text

    assert page.headers["content-security-policy"].startswith("sandbox allow-scripts allow-popups;")
    assert page.headers["etag"].strip('"') in listed
    assert (206, 10) == (part.status_code, len(part.content))
    assert 422 == (await client.get("/runs/r-done/files/report.exe")).status_code
    assert 404 == (await client.get("/runs/r-done/files/report.pdf")).status_code
    assert 404 == (await client.get("/runs/r-queued/report")).status_code


async def test_reports_are_compared_side_by_side(runner: Runner) -> None:
    """By default with the published one before; what is no report has nothing to compare."""
    client = await browser(runner, "viewer")
    same = (await client.get("/compare?a=r-done&b=r-rejected")).text
    previous = (await client.get("/compare?b=r-rejected")).text
    alone = (await client.get("/compare?b=r-done")).text

    assert "the same report" in same
    assert 'value="r-done"' in previous
    assert "There is no earlier published report" in alone
    assert 'href="/compare?b=r-done&amp;a=r-rejected"' in alone
    assert 'aria-current="page">Runs' in alone


async def test_a_page_that_is_not_there_keeps_the_way_to_others(runner: Runner) -> None:
    """For whoever is signed in; a stranger is not told of other pages."""
    client = await browser(runner, "viewer")
    html = {"accept": "text/html"}
    pages = [await client.get(path, headers=html) for path in ("/nowhere", "/runs/none")]
    client.cookies.clear()
    stranger = await client.get("/nowhere", headers=html)

    assert [404, 404, 404] == [page.status_code for page in (*pages, stranger)]
    assert all('aria-label="Main"' in page.text for page in pages)
    assert 'aria-label="Main"' not in stranger.text


@pytest.mark.parametrize(
    ("by", "unit", "display", "moved"),
    [
        ("406554", "EUR", "EUR 5.81m", "EUR +0.41m"),
        ("1250", "EUR", "EUR 4,000", "EUR +1,250"),
        ("-0.159", "ratio", "132.55 %", "−15.90 pp"),
        ("-0.001", "ratio", "0.231", "−0.001"),
        ("3", "count", "14", "+3"),
    ],
)
def test_a_change_is_printed_as_its_figure_is(by: str, unit: str, display: str, moved: str) -> None:
    """In its scale and with its digits; a percentage changes by points."""
    figure = Figure.model_construct(unit=unit, display=display)
    one = Difference(what="figure", name="x", change="changed", by=Decimal(by))

    assert moved == moved_words(one, figure).replace("\u00a0", " ")


def _entry(seq: int, at: float, event: str, **fields: Any) -> AuditEntry:
    moment = datetime(2026, 9, 30, tzinfo=UTC) + timedelta(seconds=at)
    said = {"section": "", **fields}
    return AuditEntry(seq=seq, at=moment, event=event, fields=said, previous="", digest="")


LOG = (
    _entry(1, 0, events.RUN_TAKEN, fence=1),
    _entry(2, 1, events.STEP_STARTED, step="retrieve", attempt=1, section="npl"),
    _entry(3, 1, events.STEP_STARTED, step="retrieve", attempt=1, section="cet1"),
    _entry(4, 2, events.QUERY_RUN, rows=5, section="npl"),
    _entry(5, 3, events.ATTEMPT_FAILED, step="retrieve", attempt=1, section="npl", code="A104"),
    _entry(6, 5, events.STEP_STARTED, step="retrieve", attempt=2, section="npl"),
    _entry(7, 6, events.MODEL_CALLED, input_tokens=7, output_tokens=2, section="npl"),
    _entry(8, 7, events.STEP_FINISHED, step="retrieve", attempt=2, section="npl"),
    _entry(9, 3_600, events.RUN_TAKEN, fence=2),
    _entry(10, 3_601, events.STEP_STARTED, step="retrieve", attempt=1, section="cet1"),
)


def test_a_timeline_tells_tries_pauses_and_cuts() -> None:
    """Sections apart; what the dead driver had in hand was cut off at its last sign of life."""
    told = timeline(LOG, (), is_driven=True)
    tries = [(a.section, a.number, a.outcome) for a in told.attempts]
    second = told.attempts[2]

    assert [
        ("npl", 1, "failed"),
        ("cet1", 1, "cut off"),
        ("npl", 2, "done"),
        ("cet1", 1, "under way"),
    ] == tries
    assert (timedelta(seconds=2), 7, 2) == (second.paused, second.tokens_in, second.tokens_out)
    assert ("failed with A104, 1 query, 5 rows", ("npl", "cet1")) == (
        told.attempts[0].words,
        told.sections,
    )
    assert "cut off" == timeline(LOG, (), is_driven=False).attempts[-1].outcome


def test_a_failed_try_says_when_the_next_one_begins() -> None:
    """By the step's policy, until it began; so does a wait for what is away, until something came."""
    begun = timeline(LOG[:5], (), is_driven=True)
    waits = _entry(6, 4, events.STEP_WAITS, step="retrieve", section="cet1", code="A102", seconds=8)
    both = timeline([*LOG[:5], waits], (), is_driven=True)
    goes_on = timeline([*LOG[:6], waits, *LOG[7:8], _in_cet1(LOG[3], 9)], (), is_driven=True)
    failed, away = retries(both, now=waits.at)

    assert (failed,) == retries(begun, now=waits.at)
    assert ("npl", 1, 3, "A104") == (failed.section, failed.number, failed.tries, failed.code)
    assert "A query ran longer than its limit and was interrupted." == failed.why
    assert timedelta(seconds=1.2) == failed.at - LOG[4].at
    assert (True, "A102", timedelta(seconds=8)) == (away.is_away, away.code, away.at - waits.at)
    assert () == retries(goes_on, now=waits.at)
    assert () == retries(both, now=waits.at + timedelta(minutes=5))


def _in_cet1(entry: AuditEntry, seq: int) -> AuditEntry:
    """The same in the section that waited."""
    fields = {**entry.fields, "section": "cet1"}
    return entry.model_copy(update={"seq": seq, "fields": fields})


def test_an_idle_hour_is_drawn_short() -> None:
    """So that seconds of work beside it can be seen; nothing lies outside the picture."""
    at = LOG[-1].at + timedelta(seconds=2)
    drawn = lanes(timeline(LOG, (), is_driven=True), now=at)

    assert drawn is not None
    assert [6.0] == [fold.width for fold in drawn.folds]
    assert ["npl", "cet1"] == [lane.name for lane in drawn.lanes]
    bars = [bar for lane in drawn.lanes for bar in lane.bars]
    assert all(0 <= bar.start and bar.start + bar.width <= 100.01 for bar in bars)
    assert max(bar.width for bar in bars) > 50
