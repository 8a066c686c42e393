"""Documents: seen by exactly those who may see what they hang on, kept whole or not at all, withdrawn and never changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.marketplace.attachments.test_files import PDF, picture
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

TABLES = ("document_content", "document_usage", "document", "document_withdrawn", "outbox_event", "idempotency_key")


async def attach(
    client: httpx.AsyncClient, on: str, on_id: object, content: bytes = PDF, name: str = "8130-3.pdf", **more: str
) -> httpx.Response:
    data = {"on": on, "on_id": str(on_id), "kind": "certificate", **more}
    headers = {"Idempotency-Key": more.pop("key")} if "key" in more else {}
    data.pop("key", None)
    return await client.post(f"{API}/documents", data=data, files={"file": (name, content)}, headers=headers)


async def everything(world: World) -> list[Any]:
    return [
        await world.owner.fetch(
            f"SELECT * FROM {t} ORDER BY 1, 2" if t != "document_usage" else f"SELECT * FROM {t} ORDER BY 1"
        )
        for t in TABLES
    ]


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        found = await Job.begin(world, stack)
        yield found


async def statuses(client: httpx.AsyncClient, on: str, on_id: object, document: str) -> tuple[int, ...]:
    """How many are listed, and how the four ways to it answer."""
    listed = await client.get(f"{API}/documents", params={"on": on, "on_id": str(on_id)})
    found = [d["id"] for d in listed.json()["items"]] if listed.status_code == 200 else []
    ways = [(await client.get(f"{API}/documents/{document}{way}")).status_code for way in ("", "/content", "/small")]
    return (found.count(document), *ways)


async def test_who_may_see_a_thing_sees_what_hangs_on_it_and_nobody_else(world: World, job: Job) -> None:
    await job.sold(4, offered=8)
    await job.called()
    lot = await world.owner.fetchval(
        "SELECT lot_id FROM position WHERE holder_id = $1 AND quantity > 0", world.buyer.id
    )
    # Another company is named as nobody's audience: the posting is for all, order, unit and order back are for two.
    seen, unseen = (1, 200, 200, 200), (0, 404, 404, 404)
    photo = picture("JPEG")
    for on, on_id, by, sees in (
        ("part", world.part, job.planner, {"planner", "buyer", "outsider"}),
        ("listing", job.listing, job.planner, {"planner", "buyer", "outsider"}),
        ("lot", lot, job.buyer, {"planner", "buyer"}),
        ("order", job.order, job.buyer, {"planner", "buyer"}),
        ("call", job.call, job.technician, {"planner", "buyer"}),
    ):
        made = (await ok(attach(by, on, on_id, photo, "IMG 1.jpg"), 201))["id"]
        own = (await ok(attach(by, on, on_id, picture("PNG"), "own.png", audience="own", kind="photo"), 201))["id"]
        for name in ("planner", "buyer", "outsider"):
            client = getattr(job, name)
            assert await statuses(client, on, on_id, made) == (seen if name in sees else unseen), (on, name)
            assert await statuses(client, on, on_id, own) == (
                seen if (name == "buyer") == (by is job.buyer) and name != "outsider" else unseen
            ), (on, name)
        got = await job.planner.get(f"{API}/documents/{made}/content")
        assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert got.headers["content-type"] == "image/jpeg"
        assert "IMG 1.jpg" in got.headers["content-disposition"]
    # To whom the maker hides its holders, what they show of their units is not shown: a photo tells who took it.
    await world.owner.execute("UPDATE company SET mask_holders = true WHERE id = $1", world.maker.id)
    theirs = (await job.buyer.get(f"{API}/documents", params={"on": "lot", "on_id": str(lot)})).json()["items"]
    shared = next(d["id"] for d in theirs if d["audience"] == "same")
    assert await statuses(job.technician, "lot", lot, shared) == unseen
    assert await statuses(job.planner, "lot", lot, shared) == seen


async def test_a_posting_that_is_withdrawn_or_for_others_takes_its_documents_with_it(world: World, job: Job) -> None:
    await job.released()
    made = (await ok(attach(job.planner, "listing", job.listing), 201))["id"]
    assert (await job.outsider.get(f"{API}/documents/{made}")).status_code == 200
    await world.owner.execute("UPDATE listing SET audience_ids = $2 WHERE id = $1::uuid", job.listing, [world.buyer.id])
    assert (await job.outsider.get(f"{API}/documents/{made}/content")).status_code == 404
    assert (await job.buyer.get(f"{API}/documents/{made}/content")).content == PDF


async def test_what_is_refused_leaves_nothing(world: World, job: Job) -> None:
    await job.sold(2, offered=4)
    before = await everything(world)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'
    for answer, code in (
        (attach(job.planner, "listing", job.listing, svg, "photo.jpg"), "document.kind"),
        (attach(job.planner, "listing", job.listing, b""), "document.empty"),
        (attach(job.planner, "listing", job.listing, b"%PDF-" + b"0" * (15 * 1024 * 1024)), "document.too_large"),
        (attach(job.planner, "listing", job.listing, picture("PNG")[:-30]), "document.damaged"),
        (attach(job.planner, "listing", uuid4()), "document.thing"),
        (attach(job.buyer, "listing", job.listing), "actor.role"),
        (attach(job.buyer, "part", world.part), "actor.role"),
        (attach(job.outsider, "order", job.order), "document.thing"),
        (attach(job.technician, "order", job.order), "actor.role"),
        (attach(job.planner, "listing", job.listing, kind="poem"), "request.invalid"),
        (attach(job.planner, "listing", job.listing, note="x" * 501), "request.invalid"),
    ):
        await refused(answer, code)
    assert await everything(world) == before


async def test_one_content_is_kept_once_and_counted_once(world: World, job: Job) -> None:
    await job.released()
    first, second = await asyncio.gather(
        *(attach(job.planner, "listing", job.listing, name=f"{n}.pdf") for n in range(2))
    )
    assert (first.status_code, second.status_code) == (201, 201)
    again = [await attach(job.planner, "listing", job.listing, key="once") for _ in range(2)]
    assert again[0].json() == again[1].json()
    rows = await world.owner.fetch("SELECT name FROM document WHERE listing_id = $1::uuid ORDER BY name", job.listing)
    assert [r["name"] for r in rows] == ["0.pdf", "1.pdf", "8130-3.pdf"]
    kept = await world.owner.fetch("SELECT size FROM document_content WHERE company_id = $1", world.maker.id)
    assert [r["size"] for r in kept] == [len(PDF)]
    assert await world.owner.fetchval("SELECT bytes FROM document_usage WHERE company_id = $1", world.maker.id) == len(
        PDF
    )


async def test_no_more_is_kept_than_a_company_may(world: World, job: Job) -> None:
    await job.released()
    app = app_for(world.db)
    app.state.settings = app.state.settings.model_copy(update={"document_quota_bytes": 1024})
    async with client_for(app, await token_for(world.owner, world.maker.users["planner"], world.maker.id)) as planner:
        await ok(attach(planner, "listing", job.listing), 201)
        before = await everything(world)
        await refused(attach(planner, "listing", job.listing, PDF + b"%" * 1024), "document.quota")
        assert await everything(world) == before
        await ok(attach(planner, "listing", job.listing, name="again.pdf"), 201)


async def test_withdrawn_is_gone_for_others_and_told_to_its_own(world: World, job: Job) -> None:
    await job.sold(2, offered=4)
    made = (await ok(attach(job.planner, "order", job.order), 201))["id"]
    path = f"{API}/documents/{made}/withdraw"
    await refused(job.buyer.post(path), "document.whose")
    assert (await job.buyer.get(f"{API}/documents/{made}/content")).content == PDF
    await ok(job.planner.post(path))
    await refused(job.planner.post(path), "document.withdrawn")
    assert (await job.buyer.get(f"{API}/documents/{made}/content")).status_code == 404
    own = await ok(job.planner.get(f"{API}/documents/{made}"))
    assert own["withdrawn_at"] is not None
    assert own["by"] == f"planner of {world.maker.code}"


async def test_many_documents_take_as_many_statements_as_one(world: World, job: Job) -> None:
    await job.released()
    counts = []
    for more in (1, 5):
        for n in range(more):
            await ok(attach(job.planner, "listing", job.listing, name=f"{more}-{n}.pdf"), 201)
        with counted(world.db) as sent:
            await ok(job.buyer.get(f"{API}/documents", params={"on": "listing", "on_id": job.listing}))
        counts.append(len(sent))
    assert counts[0] == counts[1]
    first = await ok(job.buyer.get(f"{API}/documents", params={"on": "listing", "on_id": job.listing, "limit": 4}))
    rest = await ok(
        job.buyer.get(f"{API}/documents", params={"on": "listing", "on_id": job.listing, "after": first["next"]})
    )
    assert [d["name"] for d in first["items"] + rest["items"]] == [
        "5-4.pdf",
        "5-3.pdf",
        "5-2.pdf",
        "5-1.pdf",
        "5-0.pdf",
        "1-0.pdf",
    ]
