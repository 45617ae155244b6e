"""People at the real pages, on a real store: their browsers without a script."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import httpx

from agent.driving import now, thread_of
from agent.runner import Runner
from agent.web.access import COOKIE
from reports.document import (
    Cover,
    EvidenceRecord,
    Figure,
    RenderedFinding,
    ReportContent,
    Section,
    StatusRow,
    Summary,
    TextRun,
)
from services.access import ApiKey, ApiKeys, Role, Sessions, Users
from services.analysis.findings import Indicator
from services.evidence import Column
from services.review import ReviewItem
from services.store import RunRecord
from tests.agent.browsers import PASSWORD, app_of
from tests.agent.browsers import browser as html_browser


@dataclass
class Browser:
    """One person's browser. It sends forms as they stand on the page."""

    client: httpx.AsyncClient
    page: httpx.Response = field(init=False)

    async def open(self, path: str) -> str:
        self.page = await self.client.get(path)
        return self.page.text

    async def send(self, form: str, **fields: str) -> httpx.Response:
        """Send the form of the last page whose marks hold *form*, with these fields filled in."""
        found = next(one for one in _forms(self.page.text) if form in one)
        action = re.search(r'action="([^"]+)"', found)
        assert action is not None
        self.page = await self.client.post(action[1], data=_fields(found) | fields)
        if self.page.status_code == 303:
            await self.open(self.page.headers["location"])
        return self.page


def _forms(html: str) -> list[str]:
    return re.findall(r"<form.*?</form>", html, re.DOTALL)


def _fields(form: str) -> dict[str, str]:
    inputs = re.findall(r'<input [^>]*name="(\w+)" value="([^"]*)"', form)
    texts = re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>(.*?)</textarea>', form, re.DOTALL)
    return {name: unescape(value) for name, value in [*inputs, *texts]}


async def browser(
    runner: Runner, name: str = "", *roles: Role, tenant: str = "", **headers: str
) -> Browser:
    """The browser of somebody who has signed in; without a name, of whoever owns the machine."""
    client = html_browser(app_of(runner), headers=headers)
    if name:
        user = await Users(runner.stores.redis).add(
            name, PASSWORD, roles=frozenset(roles), tenant=tenant, at=now()
        )
        cookie, _ = await Sessions(runner.stores.redis).open(user.identity)
        client.cookies.set(COOKIE, cookie)
    return Browser(client)


async def know_somebody(runner: Runner) -> None:
    """From now on there is more than one person."""
    if await runner.stores.is_single_user():
        key = ApiKey(name="jobs", roles=frozenset({"analyst"}), created_at=now())
        await ApiKeys(runner.stores.redis).add(key)


async def opened(runner: Runner, run_id: str = "r-1", **fields: Any) -> ReviewItem:
    """An item of a run that waits for it."""
    at: datetime = fields.pop("created_at", now())
    question = fields.pop("question_of_run", "")
    tenant = fields.get("tenant", "")
    record = RunRecord(
        id=run_id,
        request={
            "question": question,
            "requested_by": "Olga",
            "formats": ["json"],
            "template": "quarterly",
            "as_of": "2026-09-30",
            "output": "reports",
        },
        status="waiting",
        template="quarterly",
        created_at=at,
        updated_at=at,
        tenant=tenant,
        left=True,
    )
    await runner.stores.runs.create(record)
    plain = {
        "kind": "publication",
        "title": "Publish the quarterly report",
        "question": "Publish this report?",
        "code": "",
        "choices": ("approve", "reject"),
        "template": "quarterly",
        "requested_by": "Olga",
        "created_at": at,
    }
    item = ReviewItem.for_wait(run_id, fields.pop("wait", "i-1"), **(plain | fields))
    return await runner.stores.reviews.open_item(item)


async def give_report(runner: Runner, run_id: str, content: ReportContent) -> None:
    """Have the run's graph stand where *content* is its report."""
    digest = await runner.stores.blobs.of_run(run_id).put_document(content)
    values = {"request": {}, "report": digest, "report_digest": content.digest}
    await runner.graph.aupdate_state(thread_of(run_id), values, as_node="review")
    await runner.stores.runs.update(run_id, at=now(), report_digest=content.digest)


def content(
    *, words: str = "VaR", cell: str = "Rates", value: str = "5.16", verified: bool = True
) -> ReportContent:
    """A small report with one figure over its limit, and rows with a confidential column."""

    def figure(name: str, number: str) -> Figure:
        return Figure(
            id=name,
            label=words,
            value=Decimal(number),
            unit="EUR",
            display=f"EUR {number}m",
            method=words,
            parameters={},
            as_of=date(2026, 9, 30),
            verified=verified,
            reason="" if verified else words,
            kind="value",
            evidence=("ev-1",),
        )

    indicator = Indicator(
        id="i1", label=words, section="market", status="red", value="market.var", limit="market.lim"
    )
    finding = RenderedFinding(
        id="f1",
        section="market",
        kind="limit_breach",
        severity="high",
        subject=words,
        claims=("market.var",),
        prose=(TextRun(text=f"{words} is "), TextRun(text=f"EUR {value}m", figure="market.var")),
        author={"kind": "rules"},
        prose_author={"kind": "rules"},
    )
    evidence = EvidenceRecord(
        id="ev-1",
        sql=f"SELECT desk, client FROM syn_var WHERE desk = '{cell}'",
        digest="d",
        rows=1,
        as_of=date(2026, 9, 30),
        tables=("syn_var",),
        columns=(
            Column(name="desk", type="string"),
            Column(name="client", type="string", sensitivity="confidential"),
        ),
        sample=({"desk": cell, "client": "Secret Client GmbH"},),
    )
    return ReportContent(
        cover=Cover(
            title=words,
            scope="",
            entity="Bank",
            template="quarterly",
            as_of=date(2026, 9, 30),
            currency="EUR",
            snapshot="s",
        ),
        summary=Summary(
            headline=(TextRun(text=words),),
            lines=(),
            status=(StatusRow(indicator=indicator, status="red"),),
            counts={"red": 1},
        ),
        sections=(Section(id="market", number=1, title=words, findings=(finding,)),),
        methods=(),
        figures=(figure("market.var", value), figure("market.lim", "5.00")),
        evidence=(evidence,),
    )


def ago(**span: int) -> datetime:
    return now() - timedelta(**span)
