"""Notices on pages: a holder asks before it scraps, the maker is told and sees how long it may order the units."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from marketplace.agreements import queries
from marketplace.agreements.combinations import FIRST_REFUSAL
from tests.agreed import agreed_on, delivered
from tests.web.job import Site, fields_of, open_site, send
from tests.world import World

NOTICES = "SELECT count(*)::int FROM agreement_event WHERE kind = 'notice' AND subject_id = $1::text::uuid"


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened


async def test_a_notice_is_checked_given_and_seen_by_both(site: Site) -> None:
    job, world = site.job, site.world
    await job.sold(4, offered=4)
    address = f"/agreements/{job.agreement}/notice"
    clerk = await site.browser(world.buyer, "buyer")
    planner = await site.browser(world.maker, "planner")
    assert address in (await clerk.get(f"/agreements/{job.agreement}")).text
    assert address not in (await planner.get(f"/agreements/{job.agreement}")).text
    assert (await planner.get(address)).status_code in (403, 404)

    page = await clerk.get(address)
    assert "What you may do now" in page.text
    assert "After notice" in page.text
    none = await send(clerk, address, page, act="scrap", quantity="0")
    assert none.status_code == 422
    too_many = await send(clerk, address, page, act="scrap", quantity="5")
    assert too_many.status_code == 409
    assert "4 units left" in too_many.text
    assert await world.owner.fetchval(NOTICES, job.agreement) == 0

    checked = await send(clerk, address, page, act="scrap", quantity="1")
    assert checked.status_code == 200, checked.text
    assert "First offer the units to the manufacturer" in checked.text
    assert await world.owner.fetchval(NOTICES, job.agreement) == 0, "seeing what it does gives no notice"
    fields = fields_of(checked.text, address)
    for _ in range(2):
        given = await clerk.post(address, data=fields)
        assert given.headers["location"] == f"/agreements/{job.agreement}?done=noticed"
    assert await world.owner.fetchval(NOTICES, job.agreement) == 1, "sent twice, given once"

    shown = await clerk.get(f"/agreements/{job.agreement}?done=noticed")
    assert "Notice given." in shown.text
    assert "May still be ordered back" in shown.text
    warehouse = await site.browser(world.buyer, "warehouse")
    another = await send(warehouse, address, await warehouse.get(address), act="scrap", quantity="1", confirmed="yes")
    assert another.headers["location"] == f"/agreements/{job.agreement}?done=noticed"
    mail = await world.owner.fetchval(
        "SELECT payload->'mail'->>'subject' FROM outbox_event WHERE name = 'agreement.notice' "
        "AND aggregate_id = $1::text::uuid ORDER BY id DESC LIMIT 1",
        job.agreement,
    )
    assert "wants to scrap 1 unit" in mail
    home = await planner.get("/")
    assert "2 notices run" in home.text
    listed = await planner.get("/agreements/notices")
    assert "Scrap" in listed.text
    assert f'href="/agreements/{job.agreement}"' in listed.text
    assert "Order back…" in listed.text
    file = await planner.get("/agreements/notices", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))
    assert [(r["Wants to"], r["Quantity"], r["Status"]) for r in rows] == [("scrap", "1", "running")] * 2
    stranger = await site.browser(world.other, "buyer")
    assert (await stranger.get(address)).status_code == 404
    assert "No notice is open" in (await stranger.get("/agreements/notices")).text


async def test_notices_run_clear_and_lapse_by_the_stored_dates(site: Site) -> None:
    job, world = site.job, site.world
    await job.sold(4, offered=4)
    body = {"part_id": str(world.part), "act": "scrap", "quantity": 1}
    clerk = await site.browser(world.buyer, "warehouse")
    for _ in range(3):
        given = await clerk.post(f"/api/v1/agreements/{job.agreement}/notices", json=body)
        assert given.status_code == 201, given.text
    async with world.db.read(world.maker.tenant) as session:
        (first, *_rest) = await queries.notices(session, job.agreement)
        assert first.clear_from is not None
        assert first.clear_until is not None
        assert first.clear_from.isoformat() == datetime.fromisoformat(given.json()["clear_from"]).isoformat()
        now = datetime.now(UTC)
        moments = (now, first.clear_from, first.clear_until - timedelta(seconds=1), first.clear_until)
        assert [first.standing(m) for m in moments] == ["running", "cleared", "cleared", "stale"]
        page = await queries.open_notices(session, world.maker.id, now, limit=2)
        after = await queries.open_notices(session, world.maker.id, now, after=page[-1].notice.id, limit=2)
        assert [len(page), len(after)] == [2, 1]
        assert not await queries.open_notices(session, world.maker.id, first.clear_until)
        assert await queries.notices_running(session, world.maker.id, now) == 3
        assert await queries.notices_running(session, world.maker.id, first.clear_from) == 0
    async with world.db.read(world.other.tenant) as session:
        assert not await queries.open_notices(session, world.maker.id, now), (
            "row level security stands behind the query"
        )


async def test_the_maker_lets_units_go_and_the_holder_withdraws_on_the_page_of_a_notice(site: Site) -> None:
    job, world = site.job, site.world
    await job.sold(4, offered=4)
    planner, clerk = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "warehouse")
    buyer = await site.browser(world.buyer, "buyer")
    body = {"part_id": str(world.part), "act": "scrap", "quantity": 1, "note": "The seals are old."}
    for step, who, done in (("agree", planner, "Agreed."), ("withdraw", clerk, "")):
        given = (await clerk.post(f"/api/v1/agreements/{job.agreement}/notices", json=body)).json()["id"]
        address = f"/agreements/notices/{given}"
        shown = await planner.get(address)
        assert shown.status_code == 200, shown.text
        for words in (
            "wants to scrap 1 EA",
            "May still be ordered back",
            "The seals are old.",
            "We do not want them",
            "Order back…",
        ):
            assert words in shown.text, words
        assert "Or say no" not in shown.text, "the clause gives no right to refuse"
        holder = await buyer.get(address)
        assert "Withdraw the notice" in holder.text
        assert "We do not want them" not in holder.text
        page = shown if who is planner else holder
        for _ in range(2):
            answer = await send(who, f"{address}/{step}", page, confirmed="yes", note="We have enough.")
            assert answer.headers["location"] == f"{address}?done={step}", answer.text
        after = await (planner if done else buyer).get(f"{address}?done={step}")
        assert ("Cleared for the holder" if step == "agree" else "Withdrawn") in after.text
        assert done in after.text
    stranger = await site.browser(world.other, "buyer")
    assert (await stranger.get(address)).status_code == 404
    assert (await planner.post(f"{address}/burn", data={})).status_code == 404


async def test_the_page_of_a_notice_leads_to_the_order_that_answers_it(site: Site) -> None:
    job, world = site.job, site.world
    await job.sold(4, offered=4)
    planner, clerk = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "warehouse")
    body = {"part_id": str(world.part), "act": "scrap", "quantity": 1}
    at = f"/api/v1/agreements/{job.agreement}/notices"
    given = [(await clerk.post(at, json=body)).json()["id"] for _ in range(2)]
    address = f"/agreements/notices/{given[1]}"
    link = re.search(r'href="(/requests\?q=[^"]+notice=[^"]+)"', (await planner.get(address)).text)
    assert link
    found = await planner.get(link[1].replace("&amp;", "&"))
    order = [x.replace("&amp;", "&") for x in re.findall(r'href="(/requests/new\?[^"]+key=[^"]+)"', found.text)][-1]
    checked = await send(planner, "/requests/new", await planner.get(order), machine_model="EX-200")
    assert checked.status_code == 200, checked.text
    done = await send(planner, "/requests/new", checked)
    assert done.status_code == 303, done.text
    named = await world.owner.fetchrow(
        "SELECT k.id, n.taken FROM call k JOIN notice n ON n.id = k.notice_id WHERE n.id = $1::text::uuid", given[1]
    )
    assert named["taken"] == 1
    assert f'href="{address}"' in (await planner.get(f"/calls/{named['id']}")).text


async def test_what_was_offered_is_ordered_without_an_answer_and_the_pages_say_so(second_world: World) -> None:
    world = second_world
    agreement_id = await agreed_on(world, [("first-refusal", 1, FIRST_REFUSAL)])
    await delivered(world, agreement_id, 5)
    async with open_site(world) as opened:
        clerk, planner = await opened.browser(world.buyer, "warehouse"), await opened.browser(world.maker, "planner")
        body = {"part_id": str(world.part), "act": "resell", "quantity": 3, "offer": "70.00", "offered_by": "Harbor"}
        given = (await clerk.post(f"/api/v1/agreements/{agreement_id}/notices", json=body)).json()["id"]
        number = await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part)
        found = await planner.get(f"/requests?q={number}&notice={given}")
        assert "needs no answer" in found.text
        assert "answer by" not in found.text
        order = [x.replace("&amp;", "&") for x in re.findall(r'href="(/requests/new\?[^"]+key=[^"]+)"', found.text)][-1]
        checked = await send(planner, "/requests/new", await planner.get(order), quantity="2", machine_model="EX-200")
        assert "It needs no answer: they ship the units." in checked.text
        assert "to answer; no response" not in checked.text
        assert "The holder offers 3 units; 3 can be taken." in checked.text, "true of an order of any size"
        await send(
            planner,
            f"/agreements/notices/{given}/agree",
            await planner.get(f"/agreements/notices/{given}"),
            confirmed="yes",
        )
        cleared = (await clerk.get(f"/agreements/notices/{given}")).text
        assert f'href="/holdings?number={number}"' in cleared
        assert "that they were sold. That comes off this notice." in cleared
