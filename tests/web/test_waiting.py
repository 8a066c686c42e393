"""What waits for a person: home, the bell and the list behind each number say the same, in a fixed number of statements."""

from __future__ import annotations

import csv
import re
from html import unescape

import httpx
import pytest

from tests.clients import client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, ok
from tests.web.job import Site, open_site
from tests.world import World


def waiting(page: str) -> dict[str, tuple[int, str]]:
    """The tasks of the bell: words without their number -> (number, address)."""
    panel = page.partition("menu-waiting")[2].partition("</details>")[0]
    found = re.findall(r'menu-item" href="([^"]*)".*?<span class="nav-label">(\d+) (.*?)</span>', panel, re.DOTALL)
    return {words: (int(number), unescape(href)) for href, number, words in found}


def bell(page: str) -> int:
    shown = re.search(r'aria-label="(\d+) things? waits? for you"', page)
    assert shown, "no bell"
    return int(shown[1])


async def rows_behind(client: httpx.AsyncClient, href: str) -> int:
    page = await client.get(href)
    assert page.status_code == 200, href
    body = page.text.partition("<tbody>")[2].partition("</tbody>")[0]
    return body.count("<tr")


async def agree(client: httpx.AsyncClient) -> dict[str, int]:
    """Home's, the bell's and the lists' numbers, checked against each other; the numbers by words."""
    page = (await client.get("/")).text
    found = waiting(page)
    assert bell(page) == sum(number for number, _ in found.values())
    main = page.partition("<main")[2]
    for words, (number, href) in found.items():
        assert f"<strong>{number} {words}</strong>" in main, words
        assert await rows_behind(client, href) == number, (words, href)
    return {words: number for words, (number, _) in found.items()}


async def refuse(site: Site, code: str) -> None:
    body = {"code": code, "note": "Looked twice"}
    await ok(site.job.buyer.post(f"{API}/sourcing/calls/{site.job.call}/refuse", json=body))


async def test_a_refused_order_back_asks_for_another_source_and_for_a_count(world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(4, offered=4)
        await site.job.called()
        buyer, technician = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "technician")
        planner, auditor = await site.browser(world.maker, "planner"), await site.browser(world.maker, "auditor")
        assert await agree(buyer) == {"order to give units back waits for you": 1}
        assert await agree(technician) == {}
        await refuse(site, "not_on_shelf")
        assert await agree(buyer) == {"place waits for a count": 1}
        assert await agree(technician) == {"request needs another source": 1}
        assert await agree(planner) == {"request needs another source": 1}
        assert await agree(auditor) == {}
        part, shelf = world.part, world.buyer.site
        assert (
            f"/holdings/act?part={part}&amp;site={shelf}&amp;act=count"
            in (await buyer.get("/holdings?waiting=count")).text
        )
        form = {"act": "count", "part": str(part), "site": str(shelf), "quantity": "4", "confirmed": "yes"}
        listed = await buyer.get("/holdings?waiting=count&format=csv")
        assert [row[2] for row in csv.reader(listed.text.splitlines())] == ["Units not found", "1"]
        assert (await buyer.post("/holdings/act", data=form)).status_code == 303
        assert await agree(buyer) == {}
        assert len((await buyer.get("/holdings?waiting=count&format=csv")).text.splitlines()) == 1


async def test_a_request_that_was_filled_elsewhere_or_given_up_no_longer_waits(world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(4, offered=4)
        await site.job.called()
        technician = await site.browser(world.maker, "technician")
        await refuse(site, "short")
        assert await agree(technician) == {"request needs another source": 1}
        await ok(site.job.technician.post(f"{API}/sourcing/requests/{site.job.requisition}/cancel"))
        assert await agree(technician) == {}


async def test_every_step_of_an_order_back_stands_in_its_own_list(world: World) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.sold(4, offered=4)
        await job.called()
        buyer, technician = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "technician")
        call = f"{API}/sourcing/calls/{job.call}"
        await ok(job.buyer.post(f"{call}/accept", json={}))
        assert await agree(buyer) == {"committed order is to be shipped": 1}
        await ok(job.buyer.post(f"{call}/ship", json={"carrier": "UPS", "tracking": "1Z2"}))
        assert await agree(buyer) == {}
        assert await agree(technician) == {"consignment is coming back to you": 1}
        await ok(job.technician.post(f"{call}/receive"))
        assert await agree(technician) == {"consignment is to be inspected": 1}
        await ok(job.technician.post(f"{call}/inspect", json={"good": 1}))
        assert await agree(technician) == {}


async def test_every_step_of_a_purchase_stands_in_its_own_list(world: World) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.released(10)
        await job.ordered(2)
        buyer, planner = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "admin")
        assert await agree(planner) == {"order waits for your answer": 1}
        agreement = (await ok(job.planner.post(f"{API}/orders/{job.order}/accept")))["id"]
        assert await agree(planner) == {}
        assert await agree(buyer) == {"agreement waits for your signature": 1}
        await ok(job.buyer.post(f"{API}/agreements/{agreement}/sign"))
        assert await agree(planner) == {"order is ready to ship": 1}
        assert await agree(buyer) == {}
        body = {"carrier": "UPS", "tracking": "1Z"}
        await ok(job.planner.post(f"{API}/orders/{job.order}/ship", json=body))
        assert await agree(buyer) == {"delivery is on its way to you": 1}


async def test_a_payment_that_the_other_side_says_waits_for_my_word(world: World) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.sold(4)
        await job.called()
        await job.came_back()
        buyer, planner = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "planner")
        auditor = await site.browser(world.buyer, "auditor")
        assert await agree(buyer) == await agree(planner) == {}, "nobody has marked it: nothing is asked"
        line = (await ok(job.buyer.get(f"{API}/settlement")))["items"][0]["id"]
        await ok(job.planner.post(f"{API}/settlement/{line}/mark"))
        assert await agree(buyer) == {"payment waits for your word": 1}
        assert await agree(planner) == await agree(auditor) == {}
        assert len((await ok(job.buyer.get(f"{API}/settlement?state=half")))["items"]) == 1
        assert (await ok(job.planner.get(f"{API}/settlement?state=half")))["items"] == []
        await ok(job.buyer.post(f"{API}/settlement/{line}/mark"))
        assert await agree(buyer) == {}


@pytest.mark.parametrize(("who", "role"), [("maker", "planner"), ("buyer", "buyer")])
async def test_home_takes_the_same_statements_however_much_waits(world: World, who: str, role: str) -> None:
    async with open_site(world) as site:
        await site.job.sold(4, offered=4)
        person = await site.browser(getattr(world, who), role)
        with counted(world.db) as few:
            await person.get("/")
        for _ in range(3):
            await site.job.called()
            await refuse(site, "short")
        await site.job.called()
        with counted(world.db) as many:
            await person.get("/")
    assert len(few) == len(many)


async def test_a_posting_waits_for_whoever_did_not_ask(world: World) -> None:
    words = "posting waits for your approval"
    async with open_site(world) as site:
        await site.job.released(10)
        planner, admin = await site.browser(world.maker, "planner"), await site.browser(world.maker, "admin")
        body = await ok(site.job.planner.get(f"{API}/releases/{site.job.release}"))
        draft = {k: body[k] for k in ("clause", "version", "terms", "use_class")}
        release = (await ok(site.job.planner.post(f"{API}/releases", json={"title": "Dear", **draft}), 201))["id"]
        await world.register(world.maker, 10)
        line = {
            "part_id": str(world.part),
            "site_id": str(world.maker.site),
            "condition": "new",
            "quantity": 5,
            "unit_price": "80.00",
        }
        await ok(
            site.job.planner.put(f"{API}/releases/{release}/lines", json={"lines": [{**line, "minimum_to_keep": 0}]})
        )
        admin_api = await site.stack.enter_async_context(
            client_for(site.app, await token_for(world.owner, world.maker.users["admin"], world.maker.id))
        )
        await ok(admin_api.put(f"{API}/release-limit", json={"amount": "100"}))
        await ok(site.job.planner.post(f"{API}/releases/{release}/approvals"), 201)
        assert (await agree(admin))[words] == 1
        assert words not in await agree(planner)
        waits = await ok(admin_api.get(f"{API}/releases", params={"waits": "true"}))
        assert [r["id"] for r in waits["items"]] == [release]
        await ok(admin_api.post(f"{API}/releases/{release}/approvals/answer", json={"approved": True}))
        assert words not in await agree(admin)
