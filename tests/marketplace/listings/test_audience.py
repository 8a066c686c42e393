"""Who sees a posting, and what of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI

from tests.clients import client_for, token_for
from tests.web.trade import open_market
from tests.world import Party, World

API = "/api/v1"


async def asked(world: World, app: FastAPI, party: Party, path: str, role: str = "admin") -> httpx.Response:
    token = await token_for(world.owner, party.users[role], party.id)
    async with client_for(app, token) as client:
        return await client.get(API + path)


async def name(owner: asyncpg.Connection, release: UUID, partners: Sequence[UUID]) -> None:
    await owner.execute("UPDATE release SET audience = 'named', audience_ids = $2 WHERE id = $1", release, partners)
    await owner.execute("UPDATE listing SET audience_ids = $2 WHERE release_id = $1", release, partners)


async def test_a_partner_does_not_learn_who_else_was_asked(world: World) -> None:
    market = await open_market(world)
    invited = [world.buyer.id, world.other.id]
    await name(world.owner, market.release, invited)
    path = f"/releases/{market.release}"
    seen = (await asked(world, market.app, world.buyer, path)).json()
    assert (seen["audience"], seen["audience_ids"]) == ("named", None)
    listing = await asked(world, market.app, world.buyer, f"/listings/{market.listing}")
    assert listing.status_code == 200
    for text in (str(seen), listing.text, (await asked(world, market.app, world.buyer, "/listings")).text):
        assert str(world.other.id) not in text
    own = (await asked(world, market.app, world.maker, path)).json()
    assert own["audience_ids"] == [str(i) for i in invited]
    listed = (await asked(world, market.app, world.maker, "/releases")).json()["items"]
    assert listed[0]["audience_ids"] == [str(i) for i in invited]


async def test_what_is_posted_to_all_partners_is_for_partners(world: World) -> None:
    market = await open_market(world)
    stranger = (await World.make(world.owner, world.db)).maker
    paths = f"/releases/{market.release}", f"/listings/{market.listing}"
    for path in paths:
        assert (await asked(world, market.app, world.buyer, path)).status_code == 200
        assert (await asked(world, market.app, world.maker, path)).status_code == 200, "its owner always"
        assert (await asked(world, market.app, stranger, path)).status_code == 404
    browsed = await asked(world, market.app, stranger, f"/listings?part_id={world.part}")
    assert browsed.json()["items"] == []
    units = "SELECT * FROM listed_units($1, 10)"
    assert await world.visible(world.buyer, units, market.serial_listing)
    assert not await world.visible(stranger, units, market.serial_listing)
    order = {
        "po_number": "PO-1", "ship_to_site_id": str(stranger.site),
        "lines": [{"listing_id": str(market.listing), "quantity": 4}],
    }  # fmt: skip
    token = await token_for(world.owner, stranger.users["admin"], stranger.id)
    async with client_for(market.app, token) as client:
        assert (await client.post(API + "/orders", json=order)).json()["code"] == "listing.not_found"
        # Named while it was a partner, it sees the posting still but orders nothing.
        await name(world.owner, market.release, [stranger.id])
        refused = await client.post(API + "/orders", json=order)
        assert (refused.status_code, refused.json()["code"]) == (403, "order.partner")
    assert await market.ordered() == 0
    assert not await world.owner.fetchval("SELECT count(*) FROM purchase_order WHERE buyer_id = $1", stranger.id)
