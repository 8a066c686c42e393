"""Pages of what prices follow: indexes as line and table, costs and market values that a side states; the right over time."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote
from uuid import uuid4

from marketplace.agreements.combinations import BUY_BACK
from marketplace.agreements.index_file import read_index_file
from marketplace.agreements.service import keep_index_values
from tests import second
from tests.agreed import agreed_on, delivered, rows_of
from tests.marketplace.main_job import API, ok
from tests.web.job import open_site, send
from tests.world import World

owner, db, worker_db = second.FIXTURES


async def test_an_index_is_read_with_its_corrections(world: World) -> None:
    name = f"Producer prices, machinery/parts {uuid4()}"
    rows = "".join(f'"{name}",2025-{m:02},{100 + m},2026-01-15,BLS\n' for m in range(1, 13))
    text = f'series,month,value,published_at,source\n{rows}"{name}",2025-12,113.5,2026-02-15,BLS\n'
    await keep_index_values(world.owner, read_index_file(text))
    async with open_site(world) as site:
        buyer = await site.browser(world.buyer, "buyer")
        listed = await buyer.get("/indexes")
        assert name in listed.text
        page = await buyer.get(f"/indexes/{quote(name)}")
        assert page.status_code == 200
        assert "113.5" in page.text
        assert "chart-line" in page.text
        assert page.text.index("113.5") < page.text.index(">112<"), "what counts stands before what it corrects"
        csv = await buyer.get(f"/indexes/{quote(name)}?format=csv")
        assert len(csv.text.strip().splitlines()) == 14
        gone = await buyer.get("/indexes/none%20such")
        assert gone.status_code == 404
        first = await ok(site.job.buyer.get(f"{API}/indexes/values", params={"series": name, "limit": 5}))
        rest = await ok(
            site.job.buyer.get(f"{API}/indexes/values", params={"series": name, "after": first["next"], "limit": 50})
        )
        told = [(v["month"], v["value"]) for v in first["items"] + rest["items"]]
        assert told[:2] == [("2025-12", "113.5"), ("2025-12", "112")]
        assert len(told) == 13
        assert rest["next"] is None


async def test_a_value_is_stated_on_its_page_and_moves_the_price(world: World) -> None:
    market = {
        "kind": "market_minus", "source": "Broker quotation", "discount_bp": 1_000, "max_age_days": 30, "fallback_bp": 5_000,
    }  # fmt: skip
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "price": market, "handling_bp": 0})])
    await delivered(world, agreement_id, 10)
    at = f"/agreements/{agreement_id}"
    async with open_site(world) as site:
        buyer, planner = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
        page = await buyer.get(at)
        assert f"{at}/values" in page.text
        form = await buyer.get(f"{at}/values")
        assert "A market value counts only from: Broker quotation." in form.text
        assert 'value="cost"' not in form.text, "only kinds that a price follows"
        before = await rows_of(world, "unit_value", "agreement_event")
        sent = {"part_id": str(world.part), "kind": "market", "source": "Broker quotation", "valued_on": datetime.now(UTC).date().isoformat()}  # fmt: skip
        for bad in ("", "a lot", "-4"):
            no = await send(buyer, f"{at}/values", form, **sent, amount=bad)
            assert no.status_code == 422, bad
        assert await rows_of(world, "unit_value", "agreement_event") == before
        done = await send(buyer, f"{at}/values", form, **sent, amount="80")
        assert done.headers["location"] == f"{at}/values?done=stated"
        assert "80.00" in (await planner.get(f"{at}/values")).text
        assert "72.00" in (await planner.get(at)).text
        stranger = await site.browser(world.other, "buyer")
        assert (await stranger.get(f"{at}/values")).status_code == 404
        assert (await ok(site.job.buyer.get(f"{API}/indexes/values")))["items"] == []


async def test_the_right_is_slid_over_without_and_with_script(world: World) -> None:
    agreement_id = await agreed_on(world, [("buy-back", 2, {**BUY_BACK, "window_start_months": 1})])
    await delivered(world, agreement_id, 10)
    at = f"/agreements/{agreement_id}"
    async with open_site(world) as site:
        buyer = await site.browser(world.buyer, "buyer")
        page = await buyer.get(f"{at}?at=0")
        assert "No unit could be ordered back." in page.text
        assert 'type="range"' in page.text
        assert "chart-line" in page.text
        part = await buyer.get(f"{at}/on-day?at=100")
        assert "could be ordered back at" in part.text
        assert "<html" not in part.text
        for odd in ("99999999", "-1", "x", ""):
            assert (await buyer.get(f"{at}/on-day", params={"at": odd})).status_code == 200, odd
        stranger = await site.browser(world.other, "buyer")
        assert (await stranger.get(f"{at}/on-day")).status_code == 404
