"""What a company states about sourcing, on its pages; and the chain of a request's orders that came to nothing, its earlier values."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.marketplace.main_job import API, ok
from tests.web.job import Site, open_site, send
from tests.world import World


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


async def test_an_admin_states_what_happens_and_everybody_reads_it_in_words(site: Site) -> None:
    admin = await site.browser(site.world.maker, "admin")
    count = "SELECT count(*) FROM cascade_rule WHERE company_id = $1"
    assert "/company/cascade" in (await admin.get("/company")).text
    page = await admin.get("/company/cascade")
    bad = await send(admin, "/company/cascade", page, urgent_way="at_once", urgent_more="much", urgent_later="3")
    assert bad.status_code == 422
    assert "&#39;much&#39; is not a share" in bad.text
    assert await site.world.owner.fetchval(count, site.world.maker.id) == 0
    done = await send(admin, "/company/cascade", page, urgent_way="at_once", urgent_more="12.5", urgent_later="3")
    assert done.status_code == 303, done.text
    assert await site.world.owner.fetchval(count, site.world.maker.id) == 1, "only what was changed is stated"
    planner = await site.browser(site.world.maker, "planner")
    text = (await planner.get("/company/cascade")).text
    assert "costs at most 12.5 % more a unit and comes at most 3 days later" in text
    assert 'name="urgent_way"' not in text, "others read it"
    assert (await planner.post("/company/cascade", data={"idempotency_key": "k"})).status_code == 403
    partner = await site.browser(site.world.buyer, "admin")
    assert (await partner.get("/company/cascade")).status_code in (403, 404)
    assert await site.world.owner.fetchval(count, site.world.maker.id) == 1


async def test_rates_are_stated_and_listed(site: Site) -> None:
    admin = await site.browser(site.world.maker, "admin")
    page = await admin.get("/company/rates")
    assert "None is stated" in page.text
    count = "SELECT count(*) FROM currency_rate WHERE company_id = $1"
    for wrong in (
        {"rate": "-1"},
        {"rate": "1.0000000001"},
        {"currency": "EURO"},
        {"source": ""},
        {"day": "2999-01-01"},
    ):
        given = {"currency": "eur", "rate": "1.0712", "source": "ECB", **wrong}
        answer = await send(admin, "/company/rates", page, **given)
        assert answer.status_code == 422, wrong
    assert await site.world.owner.fetchval(count, site.world.maker.id) == 0
    old = str((datetime.now(UTC) - timedelta(days=40)).date())
    for n, day in enumerate((old, str(datetime.now(UTC).date()))):
        page = await admin.get("/company/rates")
        done = await send(admin, "/company/rates", page, currency="eur", rate="1.0712", source=f"ECB {n}", day=day)
        assert done.status_code == 303, done.text
        text = (await admin.get("/company/rates")).text
        assert "1 EUR = 1.0712 USD" in text
        assert ("too old" in text) == (n == 0)
    assert text.index("ECB 1") < text.index("ECB 0")


async def test_a_request_shows_its_chain_and_its_earlier_values(site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await job.called(2)
    planner = await site.browser(site.world.maker, "planner")
    path = f"/requests/{job.requisition}"
    assert "came to nothing" not in (await planner.get(path)).text
    await ok(
        job.technician.post(f"{API}/sourcing{path}/change", json={"job_number": "WO-9", "urgency": "machine_down"})
    )
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "not_on_shelf", "note": ""}))
    text = (await planner.get(path)).text
    assert "Orders that came to nothing, and what followed" in text
    assert "was refused" in text
    assert "Nothing else to order" in text
    assert "Earlier values" in text
    assert "<s>Urgent</s>" in text
    assert "<strong>Machine down</strong>" in text
    assert "<strong>WO-9</strong>" in text
