"""The calendar's page, its feed and its reminders form; what Home tells of it, and that nothing stands there twice."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from html import unescape

import httpx
import pytest
from icalendar import Calendar

from marketplace.kit.clock import end_of_day, local_day
from marketplace.parties.service import token_hash
from tests.clients import client_for
from tests.counting import counted
from tests.marketplace.main_job import API, ok
from tests.web.job import Site, fields_of, open_site, send
from tests.world import World

ZONE = "America/Chicago"


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    """Units with a partner, one of them ordered back."""
    async with open_site(world) as site:
        await site.job.sold(4)
        await site.job.called()
        yield site


def main(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    return page.text.partition("<main")[2].partition("</main>")[0]


def headings(page: str) -> list[str]:
    return [unescape(h) for h in re.findall(r"<h2[^>]*>(.*?)</h2>", page)]


async def reference(site: Site) -> str:
    return str(await site.world.owner.fetchval("SELECT reference FROM call WHERE id = $1::uuid", site.job.call))


async def set_due(site: Site, due: datetime) -> None:
    await site.world.owner.execute("UPDATE call SET respond_by = $2 WHERE id = $1::uuid", site.job.call, due)


async def test_what_is_due_stands_under_its_time_and_leads_to_the_thing_to_do(site: Site) -> None:
    buyer = await site.browser(site.world.buyer, "buyer")
    now, today = datetime.now(UTC), local_day(datetime.now(UTC), ZONE)
    for due, group in (
        (now - timedelta(minutes=1), "Overdue"),
        (end_of_day(today, ZONE), "Today"),
        (end_of_day(today + timedelta(days=3), ZONE), "This week"),
        (end_of_day(today + timedelta(days=20), ZONE), "Later"),
    ):
        await set_due(site, due)
        page = main(await buyer.get("/calendar"))
        assert headings(page)[0] == group
        assert f'href="/calls/{site.job.call}"' in page
        assert f"Answer {await reference(site)}: 1 unit" in page
    assert "counts as a" in page
    assert f"by the end of {(today + timedelta(days=20)).day} " in page
    await set_due(site, end_of_day(today + timedelta(days=40), ZONE))
    assert await reference(site) not in main(await buyer.get("/calendar"))
    assert await reference(site) in main(await buyer.get("/calendar?when=all"))


async def test_the_month_counts_by_day_and_a_day_opens_its_own(site: Site) -> None:
    buyer, planner = await site.browser(site.world.buyer, "buyer"), await site.browser(site.world.maker, "planner")
    day = local_day(datetime.now(UTC), ZONE) + timedelta(days=2)
    await set_due(site, end_of_day(day, ZONE))
    for browser, words in ((buyer, "ours to do"), (planner, "others'")):
        page = main(await browser.get(f"/calendar?month={day:%Y-%m}"))
        cell = re.search(rf'<a href="([^"]*day={day}[^"]*)">(.*?)</a>', page)
        assert cell
        assert f'1<span class="visually-hidden"> {words}' in unescape(cell[2]), cell[2]
        opened = main(await browser.get(unescape(cell[1])))
        assert headings(opened)[0] == f"Due on {day.day} {day:%b %Y}"
        assert await reference(site) in opened
        other = day + timedelta(days=1)
        assert await reference(site) not in main(await browser.get(f"/calendar?day={other}"))


async def test_a_day_of_a_far_zone_is_told_as_its_agreement_counts_it(site: Site) -> None:
    """The buyer's people read in their own zone; the agreement's days end when they end there."""
    world = site.world
    await world.owner.execute("UPDATE site SET timezone = 'Pacific/Auckland' WHERE company_id = $1", world.buyer.id)
    buyer = await site.browser(world.buyer, "buyer")
    day = local_day(datetime.now(UTC), ZONE) + timedelta(days=5)
    await set_due(site, end_of_day(day, ZONE))
    page = main(await buyer.get(f"/calendar?day={day + timedelta(days=1)}"))
    assert "Pacific/Auckland" in page
    assert await reference(site) in page, "midnight in Chicago is the evening of the day after in Auckland"
    assert f"by the end of {day.day} {day:%b %Y}" in page


async def test_filters_narrow_it_and_what_makes_no_sense_is_said(site: Site) -> None:
    buyer = await site.browser(site.world.buyer, "buyer")
    known = await reference(site)
    for query, there in (
        ("show=mine", True), ("show=theirs", False), ("show=overdue", False), ("kind=answer_call", True),
        ("kind=trade", True), ("kind=settle", False), (f"agreement={site.job.agreement}", True),
    ):  # fmt: skip
        assert (known in main(await buyer.get(f"/calendar?{query}"))) is there, query
    for junk in ("show=x", "kind=x", "agreement=x", "month=2026-13", "day=yesterday", "when=never"):
        assert "Not everything in this address is known" in (await buyer.get(f"/calendar?{junk}")).text, junk
    agreement = main(await buyer.get(f"/agreements/{site.job.agreement}"))
    assert f'href="/calendar?agreement={site.job.agreement}"' in agreement
    file = await buyer.get("/calendar?show=mine&format=csv")
    assert "text/csv" in file.headers["content-type"]
    assert known in file.text


async def test_a_stranger_sees_nothing_and_who_is_not_signed_in_signs_in(site: Site) -> None:
    other = await site.browser(site.world.other, "buyer")
    page = main(await other.get("/calendar?when=all"))
    assert "Nothing is due" in page
    assert await reference(site) not in page
    assert (await other.get(f"/calendar?agreement={site.job.agreement}")).status_code == 404
    async with client_for(site.app) as nobody:
        answer = await nobody.get("/calendar", headers={"accept": "text/html"})
        assert answer.status_code in (303, 401)


async def test_home_tells_what_comes_up_once(site: Site) -> None:
    buyer, auditor = await site.browser(site.world.buyer, "buyer"), await site.browser(site.world.buyer, "auditor")
    known = await reference(site)
    # The buyer has it as a task already; the auditor, who answers nothing, does not.
    assert known not in main(await buyer.get("/"))
    told = main(await auditor.get("/"))
    assert "Coming up" in told
    assert known in told
    assert known in main(await (await site.browser(site.world.maker, "planner")).get("/"))


async def test_the_page_takes_as_many_statements_for_much_as_for_little(site: Site) -> None:
    buyer = await site.browser(site.world.buyer, "buyer")
    await buyer.get("/calendar")
    with counted(site.world.db) as few:
        await buyer.get("/calendar")
    for _ in range(2):
        await site.job.called()
    with counted(site.world.db) as many:
        await buyer.get("/calendar")
    assert len(many) == len(few)


# -- the feed --------------------------------------------------------------------------------------------


async def made(browser: httpx.AsyncClient) -> str:
    """A new address, as the page shows it this once: its path."""
    shown = await send(browser, "/calendar/feed", await browser.get("/calendar"))
    assert shown.status_code == 201
    assert shown.headers["cache-control"] == "no-store"
    found = re.search(r"/calendar/[\w-]{40,}\.ics", shown.text)
    assert found
    return found[0]


async def test_a_feed_holds_what_its_person_sees_and_ends_at_once(site: Site) -> None:
    world = site.world
    buyer = await site.browser(world.buyer, "buyer")
    path = await made(buyer)
    async with client_for(site.app) as program:
        answer = await program.get(path)
        assert answer.headers["content-type"].startswith("text/calendar")
        calendar = Calendar.from_ical(answer.content)
        events = {str(e["UID"]): e for e in calendar.walk("VEVENT")}
        due = await world.owner.fetchval("SELECT respond_by FROM call WHERE id = $1::uuid", site.job.call)
        event = next(e for uid, e in events.items() if uid.startswith(f"answer_call-{site.job.call}@"))
        assert event["DTEND"].dt == due
        assert str(event["URL"]).endswith(f"/calls/{site.job.call}")
        assert len(event.walk("VALARM")) == 1
        again = Calendar.from_ical((await program.get(path)).content)
        assert {str(e["UID"]) for e in again.walk("VEVENT")} == set(events)
        kept = await world.owner.fetchrow(
            "SELECT token_hash FROM calendar_feed WHERE user_id = $1", world.buyer.users["buyer"]
        )
        token = path.removeprefix("/calendar/").removesuffix(".ics")
        assert kept["token_hash"] == token_hash(token)
        answers = await world.owner.fetch(
            "SELECT answer::text AS a FROM idempotency_key WHERE company_id = $1", world.buyer.id
        )
        assert not [a for a in answers if token in (a["a"] or "")]

        # Another one ends the first; ending ends it; and each of them answers as an address that never was.
        other = await made(buyer)
        unknown = await program.get("/calendar/" + "x" * 43 + ".ics")
        assert (await program.get(path)).status_code == 404
        assert (await program.get(other)).status_code == 200
        ended = await send(buyer, "/calendar/feed/end", await buyer.get("/calendar"))
        assert ended.status_code == 303
        gone = await program.get(other)
        assert (gone.status_code, strip(gone.text)) == (404, strip(unknown.text))


def strip(page: str) -> str:
    """A page without what differs with every request."""
    return re.sub(r"[0-9a-f]{16}|[\w-]{43}", "", page)


async def test_the_feed_of_somebody_who_is_switched_off_ends_for_good(site: Site) -> None:
    world = site.world
    path = await made(await site.browser(world.buyer, "buyer"))
    admin = await site.browser(world.buyer, "admin")
    user = world.buyer.users["buyer"]
    async with client_for(site.app) as program:
        assert (await program.get(path)).status_code == 200
        for active in (False, True):
            await ok(admin.put(f"{API}/users/{user}/active", json={"active": active}))
            assert (await program.get(path)).status_code == 404


async def test_a_feed_follows_the_role_of_today(site: Site) -> None:
    world = site.world
    await site.job.came_back()
    path = await made(await site.browser(world.buyer, "buyer"))
    async with client_for(site.app) as program:
        assert "UID:settle-" in (await program.get(path)).text
        await world.owner.execute(
            "UPDATE user_account SET roles = ARRAY['warehouse'] WHERE id = $1", world.buyer.users["buyer"]
        )
        assert "UID:settle-" not in (await program.get(path)).text


async def test_a_feed_names_no_agreement_to_whom_holders_are_hidden_from(site: Site) -> None:
    world = site.world
    path = await made(await site.browser(world.maker, "technician"))
    async with client_for(site.app) as program:
        assert "UID:window_closes-" in (await program.get(path)).text
        await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
        hidden = (await program.get(path)).text.replace("\r\n ", "")
        assert "UID:window_closes-" not in hidden
        assert "UID:answer_call-" in hidden
        number = await world.owner.fetchval("SELECT reference FROM agreement WHERE id = $1::uuid", site.job.agreement)
        assert number not in hidden


def test_no_log_tells_the_address_of_a_feed() -> None:
    from marketplace.telemetry import _told

    assert _told("/calendar/abc-DEF_1.ics") == "/calendar/(secret).ics"
    assert _told("/calendar") == "/calendar"


# -- reminders -------------------------------------------------------------------------------------------


async def test_an_administrator_changes_how_the_company_is_reminded(site: Site) -> None:
    world = site.world
    admin, buyer = await site.browser(world.buyer, "admin"), await site.browser(world.buyer, "buyer")
    page = await admin.get("/calendar")
    assert fields_of(page.text, "/calendar/reminders")["hours_before"] == "24"
    wrong = await send(admin, "/calendar/reminders", page, hours_before="0")
    assert wrong.status_code == 422
    assert (
        await world.owner.fetchval("SELECT count(*) FROM reminder_setting WHERE company_id = $1", world.buyer.id) == 0
    )
    done = await send(admin, "/calendar/reminders", page, hours_before="6", days_before="10")
    assert done.status_code == 303
    row = await world.owner.fetchrow("SELECT * FROM reminder_setting WHERE company_id = $1", world.buyer.id)
    assert (row["hours_before"], row["days_before"], row["mails"]) == (6, 10, True)
    shown = main(await buyer.get("/calendar"))
    assert "6 hours before answers" in shown
    assert 'action="/calendar/reminders"' not in shown
    refused = await buyer.post("/calendar/reminders", data={"hours_before": "1", "days_before": "1"})
    assert refused.status_code == 403
    assert (
        await world.owner.fetchval("SELECT hours_before FROM reminder_setting WHERE company_id = $1", world.buyer.id)
        == 6
    )


def test_a_month_is_a_month() -> None:
    from web.pages.calendar import _months

    assert _months("2026-11") == date(2026, 11, 1)
    assert [_months(text) for text in ("2026-13", "x", "", "1800-01", "2026-11-03")] == [None] * 5
