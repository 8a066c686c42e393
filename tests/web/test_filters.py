"""An address that asks for what a page does not know: the page says so, a file is refused; forms call a field by one name."""

from __future__ import annotations

import pytest

from tests.web.job import open_site
from tests.world import World

LEFT_OUT = "Not everything in this address is known"
ADDRESSES = (
    ("/orders", "status", "foo"),
    ("/orders", "side", "left"),
    ("/holdings", "condition", "shiny"),
    ("/holdings", "clause", "lease"),
    ("/holdings", "right", "maybe"),
    ("/holdings", "site", "here"),
    ("/holdings", "counted", "new"),
    ("/holdings", "waiting", "tea"),
    ("/agreements", "status", "x"),
    ("/agreements", "clause", "x"),
    ("/settlement", "state", "x"),
    ("/settlement", "side", "x"),
    ("/calls", "status", "x"),
    ("/calls", "side", "x"),
    ("/units", "at", "yesterday"),
    ("/company/sites", "closed", "perhaps"),
)


@pytest.mark.parametrize(("path", "name", "value"), ADDRESSES)
async def test_what_a_filter_does_not_know_is_said_on_the_page_and_refused_in_a_file(
    world: World, path: str, name: str, value: str
) -> None:
    async with open_site(world) as site:
        admin = await site.browser(world.buyer, "admin")
        shown = await admin.get(path, params={name: value})
        assert shown.status_code == 200
        assert f"“{value}” is not a value of “{name}”" in shown.text
        assert LEFT_OUT not in (await admin.get(path)).text
        refused = await admin.get(path, params={name: value, "format": "csv"})
        assert refused.status_code == 422
        assert "text/html" in refused.headers["content-type"]
        assert "No file was made" in refused.text


async def test_a_search_says_what_of_its_address_it_left_out(world: World) -> None:
    async with open_site(world) as site:
        technician = await site.browser(world.maker, "technician")
        asked = {"q": "X-1", "quantity": "abc", "urgency": "now", "needed_by": "2001-01-01", "site": "here"}
        shown = await technician.get("/requests", params=asked)
        for name in ("quantity", "urgency", "needed_by", "site"):
            assert f"“{asked[name]}” is not a value of “{name}”" in shown.text
        plain = {"q": "X-1", "quantity": "2", "urgency": "stock_order", "needed_by": "2099-01-01"}
        assert LEFT_OUT not in (await technician.get("/requests", params=plain)).text


async def test_the_list_of_errors_calls_a_field_as_its_label_does(world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(4, offered=4)
        await site.job.called()
        buyer = await site.browser(world.buyer, "buyer")
        refused = await buyer.post(f"/calls/{site.job.call}/refuse", data={"code": "", "note": ""})
        assert refused.status_code == 422
        assert '<a href="#f-code">Reason</a>' in refused.text
