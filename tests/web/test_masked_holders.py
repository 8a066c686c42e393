"""Where a maker hides who holds its units, its technicians and its delegates' learn it from no page, file or route before an
order back is sent: everything that they can reach is fetched and searched for what would tell. With hiding switched off the
same search finds all of it, so it looks where there is something to find."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import httpx
import pytest

from marketplace.app import create_app
from marketplace.settings import Settings
from tests.clients import client_for, token_for
from tests.marketplace.main_job import API, Job, ok, refused
from tests.web.job import Site, open_site, send
from tests.web.test_links import LINK, alike
from tests.world import Party, World, make_company

SPEC: dict[str, Any] = create_app(Settings()).openapi()["paths"]
DIRECTORY = f"{API}/companies"
"""Every company is in it, whoever holds what."""
FILES = (
    "/calendar",
    "/units",
    "/calls",
    "/requests",
    "/holdings",
    "/agreements",
    "/agreements/notices",
    "/orders",
    "/settlement",
)
MOST_ALIKE = 4


@dataclass
class Hidden:
    """A world in which a partner holds units, and what would tell who it is and where. ``call``: reserved by a technician
    of the maker, not sent; ``asked``: the same by one of the delegate."""

    site: Site
    technician: httpx.AsyncClient
    delegate: httpx.AsyncClient
    planner: httpx.AsyncClient
    requisition: str
    call: str
    asked: str
    secrets: dict[str, str]

    async def hide(self, hidden: bool = True) -> None:
        """Switches hiding on (or off) as an administrator does."""
        world = self.site.world
        token = await token_for(world.owner, world.maker.users["admin"], world.maker.id)
        async with client_for(self.site.app, token) as admin:
            await ok(admin.put(f"{API}/company/mask-holders", json={"mask_holders": hidden}))

    def told(self, text: str) -> set[str]:
        """Which of the secrets stand in a text."""
        plain = unescape(text)
        return {what for what, words in self.secrets.items() if words in plain}


async def client(site: Site, party: Party, role: str) -> httpx.AsyncClient:
    token = await token_for(site.world.owner, party.users[role], party.id)
    return await site.stack.enter_async_context(client_for(site.app, token))


async def reserved(who: httpx.AsyncClient, job: Job, site: UUID) -> tuple[str, str]:
    """A unit reserved at the partner by somebody whose limit is too low to send the order: (request, order)."""
    place = next(c for c in await job.candidates(who) if c["callable"] and c["kind"] != "own_stock")
    body = {**job.need(1), "destination_site_id": str(site), "key": place["key"]}
    done = await ok(who.post(f"{API}/sourcing/order-back", json=body), 201)
    assert done["awaiting_approval"]
    return done["requisition_id"], done["calls"][0]


@pytest.fixture
async def hidden(world: World) -> AsyncIterator[Hidden]:
    async with open_site(world) as site:
        job, owner, holder = site.job, world.owner, world.buyer
        await owner.execute(
            "UPDATE site SET name = 'Bessemer yard ' || code, place = 'Bessemer', address = '4 Yard Road', region = 'GA', "
            "counter_phone = '+1 205 555 0177', after_hours_phone = '+1 205 555 0188', lat = 33.41, lon = -86.95 "
            "WHERE company_id = $1",
            holder.id,
        )
        await owner.execute(
            # At every site: which of them an order back goes to is a tie.
            "INSERT INTO site_contact (company_id, site_id, name, telephone) "
            "SELECT company_id, id, 'Sam Ortiz', '+1 205 555 0199' FROM site WHERE company_id = $1",
            holder.id,
        )  # fmt: skip
        await job.sold(6, offered=6)
        lot = await owner.fetchrow(
            'SELECT lot_id, position_id FROM "position" WHERE holder_id = $1 AND quantity > 0', holder.id
        )
        moved = {"lot_id": str(lot[0]), "position_id": lot[1], "quantity": 2, "to_site_id": str(holder.sites[1])}
        warehouse = await client(site, holder, "warehouse")
        await ok(warehouse.post(f"{API}/holdings/moves", json={**moved, "note": "to the shed of foreman Quill"}), 201)
        await owner.execute(
            "INSERT INTO withdrawal (lot_id, position_id, part_id, holder_id, beneficiary_id, site_id, quantity, cause_id) "
            "VALUES ($1, $2, $3, $4, $5, $6, 1, uuidv7())",
            lot[0], lot[1], world.part, holder.id, world.maker.id, holder.site,
        )  # fmt: skip
        admin = await client(site, world.maker, "admin")
        limits = {"company_id": str(world.other.id), "max_quantity": 5, "max_value": "10000.00"}
        await ok(admin.post(f"{API}/delegations", json=limits), 201)
        await owner.execute(
            "UPDATE user_account SET order_limit_amount = 1 WHERE id = ANY($1::uuid[])",
            [world.maker.users["technician"], world.other.users["technician"]],
        )
        delegate = await client(site, world.other, "technician")
        requisition, call = await reserved(job.technician, job, world.maker.site)
        _, asked = await reserved(delegate, job, world.other.site)
        # A plan as a planner's look leaves it, from before holders were hidden.
        raised = (await ok(job.planner.post(f"{API}/sourcing/requests", json=job.need(1)), 201))["id"]
        plan = await ok(job.planner.get(f"{API}/sourcing/requests/{raised}/plan"))
        assert holder.name in json.dumps(plan)
        await owner.execute(
            "UPDATE requisition SET plan = $1::jsonb WHERE maker_id = $2", json.dumps(plan), world.maker.id
        )
        secrets = {
            "company": holder.name, "code": holder.code, "company id": str(holder.id), "site id": str(holder.site),
            "other site id": str(holder.sites[1]), "site": "Bessemer yard", "town": "Bessemer", "street": "4 Yard Road",
            "telephone": "205 555 0177", "after hours": "205 555 0188", "contact": "Sam Ortiz", "their telephone": "555 0199",
            "pin": "33.41", "note": "foreman Quill", "agreement id": job.agreement, "order id": job.order,
            "agreement": await owner.fetchval("SELECT reference FROM agreement WHERE id = $1", UUID(job.agreement)),
            "order": await owner.fetchval("SELECT reference FROM purchase_order WHERE id = $1", UUID(job.order)),
        }  # fmt: skip
        yield Hidden(site, job.technician, delegate, job.planner, requisition, call, asked, secrets)


async def everything(hidden: Hidden, party: Party) -> dict[str, str]:
    """Everything that a company's technician reaches: pages by their links, files, and GET routes with every id there is.
    Address -> what it says; refusals are read too."""
    world, found = hidden.site.world, dict[str, str]()
    browser = await hidden.site.browser(party, "technician")
    number = await hidden.site.number()
    lots = [str(r[0]) for r in await world.owner.fetch("SELECT lot_id FROM lot WHERE part_id = $1", world.part)]
    day = (await world.owner.fetchval("SELECT (now() + interval '1 day')::date")).isoformat()
    units = [f"/units?q={number}", f"/units?q={number}&at={day}", *(f"/units/{lot}" for lot in lots)]
    units += [f"/units/{lot}?at={day}&known={day}" for lot in lots]
    seeds = [
        "/",
        *FILES,
        *units,
        f"/requests?q={number}",
        f"/requests/places.geojson?q={number}",
        f"/calls/{hidden.call}",
    ]
    seeds += [f"/calls?side=maker&status={tab}" for tab in ("all", "declined")]
    seeds += [f"/agreements/{hidden.secrets['agreement id']}", f"/orders/{hidden.secrets['order id']}"]
    seeds += [f"{a}{'&' if '?' in a else '?'}format=csv" for a in (*FILES, *units, f"/requests?q={number}")]
    seeds += ["/calls?side=maker&status=all&format=csv"]
    waiting, shapes, seen = deque(seeds), Counter[str](), set(seeds)
    while waiting:
        address = waiting.popleft()
        page = await browser.get(address, follow_redirects=True)
        assert page.status_code < 500, address
        found[address] = page.text
        for href in LINK.findall(page.text) if "text/html" in page.headers["content-type"] else ():
            parts = urlsplit(link := urljoin(str(page.url), unescape(href)))
            shape = alike(link)
            link = link.removeprefix("http://backstock.test")
            if parts.netloc != "backstock.test" or parts.path.startswith(("/static/", "/api/")) or link in seen:
                continue
            # A link from a page that opens leads to a page that opens.
            if shapes[shape] < MOST_ALIKE:
                shapes[shape] += 1
                seen.add(link)
                waiting.append(link)
                followed = await browser.get(link, follow_redirects=True)
                assert page.status_code >= 400 or followed.status_code < 400, (
                    f"{followed.status_code} {link} from {address}"
                )
    api = await client(hidden.site, party, "technician")
    ids = [hidden.requisition, hidden.call, hidden.asked, str(world.part), *lots]
    ids += [words for what, words in hidden.secrets.items() if what.endswith(" id")]
    ids += [
        str(r[0]) for r in await world.owner.fetch("SELECT id FROM requisition WHERE maker_id = $1", world.maker.id)
    ]
    for path, methods in SPEC.items():
        if "get" not in methods or path == DIRECTORY or not path.startswith(API):
            continue
        names = re.findall(r"{\w+}", path)
        for address in [path.replace(names[0], one) for one in ids] if names else [path]:
            answer = await api.get(address)
            assert answer.status_code < 500, f"{address}: {answer.text}"
            found[address] = answer.text
    located = await api.post(f"{API}/sourcing/locate", json={"numbers": number, "explain": True})
    found["locate"] = located.text
    return found


def leaks(hidden: Hidden, found: dict[str, str]) -> dict[str, set[str]]:
    """Address -> the secrets that it tells; what somebody put into the address themselves tells nothing."""
    return {
        address: told
        for address, text in found.items()
        if (told := {what for what in hidden.told(text) if hidden.secrets[what] not in address})
    }


@pytest.mark.parametrize("who", ["maker", "delegate"])
async def test_nothing_tells_who_holds_the_units_before_the_order_is_sent(hidden: Hidden, who: str) -> None:
    world = hidden.site.world
    party = world.maker if who == "maker" else world.other
    open_ = leaks(hidden, await everything(hidden, party))
    told = set().union(*open_.values())
    places = {"company", "code", "site", "note", "agreement", "pin"}
    # A delegate is no party to the agreement: it is told its number, and led to nothing.
    ids = {"order", "order id", "site id", "company id", "agreement id"}
    assert told >= places | (ids if who == "maker" else set()), told
    assert who == "maker" or "agreement id" not in told
    shown = " ".join(open_)
    for leak in (
        "/units?q=",
        "&at=",
        "/units/",
        "format=csv",
        "/holdings/lots/",
        "/contacts",
        "locate",
        "geojson",
        "/sourcing/requests/",
    ):
        assert leak in shown, f"{leak} names the holder where nothing is hidden"
    await hidden.hide()
    assert leaks(hidden, await everything(hidden, party)) == {}


async def test_the_makers_other_people_go_on_seeing_names(hidden: Hidden) -> None:
    world, number = hidden.site.world, await hidden.site.number()
    await hidden.hide()
    for role in ("planner", "auditor", "admin", "warehouse"):
        browser, api = await hidden.site.browser(world.maker, role), await client(hidden.site, world.maker, role)
        for address in (f"/units?q={number}", f"/units?q={number}&format=csv", "/agreements?format=csv", "/orders"):
            page = await browser.get(address)
            assert page.status_code == 200, (role, address)
            assert world.buyer.name in page.text, (role, address)
        assert world.buyer.name in (await api.get(f"{API}/sourcing/calls/{hidden.call}")).text, role
        assert (await ok(api.get(f"{API}/sites/{world.buyer.site}/contacts")))[0]["name"] == "Sam Ortiz"
    plan = await ok(hidden.planner.get(f"{API}/sourcing/requests/{hidden.requisition}"))
    assert world.buyer.name in json.dumps(plan["plan"])
    lot = await world.owner.fetchval(
        'SELECT lot_id FROM "position" WHERE holder_id = $1 AND quantity > 0 LIMIT 1', world.buyer.id
    )
    detail = await ok(hidden.planner.get(f"{API}/holdings/lots/{lot}"))
    assert {line["holder"] for line in detail["lines"]} == {world.buyer.name}
    # The holder sees its own as ever.
    holder = await client(hidden.site, world.buyer, "technician")
    own = await ok(holder.get(f"{API}/holdings/lots/{lot}"))
    assert {line["agreement_id"] for line in own["lines"]} == {hidden.secrets["agreement id"]}
    assert (await holder.get(f"{API}/agreements/{hidden.secrets['agreement id']}")).status_code == 200


async def test_region_and_right_are_still_told(hidden: Hidden) -> None:
    await hidden.hide()
    world, number = hidden.site.world, await hidden.site.number()
    lot = await world.owner.fetchval(
        'SELECT lot_id FROM "position" WHERE holder_id = $1 AND quantity > 0 LIMIT 1', world.buyer.id
    )
    for party in (world.maker, world.other):
        api, browser = await client(hidden.site, party, "technician"), await hidden.site.browser(party, "technician")
        detail = await ok(api.get(f"{API}/holdings/lots/{lot}"))
        assert {(x["holder"], x["owner"], x["site"], x["site_id"], x["agreement_id"]) for x in detail["lines"]} == {
            ("A partner in GA", "A partner", "GA", None, None)
        }
        assert [(r["agreement"], r["agreement_id"], r["remaining"]) for r in detail["rights"]] == [(None, None, 6)]
        page = (await browser.get(f"/units?q={number}")).text
        assert "A partner in GA" in page
        history = (await browser.get(f"/units/{lot}?format=csv")).text
        assert "moved from GA to GA" in history
        assert world.maker.name in history
    waiting = await ok(hidden.technician.get(f"{API}/holdings/withdrawals"))
    assert [(w["holder"], w["holder_id"], w["site"], w["site_id"]) for w in waiting] == [
        ("A partner in GA", None, "GA", None)
    ]


async def test_records_kept_with_a_partner_are_closed_to_technicians_and_say_why(hidden: Hidden) -> None:
    await hidden.hide()
    world = hidden.site.world
    for path in (
        "agreements",
        "orders",
        "settlement",
        "settlement/totals",
        f"agreements/{hidden.secrets['agreement id']}",
        f"agreements/{hidden.secrets['agreement id']}/paper.pdf",
    ):
        problem = await refused(hidden.technician.get(f"{API}/{path}"), "actor.masked")
        assert "hides who holds its units" in problem["detail"], problem
    # A delegate's own records stay open to its people; the maker's agreement is none of them.
    assert (await hidden.delegate.get(f"{API}/agreements")).status_code == 200
    for path in ("", "/paper.pdf"):
        address = f"{API}/agreements/{hidden.secrets['agreement id']}{path}"
        await refused(hidden.delegate.get(address), "agreement.not_found")
    me = await ok(hidden.technician.get(f"{API}/me"))
    assert not {"agreement.read", "order.read", "settlement.read", "stock.holders"} & set(me["verbs"])
    for scopes, sees in ((["stock.read", "agreement.read"], False), (["stock.*", "agreement.read"], True)):
        planner = await client(hidden.site, world.maker, "admin")
        key = (await ok(planner.post(f"{API}/api-keys", json={"name": "erp", "scopes": scopes}), 201))["secret"]
        async with client_for(hidden.site.app) as program:
            program.headers["authorization"] = f"Bearer {key}"
            answer = await program.get(f"{API}/agreements")
        assert (answer.status_code, world.buyer.name in answer.text) == ((200, True) if sees else (403, False)), scopes
        assert sees or "'stock.holders'" in answer.json()["detail"]


async def test_searching_for_the_holder_answers_as_for_anything_unknown(hidden: Hidden) -> None:
    await hidden.hide()
    world = hidden.site.world
    agreement = hidden.secrets["agreement id"]
    lists = {
        f"{API}/holdings/lines": ("site_id", "agreement_id"), f"{API}/holdings": ("site_id", "agreement_id"),
        f"{API}/agreements": ("other_id", "reference"), f"{API}/orders": ("other_id", "reference"),
    }  # fmt: skip
    known = {
        "site_id": str(world.buyer.site),
        "agreement_id": agreement,
        "other_id": str(world.buyer.id),
        "reference": hidden.secrets["agreement"],
    }
    unknown = {
        "site_id": str(world.part),
        "agreement_id": str(world.part),
        "other_id": str(world.part),
        "reference": "AGR-000000",
    }
    for path, names in lists.items():
        for name in names:
            answers = [await hidden.technician.get(path, params={name: given[name]}) for given in (known, unknown)]
            assert answers[0].status_code == answers[1].status_code, (path, name)
            assert answers[0].text == answers[1].text, (path, name)
    browser = await hidden.site.browser(world.maker, "technician")
    for address in ("/units", "/requests", "/find"):
        for words in (world.buyer.name, world.buyer.code, "Bessemer yard S1"):
            page = await browser.get(address, params={"q": words})
            assert page.status_code < 500
            assert "A partner in" not in page.text, (address, words)
    for site in (world.buyer.site, world.part):
        await refused(hidden.technician.get(f"{API}/sites/{site}/contacts"), "site.not_found")
        await refused(hidden.delegate.get(f"{API}/sites/{site}/contacts"), "site.not_found")


async def test_once_the_order_is_sent_it_names_the_holder_and_whom_to_ring(hidden: Hidden) -> None:
    await hidden.hide()
    world = hidden.site.world
    await ok(hidden.planner.post(f"{API}/sourcing/requests/{hidden.requisition}/approve"))
    call = await ok(hidden.technician.get(f"{API}/sourcing/calls/{hidden.call}"))
    assert (call["holder"], call["counter_phone"]) == (world.buyer.name, "+1 205 555 0177")
    assert call["ship_from"]["people"][0]["name"] == "Sam Ortiz"
    sent = await world.owner.fetchval("SELECT site_id FROM call WHERE id = $1", UUID(hidden.call))
    contacts = await hidden.technician.get(f"{API}/sites/{sent}/contacts")
    assert contacts.status_code == 200
    browser = await hidden.site.browser(world.maker, "technician")
    for address in (
        f"/calls/{hidden.call}",
        f"/requests/{hidden.requisition}",
        "/calls?side=maker",
        "/calls?side=maker&format=csv",
    ):
        assert world.buyer.name in (await browser.get(address)).text, address
    page = (await browser.get(f"/calls/{hidden.call}")).text
    assert "205 555 0177" in page
    assert "205 555 0188" in page
    # The delegate's own order was not sent.
    assert not hidden.told((await hidden.delegate.get(f"{API}/sourcing/calls/{hidden.asked}")).text)
    await refused(hidden.delegate.get(f"{API}/sites/{sent}/contacts"), "site.not_found")


async def test_an_order_that_was_never_sent_names_nobody_after_the_delegation_has_ended(hidden: Hidden) -> None:
    await hidden.hide()
    world = hidden.site.world
    await world.owner.execute("UPDATE delegation SET revoked_at = now() WHERE maker_id = $1", world.maker.id)
    browser = await hidden.site.browser(world.other, "technician")
    for address in (f"/calls/{hidden.asked}", "/calls?side=maker", "/calls?side=maker&format=csv", "/requests"):
        page = await browser.get(address)
        assert page.status_code == 200, address
        assert not hidden.told(page.text), address
    for path in ("calls", f"calls/{hidden.asked}", "requests"):
        answer = await hidden.delegate.get(f"{API}/sourcing/{path}")
        assert answer.status_code == 200
        assert not hidden.told(answer.text), path


async def test_a_refusals_mail_and_plan_do_not_name_the_next_source(world: World) -> None:
    second = await make_company(world.owner, f"NX{world.tag}", manufacturer=False)
    async with open_site(world) as site:
        await site.job.sold(2, offered=2)
        there = replace(world, buyer=second)
        await (await Job.begin(there, site.stack)).sold(2, offered=2)
        await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
        await site.job.called(1)
        holder = await world.owner.fetchval("SELECT holder_id FROM call WHERE id = $1", UUID(site.job.call))
        first, other = (world.buyer, second) if holder == world.buyer.id else (second, world.buyer)
        answerer = await client(site, first, "buyer")
        await ok(answerer.post(f"{API}/sourcing/calls/{site.job.call}/refuse", json={"code": "not_on_shelf"}))
        mails = [
            str(r[0]) for r in await world.owner.fetch(
                "SELECT payload -> 'mail' FROM outbox_event WHERE name = 'call.answered' AND aggregate_id = $1", UUID(site.job.call)
            )
        ]  # fmt: skip
        assert any("from A partner in AL" in mail for mail in mails), mails
        assert any(first.name in mail for mail in mails), "its order was sent"
        request = f"{API}/sourcing/requests/{site.job.requisition}"
        kept = await ok(site.job.technician.get(request))
        assert kept["plan"]["chosen"][0]["holder"] == "A partner in AL"
        browser = await site.browser(world.maker, "technician")
        for text in (*mails, json.dumps(kept), (await browser.get(f"/requests/{site.job.requisition}")).text):
            assert other.name not in text
            assert other.code not in text
        now = await ok(site.job.planner.get(f"{request}/plan"))
        assert now["chosen"][0]["holder"] == other.name, "who approves sees it"


async def test_the_switch_is_the_administrators_of_a_maker(hidden: Hidden) -> None:
    world = hidden.site.world
    state = "SELECT mask_holders FROM company WHERE id = $1"
    path, key = f"{API}/company/mask-holders", {"Idempotency-Key": "mask-1"}
    await refused(hidden.planner.put(path, json={"mask_holders": True}), "actor.role")
    partner = await client(hidden.site, world.buyer, "admin")
    await refused(partner.put(path, json={"mask_holders": True}), "company.maker")
    admin = await client(hidden.site, world.maker, "admin")
    assert (await admin.put(path, json={})).status_code == 422
    assert [await world.owner.fetchval(state, c) for c in (world.maker.id, world.buyer.id)] == [False, False]
    assert not (await ok(admin.get(f"{API}/company")))["mask_holders"]
    for _ in range(2):
        await ok(admin.put(path, json={"mask_holders": True}, headers=key))
    await refused(admin.put(path, json={"mask_holders": False}, headers=key), "idempotency.reused")
    assert await world.owner.fetchval(state, world.maker.id)
    assert (await ok(admin.get(f"{API}/company")))["mask_holders"]


async def test_the_box_on_the_company_page_switches_it_on_and_off(hidden: Hidden) -> None:
    world = hidden.site.world
    state, action = "SELECT mask_holders FROM company WHERE id = $1", "/company/mask-holders"
    boss = await hidden.site.browser(world.maker, "admin")
    page = await boss.get("/company")
    assert "Hide who holds our units until an order back is sent" in page.text
    assert not re.search(r'name="mask_holders"[^>]* checked', page.text), "off unless somebody says so"
    planner = await hidden.site.browser(world.maker, "planner")
    assert action not in (await planner.get("/company")).text
    assert (await planner.post(action, data={"mask_holders": "yes", "idempotency_key": "k"})).status_code == 403
    partner = await hidden.site.browser(world.buyer, "admin")
    assert action not in (await partner.get("/company")).text
    assert (await partner.post(action, data={"mask_holders": "yes", "idempotency_key": "k"})).status_code == 409
    assert not await world.owner.fetchval(
        "SELECT bool_or(mask_holders) FROM company WHERE id = ANY($1::uuid[])", [world.maker.id, world.buyer.id]
    )
    done = await send(boss, action, page, mask_holders="yes")
    assert (done.status_code, done.headers["location"]) == (303, "/company?done=holders-hidden")
    page = await boss.get(done.headers["location"])
    assert "is hidden from your technicians and delegates" in page.text
    assert re.search(r'name="mask_holders"[^>]* checked', page.text)
    assert await world.owner.fetchval(state, world.maker.id)
    technician = await hidden.site.browser(world.maker, "technician")
    assert "Hidden from technicians and delegates" in (await technician.get("/company")).text
    fields = dict(re.findall(r'name="(idempotency_key)" value="([^"]+)"', page.text.partition(action)[2]))
    assert (await boss.post(action, data=fields)).headers["location"] == "/company?done=holders-shown"
    assert not await world.owner.fetchval(state, world.maker.id)
