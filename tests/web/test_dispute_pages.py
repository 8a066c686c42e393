"""Disputes through the pages: rejected at inspection, talked about, agreed, sent back; a line disputed by who owes it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from marketplace.agreements.combinations import BUY_BACK
from tests import second
from tests.agreed import agreed, agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, ok
from tests.marketplace.settlement.owed import line_of, owes
from tests.web.job import Site, open_site, send
from tests.web.test_waiting import agree
from tests.world import World

owner, db, worker_db = second.FIXTURES

CALLS = f"{API}/sourcing/calls"


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as found:
        yield found


async def test_rejected_units_are_agreed_on_and_go_back(world: World, site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await job.called(3)
    await ok(job.buyer.post(f"{CALLS}/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    await ok(job.technician.post(f"{CALLS}/{job.call}/receive"))
    technician, planner = await site.browser(world.maker, "technician"), await site.browser(world.maker, "planner")
    buyer = await site.browser(world.buyer, "buyer")
    at = f"/calls/{job.call}"
    page = await technician.get(f"{at}/inspect")
    done = await send(technician, f"{at}/inspect", page, good="2", note="Cracked.", lower="1", less="10")
    assert done.status_code == 303, done.text
    assert (await agree(buyer))["disputes wait for your answer"] == 2
    order = (await buyer.get(at)).text
    assert "1&nbsp;" in order
    assert "rejected, open" in order
    rows = await world.owner.fetch("SELECT id, subject FROM dispute WHERE payer_id = $1", world.maker.id)
    by = {r["subject"]: f"/settlement/disputes/{r['id']}" for r in rows}
    listed = await buyer.get("/settlement/disputes?state=waiting")
    assert all(address in listed.text for address in by.values())
    # The buyer takes the lower price, and proposes something about the rejected unit.
    graded = await buyer.get(by["grade"])
    assert "Agree to what" in graded.text
    assert (await send(buyer, f"{by['grade']}/agree", graded)).status_code == 303
    units = await buyer.get(by["units"])
    assert "go back to" in units.text
    order = (await technician.get(at)).text
    assert "to agree or object; after that the units can go back." in order
    assert "Send them back" not in order
    wrong = await send(buyer, f"{by['units']}/propose", units, quantity="2", amount="10")
    assert wrong.status_code == 422
    assert (await send(buyer, f"{by['units']}/say", units, words="It was whole.")).status_code == 303
    await send(buyer, f"{by['units']}/propose", units, quantity="1", amount="30", words="Half.")
    assert f"{world.buyer.name} objects: agree with them" in (await technician.get(at)).text
    theirs = await planner.get(by["units"])
    assert "It was whole." in theirs.text
    assert "keep 1 of 1 rejected unit, for 30.00 USD in all" in theirs.text
    assert (await send(planner, f"{by['units']}/propose", theirs, quantity="0", amount="0")).status_code == 303
    assert (await send(buyer, f"{by['units']}/agree", await buyer.get(by["units"]))).status_code == 303
    assert "Send them back" in (await technician.get(at)).text
    back = await technician.get(f"{at}/send-back")
    before = await rows_of(world, "movement", "way_back")
    lacks = await send(technician, f"{at}/send-back", back)
    assert lacks.status_code == 422
    assert await rows_of(world, "movement", "way_back") == before
    assert (await send(technician, f"{at}/send-back", back, carrier="UPS", tracking="1ZB")).status_code == 303
    assert (await agree(buyer))["rejected order is on its way back to you"] == 1
    come = await buyer.get(f"{at}/receive-back")
    done = await send(buyer, f"{at}/receive-back", come)
    assert done.headers["location"] == f"{at}?done=receive-back"
    assert "under the agreement as before" in (await buyer.get(done.headers["location"])).text
    assert "rejected order is on its way back to you" not in await agree(buyer)


async def test_who_owes_a_line_disputes_it_and_gives_it_up(world: World, site: Site) -> None:
    await agreed(world)
    line = await owes(world)
    planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
    at = f"/settlement/{line}"
    assert f"{at}/dispute" in (await planner.get(at)).text
    assert f"{at}/dispute" not in (await buyer.get(at)).text
    assert (await buyer.get(f"{at}/dispute")).status_code == 403
    form = await planner.get(f"{at}/dispute")
    before = await rows_of(world, "dispute", "settlement_line")
    for changed in ({"amount": "999"}, {"words": ""}, {"reason": "mood"}):
        wrong = await send(planner, f"{at}/dispute", form, **{"words": "Too dear.", **changed})
        assert wrong.status_code == 422, changed
    assert await rows_of(world, "dispute", "settlement_line") == before
    done = await send(planner, f"{at}/dispute", form, amount="70.30", words="Too dear.", reason="price")
    dispute = done.headers["location"].partition("?")[0]
    assert "not due until" in (await planner.get(done.headers["location"])).text
    assert "70.30" in (await buyer.get("/settlement?state=disputed")).text
    assert "Not due while the dispute runs" in (await buyer.get(at)).text
    assert f"{dispute}/withdraw" not in (await buyer.get(dispute)).text
    assert (await send(planner, f"{dispute}/withdraw", await planner.get(dispute))).status_code == 303
    assert (await line_of(world, line)).disputed == 0
    file = await buyer.get("/settlement/disputes?format=csv")
    assert "The price is wrong" in file.text
    stranger = await site.browser(world.other, "buyer")
    assert (await stranger.get(dispute)).status_code == 404
    assert (await (await site.browser(world.buyer, "auditor")).get(dispute)).status_code == 200


async def test_rejected_units_that_the_agreement_has_kept_wait_for_the_holders_word_too(
    world: World, site: Site
) -> None:
    """Also for whoever receives units and reads nothing of what is owed."""
    job = site.job
    await delivered(world, await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "reject_remedy": "credit"})]), 4)
    await job.called(3)
    await ok(job.buyer.post(f"{CALLS}/{job.call}/accept", json={}))
    await ok(job.buyer.post(f"{CALLS}/{job.call}/ship", json={"own_transport": True}))
    await ok(job.technician.post(f"{CALLS}/{job.call}/receive"))
    found = [{"quantity": 2, "grade": "new"}, {"quantity": 1, "grade": "core", "accepted": False}]
    await ok(
        job.technician.post(f"{CALLS}/{job.call}/inspect", json={"found": found, "note": "Worn.", "reason": "damaged"})
    )
    warehouse, planner = await site.browser(world.maker, "warehouse"), await site.browser(world.maker, "planner")
    at = f"/calls/{job.call}"
    for who in (warehouse, planner):
        page = (await who.get(at)).text
        assert "to agree or object; after that the units can be kept." in page
        assert "Keep them for nothing" not in page
        assert "Send them back" not in page
    await world.owner.execute(
        "UPDATE dispute SET respond_by = now() - interval '1 hour' WHERE cause_id = $1::uuid", job.call
    )
    page = await warehouse.get(at)
    assert "has not objected in time" in page.text
    assert (await send(warehouse, f"{at}/keep-rejected", page)).status_code == 303
    assert "Keep them for nothing" not in (await planner.get(at)).text
