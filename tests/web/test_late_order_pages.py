"""Pages of an order under the second library that is seen, in default, and bought elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from marketplace.agreements.combinations import BUY_BACK
from marketplace.db.session import Database
from marketplace.sourcing import service
from tests import second
from tests.agreed import agreed_on, delivered
from tests.web.job import Site, open_site, send
from tests.web.test_waiting import agree
from tests.world import World
from web.call_words import paid_by_condition

owner, db, worker_db = second.FIXTURES


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


async def test_an_order_is_seen_then_in_default_then_bought_elsewhere(site: Site, worker_db: Database) -> None:
    job, world = site.job, site.world
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "handling_bp": 0})])
    await delivered(world, agreement_id, 4)
    job.agreement = str(agreement_id)
    await job.called(1)
    at = f"/calls/{job.call}"
    buyer, technician = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "technician")
    page = await buyer.get(at)
    assert "We have seen it" in page.text
    assert "We have seen it" not in (await technician.get(at)).text
    answer = await send(buyer, f"{at}/acknowledge", page)
    assert answer.headers["location"] == f"{at}?done=acknowledge"
    seen = await technician.get(f"{at}")
    assert "has seen the order" in seen.text
    assert (await technician.get(f"{at}/cover")).status_code == 404, "it is not in default"
    await job.buyer.post(f"/api/v1/sourcing{at}/accept", json={})
    async with worker_db.write() as session:
        assert await service.act_on_default(
            session, UUID(int=0), UUID(job.call), datetime.now(UTC) + timedelta(days=90)
        )
    # Home leads both sides to it: the holder can still ship, the asker can turn elsewhere.
    assert (await agree(buyer))["order is in default"] == 1
    assert (await agree(technician))["order was not shipped in time"] == 1
    missed = await technician.get(at)
    assert "Wait for it, or buy elsewhere" in missed.text
    assert "In default from" in missed.text
    assert "For delay" not in missed.text, "by this clock nothing is late yet"
    end = f"/agreements/{agreement_id}/end"
    assert end not in missed.text, "a technician ends no agreement"
    await world.owner.execute(
        "UPDATE call SET ship_by = now() - interval '10 days', deliver_by = now() - interval '10 days' WHERE id = $1",
        UUID(job.call),
    )
    late = await (await site.browser(world.maker, "planner")).get(at)
    assert end in late.text
    assert "For delay, as things stand: 10 days late, 2 periods begun at 0.5 % of" in late.text
    page = await buyer.get(at)
    assert "For delay, as things stand: 10 days late" in page.text
    assert end not in page.text, "it is the holder's own default"
    assert "Ship" in page.text
    form = await technician.get(f"{at}/cover")
    assert "This ends" in form.text
    wrong = await send(technician, f"{at}/cover", form, unit_price="", document="INV-1")
    assert wrong.status_code == 422
    assert "Price of one unit elsewhere is missing" in wrong.text
    done = await send(technician, f"{at}/cover", form, unit_price="180", document="INV-1")
    assert done.headers["location"] == f"{at}?done=cover", done.text
    ended = await technician.get(f"{at}?done=cover")
    assert "The order has ended" in ended.text
    assert "Cover purchase" in (await buyer.get(at)).text


def test_conditions_that_pay_the_same_are_told_once() -> None:
    pays = [
        {"grade": "new", "words": "New: 90.10 USD a unit (section 9.5)."},
        {"grade": "used_tested", "words": "Used and tested: 90.10 USD a unit (section 9.5)."},
        {"grade": "used", "words": "Used: 50 % of 90.10 USD, 45.05 USD a unit (section 9.5)."},
    ]
    assert paid_by_condition(pays) == ["New, used and tested: 90.10 USD a unit (section 9.5).", pays[2]["words"]]


async def test_controlled_units_wait_for_their_licence(site: Site) -> None:
    job, world = site.job, site.world
    await world.owner.execute("UPDATE site SET country = 'CA' WHERE id = $1", world.buyer.site)
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "export_class": "ECCN 1C350"})])
    await delivered(world, agreement_id, 4)
    job.agreement = str(agreement_id)
    await job.called(1)
    at = f"/calls/{job.call}"
    await job.buyer.post(f"/api/v1/sourcing{at}/accept", json={})
    buyer, technician = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "technician")
    page = (await buyer.get(at)).text
    assert f'href="{at}/licence"' in page
    assert f'href="{at}/ship"' not in page, "not before there is one"
    assert "needed before it ships (ECCN 1C350)" in page
    assert "records it." in (await technician.get(f"{at}/licence")).text
    form = await buyer.get(f"{at}/licence")
    assert (await send(buyer, f"{at}/licence", form, what="asked")).headers["location"] == f"{at}?done=licence"
    waits = (await technician.get(at)).text
    assert "asked for, the time for shipping stands still" in waits
    assert "until its number is recorded" in waits
    assert "To be shipped:" not in waits, "no time runs"
    form = await buyer.get(f"{at}/licence")
    wrong = await send(buyer, f"{at}/licence", form, what="number", licence="")
    assert (wrong.status_code, "Number of the licence is missing" in wrong.text) == (422, True)
    assert (await send(buyer, f"{at}/licence", form, what="number", licence="D1234")).status_code == 303
    page = (await buyer.get(at)).text
    assert "Licence D1234." in page
    assert f'href="{at}/ship"' in page


async def test_an_order_whose_licence_was_refused_is_ended_on_its_page(site: Site) -> None:
    job, world = site.job, site.world
    await world.owner.execute("UPDATE site SET country = 'CA' WHERE id = $1", world.buyer.site)
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "export_class": "ECCN 1C350"})])
    await delivered(world, agreement_id, 4)
    job.agreement = str(agreement_id)
    await job.called(1)
    at = f"/calls/{job.call}"
    buyer, technician = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "technician")
    form = await buyer.get(f"{at}/licence")
    wrong = await send(buyer, f"{at}/licence", form, what="refused", note="")
    assert (wrong.status_code, "Who refused it and why is missing" in wrong.text) == (422, True)
    done = await send(buyer, f"{at}/licence", form, what="refused", note="Case Z123.")
    assert done.status_code == 303
    page = await technician.get(f"{at}/licence")
    assert "Either side may end the order" in page.text
    assert f'href="{at}/licence"' in (await technician.get(at)).text
    ended = await send(technician, f"{at}/end-unlicensed", page)
    assert ended.headers["location"] == f"{at}?done=unlicensed"
    shown = (await buyer.get(at)).text
    for words in ("Case Z123. Either side may end the order.", "ended the order: its export licence was refused"):
        assert words in shown, words
