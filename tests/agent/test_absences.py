"""Reviews of somebody who is away go to who stands in, and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from agent.absences import StandIns
from agent.breaches import open_breaches
from agent.desk import Desk
from agent.driving import now
from agent.housekeeping import Housekeeping
from agent.people import People
from agent.runner import Runner
from services import failpoints
from services.access import Role, Users
from services.audit import SYSTEM, revealed
from services.errors import InputConflict, Invalid, NotFound
from services.review import Approve, ReviewItem
from tests.agent.browsers import PASSWORD
from tests.agent.review_door import browser, content, opened
from tests.agent.test_web_access import carrying

pytestmark = pytest.mark.usefixtures("quick_passwords")
TODAY = datetime.now(UTC).date()
SOON = TODAY + timedelta(days=3)
PEOPLE: dict[str, tuple[Role, ...]] = {
    "Anna": ("approver",),
    "Ben": ("approver",),
    "Cleo": ("reviewer",),
    "Vic": ("viewer",),
}


@dataclass
class Office:
    """People who answer each other's reviews, and the day that it is."""

    runner: Runner
    at: datetime = field(default_factory=now)

    @property
    def rota(self) -> StandIns:
        return StandIns(self.runner.stores, lambda: self.at)

    async def away(self, who: str, to: str, first: date = TODAY, last: date = SOON) -> None:
        await self.rota.set(who, to, first, last, by="Olga", tenant="")

    async def given(self, to: str, run_id: str, **fields: object) -> ReviewItem:
        """An item that Olga gives to somebody."""
        item = await opened(self.runner, run_id, **{"kind": "failed_check", **fields})
        return await Desk(self.runner.stores, "Olga").assign(item.id, to)

    async def has(self, item: ReviewItem) -> tuple[str | None, str]:
        """Who has the item, and for whom."""
        found = await self.runner.stores.reviews.get(item.id)
        return found.assignee, str(found.away or "")


@pytest.fixture
async def office(own_runner: Runner) -> AsyncIterator[Office]:
    users = Users(own_runner.stores.redis)
    for name, roles in PEOPLE.items():
        await users.add(name, PASSWORD, roles=frozenset(roles), at=now())
    yield Office(own_runner)
    failpoints.set_traps("")


async def test_new_and_unbegun_reviews_go_to_the_stand_in_and_come_back(office: Office) -> None:
    """What Anna has begun with stays hers, what Ben has begun with stays his."""
    reviews = office.runner.stores.reviews
    waiting, begun = await office.given("Anna", "r-1"), await office.given("Anna", "r-2")
    await reviews.claim(begun.id, by="Anna", at=now())
    await office.away("Anna", "Ben")
    new = await office.given("Anna", "r-3")
    held = f"for Anna, away until {SOON.day} {SOON:%b}"

    assert [("Ben", held), ("Anna", ""), ("Ben", held)] == [
        await office.has(one) for one in (waiting, begun, new)
    ]
    await reviews.claim(new.id, by="Ben", at=now())
    await office.rota.end("Anna", by="Anna", tenant="")

    assert [("Anna", ""), ("Ben", held)] == [await office.has(one) for one in (waiting, new)]
    with pytest.raises(NotFound):
        await office.rota.end("Anna", by="Anna", tenant="")
    log = await office.runner.stores.audit.entries(SYSTEM)
    personal = await office.runner.stores.audit.personal(SYSTEM)
    said = [revealed(entry, personal) for entry in log]
    assert [("Anna", "Ben", "Olga"), ("Anna", None, "Anna")] == [
        (one["person"], one.get("reviewer"), one["by"]) for one in said
    ]
    moved = [e.event for e in await office.runner.stores.audit.entries("r-1")]
    assert ["review.assigned", "review.delegated", "review.assigned"] == moved


async def test_nobody_is_given_what_they_may_not_decide(office: Office) -> None:
    """Not what they asked for, not a publication without the role, not what they approved first."""
    await office.away("Anna", "Cleo")
    asked, publication, plain = items = [
        await office.given("Anna", run_id, **fields)
        for run_id, fields in (
            ("r-1", {"requested_by": "Cleo"}),
            ("r-2", {"kind": "publication"}),
            ("r-3", {}),
        )
    ]
    with_cleo = [(await office.has(one))[0] for one in items]
    red = await opened(office.runner, "r-4", severity="red")
    await office.runner.stores.decide(red.id, Approve(), by="Ben", at=now())
    await office.away("Anna", "Ben")
    red = await Desk(office.runner.stores, "Olga").assign(red.id, "Anna")

    assert ["Anna", "Ben", "Ben", "Ben"] == [
        (await office.has(one))[0] for one in (red, publication, asked, plain)
    ]
    assert ["Anna", "Anna", "Cleo"] == with_cleo
    for name in ("Vic", "Nobody"):
        with pytest.raises(Invalid, match="nobody called"):
            await office.away("Anna", name)


async def test_days_without_a_next_one_and_names_without_letters_are_refused(
    own_runner: Runner,
) -> None:
    """Also where anybody may stand in: a name could forge a line of a terminal or of a page."""
    rota = StandIns(own_runner.stores, now)
    with pytest.raises(Invalid, match="a year at most"):
        await rota.set("Me", "Ben", date(9999, 1, 1), date.max, by="Me", tenant="")
    for name in ("Ben\x1b[2J", "B\u202een", "Ben\n"):
        with pytest.raises(Invalid, match="nobody called"):
            await rota.set("Me", name, TODAY, SOON, by="Me", tenant="")
        with pytest.raises(Invalid, match="nobody called"):
            await rota.set(name, "Ben", TODAY, SOON, by="Me", tenant="")


async def test_another_tenants_people_are_as_unknown_as_nobody(office: Office) -> None:
    """Also where an identity provider knows people that are not here yet."""
    stores = office.runner.stores
    roles: frozenset[Role] = frozenset({"reviewer"})
    await Users(stores.redis).add("Zoe", PASSWORD, roles=roles, tenant="b", at=now())
    known = {}
    for has_provider in (False, True):
        people = People(replace(stores, has_provider=has_provider), now)
        names = ("Zoe", "Nobody", "Vic", "Ben")
        known[has_provider] = [await people.may(one, "answer", tenant="") for one in names]

    assert {False: [False, False, False, True], True: [True, True, False, True]} == known


async def test_a_stand_in_who_is_away_too_is_followed(office: Office) -> None:
    """Anna's go to Ben, and with Ben away to Cleo; when Anna is back, they are hers."""
    one = await office.given("Anna", "r-1")
    await office.away("Anna", "Ben")
    await office.away("Ben", "Cleo")
    with pytest.raises(InputConflict, match="round in a circle: Cleo to Anna to Ben to Cleo"):
        await office.away("Cleo", "Anna")
    chained = await office.has(one)
    await office.rota.end("Anna", by="Anna", tenant="")

    assert ("Cleo", f"for Anna, away until {SOON.day} {SOON:%b}") == chained
    assert ("Anna", "") == await office.has(one)


async def test_it_begins_and_ends_by_itself_whoever_dies(office: Office) -> None:
    """On the first day a worker passes on, after the last it gives back; a crash loses none of it."""
    items = [await office.given("Anna", f"r-{n}") for n in range(3)]
    await office.away("Anna", "Ben", SOON, SOON)
    await office.rota.tend()
    before = [(await office.has(one))[0] for one in items]
    for day, trap, expected in (
        (SOON, "reviews.pass_on:after=crash@2", "Ben"),
        (SOON + timedelta(days=1), "reviews.give_back:after=crash@2", "Anna"),
    ):
        office.at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
        failpoints.set_traps(trap)
        with pytest.raises(failpoints.Crash):
            await office.rota.tend()
        failpoints.set_traps("")
        for _ in range(2):
            await office.rota.tend()
        assert {expected} == {(await office.has(one))[0] for one in items}

    assert ["Anna"] * 3 == before
    assert () == await office.runner.stores.absences.list()


async def test_a_limits_owner_has_its_breach_or_who_stands_in(office: Office) -> None:
    """Where they are known here; a name that nobody has is given nothing."""
    stores = office.runner.stores
    made = content()
    [row] = made.summary.status
    owned = row.model_copy(
        update={"indicator": row.indicator.model_copy(update={"owner": "owner"})}
    )
    await office.away("Anna", "Ben")
    for run_id, name in (("r-1", "Anna"), ("r-2", "Cleo"), ("r-3", "Henrike Falk")):
        item = await opened(office.runner, run_id)
        record = await stores.runs.get(item.run_id)
        owner = made.figures[0].model_copy(update={"id": "owner", "text": name, "value": None})
        said = made.model_copy(
            update={
                "figures": (*made.figures, owner),
                "summary": made.summary.model_copy(update={"status": (owned,)}),
            }
        )
        digest = await stores.blobs.of_run(run_id).put_document(said)
        await open_breaches(stores, record, digest, clock=lambda: office.at)
    breaches = [i for i in await stores.reviews.list("open") if i.kind == "breach"]

    assert {"r-1": "Ben", "r-2": "Cleo", "r-3": None} == {i.run_id: i.assignee for i in breaches}


async def test_it_is_set_on_the_page_and_over_http(office: Office) -> None:
    """One's own by oneself, somebody else's by who administers; the row says for whom it is."""
    zoe = await browser(office.runner, "Zoe", "approver")
    one = await office.given("Zoe", "r-1")
    await zoe.open("/reviews/away")
    days = {"first": TODAY.isoformat(), "last": SOON.isoformat()}
    wrong = await zoe.send('action="/reviews/away"', **days, to="Nobody")
    done = await zoe.send('action="/reviews/away"', **days, to="Ben")
    inbox = await zoe.open("/reviews?tab=unassigned")
    row = await zoe.open(f"/reviews/{one.id}")
    jobs = await carrying(office.runner, "ops", "operator")
    ben = await carrying(office.runner, "desk", "reviewer")
    theirs = await ben.put("/v1/absences/Anna", json={**days, "to": "Ben"})
    put = await jobs.put("/v1/absences/Anna", json={**days, "to": "Ben"})
    circle = await jobs.put("/v1/absences/Ben", json={**days, "to": "Anna"})
    known = (await ben.get("/v1/absences")).json()
    back = await jobs.delete("/v1/absences/Zoe")

    assert (422, True) == (wrong.status_code, "nobody called" in wrong.text)
    assert (200, True) == (done.status_code, "It is set." in done.text)
    assert "Ben stands in for you" in inbox
    assert f"Ben, for Zoe, away until {SOON.day} {SOON:%b}" in row
    assert [403, 200, 409, 200] == [a.status_code for a in (theirs, put, circle, back)]
    assert [("Anna", "ops"), ("Zoe", "Zoe")] == [(a["person"], a["set_by"]) for a in known]
    assert ("Zoe", "") == await office.has(one)


async def test_who_is_forgotten_stands_in_for_nobody(office: Office) -> None:
    """Neither do others for them; items say nothing of them."""
    one = await office.given("Anna", "r-1")
    await office.away("Anna", "Ben")
    settings, stores = office.runner.settings, office.runner.stores
    await Housekeeping(settings=settings, stores=stores, clock=now).forget("Anna")

    assert () == await stores.absences.list()
    assert "Anna" not in (await stores.reviews.get(one.id)).model_dump_json()
