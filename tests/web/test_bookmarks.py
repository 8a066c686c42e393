"""The link to the next page of one list, pasted behind another: words and a way on, not a defect."""

from __future__ import annotations

import pytest

from marketplace.kit.pages import sign_bookmark
from tests.web.job import open_site
from tests.world import World

LISTS = (
    "/orders", "/calls", "/requests", "/units", "/imports", "/advice", "/advice/demand", "/stock", "/releases", "/agreements", "/agreements/notices",
    "/settlement", "/holdings", "/find", "/find?sort=price", "/find?sort=distance",
)  # fmt: skip


async def test_a_bookmark_of_another_list_is_refused_in_words(world: World) -> None:
    async with open_site(world) as site:
        planner = await site.browser(world.maker, "planner")
        bookmark = sign_bookmark(["of", "quite", "another", "list"], site.app.state.settings.signing_key)
        for path in LISTS:
            assert (await planner.get(path)).status_code == 200, path
            answer = await planner.get(f"{path}{'&' if '?' in path else '?'}after={bookmark}")
            assert answer.status_code == 422, path
            assert "Start again from the first page" in answer.text, path


@pytest.mark.parametrize("sort", ["newest", "price", "-price", "distance"])
async def test_a_bookmark_that_is_no_number_is_refused_by_every_order_of_what_is_on_offer(
    world: World, sort: str
) -> None:
    async with open_site(world) as site:
        planner = await site.browser(world.maker, "planner")
        bookmark = sign_bookmark(["many", str(world.part)], site.app.state.settings.signing_key)
        assert (await planner.get(f"/find?sort={sort}&after={bookmark}")).status_code == 422
