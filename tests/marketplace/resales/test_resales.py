"""Selling units on: with consent and accession the right stays on them; without, nothing can be sold on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
import pytest

from marketplace.db.session import Database
from marketplace.ledger.queries import CHECKS, verify
from tests.agreed import agreed, delivered, rows_of
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World, make_company

TABLES = ("agreement", "agreement_line", "resale", "resale_unit", "movement", "permit", "open_hold", "position")
SHIPPED = {"carrier": "UPS", "tracking": "1Z7"}


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def keeper(job: Job, stack: AsyncExitStack) -> httpx.AsyncClient:
    """The admin of the company that buys the units on: may sign and receive."""
    world = job.world
    await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
    token = await token_for(world.owner, world.other.users["admin"], world.other.id)
    return await stack.enter_async_context(client_for(app_for(world.db), token))


def body(job: Job, **more: Any) -> dict[str, Any]:
    return {
        "agreement_id": job.agreement, "part_id": str(job.world.part), "site_id": str(job.world.buyer.site),
        "buyer_id": str(job.world.other.id), "quantity": 2, "note": "Their machines run longer.", **more,
    }  # fmt: skip


async def asked(job: Job, **more: Any) -> str:
    return str((await ok(job.buyer.post(f"{API}/resales", json=body(job, **more)), 201))["id"])


def at(resale: str, step: str = "") -> str:
    return f"{API}/resales/{resale}" + (f"/{step}" if step else "")


async def stand(job: Job) -> dict[tuple[str, str, str | None], int]:
    """Units of the part by owner, holder and agreement."""
    world = job.world
    names = {world.maker.id: "maker", world.buyer.id: "seller", world.other.id: "buyer"}
    rows = await world.owner.fetch(
        "SELECT p.owner_id, p.holder_id, a.reference, sum(p.quantity)::int AS units FROM position p "
        "LEFT JOIN agreement a ON a.id = p.agreement_id WHERE p.part_id = $1 AND p.quantity > 0 GROUP BY 1, 2, 3",
        world.part,
    )
    return {(names[r["owner_id"]], names[r["holder_id"]], r["reference"]): r["units"] for r in rows}


async def test_with_consent_and_accession_the_right_stays_on_the_units(job: Job, worker_db: Database) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4, preset="access-first")
        parent = await ok(job.buyer.get(f"{API}/agreements/{job.agreement}"))
        resale = await asked(job)
        seen = await ok(third.get(at(resale)))
        assert (seen["side"], seen["agreement"], seen["status"]) == ("buyer", None, "asked")
        assert "as if it had bought them under the schedule" in seen["wording"]
        assert (await ok(job.buyer.get(at(resale))))["wording"] is None, (
            "the seller is no party of what the buyer signs"
        )
        await refused(third.post(at(resale, "join")), "resale.state")
        await ok(job.planner.post(at(resale, "consent")))
        before = await rows_of(job.world, *TABLES)
        await refused(third.post(at(resale, "join"), json={"wording_sha256": "0" * 64}), "agreement.other_text")
        assert await rows_of(job.world, *TABLES) == before
        joined = await ok(third.post(at(resale, "join"), json={"wording_sha256": seen["wording_sha256"]}))
        child = joined["child_id"]
        assert await stand(job) == {("seller", "seller", parent["reference"]): 4}
        await ok(job.buyer.post(at(resale, "ship"), json=SHIPPED))
        done = await ok(third.post(at(resale, "receive"), json={"site_id": str(job.world.other.site)}))
        assert (done["status"], done["good"]) == ("received", 2)
        assert await stand(job) == {
            ("seller", "seller", parent["reference"]): 2, ("buyer", "buyer", joined["child_reference"]): 2,
        }  # fmt: skip
        theirs = await ok(third.get(f"{API}/agreements/{child}"))
        assert (theirs["status"], theirs["terms"]) == ("active", parent["terms"])
        assert theirs["schedule_date"] == parent["schedule_date"]
        assert [(x["quantity_sold"], x["sale_price"], x["callable"]) for x in theirs["schedule"]] == [(2, "80.0000", 2)]
        assert (await job.buyer.get(f"{API}/agreements/{child}")).status_code == 404
        assert (await third.get(f"{API}/agreements/{job.agreement}")).status_code == 404
        assert (await job.planner.get(f"{API}/agreements/{child}/books")).status_code == 404, "no sale of the maker's"
        # The maker finds and orders back what was sold on.
        places = {c["holder"]: c["callable"] for c in await job.candidates() if c["kind"] == "buy_back"}
        assert places == {job.world.buyer.name: 2, job.world.other.name: 2}
        async with worker_db.read() as session:
            broken = [name for name in CHECKS if await verify(session, name)]
        assert not broken
        told = [e["kind"] for e in (await ok(job.planner.get(at(resale))))["events"]]
        assert told == ["asked", "consented", "acceded", "shipped", "received"]


async def test_nobody_joins_where_the_law_cuts_the_right_short(job: Job) -> None:
    """Louisiana: five years for a right to buy back movables. The terms say eight; a sale there would be refused, so is a
    resale on whose units the right stays."""
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4, preset="access-first")
        world = job.world
        here = "UPDATE site SET country = 'US', region = $2 WHERE company_id = $1"
        await world.owner.execute(here, world.other.id, "LA")
        before = await rows_of(world, *TABLES)
        no = await refused(job.buyer.post(f"{API}/resales", json=body(job)), "law.blocked")
        assert "art. 2568" in no["detail"]
        assert f"The right would stay on the units that go to {world.other.name}." in no["detail"]
        assert await rows_of(world, *TABLES) == before
        # A company that has a site elsewhere too may keep them there.
        await world.owner.execute(f"{here} AND id = $3", world.other.id, "TX", world.other.site)
        await world.owner.execute(
            "INSERT INTO site (company_id, code, name, place, region, country, timezone) "
            "VALUES ($1, 'LA-2', 'Second', 'Lafayette', 'LA', 'US', 'America/Chicago')",
            world.other.id,
        )
        resale = await asked(job)
        await ok(job.planner.post(at(resale, "consent")))
        await world.owner.execute(here, world.other.id, "LA")
        before = await rows_of(world, *TABLES)
        await refused(third.post(at(resale, "join")), "law.blocked")
        assert await rows_of(world, *TABLES) == before
        await world.owner.execute(here, world.other.id, "TX")
        await ok(third.post(at(resale, "join")))
        # Nor do the units come to a site opened since.
        await ok(job.buyer.post(at(resale, "ship"), json={"carrier": "UPS", "tracking": "1Z"}))
        await world.owner.execute(f"{here} AND code = $3", world.other.id, "LA", "LA-2")
        later = await world.owner.fetchval(
            "SELECT id FROM site WHERE company_id = $1 AND code = 'LA-2'", world.other.id
        )
        before = await rows_of(world, *TABLES)
        no = await refused(third.post(at(resale, "receive"), json={"site_id": str(later), "missing": 0}), "law.blocked")
        assert "Receive them at one of those" in no["detail"]
        assert await rows_of(world, *TABLES) == before
        await ok(third.post(at(resale, "receive"), json={"site_id": str(world.other.site), "missing": 0}))


async def test_the_minimum_to_keep_goes_with_the_units_as_far_as_agreed(job: Job) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        await job.world.owner.execute(
            "UPDATE agreement_line SET minimum_to_keep = 3 WHERE agreement_id = $1", UUID(job.agreement)
        )
        before = await rows_of(job.world, *TABLES)
        await refused(job.buyer.post(f"{API}/resales", json=body(job)), "agreement.below_minimum")
        await refused(job.buyer.post(f"{API}/resales", json=body(job, minimum_passed_on=3)), "resale.minimum")
        assert await rows_of(job.world, *TABLES) == before
        resale = await asked(job, minimum_passed_on=1)
        await ok(job.planner.post(at(resale, "consent")))
        child = (await ok(third.post(at(resale, "join"))))["child_id"]
        parent = await ok(job.buyer.get(f"{API}/agreements/{job.agreement}"))
        assert [(x["minimum_to_keep"], x["minimum_in_force"]) for x in parent["schedule"]] == [(3, 2)]
        theirs = await ok(third.get(f"{API}/agreements/{child}"))
        assert [x["minimum_in_force"] for x in theirs["schedule"]] == [1]
        # Called off before it ships: reserved units are free again, and the minimum is the seller's as before.
        await ok(third.post(at(resale, "cancel"), json={"reason": "The machine was sold."}))
        parent = await ok(job.buyer.get(f"{API}/agreements/{job.agreement}"))
        assert [(x["minimum_in_force"], x["callable"]) for x in parent["schedule"]] == [(3, 4)]
        assert (await ok(third.get(f"{API}/agreements/{child}")))["status"] == "terminated"
        assert await job.world.owner.fetchval(
            "SELECT sum(held) FROM position WHERE part_id = $1", job.world.part
        ) == 0  # fmt: skip


async def test_without_consent_or_accession_nothing_is_sold_on(job: Job) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        resale = await asked(job)
        before = await rows_of(job.world, *TABLES)
        for who, step, given, code in (
            (job.buyer, "consent", None, "resale.side"), (third, "consent", None, "resale.side"),
            (job.outsider, "join", None, "resale.state"), (job.buyer, "ship", SHIPPED, "resale.state"),
            (third, "receive", {"site_id": str(job.world.other.site)}, "resale.state"),
            (job.planner, "cancel", {"reason": "No."}, "resale.side"),
            (job.planner, "refuse", {"reason": " "}, "resale.reason"),
        ):  # fmt: skip
            await refused(who.post(at(resale, step), json=given), code)
        for wrong, code in (
            ({"quantity": 5}, "resale.units"), ({"buyer_id": str(job.world.maker.id)}, "resale.buyer"),
            ({"buyer_id": str(job.world.buyer.id)}, "resale.buyer"),
            ({"site_id": str(job.world.other.site)}, "site.not_found"),
        ):  # fmt: skip
            await refused(job.buyer.post(f"{API}/resales", json=body(job, **wrong)), code)
        await refused(job.outsider.post(f"{API}/resales", json=body(job)), "site.not_found")
        assert await rows_of(job.world, *TABLES) == before
        said = await ok(job.planner.post(at(resale, "refuse"), json={"reason": "We need them ourselves."}))
        assert (said["status"], said["reason"]) == ("refused", "We need them ourselves.")
        await refused(job.planner.post(at(resale, "consent")), "resale.state")


async def test_a_clause_that_forbids_it_refuses(job: Job) -> None:
    world = job.world
    await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
    agreement = await agreed(world, resale="not_allowed", quantity=4)
    await delivered(world, agreement, 4)
    job.agreement = str(agreement)
    before = await rows_of(world, *TABLES)
    await refused(job.buyer.post(f"{API}/resales", json=body(job)), "agreement.resale_not_allowed")
    assert await rows_of(world, *TABLES) == before


async def test_units_called_meanwhile_go_to_the_maker_first(job: Job) -> None:
    """Nothing is reserved for a buyer before it has signed: the right of the maker goes first."""
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        resale = await asked(job, quantity=3)
        await ok(job.planner.post(at(resale, "consent")))
        await job.called(2)
        before = await rows_of(job.world, *TABLES)
        said = await refused(third.post(at(resale, "join")), "agreement.held")
        assert "reserved" in said["detail"]
        assert await rows_of(job.world, *TABLES) == before


async def test_joining_and_ordering_back_at_once_promise_each_unit_once(job: Job) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        resale = await asked(job, quantity=3)
        await ok(job.planner.post(at(resale, "consent")))
        key = next(c["key"] for c in await job.candidates() if c["kind"] == "buy_back")
        answers = await asyncio.gather(
            *(third.post(at(resale, "join")) for _ in range(3)),
            *(job.technician.post(f"{API}/sourcing/order-back", json={**job.need(2), "key": key}) for _ in range(2)),
        )
        assert all(a.status_code < 500 for a in answers), [a.text for a in answers]
        held = await job.world.owner.fetchval("SELECT sum(held)::int FROM position WHERE part_id = $1", job.world.part)
        joined = sum(a.status_code == 200 for a in answers[:3])
        called = await job.world.owner.fetchval(
            "SELECT coalesce(sum(quantity), 0)::int FROM call WHERE maker_id = $1", job.world.maker.id
        )
        assert joined <= 1
        assert held == 3 * joined + called <= 4


async def test_what_does_not_arrive_is_lost_on_the_way_and_never_the_buyers(job: Job) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        resale = await asked(job, quantity=3)
        await ok(job.planner.post(at(resale, "consent")))
        child = (await ok(third.post(at(resale, "join"))))["child_id"]
        await ok(job.buyer.post(at(resale, "ship"), json=SHIPPED))
        given = {"site_id": str(job.world.other.site), "missing": 1}
        before = await rows_of(job.world, *TABLES)
        await refused(third.post(at(resale, "receive"), json=given), "resale.note")
        await refused(third.post(at(resale, "receive"), json={**given, "missing": 4}), "resale.missing")
        assert await rows_of(job.world, *TABLES) == before
        await ok(third.post(at(resale, "receive"), json={**given, "note": "One box came open."}))
        theirs = await ok(third.get(f"{API}/agreements/{child}"))
        assert [(x["quantity_sold"], x["accepted"], x["remaining"]) for x in theirs["schedule"]] == [(3, 2, 2)]
        assert sum((await stand(job)).values()) == 3


async def test_nothing_is_sold_on_while_the_agreement_stands_still(job: Job) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        resale = await asked(job)
        await ok(job.planner.post(at(resale, "consent")))
        hold = {"held": True, "reason": "Insolvency proceedings were opened."}
        await ok(job.planner.post(f"{API}/agreements/{job.agreement}/legal-hold", json=hold))
        before = await rows_of(job.world, *TABLES)
        await refused(third.post(at(resale, "join")), "agreement.legal_hold")
        await refused(job.buyer.post(f"{API}/resales", json=body(job)), "agreement.legal_hold")
        assert await rows_of(job.world, *TABLES) == before
        await ok(job.planner.post(f"{API}/agreements/{job.agreement}/legal-hold", json={**hold, "held": False}))
        await ok(third.post(at(resale, "join")))
        await ok(job.planner.post(f"{API}/agreements/{job.agreement}/legal-hold", json=hold))
        before = await rows_of(job.world, *TABLES)
        await refused(job.buyer.post(at(resale, "ship"), json=SHIPPED), "agreement.legal_hold")
        assert await rows_of(job.world, *TABLES) == before


async def test_units_come_under_what_the_buyers_agreement_has_become(job: Job) -> None:
    """Maker and buyer end it before it ships: the units come free. And a stop of either agreement stops shipping."""
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        resale = await asked(job)
        await ok(job.planner.post(at(resale, "consent")))
        child = (await ok(third.post(at(resale, "join"))))["child_id"]
        hold = {"held": True, "reason": "A court order."}
        await ok(job.planner.post(f"{API}/agreements/{child}/legal-hold", json=hold))
        before = await rows_of(job.world, *TABLES)
        await refused(job.buyer.post(at(resale, "ship"), json=SHIPPED), "agreement.legal_hold")
        assert await rows_of(job.world, *TABLES) == before
        await ok(job.planner.post(f"{API}/agreements/{child}/legal-hold", json={**hold, "held": False}))
        end = await ok(
            third.post(f"{API}/agreements/{child}/proposals", json={"ends": True, "note": "Not needed."}), 201
        )
        await ok(job.planner.post(f"{API}/agreements/proposals/{end['id']}/sign"))
        await ok(job.buyer.post(at(resale, "ship"), json=SHIPPED))
        await ok(third.post(at(resale, "receive"), json={"site_id": str(job.world.other.site)}))
        assert (await stand(job))["buyer", "buyer", None] == 2


async def test_consent_is_not_given_under_an_agreement_that_stands_still_or_has_ended(job: Job) -> None:
    async with AsyncExitStack() as stack:
        await keeper(job, stack)
        await job.sold(4, offered=4)
        resale = await asked(job)
        await ok(job.buyer.post(f"{API}/agreements/{job.agreement}/suspend", json={"reason": "Under review."}))
        before = await rows_of(job.world, *TABLES)
        await refused(job.planner.post(at(resale, "consent")), "agreement.suspended")
        assert await rows_of(job.world, *TABLES) == before


async def test_what_a_buyer_cannot_keep_the_seller_keeps_again(job: Job) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        await job.world.owner.execute(
            "UPDATE agreement_line SET minimum_to_keep = 3 WHERE agreement_id = $1", UUID(job.agreement)
        )
        resale = await asked(job, minimum_passed_on=2)
        await ok(job.planner.post(at(resale, "consent")))
        await ok(third.post(at(resale, "join")))
        await ok(job.buyer.post(at(resale, "ship"), json=SHIPPED))
        given = {"site_id": str(job.world.other.site), "missing": 1, "note": "One box came open."}
        await ok(third.post(at(resale, "receive"), json=given))
        parent = await ok(job.buyer.get(f"{API}/agreements/{job.agreement}"))
        assert [x["minimum_in_force"] for x in parent["schedule"]] == [2]


async def test_under_a_right_to_the_minimum_only_the_buyer_takes_some_of_it(job: Job) -> None:
    async with AsyncExitStack() as stack:
        await keeper(job, stack)
        await job.released(4, preset="standard-access", minimum_to_keep=2)
        await job.ordered(4)
        await job.signed()
        await job.delivered(4)
        before = await rows_of(job.world, *TABLES)
        said = await refused(job.buyer.post(f"{API}/resales", json=body(job, quantity=1)), "resale.minimum")
        assert "at least 1 unit" in said["detail"]
        assert await rows_of(job.world, *TABLES) == before
        assert await asked(job, quantity=1, minimum_passed_on=1)


async def test_serial_numbered_units_are_followed(job: Job) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(3, offered=3, serial=True)
        resale = await asked(job)
        await ok(job.planner.post(at(resale, "consent")))
        await ok(third.post(at(resale, "join")))
        await ok(job.buyer.post(at(resale, "ship"), json=SHIPPED))
        await ok(third.post(at(resale, "receive"), json={"site_id": str(job.world.other.site)}))
        held = await job.world.owner.fetchval(
            "SELECT count(*) FROM position p JOIN lot l USING (lot_id) WHERE p.holder_id = $1 AND p.quantity = 1 "
            "AND l.serial IS NOT NULL AND p.owner_id = $1",
            job.world.other.id,
        )
        assert held == 2


async def test_lists_by_what_waits(job: Job) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        resale = await asked(job)
        for who, waits, count in ((job.planner, "consent", 1), (third, "accede", 0), (job.buyer, "ship", 0)):
            assert len((await ok(who.get(f"{API}/resales?waits={waits}")))["items"]) == count
        await ok(job.planner.post(at(resale, "consent")))
        assert [r["id"] for r in (await ok(third.get(f"{API}/resales?waits=accede")))["items"]] == [resale]


async def test_requests_and_notices_name_each_unit_once(job: Job) -> None:
    """Of ten units two are kept and five are to be scrapped: three can be sold on, whoever asks, consents or signs, and when."""
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(10, offered=10)
        keep = "UPDATE agreement_line SET minimum_to_keep = $2 WHERE agreement_id = $1"
        await job.world.owner.execute(keep, UUID(job.agreement), 2)
        scrap = {"part_id": str(job.world.part), "act": "scrap", "quantity": 5}
        notices = f"{API}/agreements/{job.agreement}/notices"
        await ok(job.buyer.post(notices, json=scrap), 201)
        first = await asked(job, quantity=2)
        second = await asked(job, quantity=1)
        names = {r: (await ok(job.buyer.get(at(r))))["reference"] for r in (first, second)}
        before = await rows_of(job.world, *TABLES)
        said = await refused(job.buyer.post(f"{API}/resales", json=body(job, quantity=1)), "resale.promised")
        assert all(words in said["detail"] for words in (*names.values(), "notices of 5 units", "0 are left"))
        assert await rows_of(job.world, *TABLES) == before
        answers = await asyncio.gather(
            *(job.buyer.post(f"{API}/resales", json=body(job, quantity=1, minimum_passed_on=1)) for _ in range(3))
        )
        assert sorted(a.status_code for a in answers) == [201, 201, 422], "two go with the minimum that they take over"
        for a in answers:
            if a.status_code == 201:
                await ok(job.buyer.post(at(a.json()["id"], "cancel"), json={"reason": "A test of three at once."}))
        # Fewer can be sold on meanwhile: who asked first goes first, and who has consent before that.
        await job.world.owner.execute(keep, UUID(job.agreement), 3)
        before = await rows_of(job.world, *TABLES)
        said = await refused(job.planner.post(at(second, "consent")), "resale.promised")
        assert names[first] in said["detail"]
        assert await rows_of(job.world, *TABLES) == before
        await ok(job.planner.post(at(first, "consent")))
        await ok(third.post(at(first, "join")))
        await job.world.owner.execute(keep, UUID(job.agreement), 2)
        await ok(job.planner.post(at(second, "consent")))
        await job.world.owner.execute(keep, UUID(job.agreement), 3)
        before = await rows_of(job.world, *TABLES)
        said = await refused(third.post(at(second, "join")), "resale.promised")
        assert "notices of 5 units go first" in said["detail"]
        assert await rows_of(job.world, *TABLES) == before


async def test_accession_by_the_wrong_company_changes_nothing(job: Job, world: World) -> None:
    async with AsyncExitStack() as stack:
        third = await keeper(job, stack)
        await job.sold(4, offered=4)
        resale = await asked(job)
        await ok(job.planner.post(at(resale, "consent")))
        company = await make_company(world.owner, f"NO{world.tag}", manufacturer=False)
        token = await token_for(world.owner, company.users["admin"], company.id)
        stranger = await stack.enter_async_context(client_for(app_for(world.db), token))
        before = await rows_of(world, *TABLES)
        for who, code in ((job.buyer, "resale.side"), (job.planner, "resale.side"), (stranger, "resale.not_found")):
            said = await refused(who.post(at(resale, "join")), code)
            assert said["status"] in (403, 404)
            assert said["detail"] in ("This step is the buyer's.", "No such resale.")
        assert await rows_of(world, *TABLES) == before
        await ok(third.post(at(resale, "join")))
