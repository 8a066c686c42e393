"""An order accepted in part: what is left out is free again, the buyer sees why, and the rest goes on."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from tests.agreed import rows_of
from tests.marketplace.main_job import API, Job, ok, refused
from tests.web.job import open_site, send
from tests.world import World

TABLES = ("purchase_order", "order_line", "order_unit", "listing", "listing_lot", "open_hold", "movement", "agreement")


async def ordered(job: Job, listings: list[str], quantity: int = 4) -> str:
    """An order of so many of each listing: its path."""
    body = {
        "lines": [{"listing_id": x, "quantity": quantity} for x in listings], "po_number": "PO-1",
        "ship_to_site_id": str(job.world.buyer.site),
    }  # fmt: skip
    job.order = (await ok(job.buyer.post(f"{API}/orders", json=body), 201))["id"]
    return f"{API}/orders/{job.order}"


def left(line: int, quantity: int, reason: str = "damaged", **more: Any) -> dict[str, Any]:
    return {"line_no": line, "quantity": quantity, "reason": reason, **more}


async def free(job: Job, listing: str) -> int:
    return int((await ok(job.outsider.get(f"{API}/listings/{listing}")))["available"])


async def test_some_units_and_a_whole_line_are_left_out(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        listings = await job.posted(3)
        at = await ordered(job, listings)
        before = await rows_of(world, *TABLES)
        for wrong in (
            [left(1, 5)], [left(9, 1)], [left(1, 1), left(1, 1)], [left(1, 1, "mood")], [left(n, 4) for n in (1, 2, 3)],
        ):  # fmt: skip
            await refused(job.planner.post(f"{at}/accept", json={"left_out": wrong}), "order.left_out")
        assert await rows_of(world, *TABLES) == before
        out = [left(1, 1, note="Box was wet."), left(3, 4, "needed_ourselves")]
        agreement = (await ok(job.planner.post(f"{at}/accept", json={"left_out": out})))["id"]
        seen = await ok(job.buyer.get(at))
        assert [(x["line_no"], x["quantity"]) for x in seen["line_items"]] == [(1, 3), (2, 4)]
        assert [(x["line_no"], x["left_out"], x["left_out_reason"], x["left_out_note"]) for x in seen["left_out"]] == [
            (1, 1, "damaged", "Box was wet."), (3, 4, "needed_ourselves", None),
        ]  # fmt: skip
        assert (seen["units"], seen["lines"], float(seen["total"])) == (7, 2, 560.0)
        assert [await free(job, x) for x in listings] == [7, 6, 10]
        assert [x["quantity_sold"] for x in (await ok(job.buyer.get(f"{API}/agreements/{agreement}")))["schedule"]] == [
            3,
            4,
        ]
        held = "SELECT coalesce(sum(quantity), 0)::int FROM open_hold WHERE cause_id::text = $1"
        assert await world.owner.fetchval(held, job.order) == 7
        # What was left out can be bought by others; the rest is shipped and received as ever.
        body = {
            "lines": [{"listing_id": listings[2], "quantity": 10}],
            "po_number": "P",
            "ship_to_site_id": str(world.other.site),
        }
        await ok(job.outsider.post(f"{API}/orders", json=body), 201)
        await ok(job.buyer.post(f"{API}/agreements/{agreement}/sign"))
        await ok(job.planner.post(f"{at}/ship", json={"carrier": "UPS", "tracking": "1Z"}))
        lines = [{"line_no": 1, "good": 3}, {"line_no": 2, "good": 4}]
        await ok(job.buyer.post(f"{at}/receive", json={"lines": lines}))
        owed = (await ok(job.buyer.get(f"{API}/settlement")))["items"]
        assert sorted(float(x["amount"]) for x in owed) == [240.0, 320.0]


async def test_what_goes_on_may_still_be_cancelled(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.released(10)
        at = await ordered(job, [job.listing])
        await ok(job.planner.post(f"{at}/accept", json={"left_out": [left(1, 3)]}))
        assert await free(job, job.listing) == 9
        await ok(job.buyer.post(f"{at}/cancel", json={"note": "One is not enough."}))
        assert await free(job, job.listing) == 10
        assert await world.owner.fetchval("SELECT count(*) FROM open_hold WHERE cause_id::text = $1", job.order) == 0


async def test_left_out_on_the_page(world: World) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.released(10, serial=True)
        await ordered(job, [job.listing])
        seller, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
        step = f"/orders/{job.order}/accept"
        page = await seller.get(step)
        silent = await send(seller, step, page, accept_1="3", left_out_reason="")
        assert silent.status_code == 422
        done = await send(
            seller, step, page, accept_1="3", left_out_reason="not_on_shelf", left_out_note="One is gone."
        )
        assert done.status_code == 303, done.text
        shown = (await buyer.get(f"/orders/{job.order}")).text
        assert "Left out or cancelled" in shown
        assert "not on the shelf" in shown
        assert "One is gone." in shown
        assert shown.count("SN-") == 3
