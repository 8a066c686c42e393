"""A partner's track record: its numbers from a life that was lived, who sees them, and that they are read in one statement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from marketplace.db.session import Database
from marketplace.sourcing import service
from marketplace.sourcing.queries.records import track_record
from marketplace.sourcing.track_record import lasting
from tests.clients import client_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.marketplace.test_lists import missed
from tests.web.job import Site, open_site
from tests.world import World, make_company


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "nothing shipped"), (60, "1 minute"), (3_540, "59 minutes"), (3_600, "1 hour"), (90_000, "1 day 1 hour"), (172_800, "2 days")],
)  # fmt: skip
def test_how_long_it_took_in_words(seconds: float | None, words: str) -> None:
    assert lasting(seconds) == words


async def lived(job: Job, worker_db: Database) -> None:
    """Four orders back: one shipped (in two hours and late), one not answered, one refused, one committed to in part."""
    owner = job.world.owner
    await job.sold(8, offered=8)
    await job.called()
    await job.came_back()
    await owner.execute(
        "UPDATE call SET noticed_at = shipped_at - interval '2 hours', ship_by = shipped_at - interval '1 minute' WHERE id = $1::text::uuid",
        job.call,
    )  # fmt: skip
    await job.called()
    late = datetime.now(UTC) + timedelta(days=60)
    async with worker_db.write() as session:
        await service.act_on_silence(session, UUID(int=0), UUID(job.call), late)
    await job.called(2)
    part = {"quantity": 1, "code": "damaged", "note": ""}
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json=part))
    await job.called()
    await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/refuse", json={"code": "not_on_shelf", "note": ""}))
    await missed(job)


async def of_others(site: Site, makers: int) -> None:
    """The shipped order once more for so many other manufacturers."""
    owner = site.world.owner
    columns = [
        r[0] for r in await owner.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'call' AND is_generated = 'NEVER'"
        )
    ]  # fmt: skip
    changed = {"id": "$1", "reference": "$2", "maker_id": "$3", "company_id": "$3"}
    for n in range(makers):
        maker = await make_company(owner, f"Z{n}{site.world.tag}", manufacturer=True)
        await owner.execute(
            f"INSERT INTO call ({', '.join(columns)}) SELECT {', '.join(changed.get(c, c) for c in columns)} FROM call "
            "WHERE holder_id = $4 AND shipped_at IS NOT NULL LIMIT 1",
            uuid4(), f"X-{n}-{site.world.tag}", maker.id, site.world.buyer.id,
        )  # fmt: skip


async def test_numbers_are_those_of_the_facts_and_told_to_who_deals_with_the_partner(
    world: World, worker_db: Database
) -> None:
    async with open_site(world) as site:
        job = site.job
        await lived(job, worker_db)
        path = f"{API}/companies/{world.buyer.id}/track-record"
        own: dict[str, Any] = (await ok(job.planner.get(path)))["records"][0]
        expected = {
            "scope": "yours", "makers": 1, "orders": 4, "asked": 4, "answered": 3, "answered_percent": 75, "silent": 1,
            "refused": {"damaged": 1, "not_on_shelf": 1}, "shipped": 1, "shipped_late": 1, "median_seconds": 7200.0,
            "shortages": 1, "units_missing": 1, "shortages_open": 1,
        }  # fmt: skip
        assert {k: own[k] for k in expected} == expected
        assert [r["scope"] for r in (await ok(job.planner.get(path)))["records"]] == ["yours"], "too few to hide among"
        assert [r["scope"] for r in (await ok(job.buyer.get(path)))["records"]] == ["all"], (
            "its own record, of all orders"
        )
        await of_others(site, 2)
        yours, everybodys = (await ok(job.planner.get(path)))["records"]
        assert yours == own
        assert (everybodys["scope"], everybodys["makers"], everybodys["orders"], everybodys["shipped"]) == (
            "all",
            3,
            6,
            3,
        )
        assert (await ok(job.planner.get(path, params={"days": 90})))["records"] == [yours, everybodys]
        await refused(job.planner.get(path, params={"days": 0}), "request.invalid")
        await world.owner.execute(
            "UPDATE call SET noticed_at = noticed_at - interval '91 days' WHERE holder_id = $1", world.buyer.id
        )
        assert [r["orders"] for r in (await ok(job.planner.get(path, params={"days": 90})))["records"]] == [0]
        # A company that has no agreement with the partner, a stranger, and people to whom their company does not name its holders.
        await refused(job.outsider.get(path), "track_record.not_found")
        await refused(job.planner.get(f"{API}/companies/{world.other.id}/track-record"), "track_record.not_found")
        async with client_for(site.app) as nobody:
            await refused(nobody.get(path), "auth.missing")
        since, until = datetime.now(UTC) - timedelta(days=365), datetime.now(UTC)
        async with world.db.read(world.other.tenant) as session:
            assert await track_record(session, world.buyer.id, since, until) == [], "the database itself does not tell"
        with counted(world.db) as sent:
            async with world.db.read(world.maker.tenant) as session:
                await track_record(session, world.buyer.id, since, until)
        assert sum("track_record" in s for s in sent) == 1
        await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
        await refused(job.technician.get(path), "actor.masked")


async def test_a_company_is_seen_by_those_that_deal_with_it(world: World, worker_db: Database) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.sold(4)
        there = f"/partners/{world.buyer.id}"
        admin = await site.browser(world.buyer, "admin")
        said = {
            "about": "We run <b>harvesters</b>.\nIn Texas.",
            "website": "https://www.example.com",
            "telephone": "+1 555 0100",
            "email": "parts@example.com",
        }
        for wrong in ({"website": "javascript:alert(1)"}, {"email": "nobody"}, {"about": "x" * 2_001}):
            assert (await admin.post("/company/profile", data={**said, **wrong})).status_code == 422
        assert (
            await world.owner.fetchval("SELECT count(*) FROM company_profile WHERE company_id = $1", world.buyer.id)
            == 0
        )
        assert (await (await site.browser(world.buyer, "buyer")).post("/company/profile", data=said)).status_code == 403
        assert (await admin.post("/company/profile", data=said)).headers["location"] == there
        seen = (await (await site.browser(world.maker, "planner")).get(there)).text
        assert "We run &lt;b&gt;harvesters&lt;/b&gt;." in seen
        assert "Nothing was ordered back from it" in seen
        assert "This is what companies see" in (await admin.get(there)).text
        told = await ok(job.planner.get(f"{API}/companies/{world.buyer.id}/profile"))
        assert (told["website"], told["telephone"]) == (said["website"], said["telephone"])
        assert str(world.buyer.site) in [s["id"] for s in told["sites"]]
        await refused(job.planner.put(f"{API}/company/profile", json={"about": "x"}), "actor.role")
        await refused(job.outsider.get(f"{API}/companies/{world.buyer.id}/profile"), "company.not_found")
        points = (await (await site.browser(world.maker, "auditor")).get(f"{there}/places.geojson")).json()["features"]
        assert len(points) == await world.owner.fetchval(
            "SELECT count(*) FROM site WHERE company_id = $1 AND lat IS NOT NULL", world.buyer.id
        )
        outsider = await site.browser(world.other, "admin")
        for path in (there, f"{there}/places.geojson"):
            assert (await outsider.get(path)).status_code == 404
        await lived(job, worker_db)
        page = (await (await site.browser(world.maker, "planner")).get(there)).text
        assert "75 %" in page
        assert "1 × damaged; 1 × not on the shelf" in page
        assert "Half of the orders that shipped took no longer" in page, "each number has its definition beside it"
