"""The activity log: from facts of every kind, of the own people alone, to admins and auditors, each once however it is paged."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import uuid4

from tests.clients import client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.web.trade import site_for
from tests.world import World


async def test_who_did_what_is_read_from_the_facts(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold(4)
        await job.called()
        await job.came_back()
        app = site_for(world.db)

        async def of(party: object, role: str) -> object:
            token = await token_for(world.owner, party.users[role], party.id)
            return await stack.enter_async_context(client_for(app, token))

        admin, auditor = await of(world.maker, "admin"), await of(world.maker, "auditor")
        await ok(
            admin.post(f"{API}/invitations", json={"email": f"a.{world.tag}@example.com", "roles": ["buyer"]}), 201
        )
        path = f"{API}/company/activity"
        everything = (await ok(admin.get(path, params={"limit": 500})))["items"]
        assert everything == (await ok(auditor.get(path, params={"limit": 500})))["items"]
        assert {a["source"] for a in everything} == {
            "order",
            "agreement",
            "order_back",
            "request",
            "posting",
            "security",
        }
        assert [a["at"] for a in everything] == sorted((a["at"] for a in everything), reverse=True)
        assert everything[0]["words"] == "A person was invited"
        own = {str(u) for u in world.maker.users.values()}
        assert {a["user_id"] for a in everything} <= own, "what the other side did is its own affair"
        assert "accepted" not in [a["kind"] for a in everything if a["source"] == "order_back"], "the holder accepted"
        # Many at one moment are each told once, whatever the size of a page.
        await world.owner.execute(
            "UPDATE order_event SET at = (SELECT min(at) FROM order_event WHERE company_id = $1) WHERE company_id = $1",
            world.maker.id,
        )
        whole, paged, after = (await ok(admin.get(path, params={"limit": 500})))["items"], [], ""
        while True:
            page = await ok(admin.get(path, params={"limit": 2, **({"after": after} if after else {})}))
            paged += page["items"]
            after = page["next"]
            if not after:
                break
        assert paged == whole
        assert len(whole) == len(everything)
        backs = (await ok(admin.get(path, params={"source": "order_back"})))["items"]
        assert backs == [a for a in whole if a["source"] == "order_back"] != []
        technician = str(world.maker.users["technician"])
        theirs = (await ok(admin.get(path, params={"person": technician})))["items"]
        assert theirs == [a for a in whole if a["user_id"] == technician] != []
        assert (await ok(admin.get(path, params={"person": str(uuid4())})))["items"] == []
        with counted(world.db) as sent:
            await admin.get(path)
        assert sum("UNION ALL" in s and "order_event" in s for s in sent) == 1
        # By role and by company.
        for client in (job.planner, job.technician, job.buyer):
            await refused(client.get(path), "actor.role")
        other = (await ok((await of(world.other, "admin")).get(path)))["items"]
        assert other == []
        html = {"accept": "text/html"}
        page = await auditor.get("/company/activity?source=order_back", headers=html)
        assert "Order back: received" in page.text
        assert "A person was invited" not in page.text
        file = await admin.get("/company/activity?format=csv", headers=html)
        assert file.text.count("\r\n") - 1 == len(whole)
        assert (await (await of(world.maker, "planner")).get("/company/activity", headers=html)).status_code == 403
