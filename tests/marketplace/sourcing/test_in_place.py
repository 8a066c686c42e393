"""Other units go back in place of those of the schedule: sent, accepted, rejected, lost, and what may not be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from marketplace.agreements.combinations import ACCESS_BACK, BUY_BACK
from marketplace.db.session import Database
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import CHECKS, verify
from marketplace.sourcing import service
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, ok, refused
from tests.web.job import Site, fields_of, open_site
from tests.world import World

owner, db, worker_db = second.FIXTURES

CALLS = f"{API}/sourcing/calls"
TABLES = ("call", "call_event", "call_unit", "call_stand_in", "movement", "position", "open_hold", "settlement_line")
TERMS: dict[str, Any] = {
    **BUY_BACK, "return_grade": "used", "grade_adjustments": [{"grade": "used", "percent_bp": 5_000}],
}  # fmt: skip


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as found:
        yield found


class Shelf:
    """Ten units of the schedule in one lot, four of them ordered and accepted; and what the holder has besides."""

    def __init__(self, site: Site) -> None:
        self.site, self.world, self.job = site, site.world, site.job
        self.schedule = self.newer = self.serial = self.same = UUID(int=0)
        self.newer_part = UUID(int=0)

    @classmethod
    async def make(
        cls, site: Site, *, bound: int = 10, unpaid: bool = False, access: bool = False, **changed: Any
    ) -> Shelf:
        made = cls(site)
        world = made.world
        terms = {**ACCESS_BACK, "minimum_to_keep": 4} if access else TERMS
        clause = "access-back" if access else "buy-back"
        agreement = await agreed_on(world, [(clause, 2, {**terms, **changed})])
        made.job.agreement = str(agreement)
        made.schedule = await delivered(world, agreement, bound)
        if unpaid:
            await world.owner.execute(
                "UPDATE position SET owner_id = $2 WHERE lot_id = $1", made.schedule, world.maker.id
            )
        made.newer_part = await world.make_part(f"{world.tag}-100-B")
        await world.owner.execute(
            "INSERT INTO supersession (from_part_id, to_part_id, effective_on) VALUES ($1, $2, current_date - 9)",
            world.part, made.newer_part,
        )  # fmt: skip
        made.newer = await world.register(world.buyer, 5, part=made.newer_part)
        made.serial = await world.register(
            world.buyer,
            part=made.newer_part,
            serial=f"NB-{world.tag}",
            place=world.place(world.buyer, condition="used"),
        )
        made.same = await world.register(world.buyer, 2)
        await made.job.called(4)
        await ok(made.job.buyer.post(f"{CALLS}/{made.job.call}/accept", json={}))
        return made

    async def ship(self, *others: tuple[UUID, int]) -> Any:
        body = {"own_transport": True, "in_place": [{"lot_id": str(lot), "quantity": n} for lot, n in others]}
        return await self.job.buyer.post(f"{CALLS}/{self.job.call}/ship", json=body)

    async def sent(self, *others: tuple[UUID, int]) -> None:
        """Shipped and received."""
        answer = await self.ship(*others)
        assert answer.status_code == 200, answer.text
        await ok(self.job.technician.post(f"{CALLS}/{self.job.call}/receive"))

    async def stands(self) -> dict[str, int]:
        """Units by part (A: ordered, B: newer), owner, holder, whether under the agreement, and whether they are reserved."""
        rows = await self.world.owner.fetch(
            "SELECT p.part_id, p.owner_id, p.holder_id, p.agreement_id, sum(p.quantity)::int AS n, sum(p.held)::int AS held "
            "FROM position p WHERE p.quantity > 0 AND p.part_id = ANY($1::uuid[]) AND p.site_id IS NOT NULL GROUP BY 1, 2, 3, 4",
            [self.world.part, self.newer_part],
        )
        who = {self.world.maker.id: "maker", self.world.buyer.id: "buyer"}
        found = {}
        for r in rows:
            part = "A" if r["part_id"] == self.world.part else "B"
            name = f"{part} {who[r['owner_id']]}"
            name += "" if r["holder_id"] == r["owner_id"] else f" at {who[r['holder_id']]}"
            found[name + (" bound" if r["agreement_id"] else "")] = r["n"]
            if r["held"]:
                found[name + " held"] = r["held"]
        return found

    async def taken_back(self) -> int:
        row = await self.world.owner.fetchval(
            "SELECT taken_back FROM agreement_line WHERE agreement_id = $1", UUID(self.job.agreement)
        )
        return int(row)

    async def owed(self) -> list[tuple[str, int, str]]:
        return sorted((x["kind"], x["quantity"], x["amount"].rstrip("0").rstrip(".")) for x in await self.job.owed())

    async def sound(self, worker_db: Database) -> None:
        """The ledger as a whole: the maker sees nothing of the others before they were sent."""
        async with worker_db.read() as session:
            wrong = [m for check in CHECKS for m in await verify(session, check)]
        parts = [self.world.part, self.newer_part]
        rows = await self.world.owner.fetch("SELECT lot_id FROM lot WHERE part_id = ANY($1::uuid[])", parts)
        assert not [m for m in wrong if m.lot_id in {r["lot_id"] for r in rows}]


async def test_others_are_accepted_and_as_many_of_the_schedule_come_free(site: Site, worker_db: Database) -> None:
    """Three of four: a serial-numbered used one, and two of a lot that stays otherwise whole; one of the schedule travels itself."""
    shelf = await Shelf.make(site)
    job = shelf.job
    could = (await ok(job.buyer.get(f"{CALLS}/{job.call}/in-place")))["could"]
    assert {(c["lot_id"], c["allowed"]) for c in could} == {
        (str(x), True) for x in (shelf.newer, shelf.serial, shelf.same)
    }
    assert (await ok(job.technician.get(f"{CALLS}/{job.call}/in-place")))["could"] == [], (
        "the holder's stock is its own affair"
    )
    before = await shelf.stands()
    assert before == {"A buyer bound": 10, "A buyer held": 4, "B buyer": 6, "A buyer": 2}
    await shelf.sent((shelf.newer, 2), (shelf.serial, 1))
    assert await shelf.stands() == {
        "A buyer bound": 9, "A buyer held": 3, "A buyer": 2, "A buyer at maker bound": 1, "B buyer": 3, "B buyer at maker bound": 3,
    }  # fmt: skip
    assert await shelf.taken_back() == 4
    travels = (await ok(job.technician.get(f"{CALLS}/{job.call}/in-place")))["travels"]
    assert sorted((t["part_number"], t["quantity"], t["serial"]) for t in travels) == [
        (f"{shelf.world.tag}-100-B", 1, f"NB-{shelf.world.tag}"), (f"{shelf.world.tag}-100-B", 2, None),
    ]  # fmt: skip
    # Nobody says in which condition they are: in the one that the ledger has, also of what came in place of a new one.
    await ok(job.technician.post(f"{CALLS}/{job.call}/inspect", json={"good": 4}))
    assert await shelf.stands() == {"A buyer bound": 6, "A buyer": 5, "A maker": 1, "B buyer": 3, "B maker": 3}
    assert await shelf.taken_back() == 4
    assert await shelf.owed() == [
        ("call_price", 1, "42.5"), ("call_price", 3, "255"), ("handling", 1, "2.55"), ("handling", 3, "15.3"),
    ]  # fmt: skip
    await shelf.sound(worker_db)


async def test_rejected_ones_come_back_free_and_the_schedule_stays_bound(site: Site, worker_db: Database) -> None:
    """Three of the newer ones sent, one rejected: it comes back free of the agreement. Another time it is kept after all."""
    shelf = await Shelf.make(site)
    job = shelf.job
    await shelf.sent((shelf.newer, 4))
    found = [
        {"grade": "new", "quantity": 2}, {"grade": "core", "quantity": 2, "accepted": False},
    ]  # fmt: skip
    await ok(job.technician.post(f"{CALLS}/{job.call}/inspect", json={"found": found}))
    # Two came free, two are not reserved any more and stay bound.
    rejected = {
        "A buyer bound": 8, "A buyer": 4, "B buyer": 2, "B buyer at maker bound": 2, "B maker": 2,
    }  # fmt: skip
    assert await shelf.stands() == rejected
    assert await shelf.taken_back() == 2
    (dispute,) = (await ok(job.buyer.get(f"{API}/settlement/disputes")))["items"]
    at = f"{API}/settlement/disputes/{dispute['id']}"
    await ok(job.buyer.post(f"{at}/propose", json={"amount": "40", "quantity": 1}))
    await ok(job.planner.post(f"{API}/sourcing/disputes/{dispute['id']}/agree"))
    # One is kept: as many of the schedule come free after all.
    assert await shelf.stands() == {
        **rejected, "A buyer bound": 7, "A buyer": 5, "B buyer at maker bound": 1, "B maker": 3,
    }  # fmt: skip
    assert await shelf.taken_back() == 3
    await ok(job.technician.post(f"{CALLS}/{job.call}/send-back", json={"own_transport": True}))
    await ok(job.buyer.post(f"{CALLS}/{job.call}/receive-back", json={"missing": 0, "note": ""}))
    assert await shelf.stands() == {"A buyer bound": 7, "A buyer": 5, "B buyer": 3, "B maker": 3}
    await shelf.sound(worker_db)


@pytest.mark.parametrize("incoterm", ["FCA", "DAP"])
async def test_lost_on_the_road_frees_the_schedule_where_the_price_is_owed(
    site: Site, worker_db: Database, incoterm: str
) -> None:
    shelf = await Shelf.make(site, incoterm=incoterm)
    answer = await shelf.ship((shelf.newer, 4))
    assert answer.status_code == 200, answer.text
    await ok(shelf.job.buyer.post(f"{CALLS}/{shelf.job.call}/lost", json={"note": "The truck burnt out."}))
    passed = incoterm == "FCA"
    assert await shelf.stands() == {"A buyer bound": 6 if passed else 10, "A buyer": 6 if passed else 2, "B buyer": 2}
    assert [x[0] for x in await shelf.owed()] == (["call_price"] if passed else [])
    await shelf.sound(worker_db)


async def test_what_nobody_inspects_is_accepted_in_its_own_condition(site: Site, worker_db: Database) -> None:
    """Silence accepts it; what it stood in for comes free."""
    shelf = await Shelf.make(site)
    await shelf.sent((shelf.serial, 1))
    moment = await shelf.world.owner.fetchval("SELECT inspect_by FROM call WHERE id = $1", UUID(shelf.job.call))
    async with worker_db.write() as session:
        assert await service.accept_uninspected(session, UUID(int=0), UUID(shelf.job.call), moment + timedelta(days=1))
    assert await shelf.stands() == {"A buyer bound": 6, "A buyer": 3, "A maker": 3, "B buyer": 5, "B maker": 1}
    assert ("call_price", 1, "42.5") in await shelf.owed()
    await shelf.sound(worker_db)


async def test_what_may_not_go_in_place_and_changes_nothing(site: Site) -> None:
    shelf = await Shelf.make(site)
    world, job = shelf.world, shelf.job
    older = await world.make_part(f"{world.tag}-100-0")
    await world.owner.execute(
        "INSERT INTO supersession (from_part_id, to_part_id, effective_on) VALUES ($1, $2, current_date - 9)",
        older, world.part,
    )  # fmt: skip
    old = await world.register(world.buyer, 4, part=older)
    unknown = await world.register(world.buyer, 4, part=await world.make_part(f"{world.tag}-777"))
    core = await world.register(world.buyer, 4, place=world.place(world.buyer, condition="core"))
    frozen = await world.register(world.buyer, 4)
    await world.run(world.buyer, Step(Kind.FREEZE, frozen, 4, 1))
    reserved = await world.register(world.buyer, 4)
    await world.run(world.buyer, Step(Kind.HOLD, reserved, 3, 1))
    makers = await world.register(world.maker, 4)
    could = (await ok(job.buyer.get(f"{CALLS}/{job.call}/in-place")))["could"]
    why = {c["lot_id"]: c["words"] for c in could if not c["allowed"]}
    assert set(why) == {str(old), str(core)}
    assert "only a newer one may stand in (buy-back version 2, section 9.2)" in why[str(old)]
    assert "at least used is asked for (buy-back version 2, section 9.3)" in why[str(core)]
    before = await rows_of(world, *TABLES), await rows_of(world, *TABLES, company=world.buyer)
    for others, code in (
        ([(shelf.schedule, 1)], "call.stand_in_agreement"),
        ([(reserved, 2)], "call.stand_in_few"),
        ([(frozen, 1)], "call.stand_in_hold"),
        ([(old, 1)], "call.stand_in_terms"),
        ([(core, 1)], "call.stand_in_terms"),
        ([(unknown, 1)], "call.stand_in_terms"),
        ([(makers, 1)], "call.stand_in_lot"),
        ([(UUID(int=7), 1)], "call.stand_in_lot"),
        ([(shelf.same, 1), (shelf.same, 1)], "call.stand_in_lot"),
        ([(shelf.newer, 3), (shelf.same, 2)], "call.stand_in_many"),
    ):
        await refused(shelf.ship(*others), code)
    assert (await rows_of(world, *TABLES), await rows_of(world, *TABLES, company=world.buyer)) == before


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        (
            {"scope": "lots"},
            "call.stand_in_terms",
            "one of the units of the schedule (buy-back version 2, section 9.2)",
        ),
        ({"unpaid": True, "title": "retained_until_paid"}, "call.stand_in_kept", "they go back themselves"),
        ({"access": True}, "call.stand_in_kind", "Only the units that are reserved"),
    ],
)
async def test_orders_whose_own_units_have_to_go(site: Site, how: dict[str, Any], code: str, words: str) -> None:
    shelf = await Shelf.make(site, **how)
    assert (await ok(shelf.job.buyer.get(f"{CALLS}/{shelf.job.call}/in-place")))["could"] == []
    browser = await site.browser(site.world.buyer, "buyer")
    assert "in place" not in (await browser.get(f"/calls/{shelf.job.call}/ship")).text
    before = await rows_of(site.world, *TABLES)
    problem = await refused(shelf.ship((shelf.same, 1)), code)
    assert words in problem["detail"]
    assert await rows_of(site.world, *TABLES) == before


async def test_the_agreement_ends_for_breach_meanwhile(site: Site, worker_db: Database) -> None:
    """What stays reserved for an order on its way comes free at once; that order finishes."""
    shelf = await Shelf.make(site)
    job, world = shelf.job, shelf.world
    travels = job.call
    answer = await shelf.ship((shelf.newer, 4))
    assert answer.status_code == 200, answer.text
    await job.called(1)
    late, job.call = job.call, travels
    await ok(job.buyer.post(f"{CALLS}/{late}/accept", json={}))
    row = await world.owner.fetchrow("SELECT reference, default_from FROM call WHERE id = $1", UUID(late))
    async with worker_db.write() as session:
        assert await service.act_on_default(session, UUID(int=0), UUID(late), row["default_from"])
    await world.owner.execute("UPDATE call SET default_from = now() WHERE id = $1", UUID(late))
    body = {"cause": "order", "reference": row["reference"], "reason": "Late."}
    done = await ok(job.planner.post(f"{API}/agreements/{job.agreement}/end-for-breach", json=body))
    assert done["units"] == 10
    assert await shelf.stands() == {"A buyer": 12, "B buyer": 2}
    await ok(job.technician.post(f"{CALLS}/{travels}/receive"))
    await ok(job.technician.post(f"{CALLS}/{travels}/inspect", json={"good": 4}))
    assert await shelf.stands() == {"A buyer": 12, "B buyer": 2, "B maker": 4}
    await shelf.sound(worker_db)


async def test_a_rejected_one_is_followed_by_the_unit_that_it_stood_in_for(site: Site) -> None:
    shelf = await Shelf.make(site, bound=4, reject_remedy="replace")
    await shelf.sent((shelf.newer, 4))
    found = [{"grade": "new", "quantity": 3}, {"grade": "core", "quantity": 1, "accepted": False}]
    await ok(shelf.job.technician.post(f"{CALLS}/{shelf.job.call}/inspect", json={"found": found}))
    assert await shelf.stands() == {
        "A buyer bound": 1, "A buyer held": 1, "A buyer": 5, "B buyer": 2, "B buyer at maker bound": 1, "B maker": 3,
    }  # fmt: skip


async def test_pages_offer_them_and_say_what_travels_in_place_of_what(site: Site) -> None:
    shelf = await Shelf.make(site)
    world, call = site.world, f"/calls/{shelf.job.call}"
    core = await world.register(world.buyer, 4, place=world.place(world.buyer, condition="core"))
    browser = await site.browser(world.buyer, "buyer")
    shown = (await browser.get(f"{call}/ship")).text
    assert "Send other units in place" in shown
    assert "at least used is asked for" in shown
    fields = fields_of(shown, f"{call}/ship")
    assert f"in_place_{core}" not in fields
    sent = {**fields, "own_transport": "on"}
    answer = await browser.post(f"{call}/ship", data={**sent, f"in_place_{shelf.newer}": "9"})
    assert answer.status_code in (409, 422)
    assert "cannot go in their place" in answer.text
    answer = await browser.post(
        f"{call}/ship", data={**sent, f"in_place_{shelf.newer}": "2", f"in_place_{shelf.serial}": "1"}
    )
    assert answer.status_code == 303, answer.text
    number, newer = await site.number(), f"{world.tag}-100-B"
    assert f"{newer}, in place of {number}" in (await browser.get(call)).text
    await ok(shelf.job.technician.post(f"{CALLS}/{shelf.job.call}/receive"))
    technician = await site.browser(world.maker, "technician")
    for page in (call, f"{call}/inspect"):
        text = (await technician.get(page)).text
        assert f"{newer}, in place of {number}" in text, page
        assert f"NB-{world.tag}" in text, page
