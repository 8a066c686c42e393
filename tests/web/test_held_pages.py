"""What a company holds, in sums: fetched once the page is there, and a page of its own where scripts are off."""

from __future__ import annotations

import re

from tests.web.job import open_site
from tests.world import World


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


async def test_units_by_clause_come_after_the_page_and_alone(world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(4, offered=4)
        await world.register(world.buyer, 3)
        admin = await site.browser(world.buyer, "admin")
        page = (await admin.get("/holdings")).text
        assert 'hx-get="/holdings/totals" hx-trigger="load"' in page
        assert '<noscript> <a href="/holdings/totals">Show</a></noscript>' in page
        # A filtered list is not about all of it.
        assert "/holdings/totals" not in (await admin.get("/holdings?right=yes")).text
        piece = (await admin.get("/holdings/totals", headers={"hx-request": "true"})).text
        assert "<html" not in piece
        told = plain(piece)
        assert "Ours alone 3" in told
        assert re.search(r"Under [a-z -]+ 4 units of 1 part", told), told
        alone = (await admin.get("/holdings/totals")).text
        assert "<h1" in alone
        assert plain(piece).strip() in plain(alone)
        # Somebody who holds nothing is told what to do.
        stranger = await site.browser(world.other, "admin")
        assert "Find parts" in (await stranger.get("/holdings/totals")).text
        assert plain((await stranger.get("/holdings/totals", headers={"hx-request": "true"})).text).strip() == ""


async def test_home_tells_of_units_that_others_have_a_right_to(world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(4, offered=4)
        await world.register(world.buyer, 3)
        home = plain((await (await site.browser(world.buyer, "admin")).get("/")).text)
        assert "Units that others have a right to 4" in home
        assert "Agreements they are under 1" in home
