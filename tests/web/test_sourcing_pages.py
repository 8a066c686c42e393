"""The pages of sourcing over HTTP on a real database: find where units are, order one back, answer, ship, receive,
inspect, settle; refusals that change nothing; other companies that see nothing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from tests.marketplace.main_job import API, ok
from tests.web.job import Site, fields_of, open_site, send
from tests.world import World


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


async def ordered_back(site: Site, technician: httpx.AsyncClient) -> tuple[str, str]:
    """Orders one unit back through the pages; (address of the request, address of the order)."""
    page = await technician.get("/requests", params={"q": await site.number(), "urgency": "machine_down"})
    links = [x.replace("&amp;", "&") for x in re.findall(r'href="(/requests/new\?[^"]+key=[^"]+)"', page.text)]
    form = await technician.get(links[-1])
    checked = await send(technician, "/requests/new", form, machine_model="EX-200", machine_serial="77")
    assert checked.status_code == 200, checked.text
    assert "no response by the deadline counts as" in checked.text
    done = await send(technician, "/requests/new", checked)
    assert done.status_code == 303, done.text
    shown = await technician.get(done.headers["location"])
    call = re.search(r'href="(/calls/[0-9a-f-]{36})"', shown.text)
    assert call, shown.text
    return done.headers["location"].split("?")[0], call[1]


async def test_a_unit_comes_back_through_the_pages(site: Site) -> None:
    world = site.world
    await site.job.sold(4, offered=4)
    technician = await site.browser(world.maker, "technician")
    holder = await site.browser(world.buyer, "buyer")
    request, call = await ordered_back(site, technician)

    inbox = await holder.get("/calls")
    assert f'href="{call}/accept"' in inbox.text
    assert "deadline-soon" in inbox.text
    committed = await send(holder, f"{call}/accept", await holder.get(f"{call}/accept"))
    assert committed.status_code == 303
    shipped = await send(holder, f"{call}/ship", await holder.get(f"{call}/ship"), carrier="UPS", tracking="1Z9")
    assert shipped.status_code == 303
    assert "1Z9" in (await technician.get(call)).text
    assert (await send(technician, f"{call}/receive", await technician.get(f"{call}/receive"))).status_code == 303
    inspected = await send(technician, f"{call}/inspect", await technician.get(f"{call}/inspect"))
    assert inspected.status_code == 303, inspected.text
    closing = await technician.get(f"{request}/finish")
    closed = await send(technician, f"{request}/finish", closing, outcome="fitted")
    assert closed.status_code == 303, closed.text
    assert "Closed: fitted in the machine." in (await technician.get(request)).text

    owed = await holder.get("/settlement")
    at = re.search(r'href="(/settlement/[0-9a-f-]{36})"', owed.text)
    assert at, owed.text
    line = re.search(r'href="(/settlement/[0-9a-f-]{36}/mark)"', (await holder.get(at[1])).text)
    assert line, at[1]
    first = await send(holder, line[1], await holder.get(line[1]))
    assert first.status_code == 303
    assert "once the other side confirms it" in (await holder.get(first.headers["location"])).text
    planner = await site.browser(world.maker, "planner")
    last = await send(planner, line[1], await planner.get(line[1]))
    assert last.status_code == 303
    assert "Both sides say that all of it was paid." in (await planner.get(last.headers["location"])).text
    assert "Paid" in (await planner.get("/settlement", params={"state": "settled"})).text


async def test_each_serial_number_is_inspected_by_itself(site: Site) -> None:
    await site.job.sold(2, offered=2, serial=True)
    await site.job.called(2)
    call = f"/calls/{site.job.call}"
    for path, body in (("accept", {}), ("ship", {"own_transport": True})):
        await ok(site.job.buyer.post(f"{API}/sourcing{call}/{path}", json=body))
    technician = await site.browser(site.world.maker, "technician")
    assert (await send(technician, f"{call}/receive", await technician.get(f"{call}/receive"))).status_code == 303
    page = await technician.get(f"{call}/inspect")
    assert 'name="good"' not in page.text, "units with serial numbers are not counted"
    bad, fine = re.findall(r'name="(unit_[0-9a-f-]+)"', page.text)
    done = await send(technician, f"{call}/inspect", page, **{bad: "rejected", fine: "good"}, note="corroded")
    assert done.status_code == 303, done.text
    owned = await site.world.owner.fetch(
        "SELECT lot_id FROM position WHERE owner_id = $1 AND quantity > 0", site.world.maker.id
    )
    assert [r["lot_id"] for r in owned] == [UUID(fine.removeprefix("unit_"))]


async def test_checking_an_order_orders_nothing_and_sending_it_twice_orders_once(site: Site) -> None:
    world = site.world
    await site.job.sold(2, offered=2)
    technician = await site.browser(world.maker, "technician")
    page = await technician.get("/requests", params={"q": await site.number()})
    link = re.findall(r'href="(/requests/new\?[^"]+key=[^"]+)"', page.text)[-1].replace("&amp;", "&")
    checked = await send(technician, "/requests/new", await technician.get(link), machine_model="EX-200")
    count = "SELECT count(*) FROM requisition WHERE maker_id = $1"
    assert await world.owner.fetchval(count, world.maker.id) == 0
    fields = fields_of(checked.text, "/requests/new")
    first = await technician.post("/requests/new", data=fields)
    second = await technician.post("/requests/new", data=fields)
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert await world.owner.fetchval(count, world.maker.id) == 1
    assert await world.owner.fetchval("SELECT count(*) FROM call WHERE maker_id = $1", world.maker.id) == 1


async def test_a_refusal_without_reason_changes_nothing_and_one_with_a_reason_says_so(site: Site) -> None:
    world = site.world
    await site.job.sold(2, offered=2)
    technician = await site.browser(world.maker, "technician")
    holder = await site.browser(world.buyer, "buyer")
    request, call = await ordered_back(site, technician)
    page = await holder.get(f"{call}/refuse")
    refused = await send(holder, f"{call}/refuse", page, code="")
    assert refused.status_code == 422
    assert "Choose one: the reason." in refused.text
    noted = await send(holder, f"{call}/refuse", page, code="other", note="Ours")
    assert (noted.status_code, "section 5.2" in noted.text) == (409, True)
    assert 'value="damaged"' in page.text
    assert 'value="other"' not in page.text, "what the clause does not allow is not offered"
    assert await world.owner.fetchval("SELECT status FROM call WHERE id = $1", call.rsplit("/", 1)[1]) == "noticed"
    done = await send(holder, f"{call}/refuse", page, code="not_on_shelf")
    assert done.status_code == 303
    story = (await technician.get(request)).text
    assert "Not on the shelf" in story
    declined = await holder.get("/calls", params={"status": "declined"})
    assert call in declined.text
    where = await technician.get("/requests", params={"q": await site.number()})
    assert "waiting for a count" in where.text


async def test_more_than_there_is_is_refused_in_words(site: Site) -> None:
    await site.job.sold(2, offered=2)
    technician = await site.browser(site.world.maker, "technician")
    page = await technician.get("/requests", params={"q": await site.number()})
    link = re.findall(r'href="(/requests/new\?[^"]+key=[^"]+)"', page.text)[-1].replace("&amp;", "&")
    form = await technician.get(link)
    for quantity, status in (("0", 422), ("-1", 422), ("99", 409), ("many", 422)):
        answer = await send(technician, "/requests/new", form, quantity=quantity)
        assert answer.status_code == status, (quantity, answer.status_code)
        assert 'role="alert"' in answer.text
    assert (
        await site.world.owner.fetchval("SELECT count(*) FROM requisition WHERE maker_id = $1", site.world.maker.id)
        == 0
    )


async def test_the_plan_is_shown_before_anything_is_ordered(site: Site) -> None:
    await site.job.sold(3, offered=3)
    planner = await site.browser(site.world.maker, "planner")
    new = await planner.get("/requests/new", params={"part": str(site.world.part), "quantity": "2"})
    raised = await send(planner, "/requests/new", new, machine_model="EX-200")
    assert raised.status_code == 303, raised.text
    address = raised.headers["location"].split("?")[0]
    page = await planner.get(address)
    assert "As things stand now: nothing is ordered by looking." in page.text
    assert await site.world.owner.fetchval("SELECT count(*) FROM call WHERE maker_id = $1", site.world.maker.id) == 0
    confirm = await planner.get(f"{address}/confirm")
    done = await send(planner, f"{address}/confirm", confirm)
    assert done.headers["location"].endswith("done=ordered"), done.text
    again = await planner.get(f"{address}/confirm")
    assert again.status_code == 409
    cancelled = await send(planner, f"{address}/cancel", await planner.get(f"{address}/cancel"))
    assert cancelled.status_code == 303
    assert "This request was cancelled." in (await planner.get(address)).text


async def test_units_that_went_meanwhile_are_said_on_the_same_page(site: Site) -> None:
    """Somebody else was faster: the reason stands on the page, what was typed stays, and no request was made."""
    await site.job.sold(2, offered=2)
    technician = await site.browser(site.world.maker, "technician")
    page = await technician.get("/requests", params={"q": await site.number()})
    link = re.findall(r'href="(/requests/new\?[^"]+key=[^"]+)"', page.text)[-1].replace("&amp;", "&")
    checked = await send(technician, "/requests/new", await technician.get(link), machine_model="EX-200")
    planner = await site.browser(site.world.maker, "planner")
    new = await planner.get("/requests/new", params={"part": str(site.world.part), "quantity": "2"})
    raised = (await send(planner, "/requests/new", new)).headers["location"].split("?")[0]
    plan = await planner.get(f"{raised}/confirm")
    await site.job.called(2)
    late = await technician.post("/requests/new", data=fields_of(checked.text, "/requests/new"))
    assert late.status_code == 409
    assert "2 reserved for other orders. Nothing was ordered." in late.text
    assert 'value="EX-200"' in late.text
    answer = await send(planner, f"{raised}/confirm", plan)
    assert answer.status_code == 409
    assert "2 reserved for other orders. Nothing was ordered." in answer.text
    made = await site.world.owner.fetchval("SELECT count(*) FROM requisition WHERE maker_id = $1", site.world.maker.id)
    assert made == 2, "the planner's and the one that was faster"


async def test_other_companies_see_none_of_it(site: Site) -> None:
    await site.job.sold(2, offered=2)
    technician = await site.browser(site.world.maker, "technician")
    request, call = await ordered_back(site, technician)
    outsider = await site.browser(site.world.other, "admin")
    for address in (request, call, f"{call}/accept", f"/agreements/{site.job.agreement}", f"/units/{site.job.lot}"):
        answer = await outsider.get(address)
        assert answer.status_code == 404, (address, answer.status_code)
        assert site.world.tag not in answer.text.replace(f"OT{site.world.tag}", "")
    # The holder sees the order, and not the parts request behind it.
    holder = await site.browser(site.world.buyer, "admin")
    shown = await holder.get(call)
    assert shown.status_code == 200
    assert "<h3>Where to</h3>" in shown.text
    assert (await holder.get(request)).status_code == 404
    nobody = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=site.app), base_url="http://backstock.test", headers={"accept": "text/html"}
    )
    async with nobody:
        for address in (
            "/requests",
            "/calls",
            "/units",
            "/holdings",
            "/agreements",
            "/imports",
            "/scan",
            "/settlement",
        ):
            answer = await nobody.get(address)
            assert answer.status_code == 303, address
            assert answer.headers["location"].startswith("/sign-in")


async def test_the_map_and_the_file_say_what_the_table_says(site: Site) -> None:
    await site.job.sold(2, offered=2)
    technician = await site.browser(site.world.maker, "technician")
    asked = {"q": await site.number()}
    places = (await technician.get("/requests/places.geojson", params=asked)).json()
    assert len(places["features"]) == 1
    assert places["features"][0]["geometry"]["coordinates"] == pytest.approx([-86.9, 33.7])
    page = await technician.get("/requests", params=asked)
    assert f'id="{places["features"][0]["properties"]["row"]}"' in page.text
    file = await technician.get("/requests", params={**asked, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))
    assert [r["Can be ordered"] for r in rows] == ["2"]
    await site.world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", site.world.maker.id)
    masked = await technician.get("/requests", params=asked)
    assert "A partner in AL" in masked.text
    assert site.world.buyer.name not in masked.text
    assert (await technician.get("/requests/places.geojson", params=asked)).json()["features"] == []


async def test_places_come_in_pages_with_true_totals_and_the_file_has_them_all(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.availability.PLACES_SHOWN", 1)
    monkeypatch.setattr("web.pages.source_back.PLACES_SHOWN", 1)
    monkeypatch.setattr("web.pages.source_back.IN_FILE", 1)
    await site.job.sold(4, offered=10)
    technician = await site.browser(site.world.maker, "technician")
    number = await site.number()
    first = await technician.get("/requests", params={"q": number, "urgency": "urgent"})
    assert "can be ordered from 2 places" in first.text
    assert "Places 1 to 1 of 2" in first.text
    assert len(re.findall(r'<tr id="c-', first.text)) == 1
    following = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert following, first.text
    second = await technician.get(following[1].replace("&amp;", "&").partition("#")[0])
    assert "Places 2 to 2 of 2" in second.text
    assert 'rel="next"' not in second.text
    assert 'rel="prev"' in second.text
    assert re.findall(r'<tr id="c-\w+"', second.text) != re.findall(r'<tr id="c-\w+"', first.text)
    beyond = await technician.get("/requests", params={"q": number, "of": str(site.world.part), "from": "900"})
    assert "Places 2 to 2 of 2" in beyond.text
    assert "is not a value of" in (await technician.get("/requests", params={"q": number, "from": "x"})).text
    both = f"{number}\nNOTHING-000999888"
    several = await technician.get("/requests", params={"q": both})
    assert f"All places of {number}" in several.text
    file = await technician.get("/requests", params={"q": both, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))
    assert [r["Asked for"] for r in rows] == [number, number, "NOTHING-000999888"]
    places = (await technician.get("/requests/places.geojson", params={"q": number})).json()
    said = [f["properties"]["text"] for f in places["features"]]
    assert "".join(said).count("can be ordered") == 2, "the map shows the places of all the pages"


async def test_unknown_and_too_many_numbers_are_answered_with_help(site: Site) -> None:
    technician = await site.browser(site.world.maker, "technician")
    unknown = await technician.get("/requests", params={"q": f"NOSUCH{site.world.tag}99"})
    assert unknown.status_code == 200
    assert "No part has the number" in unknown.text
    many = "\n".join(f"{site.world.tag}X{n:04d}" for n in range(501))
    refused = await technician.post("/requests/where", data={"q": many})
    assert refused.status_code == 422
    assert "at most 500 can be looked up at once" in refused.text
    some = "\n".join(f"{site.world.tag}X{n:04d}" for n in range(200))
    assert (await technician.post("/requests/where", data={"q": some})).status_code == 200
    few = await technician.post("/requests/where", data={"q": await site.number(), "urgency": "urgent"})
    assert few.status_code == 303
    buyer = await site.browser(site.world.buyer, "technician")
    assert "sources no maker" in (await buyer.get("/requests")).text


async def test_where_nothing_can_be_ordered_there_are_other_ways(site: Site) -> None:
    technician = await site.browser(site.world.maker, "technician")
    auditor = await site.browser(site.world.maker, "auditor")
    number = await site.number()
    raised = "Raise a parts request anyway"
    for known in (False, True):
        if known:  # All units that there are wait for an answer.
            await site.job.sold(2, offered=2)
            await site.job.called(2)
        page = (await technician.get("/requests", params={"q": number, "urgency": "urgent"})).text
        assert ("Not callable now" in page) == known
        assert "No unit of this part is known" in page or known
        offered = re.search(r'href="(/find\?q=[^"]+)">(?:<svg.*?</svg>)?See who offers it', page, re.DOTALL)
        assert offered, page
        assert number in (await technician.get(offered[1])).text
        anyway = re.search(rf'href="(/requests/new\?[^"]+)">{raised}', page)
        assert anyway, page
        form = await technician.get(anyway[1].replace("&amp;", "&"))
        assert 'value="urgent" checked' in form.text
        made = await send(technician, "/requests/new", form, machine_model="EX-200")
        assert made.status_code == 303, made.text
        shown = (await technician.get(made.headers["location"])).text
        assert "No unit can be ordered back right now." in shown
        assert f'href="/find?q={number}"' in shown
        # Who only looks is offered no request.
        looked = (await auditor.get("/requests", params={"q": number})).text
        assert "See who offers it" in looked
        assert raised not in looked


async def test_where_something_can_be_ordered_that_is_the_way(site: Site) -> None:
    await site.job.sold(2, offered=2)
    technician = await site.browser(site.world.maker, "technician")
    page = (await technician.get("/requests", params={"q": await site.number()})).text
    assert "Order this unit back" in page
    assert "Raise a parts request anyway" not in page


async def test_references_lead_from_the_search_box(site: Site) -> None:
    await site.job.sold(2, offered=2)
    technician = await site.browser(site.world.maker, "technician")
    request, call = await ordered_back(site, technician)
    outsider = await site.browser(site.world.other, "admin")
    owner = site.world.owner
    for table, address in (("requisition", request), ("call", call)):
        key = address.rsplit("/", 1)[1].split("?")[0]
        reference = await owner.fetchval(f"SELECT reference FROM {table} WHERE id = $1::uuid", key)
        leads = await technician.get("/find", params={"q": reference.lower()})
        assert leads.status_code == 303
        assert leads.headers["location"] == address.split("?")[0]
        assert (await outsider.get("/find", params={"q": reference})).status_code == 200


async def test_own_stock_that_would_do_is_said_before_a_unit_is_ordered_back(site: Site) -> None:
    await site.job.sold(4, offered=10)
    technician = await site.browser(site.world.maker, "technician")
    page = await technician.get("/requests", params={"q": await site.number(), "urgency": "urgent"})
    links = [x.replace("&amp;", "&") for x in re.findall(r'href="(/requests/new\?[^"]+key=[^"]+)"', page.text)]
    own, partner = links[0], links[-1]
    for link, said in ((partner, True), (own, False)):
        checked = await send(technician, "/requests/new", await technician.get(link), machine_model="EX-200")
        assert checked.status_code == 200, checked.text
        assert ("for which nothing is owed" in checked.text) == said, link


async def test_own_stock_is_reserved_and_not_ordered_back(site: Site) -> None:
    await site.job.sold(4, offered=10)
    technician = await site.browser(site.world.maker, "technician")
    for quantity, words in ((2, "Reserve them"), (8, "Order and reserve them")):
        made = await site.job.technician.post("/api/v1/sourcing/requests", json=site.job.need(quantity))
        page = await technician.get(f"/requests/{made.json()['id']}/confirm")
        assert re.search(rf"<button[^>]*>\s*{words}", page.text), page.text


async def test_a_request_for_a_stopped_machine_offers_to_take_units_of_a_less_urgent_order(site: Site) -> None:
    await site.job.sold(3, offered=3)
    await site.job.called(3)
    technician = await site.browser(site.world.maker, "technician")
    raised = await ok(
        site.job.technician.post(f"{API}/sourcing/requests", json=site.job.need(2, urgency="machine_down")), 201
    )
    address = f"/requests/{raised['id']}"
    assert f'href="{address}/take-over"' in (await technician.get(address)).text
    form = await technician.get(f"{address}/take-over")
    assert "An urgent order for" in form.text
    wrong = await send(technician, f"{address}/take-over", form, quantity="4")
    assert wrong.status_code == 422
    assert "Take 1 to 2 of the units of" in wrong.text
    done = await send(technician, f"{address}/take-over", form)
    assert done.headers["location"] == f"{address}?done=taken", done.text
    assert "The other order gave way" in (await technician.get(done.headers["location"])).text
    holder = await site.browser(site.world.buyer, "buyer")
    assert "2 EA of it went to a stopped machine" in (await holder.get(f"/calls/{site.job.call}")).text
    assert (await technician.get(f"{address}/take-over")).status_code == 409
