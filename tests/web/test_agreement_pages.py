"""The list of agreements by its filters, and the page of one under several clauses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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


async def test_agreements_are_listed_by_the_quarter_in_which_they_end_or_were_made_and_before_they_end(
    world: World,
) -> None:
    async with open_site(world) as site:
        agreement_id = await agreed_on(world, [("buy-back", 2, BUY_BACK)])
        row = await world.owner.fetchrow("SELECT reference, window_closes_at, schedule_date FROM agreement WHERE id = $1", agreement_id)  # fmt: skip
        assert row is not None
        ends, made = row["window_closes_at"], row["schedule_date"]
        quarters = {
            "ends": f"{ends.year}-Q{(ends.month + 2) // 3}", "dated": f"{made.year}-Q{(made.month + 2) // 3}",
        }  # fmt: skip
        planner = await site.browser(world.maker, "planner")
        for name, quarter in quarters.items():
            told = (await planner.get(f"/agreements?{name}={quarter}")).text
            assert row["reference"] in told
            assert quarter in told
            other = f"{int(quarter[:4]) + 3}{quarter[4:]}"
            assert row["reference"] not in (await planner.get(f"/agreements?{name}={other}")).text
            assert "is not a value of" in (await planner.get(f"/agreements?{name}=2027-Q5")).text
        assert row["reference"] not in (await planner.get("/agreements?status=soon")).text
        # The clock marks what ends within 90 days; it stands in the list of those and of what is in force all the same.
        soon = datetime.now(UTC) + timedelta(days=30)
        await world.owner.execute("UPDATE agreement SET status = 'expiring', window_closes_at = $2 WHERE id = $1", agreement_id, soon)  # fmt: skip
        for tab in ("soon", "active"):
            assert row["reference"] in (await planner.get(f"/agreements?status={tab}")).text, tab
