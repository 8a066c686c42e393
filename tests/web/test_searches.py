"""Searches that a person keeps: over the API and through the pages, nobody else's, and no more than there are places for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from html import unescape
from uuid import UUID, uuid4

import pytest

from marketplace.db.session import Tenant
from tests.clients import client_for, token_for
from tests.marketplace.main_job import API, ok, refused
from tests.web.job import Site, open_site, send
from tests.world import World

ALL = "SELECT id, name, kind, numbers, filters, urgency, site_id, slot FROM saved_search ORDER BY id"


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


def body(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "kind": "units", "numbers": "100-A\n200-B", **more}


async def test_a_search_is_kept_opened_renamed_and_deleted_by_its_person_alone(site: Site) -> None:
    world, technician = site.world, site.job.technician
    asked = body(
        " Pumps  of line 4 ", filters={"callable": "now"}, urgency="machine_down", site_id=str(world.maker.site)
    )
    made = (await ok(technician.post(f"{API}/searches", json=asked), 201))["id"]
    found = (await ok(technician.get(f"{API}/searches")))["items"]
    assert [(s["name"], s["count"], s["filters"]) for s in found] == [("Pumps of line 4", 2, {"callable": "now"})]
    whole = await ok(technician.get(f"{API}/searches/{made}"))
    assert (whole["numbers"], whole["urgency"], whole["site_id"]) == (
        "100-A\n200-B", "machine_down", str(world.maker.site)
    )  # fmt: skip
    before = await world.owner.fetch(ALL)
    others = [site.job.planner, site.job.buyer, site.job.outsider]
    for other in others:
        assert (await ok(other.get(f"{API}/searches")))["items"] == []
        await refused(other.get(f"{API}/searches/{made}"), "search.not_found")
        await refused(other.put(f"{API}/searches/{made}/name", json={"name": "Mine"}), "search.not_found")
        await refused(other.delete(f"{API}/searches/{made}"), "search.not_found")
    # Beneath the queries the database keeps companies apart by itself.
    sql = "SELECT 1 FROM saved_search WHERE id = $1"
    assert await world.visible(world.maker, sql, UUID(made))
    assert not await world.visible(world.buyer, sql, UUID(made))
    assert await world.owner.fetch(ALL) == before
    await ok(technician.put(f"{API}/searches/{made}/name", json={"name": "Pumps"}))
    assert (await technician.delete(f"{API}/searches/{made}")).status_code == 204
    assert (await ok(technician.get(f"{API}/searches")))["items"] == []


async def test_what_cannot_be_kept_is_refused_and_nothing_changes(site: Site) -> None:
    world, technician = site.world, site.job.technician
    first = (await ok(technician.post(f"{API}/searches", json=body("Pumps")), 201))["id"]
    second = (await ok(technician.post(f"{API}/searches", json=body("Seals")), 201))["id"]
    before = await world.owner.fetch(ALL)
    many = "\n".join(f"X{n}" for n in range(501))
    for wrong, code in (
        (body("pumps"), "search.name_taken"),
        (body("  "), "search.name"),
        (body("x" * 81), "search.name"),
        (body("New", numbers=" \n"), "search.empty"),
        (body("New", kind="offers", numbers=""), "search.empty"),
        (body("New", numbers=many), "parts.too_many"),
        (body("New", filters={"colour": "red"}), "search.filter"),
        (body("New", filters={"region": "x" * 1001}), "search.filter"),
        *[
            (body("New", filters={name: value}), "filter.unknown")
            for name, value in (
                ("callable", "maybe"),
                ("condition", "shiny"),
                ("holder", "Lone Mesquite"),
                ("within_days", "-1"),
                ("within_days", "soon"),
            )
        ],
        (body("New", site_id=str(world.buyer.site)), "site.not_found"),
        (body("New", site_id=str(uuid4())), "site.not_found"),
    ):
        await refused(technician.post(f"{API}/searches", json=wrong), code)
    await refused(technician.put(f"{API}/searches/{second}/name", json={"name": "PUMPS"}), "search.name_taken")
    # A buyer looks for offers, and not for where another company's units are.
    await refused(site.job.buyer.post(f"{API}/searches", json=body("Units")), "actor.role")
    assert await world.owner.fetch(ALL) == before
    # To its own name in other letters a search may be renamed.
    await ok(technician.put(f"{API}/searches/{first}/name", json={"name": "PUMPS"}))


async def test_no_hundred_and_first_however_many_press_at_once(site: Site) -> None:
    world, technician = site.world, site.job.technician
    user = world.maker.users["technician"]
    await world.owner.execute(
        "INSERT INTO saved_search (company_id, user_id, slot, name, kind, numbers, filters) "
        "SELECT $1, $2, n, 'S' || n, 'offers', 'X', '{}' FROM generate_series(1, 98) n",
        world.maker.id, user,
    )  # fmt: skip
    answers = await asyncio.gather(
        *(technician.post(f"{API}/searches", json=body(f"Race {n}")) for n in range(6)), return_exceptions=False
    )
    codes = sorted(a.status_code if a.status_code == 201 else a.json()["code"] for a in answers if a.status_code != 201)
    assert sum(a.status_code == 201 for a in answers) == 2
    assert set(codes) <= {"search.too_many", "search.busy"}
    count = "SELECT count(*) FROM saved_search WHERE user_id = $1"
    assert await world.owner.fetchval(count, user) == 100
    await refused(technician.post(f"{API}/searches", json=body("One more")), "search.too_many")
    # Others of the company are not held up by it.
    await ok(site.job.planner.post(f"{API}/searches", json=body("Mine")), 201)
    # A place that comes free is taken again.
    one = (await ok(technician.get(f"{API}/searches", params={"limit": 1})))["items"][0]["id"]
    assert (await technician.delete(f"{API}/searches/{one}")).status_code == 204
    await ok(technician.post(f"{API}/searches", json=body("One more")), 201)


async def test_the_pages_keep_what_they_were_asked(site: Site) -> None:
    world = site.world
    await site.job.sold(2, offered=4)
    number = await site.number()
    browser = await site.browser(world.maker, "technician")
    found = await browser.get("/requests", params={"q": number, "source": "partners", "urgency": "machine_down"})
    saved = await send(browser, "/searches", found, name="My pump")
    assert saved.headers["location"] == "/searches?done=saved"
    listed = await browser.get("/searches")
    assert "My pump" in listed.text
    assert "Whose: partners" in listed.text
    address = re.search(r'href="(/searches/[0-9a-f-]{36})"', listed.text)
    assert address
    opened = await browser.get(address[1])
    assert opened.status_code == 303
    again = await browser.get(opened.headers["location"])
    assert "Whose: Held by partners" in again.text
    assert re.findall(r'id="c-(\w+)"', again.text) == re.findall(r'id="c-(\w+)"', found.text) != []
    taken = await send(browser, "/searches", again, name="MY PUMP")
    assert taken.status_code == 409
    assert "You have a search named" in unescape(taken.text)
    renamed = await send(browser, f"{address[1]}/name", await browser.get(f"{address[1]}/name"), name="Line 4")
    assert renamed.status_code == 303
    ask = await browser.post(f"{address[1]}/delete")
    assert "Delete “Line 4”" in ask.text
    assert await world.owner.fetchval("SELECT count(*) FROM saved_search WHERE name = 'Line 4'") == 1
    gone = await send(browser, f"{address[1]}/delete", ask, confirmed="yes")
    assert gone.headers["location"] == "/searches?done=deleted"
    assert (await browser.get(address[1])).status_code == 404


async def test_a_long_list_opens_where_it_has_no_address_and_offers_are_kept_too(site: Site) -> None:
    world = site.world
    await site.job.sold(2, offered=4)
    number = await site.number()
    lines = "\n".join([number, *(f"{world.tag}-LONG-{n:04d}" for n in range(120))])
    browser = await site.browser(world.maker, "technician")
    page = await browser.post("/requests/where", data={"q": lines, "near": "33.5,-86.8"})
    assert (await send(browser, "/searches", page, name="Long")).status_code == 303
    kept = await world.owner.fetchrow("SELECT * FROM saved_search WHERE name = 'Long'")
    assert kept["numbers"].replace("\r\n", "\n") == lines
    assert "33.5" not in str(dict(kept)), "where the person was is no part of it"
    opened = await browser.get(f"/searches/{kept['id']}")
    assert opened.status_code == 200
    assert 'id="c-' in opened.text
    assert "from you" not in opened.text
    token = await token_for(world.owner, world.buyer.users["buyer"], world.buyer.id)
    async with client_for(site.app, token) as buyer:
        offers = await buyer.get("/find", params={"condition": "new", "sort": "price"})
        assert (await send(buyer, "/searches", offers, name="New ones")).status_code == 303
        one = (await ok(buyer.get(f"{API}/searches")))["items"][0]
        assert (one["kind"], one["filters"]) == ("offers", {"condition": "new", "sort": "price"})
        there = await buyer.get(f"/searches/{one['id']}")
        assert there.headers["location"] == "/find?sort=price&condition=new"
        file = await buyer.get("/searches", params={"format": "csv"})
        assert "New ones" in file.text


async def test_the_list_is_read_by_its_index(world: World) -> None:
    user = world.maker.users["technician"]
    await world.owner.execute(
        "INSERT INTO saved_search (company_id, user_id, slot, name, kind, numbers, filters) "
        "SELECT $1, gen_random_uuid(), 1, 'S', 'offers', 'X', '{}' FROM generate_series(1, 20000)",
        world.maker.id,
    )
    await world.owner.execute("ANALYZE saved_search")
    async with world.db.read(Tenant(world.maker.id)) as session:
        from sqlalchemy import text

        plan = await session.execute(
            text(
                "EXPLAIN SELECT id FROM saved_search s WHERE s.company_id = :c AND s.user_id = :u AND (lower(s.name), s.id) > ('a', :u) "
                "ORDER BY lower(s.name), s.id LIMIT 51"
            ),
            {"c": world.maker.id, "u": user},
        )
        words = "\n".join(r[0] for r in plan)
    assert "Index" in words, words
    assert "Seq Scan" not in words, words
