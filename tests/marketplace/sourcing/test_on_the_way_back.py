"""Units on their way back are not among those that the holder keeps. Ten units of 100, four to keep, breach costs the price."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from marketplace.agreements.combinations import ACCESS_BACK, BUY_BACK
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.clients import app_for, client_for, token_for
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES

TABLES = ("movement", "position", "missing_units", "settlement_line", "permit")


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def under(job: Job, clause: str = "buy-back", **terms: Any) -> None:
    base = BUY_BACK if clause == "buy-back" else ACCESS_BACK
    made = await agreed_on(job.world, [(clause, 2, {**base, "minimum_to_keep": 4, "scrap_rule": "free", **terms})])
    await delivered(job.world, made)
    job.agreement = str(made)


async def shipped(job: Job, quantity: int) -> None:
    await job.called(quantity)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z1"}))


def fit(job: Job, quantity: int) -> Any:
    body = {
        "part_id": str(job.world.part), "site_id": str(job.world.buyer.site), "quantity": quantity, "machine": "D6 SN 1"
    }  # fmt: skip
    return job.buyer.post(f"{API}/holdings/installs", json=body)


async def too_many(job: Job, quantity: int, words: str) -> None:
    before = await rows_of(job.world, *TABLES)
    no = await refused(fit(job, quantity), "agreement.below_minimum")
    assert words in no["detail"]
    assert await rows_of(job.world, *TABLES) == before


async def left(job: Job) -> tuple[int, int]:
    """(remaining, callable) as both sides read them, the same in the list and on the page."""
    (line,) = (await ok(job.planner.get(f"{API}/agreements/{job.agreement}")))["schedule"]
    (row,) = [x for x in (await ok(job.buyer.get(f"{API}/agreements")))["items"] if x["id"] == job.agreement]
    assert row["remaining"] == line["remaining"]
    return line["remaining"], line["callable"]


async def test_a_holder_keeps_what_it_has_and_rejected_units_only_once_they_are_back(job: Job) -> None:
    await under(job)
    await shipped(job, 7)
    assert await left(job) == (3, 3)
    await too_many(job, 1, "At least 4 units must be kept and 3 units are left: none may be fitted")
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    # Rejected, they are with the manufacturer, then with its carrier: the holder has them when it has received them.
    found = [{"grade": "used", "quantity": 7, "accepted": False}]
    body = {"found": found, "note": "Housing cracked.", "reason": "damaged"}
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/inspect", json=body))
    await too_many(job, 1, "3 units are left")
    (found,) = (await ok(job.buyer.get(f"{API}/settlement/disputes")))["items"]
    await ok(job.buyer.post(f"{API}/sourcing/disputes/{found['id']}/agree"))
    back = {"carrier": "UPS", "tracking": "1Z2"}
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/send-back", json=back))
    assert await left(job) == (3, 3)
    await too_many(job, 1, "3 units are left")
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/receive-back", json={}))
    assert await left(job) == (10, 10)
    await ok(fit(job, 6), 201)


async def test_what_is_given_away_beside_units_on_their_way_is_paid(job: Job) -> None:
    await under(job)
    await shipped(job, 7)
    body = {
        "agreement_id": job.agreement, "part_id": str(job.world.part), "site_id": str(job.world.buyer.site),
        "became": "given_away", "quantity": 1, "note": "Lent to a neighbour.",
    }  # fmt: skip
    said = await ok(job.buyer.post(f"{API}/holdings/missing-units", json=body), 201)
    assert (said["below_minimum"], Decimal(said["amount"])) == (1, Decimal(100))


async def test_the_minimum_that_a_draw_uses_up_is_counted_once(job: Job) -> None:
    """A right to the minimum alone: two drawn of four, so that two of the eight left are to be kept, and can be drawn."""
    await under(job, "access-back", applies_to="floor")
    await shipped(job, 2)
    assert await left(job) == (8, 2)
    await too_many(job, 7, "2 of 8 units must be kept: at most 6 may be fitted")
    await ok(fit(job, 6), 201)


async def test_units_sold_on_are_not_the_sellers_to_keep_and_do_not_use_up_its_minimum(job: Job) -> None:
    """Five of ten are on their way to their buyer, which takes one of the minimum of four over: three can be drawn, two used."""
    await under(job, "access-back", applies_to="floor")
    world = job.world
    await world.owner.execute("UPDATE company SET is_partner = true WHERE id = $1", world.other.id)
    token = await token_for(world.owner, world.other.users["admin"], world.other.id)
    async with client_for(app_for(world.db), token) as third:
        asks = {
            "agreement_id": job.agreement, "part_id": str(world.part), "site_id": str(world.buyer.site),
            "buyer_id": str(world.other.id), "quantity": 5, "minimum_passed_on": 1,
        }  # fmt: skip
        resale = f"{API}/resales/" + (await ok(job.buyer.post(f"{API}/resales", json=asks), 201))["id"]
        await ok(job.planner.post(f"{resale}/consent"))
        text = (await ok(third.get(resale)))["wording_sha256"]
        await ok(third.post(f"{resale}/join", json={"wording_sha256": text}))
        await ok(job.buyer.post(f"{resale}/ship", json={"carrier": "UPS", "tracking": "1Z9"}))
    assert await left(job) == (5, 3)
    assert [
        c["callable"]
        for c in await job.candidates()
        if c["holder"] == world.buyer.name and c["quantity"] == 5 and c["callable"]
    ] == [3]
    await too_many(job, 3, "at most 2 may be fitted")
    await ok(fit(job, 2), 201)
