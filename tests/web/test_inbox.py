"""The inbox of who holds units: what needs an answer first stands first, and what is over is said to be over."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.marketplace.main_job import API, ok
from tests.web.job import Site, open_site
from tests.world import World
from web.pages import calls


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        yield opened
        # The clock of other tests would meet what is still waiting here.
        await world.owner.execute("UPDATE call SET status = 'cancelled' WHERE maker_id = $1", world.maker.id)


async def copied(site: Site, reference: str, **changed: object) -> None:
    """Another order like the one of the job, with other times."""
    sets = ", ".join(f"'{name}', ${n}::text" for n, name in enumerate(changed, 3))
    await site.world.owner.execute(
        f"INSERT INTO call SELECT (jsonb_populate_record(c, jsonb_build_object('id', uuidv7(), 'reference', $2::text, {sets})))"
        ".* FROM call c WHERE id = $1",
        UUID(site.job.call),
        reference,
        *(None if v is None else str(v) for v in changed.values()),
    )


async def inbox(site: Site, status: str) -> list[str]:
    """The references on the tab, page by page."""
    holder = await site.browser(site.world.buyer, "buyer")
    found: list[str] = []
    href = f"/calls?side=holder&status={status}"
    while href:
        page = (await holder.get(href)).text
        found += re.findall(r">(DUE-\d)-\w+</a>", page)
        more = re.search(r'href="(/calls\?[^"]*after=[^"]+)"', page)
        href = more[1].replace("&amp;", "&") if more else ""
    return found


@pytest.mark.parametrize(
    ("status", "tab", "deadline"), [("noticed", "", "respond_by"), ("accepted", "committed", "ship_by")]
)
async def test_what_is_due_first_stands_first_over_several_pages(
    site: Site, monkeypatch: pytest.MonkeyPatch, status: str, tab: str, deadline: str
) -> None:
    await site.job.sold(4, offered=4)
    await site.job.called(1)
    await site.world.owner.execute("UPDATE call SET status = 'cancelled' WHERE id = $1", UUID(site.job.call))
    now = datetime.now(UTC)
    for number, hours in ((3, 34), (1, 2), (5, None), (4, 240), (2, 4)):
        due = None if hours is None else now + timedelta(hours=hours)
        await copied(site, f"DUE-{number}-{site.world.tag}", status=status, **{deadline: due})
    monkeypatch.setattr(calls, "PER_PAGE", 2)
    assert await inbox(site, tab) == ["DUE-1", "DUE-2", "DUE-3", "DUE-4", "DUE-5"]


async def test_a_card_says_how_urgent_it_is_and_by_when_to_ship(site: Site) -> None:
    await site.job.sold(4, offered=4)
    await site.job.called(1)
    await site.world.owner.execute("UPDATE call SET urgency = 'machine_down' WHERE id = $1", UUID(site.job.call))
    holder = await site.browser(site.world.buyer, "buyer")
    page = (await holder.get("/calls?side=holder")).text
    assert "Machine down" in page
    assert "ship by" in page


async def test_what_is_over_is_not_said_to_be_still_to_come(site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await job.called(1)
    holder = await site.browser(site.world.buyer, "buyer")

    async def terms() -> list[str]:
        page = (await holder.get(f"/calls/{job.call}")).text
        return [re.sub(r"<[^>]+>", "", t).strip() for t in re.findall(r"<dt[^>]*>(.*?)</dt>", page, re.DOTALL)]

    to_come = {"Answer by", "Ship by", "Expected"}
    assert to_come <= set(await terms())
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
    assert to_come & set(await terms()) == {"Ship by", "Expected"}
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/ship", json={"carrier": "UPS", "tracking": "1Z2"}))
    assert to_come & set(await terms()) == {"Expected"}
    await ok(job.technician.post(f"{API}/sourcing/calls/{job.call}/receive"))
    found = await terms()
    assert not to_come & set(found)
    assert {"Committed", "Shipped", "Received"} <= set(found)


async def test_a_refused_order_names_when_it_ended(site: Site) -> None:
    job = site.job
    await job.sold(4, offered=4)
    await job.called(1)
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "not_on_shelf"}))
    holder = await site.browser(site.world.buyer, "buyer")
    page = (await holder.get(f"/calls/{job.call}")).text
    assert "Ended" in page
    for words in ("Answer by", "Ship by", "Expected"):
        assert words not in page, words
