"""Pages of catalogue files over HTTP: the kind recognised and corrected, changes shown, bad rows fixed in place, all of it undone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from marketplace.settings import Settings
from tests.counting import counted
from tests.web.job import Site, open_site, send
from tests.world import World


@pytest.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(world) as opened:
        opened.app.state.settings = Settings(demo=False, secret_key="for tests", data_dir=tmp_path)
        yield opened


async def uploaded(client: httpx.AsyncClient, world: World, text: str, named: str = "list.csv", **more: str) -> str:
    data = {"maker": f"MK{world.tag}", "snapshot_on": "2026-11-20", **more}
    sent = await client.post("/imports", data=data, files={"file": (named, text.encode(), "text/csv")})
    assert sent.status_code == 303, sent.text
    return sent.headers["location"]


async def test_a_catalogue_file_from_upload_to_undo(site: Site, world: World, owner: asyncpg.Connection) -> None:
    tag = world.tag
    planner = await site.browser(world.maker, "planner")
    address = await uploaded(planner, world, f"Part number,Price\n{tag}-100-A,12.50\n{tag}-NEW,free\n")
    page = await planner.get(address)
    assert '<option value="prices" selected>' in page.text
    # A person says that it is a list of parts: the columns are read anew.
    await send(planner, f"{address}/mapping", page, kind="parts", takes="update", save="yes")
    page = await planner.get(address)
    assert '<option value="parts" selected>' in page.text
    assert "Download the bad rows" in page.text
    with counted(world.db) as few:
        changed = await planner.get(f"{address}/changes?fate=changed")
    assert "List price" in changed.text
    assert "12.5 USD" in changed.text
    assert len(few) < 25
    table = await planner.get(f"{address}/changes?fate=changed&format=csv")
    assert f"{tag}-100-A" in table.text

    fix = await planner.get(f"{address}/fix")
    assert "is not an amount" in fix.text
    none = await send(planner, f"{address}/fix", fix)
    assert none.status_code == 422, none.status_code
    done = await send(planner, f"{address}/fix", fix, r3_list_price="7", r3_number=f"{tag}-NEW<b>")
    assert done.headers["location"].endswith("?done=fixed"), done.text
    page = await planner.get(f"{address}?done=fixed")
    assert "every row was checked again" in page.text
    assert "Correct bad rows here" not in page.text
    # Read again from its file, the corrections stay.
    await send(planner, f"{address}/mapping", page, kind="parts", takes="update", save="yes")
    await send(planner, f"{address}/apply", await planner.get(f"{address}/apply"), mode="all_or_nothing")
    assert "Landed" in (await planner.get(address)).text
    assert (
        await owner.fetchval(
            "SELECT list_price FROM part WHERE maker_id = $1 AND number = $2", world.maker_row, f"{tag}-NEW<b>"
        )
        == 7
    )

    await owner.execute("UPDATE part SET list_price = 13 WHERE id = $1", world.part)
    await send(planner, f"{address}/undo", await planner.get(f"{address}/undo"))
    page = await planner.get(address)
    assert "This import was undone" in page.text
    kept = await planner.get(f"{address}/kept")
    assert "Changed since: list price." in kept.text
    assert "list price" in (await planner.get(f"{address}/kept?format=csv")).text
    assert not await owner.fetchval(
        "SELECT count(*) FROM part WHERE maker_id = $1 AND number = $2", world.maker_row, f"{tag}-NEW<b>"
    )
    assert await owner.fetchval("SELECT list_price FROM part WHERE id = $1", world.part) == 13
    # The next file of this shape is taken as the person said.
    again = await planner.get(await uploaded(planner, world, f"Part number,Price\n{tag}-100-A,14\n"))
    assert '<option value="parts" selected>' in again.text
    landed = re.search(r"Undone", (await planner.get("/imports")).text)
    assert landed

    outsider = await site.browser(world.buyer, "admin")
    for path in ("", "/changes", "/fix", "/undo", "/kept"):
        assert (await outsider.get(f"{address}{path}")).status_code == 404, path
    warehouse = await site.browser(world.maker, "warehouse")
    sent = await warehouse.post(
        "/imports", data={}, files={"file": ("p.csv", b"Part number,Description\nA-1,X\n", "text/csv")}
    )
    assert sent.status_code == 403
    refused = await warehouse.post(f"{address}/undo", data={"idempotency_key": "once", "confirmed": "yes"})
    assert refused.status_code == 403


async def test_a_count_and_a_use_report_from_upload_to_the_ledger(
    site: Site, world: World, owner: asyncpg.Connection
) -> None:
    """A partner's own lists: what differs is looked at on the count's page, uses are recorded and undone."""
    tag, held = world.tag, "SELECT sum(quantity)::int FROM position WHERE holder_id = $1"
    await world.register(world.buyer, 10)
    warehouse = await site.browser(world.buyer, "warehouse")
    sent = {"site": str(world.buyer.site), "maker": "", "snapshot_on": ""}
    address = await uploaded(
        warehouse, world, f"Part number,Counted\n{tag}-100-A,9\n{tag}-777,1\n", "count.csv", **sent
    )
    page = await warehouse.get(address)
    assert '<option value="counts" selected>' in page.text
    await send(warehouse, f"{address}/mapping", page, kind="counts", takes="update", save="yes")
    changed = await warehouse.get(f"{address}/changes?fate=changed")
    assert "Counted: 10 → <strong>9</strong>" in changed.text
    assert "No part has the number" in (await warehouse.get(f"{address}/issues")).text
    apply = await warehouse.get(f"{address}/apply")
    assert "1 part differs from the record" in apply.text
    await send(warehouse, f"{address}/apply", apply, mode="good_rows")
    page = await warehouse.get(address)
    found = re.search(r'href="(/counts/[0-9a-f-]+)"', page.text)
    assert found, page.text
    assert f"{tag}-100-A" in (await warehouse.get(found[1])).text
    assert await owner.fetchval(held, world.buyer.id) == 10

    day = await owner.fetchval("SELECT (now() AT TIME ZONE 'America/Chicago')::date")
    address = await uploaded(
        warehouse, world, f"Part number,Qty used,Used on,Work order\n{tag}-100-A,3,{day},WO-9\n", "used.csv", **sent
    )
    page = await warehouse.get(address)
    assert '<option value="uses" selected>' in page.text
    await send(warehouse, f"{address}/mapping", page, kind="uses", takes="update", save="yes")
    tried = await warehouse.get(f"{address}/changes?fate=new")
    assert "on record there: 10 → <strong>7</strong>" in tried.text
    assert await owner.fetchval(held, world.buyer.id) == 10
    apply = await warehouse.get(f"{address}/apply")
    assert "Record 1 use of units that you hold" in apply.text
    await send(warehouse, f"{address}/apply", apply, mode="good_rows")
    assert "1 use recorded" in (await warehouse.get(address)).text
    assert await owner.fetchval(held, world.buyer.id) == 7
    await send(warehouse, f"{address}/undo", await warehouse.get(f"{address}/undo"))
    assert await owner.fetchval(held, world.buyer.id) == 10
    assert "count.csv" in (await warehouse.get("/imports")).text
