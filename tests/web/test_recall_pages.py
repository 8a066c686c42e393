"""Quality holds and recalls through the pages: looked at before, put in force, answered, lifted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.agreed import rows_of
from tests.web.job import open_site, send
from tests.world import World

TABLES = ("recall", "recall_holder", "recall_read", "recall_answer", "recall_lift", "movement")


async def test_a_recall_is_looked_at_put_in_force_answered_and_lifted(world: World) -> None:
    async with open_site(world) as site:
        await site.job.sold(4, offered=6)
        planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "warehouse")
        outsider = await site.browser(world.other, "warehouse")
        lot = await world.owner.fetchval(
            "SELECT lot_id FROM position WHERE holder_id = $1 AND quantity > 0", world.buyer.id
        )
        assert "/recalls/new?part=" in (await planner.get(f"/units/{lot}/freeze")).text
        form = await planner.get("/recalls/new")
        assert (await buyer.get("/recalls/new")).status_code in {403, 404}
        before = await rows_of(world, *TABLES)
        wrong = await send(
            planner, "/recalls/new", form, kind="recall", part="NO-SUCH", reason="", instruction="", answer_by=""
        )
        assert wrong.status_code == 422
        assert "No part has the number NO-SUCH exactly" in wrong.text
        given = {
            "kind": "recall", "part": await site.number(), "reason": "Weld seam.", "instruction": "Set them aside.",
            "document": "CAPA-7", "answer_by": (datetime.now(UTC) + timedelta(days=5)).date().isoformat(),
        }  # fmt: skip
        look = await send(planner, "/recalls/new", form, **given)
        assert look.status_code == 200
        assert "6 units" in look.text
        assert "Tell 2 companies" in look.text
        assert "This stops all units of the part." in look.text
        assert await rows_of(world, *TABLES) == before
        done = await send(planner, "/recalls/new", look)
        at = done.headers["location"].partition("?")[0]
        page = await planner.get(f"{at}?done=put")
        assert "0 of 2 companies answered" in page.text
        assert world.buyer.name in page.text
        # The holder: on Home, in its list, on its page and on the unit's; the other company sees none of it.
        assert "quality hold or recall waits for your answer" in (await buyer.get("/")).text
        assert at in (await buyer.get("/recalls?waits=yes")).text
        theirs = await buyer.get(at)
        assert "Set them aside." in theirs.text
        assert "4 units: 4 at your sites" in theirs.text
        assert world.maker.sites[0] is not None
        assert "1" in (await planner.get(at)).text
        assert await world.owner.fetchval("SELECT count(*) FROM recall_read WHERE holder_id = $1", world.buyer.id) == 1
        assert f"{at}" in (await buyer.get(f"/units/{lot}")).text
        assert (await outsider.get(at)).status_code == 404
        before = await rows_of(world, *TABLES)
        short = await send(buyer, f"{at}/answer", theirs, found="2", set_aside="2")
        assert short.status_code == 422
        assert "your numbers account for 2" in short.text
        assert await rows_of(world, *TABLES) == before
        await send(buyer, f"{at}/answer", theirs, found="3", set_aside="3", not_here="1", note="One is gone.")
        assert "One is gone." in (await planner.get(at)).text
        assert "1 of 2 companies answered" in (await planner.get(at)).text
        assert "waits for your answer" not in (await buyer.get("/")).text
        lift = await planner.get(f"{at}/lift")
        look = await send(planner, f"{at}/lift", lift, disposition="replaced", reason="New ones are on their way.")
        assert "Let 2 lots go" in look.text
        await send(planner, f"{at}/lift", look)
        assert "New ones are on their way." in (await buyer.get(at)).text
        assert "CAPA-7" in (await buyer.get("/recalls?format=csv")).text
        assert "One is gone." in (await planner.get(f"{at}?format=csv")).text
        assert "Replaced" in (await buyer.get(f"{at}?format=csv&list=units")).text
