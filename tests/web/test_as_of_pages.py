"""Units as of a date, on pages: whom and what one may ask for, the map's points, what changed with its transactions, files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

from marketplace.ledger.entries import NewLot, Step
from marketplace.ledger.kinds import Kind
from tests.web.job import open_site
from tests.world import World


def words(page: str) -> str:
    """A page's text without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def test_the_past_on_pages(world: World) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.sold(4, offered=4)
        planner = await site.browser(world.maker, "planner")
        number = await site.number()
        ago = datetime.now(UTC) - timedelta(days=40)
        lot = world.part
        new = NewLot(lot, world.part, "EA")
        register = Step(Kind.REGISTER, lot, 30, to=world.place(world.maker), new_lot=new, occurred_at=ago)
        await world.run(world.maker, register, now=ago)
        second = world.place(world.maker, site=world.maker.sites[1])
        moved = Step(Kind.MOVE, lot, 10, 1, to=second, occurred_at=ago + timedelta(days=10))
        await world.run(world.maker, moved, Step(Kind.SCRAP, lot, 3, 1, occurred_at=ago + timedelta(days=11)))
        then, later = (f"{ago + timedelta(days=n):%Y-%m-%d}" for n in (5, 20))

        async def page(query: str) -> str:
            answer = await planner.get(f"/units/as-of?{query}")
            assert answer.status_code == 200, answer.text
            return answer.text

        # One part, on a day: only what was there; as known on that day: what was reported late is not known yet.
        told = words(await page(f"q={number}&at={then}"))
        assert re.search(r"\b30 EA\b", told)
        assert world.buyer.name not in told
        assert "17" in words(await page(f"q={number}&at={later}"))
        assert "30" in words(await page(f"q={number}&at={later}&known={later}"))
        points = await planner.get(f"/units/as-of/places.geojson?q={number}&at={later}")
        assert sorted(f["properties"]["text"] for f in points.json()["features"]) == ["10 units", "17 units"]
        assert f"/units/as-of/places.geojson?q={number}" in unescape(await page(f"q={number}&at={later}"))
        # Between two days: what came and went at each place and in all, with the transactions behind each.
        compared = await page(f"q={number}&at={later}&since={then}")
        assert "10 came" in words(compared)
        assert "10 left, 3 scrapped" in words(compared)
        assert re.search(r"Before 30 .*Scrapped 3 .*After 27", words(compared))
        links = [unescape(href) for href in re.findall(r'href="(/units/as-of\?[^"]*place=[^"]+)"', compared)]
        assert len(links) == 2
        acts = [words((await planner.get(link)).text) for link in links]
        assert sorted("scrapped" in told for told in acts) == [False, True]
        assert all("10 EA moved from" in told for told in acts)
        # The same day, as known then and today.
        late = words(await page(f"q={number}&at={later}&since_known={later}"))
        assert "10 left, 3 scrapped" in late
        # An agreement by its reference and by its id; a holder by name.
        reference = await world.owner.fetchval(
            "SELECT reference FROM agreement WHERE id = $1::text::uuid", job.agreement
        )
        for query in (f"q={reference}", f"agreement={job.agreement}"):
            bound = words(await page(query))
            assert f"greement {reference}" in bound
            assert world.buyer.name in bound
        held = words(await page(f"held={world.buyer.name}&q={number}"))
        assert f"units held by {world.buyer.name}" in held
        # What is not found is said, and shows nothing; a file of it is not everything either.
        for query, said in (
            ("q=NO-SUCH-THING", "Neither a part nor an agreement"),
            ("held=Nobody+Inc", "No company is called"),
        ):
            lost = words(await page(query))
            assert said in lost
            assert "Stock transactions" not in lost
            assert "By place" not in lost
            file = await planner.get(f"/units/as-of?{query}&view=units&format=csv")
            assert (file.status_code, said in words(file.text)) == (422, True)
        for view, header in (
            ("units", "Part number,Serial"),
            ("places", "Part number,Description"),
            ("difference", "Part number,"),
            ("changes", "Part number,Serial,Happened"),
        ):
            file = await planner.get(f"/units/as-of?q={number}&at={later}&since={then}&view={view}&format=csv")
            assert file.headers["content-type"].startswith("text/csv"), view
            assert file.text.removeprefix("\ufeff").startswith(header), view
            assert file.text.count("\r\n") == 3, view
        for address, link in (
            (f"/units/{lot}", f"/units/as-of?part={world.part}"),
            (f"/agreements/{job.agreement}", f"agreement={job.agreement}"),
            ("/holdings", f"/units/as-of?holder={world.maker.id}"),
        ):
            assert link in unescape((await planner.get(address)).text), address
