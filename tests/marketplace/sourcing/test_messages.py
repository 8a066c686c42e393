"""Both sides of an order back write to each other on it: one thread, for its parties alone, and nobody is named before it is sent."""

from __future__ import annotations

from contextlib import AsyncExitStack

import httpx

from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok
from tests.web.job import open_site, send
from tests.world import World


async def written(client: httpx.AsyncClient, call: str) -> list[tuple[str, str, str | None]]:
    """Who wrote what, and by whom as far as that is told."""
    found = (await ok(client.get(f"{API}/sourcing/calls/{call}/messages")))["items"]
    return [(m["company"], m["text"], m["author"]) for m in found]


async def test_both_sides_read_one_thread_and_are_told(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold()
        await job.called()
        path = f"{API}/sourcing/calls/{job.call}/messages"
        await ok(job.technician.post(path, json={"text": "  Which dock?  "}), 201)
        await ok(job.buyer.post(path, json={"text": "Dock 4.\nRing first."}), 201)
        maker, buyer = world.maker.name, world.buyer.name
        person = f"technician of {world.maker.code}"
        assert await written(job.technician, job.call) == [
            (maker, "Which dock?", person),
            (buyer, "Dock 4.\nRing first.", None),
        ]
        assert [(c, t) for c, t, _ in await written(job.buyer, job.call)] == [
            (maker, "Which dock?"),
            (buyer, "Dock 4.\nRing first."),
        ]
        assert [a for _, _, a in await written(job.buyer, job.call)] == [None, f"buyer of {world.buyer.code}"]
        mails = await world.owner.fetch(
            "SELECT payload -> 'mail' -> 'to' AS to, payload #>> '{mail,text}' AS text FROM outbox_event "
            "WHERE name = 'call.message' AND aggregate_id = $1::uuid ORDER BY id", job.call,
        )  # fmt: skip
        assert [m["text"] for m in mails] == ["Which dock?", "Dock 4.\nRing first."]
        assert f"buyer@{world.buyer.code}".lower() in mails[0]["to"]
        assert f"technician@{world.maker.code}".lower() in mails[1]["to"]


async def test_many_messages_take_as_many_statements_as_one(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold()
        await job.called()
        counts = []
        for more in (1, 6):
            for n in range(more):
                await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/messages", json={"text": f"{n}"}), 201)
            with counted(world.db) as sent:
                await written(job.buyer, job.call)
            counts.append(len(sent))
        assert counts[0] == counts[1]


async def test_a_refused_message_leaves_nothing(world: World) -> None:
    async with AsyncExitStack() as stack:
        job = await Job.begin(world, stack)
        await job.sold()
        await job.called()
        path = f"{API}/sourcing/calls/{job.call}/messages"
        auditor = await stack.enter_async_context(
            client_for(app_for(world.db), await token_for(world.owner, world.buyer.users["auditor"], world.buyer.id))
        )
        events = "SELECT count(*) FROM outbox_event WHERE aggregate_id = $1::uuid"
        before = await world.owner.fetchval(events, job.call)
        for client, text, refusal in (
            (job.outsider, "Hello", (404, "call.not_found")),
            (auditor, "Hello", (403, "actor.role")),
            (job.buyer, "x" * 2_001, (422, "message.text")),
            (job.buyer, "  ", (422, "message.text")),
        ):
            answer = await client.post(path, json={"text": text})
            assert (answer.status_code, answer.json()["code"]) == refusal, answer.text
        assert (await job.outsider.get(path)).status_code == 404
        assert await world.owner.fetchval("SELECT count(*) FROM call_message WHERE call_id = $1::uuid", job.call) == 0
        assert await world.owner.fetchval(events, job.call) == before
        assert len(await written(auditor, job.call)) == 0


async def test_before_it_is_sent_nobody_writes_and_nobody_is_named(world: World) -> None:
    """An order above the technician's limit waits for an approver: its holder knows nothing of it, and the maker's technician, to
    whom holders are hidden, does not learn who it is from the thread."""
    await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
    await world.owner.execute(
        "UPDATE user_account SET order_limit_amount = 1 WHERE id = $1", world.maker.users["technician"]
    )
    async with open_site(world) as site:
        job = site.job
        await job.sold()
        await job.called()
        path = f"{API}/sourcing/calls/{job.call}/messages"
        early = await job.technician.post(path, json={"text": "Who are you?"})
        assert (early.status_code, early.json()["code"]) == (409, "call.not_sent"), early.text
        hidden = await job.buyer.post(path, json={"text": "It is us"})
        assert (hidden.status_code, hidden.json()["code"]) == (404, "call.not_found")
        assert await world.owner.fetchval("SELECT count(*) FROM call_message WHERE call_id = $1::uuid", job.call) == 0
        technician = await site.browser(world.maker, "technician")
        page = await technician.get(f"/calls/{job.call}")
        assert world.buyer.name not in page.text
        assert f'action="/calls/{job.call}/messages"' not in page.text
        await ok(job.planner.post(f"{API}/sourcing/requests/{job.requisition}/approve"))
        await ok(job.buyer.post(path, json={"text": "It is us"}), 201)
        page = await technician.get(f"/calls/{job.call}")
        assert f"{world.buyer.name} wrote" in page.text


async def test_the_thread_on_the_page_in_order_of_time(world: World) -> None:
    async with open_site(world) as site:
        job = site.job
        await job.sold()
        await job.called()
        buyer, technician = await site.browser(world.buyer, "buyer"), await site.browser(world.maker, "technician")
        action = f"/calls/{job.call}/messages"
        page = await buyer.get(f"/calls/{job.call}")
        long = await send(buyer, action, page, text="y" * 2_001)
        assert long.status_code == 422
        assert "y" * 2_001 in long.text, "what was typed is kept"
        assert (await send(buyer, action, page, text="We look <b>now</b>")).status_code == 303
        await ok(job.buyer.post(f"{API}/sourcing/calls/{job.call}/accept", json={}))
        await send(technician, action, await technician.get(f"/calls/{job.call}"), text="Thank you")
        shown = (await buyer.get(f"/calls/{job.call}")).text
        story = shown.partition("What happened, and what was written")[2]
        places = [story.index(words) for words in ("We look &lt;b&gt;now", "Thank you")]
        assert places == sorted(places)
        assert story.index("We look") < story.index("committed") < story.index("Thank you")
        # Earlier ones stand on a page of their own.
        await world.owner.execute(
            "INSERT INTO call_message (call_id, maker_id, holder_id, company_id, from_id, author_id, text, at) "
            "SELECT m.call_id, m.maker_id, m.holder_id, m.company_id, m.from_id, m.author_id, 'more ' || n, now() "
            "FROM call_message m, generate_series(1, 100) n WHERE m.text = 'Thank you' AND m.call_id = $1::uuid", job.call,
        )  # fmt: skip
        shown = (await buyer.get(f"/calls/{job.call}")).text
        assert "We look" not in shown
        earlier = shown.partition("?before=")[2].partition('"')[0]
        assert "We look" in (await buyer.get(f"/calls/{job.call}?before={earlier}")).text
