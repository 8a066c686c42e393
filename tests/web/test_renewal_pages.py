"""Renewal through pages and the API: notice against it, an offer of it, and what is open when the right has ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from marketplace.agreements import service
from marketplace.agreements.combinations import BUY_BACK
from marketplace.kit.clock import add_months
from marketplace.parties.actor import OnBehalf
from tests import second
from tests.agreed import agreed_on, rows_of
from tests.marketplace.main_job import API, ok, refused
from tests.web.job import open_site, send
from tests.web.test_waiting import agree
from tests.world import World

owner, db, worker_db = second.FIXTURES

TABLES = ("agreement", "agreement_proposal")
BEGAN = add_months(datetime.now(UTC).date(), -60) + timedelta(days=200)


async def made(world: World, **changed: Any) -> UUID:
    return await agreed_on(world, [("buy-back", 2, {**BUY_BACK, **changed})], schedule_date=BEGAN)


async def test_notice_against_an_automatic_renewal(world: World) -> None:
    agreement = await made(world, renewal="automatic")
    async with open_site(world) as site:
        planner, buyer = await site.browser(world.maker, "planner"), await site.browser(world.buyer, "buyer")
        at = f"/agreements/{agreement}"
        page = await buyer.get(at)
        assert "It goes on until" in page.text
        assert "Give notice that it is not to be renewed" in page.text
        form = await buyer.get(f"{at}/standing")
        assert "Give notice: no renewal" in form.text
        assert "Offer to renew it" not in form.text
        before = await rows_of(world, *TABLES)
        empty = await send(buyer, f"{at}/standing", form, act="not_renew", reason="")
        assert empty.status_code == 422
        assert await rows_of(world, *TABLES) == before
        last = add_months(BEGAN, 60).isoformat()
        done = await send(buyer, f"{at}/standing", form, act="not_renew", reason="We close the site.", ends_on=last)
        assert done.headers["location"] == f"{at}?done=not_renew"
        page = await planner.get(at)
        assert "gave notice: it is not renewed" in page.text
        assert "We close the site." in page.text
        # Both want to go on after all: one press offers it.
        form = await planner.get(f"{at}/standing")
        assert "Offer to renew it" in form.text
        done = await send(planner, f"{at}/standing", form, act="renew", reason="")
        assert done.headers["location"] == f"{at}?done=renewal_proposed"
        page = await buyer.get(at)
        assert "offers to renew this agreement" in page.text
        proposal = await world.owner.fetchval(
            "SELECT id FROM agreement_proposal WHERE agreement_id = $1 AND status = 'open'", agreement
        )
        page = await buyer.get(f"{at}/proposals/{proposal}")
        assert "Renewal offered" in page.text
        done = await send(buyer, f"{at}/proposals/{proposal}", page, answer="sign", confirmed="yes")
        assert done.headers["location"] == f"{at}?done=renewed"
        page = await buyer.get(at)
        assert "Renewed 1 time so far" in page.text


async def test_the_same_over_the_api(world: World) -> None:
    agreement = await made(world, renewal="by_agreement")
    automatic = await made(world, renewal="automatic")
    async with open_site(world) as site:
        job = site.job
        at, auto = f"{API}/agreements/{agreement}", f"{API}/agreements/{automatic}"
        told = await ok(job.buyer.get(f"{at}/term"))
        end = add_months(BEGAN, 60)
        assert (told["renewal"], told["last_day"], told["renewals"]) == ("by_agreement", end.isoformat(), 0)
        assert told["renews_until"] == add_months(BEGAN, 72).isoformat()
        assert told["survives_until"] == add_months(end, 12).isoformat()
        before = await rows_of(world, *TABLES)
        await refused(job.buyer.post(f"{at}/non-renewal", json={"reason": "No."}), "renewal.none")
        await refused(job.buyer.post(f"{auto}/renewal", json={}), "renewal.automatic")
        await refused(job.technician.post(f"{auto}/non-renewal", json={"reason": "No."}), "actor.role")
        await refused(job.outsider.post(f"{auto}/non-renewal", json={"reason": "No."}), "agreement.not_found")
        await refused(job.outsider.get(f"{auto}/term"), "agreement.not_found")
        assert await rows_of(world, *TABLES) == before
        told = await ok(job.planner.post(f"{auto}/non-renewal", json={"reason": "The line is sold."}))
        assert told["non_renewal_at"]
        assert "Notice was given" in told["words"]
        offer = await ok(job.planner.post(f"{at}/renewal", json={"note": "Another year?"}), 201)
        assert (offer["kind"], offer["terms"]) == ("renewal", None)
        await refused(job.planner.post(f"{API}/agreements/proposals/{offer['id']}/sign"), "proposal.own")
        done = await ok(job.buyer.post(f"{API}/agreements/proposals/{offer['id']}/sign"))
        assert done == {"agreement_id": str(agreement), "reference": done["reference"], "units": 0}
        assert (await ok(job.planner.get(f"{at}/term")))["renewals"] == 1


async def test_an_agreement_that_has_ended_says_what_is_open(world: World, worker_db: Any) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.sold(3, offered=3)
        await job.called(1)
        await world.owner.execute(
            "UPDATE agreement SET window_closes_at = now() - interval '1 day' WHERE id = $1", UUID(job.agreement)
        )
        now = datetime.now(UTC)
        async with worker_db.write() as session:
            clock = OnBehalf(UUID(int=0), world.maker.id)
            await service.note_endings(session, clock, UUID(job.agreement), now, now + timedelta(days=90))
        planner = await site.browser(world.maker, "planner")
        assert (await agree(planner))["agreement has ended with something open"] == 1
        listed = await planner.get("/agreements?status=finishing")
        assert f"/agreements/{job.agreement}" in listed.text
        page = await planner.get(f"/agreements/{job.agreement}")
        assert "Orders back under way" in page.text
        assert "Finish these; then either side can close it." in page.text
