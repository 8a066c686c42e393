"""A count through the pages: begun, scanned, resumed, counted again, confirmed."""

from __future__ import annotations

from tests.agreed import rows_of
from tests.web.job import open_site, send
from tests.world import World

TABLES = ("count_entry", "count_result", "count_end", "movement", "withdrawal")


async def test_a_count_is_begun_scanned_counted_again_and_confirmed(world: World) -> None:
    async with open_site(world) as site:
        own = await world.make_part(f"{world.tag}-OWN")
        await world.register(world.buyer, 8, part=own)
        await site.job.sold(4)
        buyer, other = await site.browser(world.buyer, "warehouse"), await site.browser(world.buyer, "warehouse")
        outsider = await site.browser(world.other, "warehouse")
        page = await buyer.get("/counts")
        done = await send(buyer, "/counts/new", page, site=str(world.buyer.site), part="", blind="yes")
        at = done.headers["location"].partition("?")[0]
        sheet = await buyer.get(at)
        assert "after counting" in sheet.text
        assert (await outsider.get(at)).status_code == 404
        before = await rows_of(world, *TABLES, company=world.buyer)
        wrong = await send(buyer, f"{at}/enter", sheet, items="NO-SUCH", quantity="3")
        assert wrong.status_code == 422
        assert "No part has the number NO-SUCH exactly" in wrong.text
        assert await rows_of(world, *TABLES, company=world.buyer) == before
        await send(buyer, f"{at}/enter", sheet, items=f"{world.tag}-OWN", quantity="7")
        told = await send(buyer, f"{at}/enter", sheet, items="ZZ-UNKNOWN", idempotency_key="k2")
        assert "ZZ-UNKNOWN" in told.headers["location"]
        # Gone on with on another device.
        sheet = await other.get(at)
        assert "2 entries so far" in sheet.text
        review = await other.get(f"{at}?view=review")
        assert "1 part is to be counted once more." in review.text
        assert "Not on record anywhere" in review.text
        assert "Show what follows" not in review.text
        await send(other, f"{at}/recount", review)
        await send(other, f"{at}/enter", sheet, items=f"{world.tag}-OWN\n", quantity="7", idempotency_key="k3")
        review = await buyer.get(f"{at}?view=review")
        look = await send(buyer, f"{at}/confirm", review, reason="Aisle 4")
        assert "Your own stock will be lowered by 1." in look.text
        assert await world.owner.fetchval("SELECT quantity FROM position WHERE part_id = $1", own) == 8
        await send(buyer, f"{at}/confirm", look)
        assert await world.owner.fetchval("SELECT quantity FROM position WHERE part_id = $1", own) == 7
        assert "was lowered by 1" in (await buyer.get(at)).text
        assert "-1" in (await buyer.get(f"{at}?format=csv")).text
        assert "Confirmed, 1 differed" in (await buyer.get("/counts")).text
