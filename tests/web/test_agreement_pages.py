"""The page of an agreement under several clauses."""

from __future__ import annotations

from marketplace.agreements.combinations import BUY_BACK, FIRST_REFUSAL
from tests import second
from tests.agreed import agreed_on
from tests.web.job import open_site
from tests.world import World

owner, db, worker_db = second.FIXTURES


async def test_every_framework_that_applies_is_shown_in_the_order_in_which_the_clauses_stand(world: World) -> None:
    async with open_site(world) as site:
        call = {**BUY_BACK, "applies_to": "floor", "minimum_to_keep": 3}
        first = {**FIRST_REFUSAL, "applies_to": "free", "minimum_to_keep": 3}
        agreement_id = await agreed_on(world, [("buy-back", 2, call), ("first-refusal", 1, first)])
        rows = await world.owner.fetch(
            "SELECT reference, clause FROM framework WHERE maker_id = $1 AND holder_id = $2 ORDER BY clause",
            world.maker.id, world.buyer.id,
        )  # fmt: skip
        planner = await site.browser(world.maker, "planner")
        page = (await planner.get(f"/agreements/{agreement_id}")).text
        told = page.split("Framework agreements", 1)[1].split("Fingerprint", 1)[0]
        assert [r["clause"] for r in rows] == ["buy-back", "first-refusal"]
        assert [told.index(r["reference"]) for r in rows] == sorted(told.index(r["reference"]) for r in rows)
        assert "first refusal, version 1" in told
        assert told.count("signed by both since") == 2
        assert "the strictest answer counts" in told
        found = (await planner.get(f"/api/v1/agreements/{agreement_id}")).json()
        assert [(f["reference"], f["clause"], f["version"]) for f in found["frameworks"]] == [
            (rows[0]["reference"], "buy-back", 2), (rows[1]["reference"], "first-refusal", 1),
        ]  # fmt: skip
        assert found["framework_reference"] == rows[0]["reference"]
