"""A drawn unit is replaced through the pages: what waits, sending, receiving, and what is refused in words."""

from __future__ import annotations

import csv

from tests.web.job import Site, open_site, send
from tests.web.test_waiting import agree
from tests.world import World

WAITS = "draw is to be replaced"
COMES = "replacement is on its way to you"


async def drawn(site: Site) -> str:
    await site.job.sold(6, preset="wide-access")
    await site.job.called(2)
    await site.job.came_back(2)
    return f"/calls/{site.job.call}"


async def test_a_replacement_is_sent_and_received(world: World) -> None:
    async with open_site(world) as site:
        call = await drawn(site)
        planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
        technician = await site.browser(world.maker, "technician")
        assert (await agree(planner))[WAITS] == 1
        assert WAITS not in await agree(technician)
        page = await planner.get(call)
        assert "2 units are to be replaced, or bought at 120.00 USD each." in page.text
        assert f'href="{call}/replace"' in page.text
        assert f'href="{call}/replace"' not in (await technician.get(call)).text
        assert f'href="{call}/replace"' not in (await buyer.get(call)).text

        form = await planner.get(f"{call}/replace")
        wrong = await send(planner, f"{call}/replace", form, quantity="3", carrier="UPS", tracking="1Z")
        assert wrong.status_code == 422
        assert "Send 1 to 2" in wrong.text
        assert 'value="1Z"' in wrong.text
        done = await send(planner, f"{call}/replace", form, quantity="2", carrier="UPS", tracking="1Z")
        assert done.headers["location"] == f"{call}?done=replace"
        assert WAITS not in await agree(planner)

        assert (await agree(buyer))[COMES] == 1
        replacement = await world.owner.fetchval("SELECT id FROM replacement WHERE maker_id = $1", world.maker.id)
        step = f"{call}/replacements/{replacement}"
        assert f'href="{step}"' in (await buyer.get(call)).text
        assert (await planner.get(step)).status_code == 403
        form = await buyer.get(step)
        wrong = await send(buyer, step, form, good="1")
        assert wrong.status_code == 422
        assert "Say what is wrong with the units that you do not accept." in wrong.text
        done = await send(buyer, step, form)
        assert done.headers["location"] == f"{call}?done=replaced"
        again = await buyer.get(step)
        assert again.status_code == 409
        assert "received already" in again.text
        assert COMES not in await agree(buyer)
        page = await buyer.get(call)
        assert "received the replacement: 2 accepted" in page.text
        assert "Draw fee" in page.text


async def test_without_equal_stock_the_page_says_what_happens(world: World) -> None:
    async with open_site(world) as site:
        call = await drawn(site)
        planner = await site.browser(world.maker, "planner")
        await world.owner.execute(
            "UPDATE \"position\" SET condition = 'core' WHERE part_id = $1 AND owner_id = $2",
            world.part,
            world.maker.id,
        )
        page = await planner.get(f"{call}/replace")
        assert page.status_code == 200
        assert "No equal unit is free" in page.text
        assert "<form class=" not in page.text.partition("<main")[2]


async def test_the_lists_have_those_to_replace_by_what_is_due_first(world: World) -> None:
    async with open_site(world) as site:
        call = await drawn(site)
        planner = await site.browser(world.maker, "planner")
        page = await planner.get("/calls?side=maker&status=replace")
        assert f'href="{call}"' in page.text
        assert "2 to replace:" in page.text
        assert "if not replaced" in page.text
        listed = await planner.get("/calls?side=maker&status=replace&format=csv")
        header, row = csv.reader(listed.text.lstrip("\ufeff").splitlines())
        assert dict(zip(header, row, strict=True))["Draw fee each"] == "2.4"
