"""Pages of units that come back by their condition, and of those that a holder sells back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.marketplace.settlement.owed import owes
from tests.marketplace.sourcing.test_by_condition import TABLE
from tests.web.job import Site, open_site, send
from tests.world import World

owner, db, worker_db = second.FIXTURES
TABLES = ("call", "call_event", "movement", "settlement_line", "dispute")


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


async def test_an_inspection_says_what_each_condition_pays_and_is_paid_so(site: Site) -> None:
    job, world = site.job, site.world
    made = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, **TABLE, "reject_remedy": "credit"})])
    serials = [f"SN-{world.tag}-{n}" for n in range(2)]
    lots = [str(await delivered(world, made, 1, serial=serial)) for serial in serials]
    await delivered(world, made, 3)
    await job.called(5)
    at = f"/calls/{job.call}"
    await job.buyer.post(f"/api/v1/sourcing{at}/accept", json={})
    await job.buyer.post(f"/api/v1/sourcing{at}/ship", json={"own_transport": True})
    await job.technician.post(f"/api/v1/sourcing{at}/receive")
    technician, buyer = await site.browser(world.maker, "technician"), await site.browser(world.buyer, "buyer")
    form = await technician.get(f"{at}/inspect")
    for words in (
        "Used: 45.05 USD a unit",
        "buy-back version 2, section 9.5",
        "section 9.6",
        "Shelf life left",
        serials[0],
    ):
        assert words in form.text, words
    before = await rows_of(world, *TABLES)
    # Three without a number are there, and only two are said something of.
    wrong = await send(technician, f"{at}/inspect", form, quantity_g1="2")
    assert wrong.status_code == 422, wrong.text
    assert "so far of 4" in wrong.text
    nothing = await send(technician, f"{at}/inspect", form, **{f"fate_{lots[0]}": "reject"})
    assert nothing.status_code == 409
    assert "section 9.3" in nothing.text
    assert await rows_of(world, *TABLES) == before
    done = await send(
        technician, f"{at}/inspect", form, quantity_g1="2", condition_g1="used", quantity_g2="1",
        **{f"condition_{lots[1]}": "core", f"fate_{lots[1]}": "reject"},
    )  # fmt: skip
    assert done.headers["location"] == f"{at}?done=inspect", done.text
    for who in (technician, buyer):
        page = (await who.get(at)).text
        assert "What was found" in page
        assert "50 % of 90.10" in page
        assert "Handling" in page or who is technician
    early = (await technician.get(at)).text
    assert "after that the units can be kept." in early
    assert "Keep them for nothing" not in early
    await world.owner.execute("UPDATE dispute SET respond_by = now() WHERE cause_id = $1", UUID(job.call))
    assert "Keep them for nothing" not in (await buyer.get(at)).text
    kept = await send(technician, f"{at}/keep-rejected", await technician.get(at))
    assert kept.headers["location"] == f"{at}?done=keep-rejected", kept.text
    assert "keeps 1 EA for nothing" in (await buyer.get(at)).text


async def test_units_are_sold_back_and_sent_where_the_maker_says(site: Site) -> None:
    world = site.world
    made = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "put_percent_bp": 7_000})])
    await delivered(world, made, 4)
    buyer, planner = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
    at = f"/agreements/{made}/sell-back"
    assert f'href="{at}"' in (await buyer.get(f"/agreements/{made}")).text
    assert f'href="{at}"' not in (await planner.get(f"/agreements/{made}")).text
    assert (await planner.get(at)).status_code == 404
    form = await buyer.get(at)
    assert "70.00 USD a unit (70 % of the price paid" in form.text
    assert "section 2.5" in form.text
    before = await rows_of(world, *TABLES)
    wrong = await send(buyer, at, form, quantity="9")
    assert wrong.status_code == 409
    assert "4 can be sold back now" in wrong.text
    asked = await send(buyer, at, form, quantity="2")
    assert asked.status_code == 200
    assert "140.00 USD for all" in asked.text
    assert await rows_of(world, *TABLES) == before, "nothing before it is confirmed"
    done = await send(buyer, at, asked)
    assert done.status_code == 303, done.text
    where = done.headers["location"].partition("?")[0]
    assert where.startswith("/calls/"), done.text
    page = (await buyer.get(where)).text
    assert "Sale back" in page
    assert f'href="{where}/ship"' not in page
    home = (await planner.get("/")).text
    assert "holder sells units back to you" in home
    assert where in (await planner.get("/calls?side=maker&status=direct")).text
    assert "Cancel the order" not in (await planner.get(where)).text
    to = await planner.get(f"{where}/destination")
    assert "If you say nothing by" in to.text
    named = await send(planner, f"{where}/destination", to, site=str(world.maker.site))
    assert named.headers["location"] == f"{where}?done=destination", named.text
    assert "holder sells units back to you" not in (await planner.get("/")).text
    assert f'href="{where}/ship"' in (await buyer.get(where)).text
    assert "says where the units go" in (await buyer.get(where)).text


async def test_a_holder_objects_to_the_condition_found_and_both_agree_on_one(site: Site) -> None:
    world, job = site.world, site.job
    made = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, **TABLE, "reject_remedy": "replace"})])
    await delivered(world, made, 5)
    await job.called(3)
    at = f"/calls/{job.call}"
    await job.buyer.post(f"/api/v1/sourcing{at}/accept", json={})
    await job.buyer.post(f"/api/v1/sourcing{at}/ship", json={"own_transport": True})
    await job.technician.post(f"/api/v1/sourcing{at}/receive")
    buyer, planner = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
    inspecting = await planner.get(f"{at}/inspect")
    assert "Order another unit from" in inspecting.text
    done = await send(
        planner, f"{at}/inspect", inspecting, quantity_g1="2", condition_g1="used", quantity_g2="1", condition_g2="core",
        fate_g2="reject",
    )  # fmt: skip
    assert done.headers["location"] == f"{at}?done=inspect", done.text
    # The head says what is owed, and not what was ordered: of three units two, at half of the price.
    assert re.search(r"Owed for the units</dt>\s*<dd[^>]*>.{0,60}90\.10", (await buyer.get(at)).text, re.DOTALL)
    other = await world.owner.fetchval("SELECT id FROM call WHERE replaces_id = $1", UUID(job.call))
    for who in (buyer, planner):
        assert f'In place of rejected units: <a class="pn" href="/calls/{other}">' in (await who.get(at)).text
        assert (
            f'In place of 1 unit rejected under <a class="pn" href="{at}">' in (await who.get(f"/calls/{other}")).text
        )
    assert f'href="/calls/{other}/ship"' in (await buyer.get(f"/calls/{other}")).text
    line = await world.owner.fetchval(
        "SELECT id FROM settlement_line WHERE cause_id = $1 AND condition = 'used'", UUID(job.call)
    )
    to = f"/settlement/{line}/condition"
    assert f'href="{to}"' in (await buyer.get(at)).text
    assert f'href="{to}"' in (await buyer.get(f"/settlement/{line}")).text
    assert f'href="{to}"' not in (await planner.get(at)).text
    assert (await planner.get(to)).status_code == 403
    form = await buyer.get(to)
    assert "Used and tested: 54.06 USD a unit, 9.01 USD more" in form.text
    before = await rows_of(world, *TABLES)
    wrong = await send(buyer, to, form, condition="used_tested", quantity="2")
    assert wrong.status_code == 422, "it says why"
    assert await rows_of(world, *TABLES) == before
    done = await send(buyer, to, form, condition="new", quantity="2", words="Never fitted.")
    where = done.headers["location"].partition("?")[0]
    assert where.startswith("/settlement/disputes/"), done.text
    assert "objects to the condition found" in (await planner.get(at)).text
    assert f'href="{to}"' not in (await buyer.get(at)).text
    theirs = await planner.get(where)
    assert "Count 2 units as new, where used was found." in theirs.text
    assert (await send(planner, f"{where}/propose", theirs, condition="used_tested")).status_code == 303
    ours = await buyer.get(where)
    assert "18.02 USD more is owed to" in ours.text
    assert (await send(buyer, f"{where}/agree", ours)).status_code == 303
    owed = await world.owner.fetchval("SELECT sum(amount) FROM settlement_line WHERE cause_id = $1", UUID(job.call))
    assert owed == Decimal("108.12"), "twice 54.06"


async def test_an_end_for_breach_is_chosen_from_defaults_and_says_what_it_ends(site: Site) -> None:
    world = site.world
    made = await agreed_on(world, [("buy-back", 2, BUY_BACK)])
    await delivered(world, made, 4)
    buyer, planner = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
    home, at = f"/agreements/{made}", f"/agreements/{made}/end"
    assert f'href="{at}"' in (await buyer.get(f"{home}/standing")).text
    assert "No default to end it for" in (await buyer.get(at)).text
    line = await owes(world, agreement_id=made, due_on=date.today() - timedelta(days=30))  # noqa: DTZ011 - any day long past
    page = await buyer.get(at)
    for words in ("4 units", "has not paid 270.30 USD", "No order back is open", "270.30 USD by " + world.maker.name):
        assert words in page.text, words
    ours = (await planner.get(at)).text
    for words in (
        "No default to end it for",
        "What your side has missed",
        "has not paid 270.30 USD",
        "In default since",
    ):
        assert words in ours, words
    before = await rows_of(world, *TABLES)
    reference = await world.owner.fetchval("SELECT reference FROM settlement_line WHERE id = $1", line)
    for wrong in ({"default": f"payment/{reference}", "reason": ""}, {"default": "payment/L-NONE", "reason": "Late."}):
        answer = await send(buyer, at, page, **wrong)
        assert answer.status_code in (404, 422), answer.status_code
    assert await rows_of(world, *TABLES) == before
    done = await send(buyer, at, page, default=f"payment/{reference}", reason="Thirty days late.")
    assert done.headers["location"] == f"{home}?done=breach", done.text
    shown = (await planner.get(home)).text
    assert "Ended for breach" in shown
    assert "Thirty days late." in shown
    assert "Ended for breach" in (await planner.get("/agreements")).text
