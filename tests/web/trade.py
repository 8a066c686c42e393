"""A small market for the tests of pages: a manufacturer's stock, a published posting under buy-back, and people of
both sides who are signed in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import httpx
from fastapi import FastAPI

from marketplace.agreements.presets import PRESETS
from marketplace.db.session import Database
from marketplace.listings import queries as listings
from marketplace.listings import service
from marketplace.listings.service import NewLine
from marketplace.settings import Settings
from tests.agreed import person, publish
from tests.clients import app_for, token_for
from tests.world import Party, World

HTML = {"accept": "text/html"}


def site_for(database: Database, *, demo: bool = False) -> FastAPI:
    """The whole application, pages included, on a test database."""
    return app_for(database, Settings(demo=demo, secret_key="for tests"), pages=True)


@dataclass
class Market:
    """What ``open_market`` made. ``listing``: 20 units without serial at 60.00, packs of 2, at least 4, keep 5.
    ``serial_listing``: two units with serials at 250.00."""

    world: World
    app: FastAPI
    release: UUID
    listing: UUID
    serial_listing: UUID
    number: str
    newer_number: str
    pump: UUID
    lots: list[UUID] = field(default_factory=list)

    @asynccontextmanager
    async def client(self, party: Party | None = None, role: str = "admin") -> AsyncIterator[httpx.AsyncClient]:
        """A browser of somebody (nobody signed in when no party is given)."""
        token = await token_for(self.world.owner, party.users[role], party.id) if party else None
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://backstock.test",
            headers=HTML,
            cookies={"backstock_session": token} if token else {},
        ) as client:
            yield client

    async def ordered(self) -> int:
        """How many units of the listing are ordered now."""
        return int(await self.world.owner.fetchval("SELECT ordered FROM listing WHERE id = $1", self.listing))


async def add_stock(world: World) -> list[UUID]:
    """Own stock of the manufacturer that nothing lists: 12 units at its second site."""
    return [await world.register(world.maker, 12, site=world.maker.sites[1])]


async def open_market(world: World) -> Market:
    """Stock, a posting with two lines, published to all partners; a newer number and an alternate in the catalogue."""
    await publish(world.owner)
    number = f"{world.tag}-100-A"
    newer = await world.make_part(f"{world.tag}-100-B")
    pump = await world.make_part(f"{world.tag}-PUMP-7", list_price="400.00")
    await world.owner.execute(
        "INSERT INTO supersession (from_part_id, to_part_id, effective_on) VALUES ($1, $2, '2024-03-04')",
        world.part,
        newer,
    )
    lots = [
        await world.register(world.maker, 20),
        await world.register(world.maker, serial=f"0004{world.tag}", part=pump),
        await world.register(world.maker, serial=f"0005{world.tag}", part=pump),
    ]
    actor = person(world.maker, "planner")
    preset = PRESETS["standard-buy-back"]
    async with world.db.write(world.maker.tenant) as session:
        release = await service.draft(
            session,
            actor,
            title=f"Hydraulics {world.tag}",
            clause=preset.clause,
            version=preset.version,
            terms=preset.values,
            use_class="non_capital_spare",
        )
        made = await service.add_lines(
            session,
            actor,
            release,
            [
                NewLine(world.part, world.maker.site, "new", 20, Decimal("60.00"), 4, 2, 5),
                NewLine(pump, world.maker.site, "new", 2, Decimal("250.00")),
            ],
        )
        await service.publish(session, actor, release, datetime.now(UTC))
    async with world.db.read(world.buyer.tenant) as session:
        assert (await listings.listing(session, made[0])).available == 20
    return Market(world, site_for(world.db), release, made[0], made[1], number, f"{world.tag}-100-B", pump, lots)


def key_of(html: str) -> str:
    """The idempotency key of the (last) form on a page."""
    return re.findall(r'name="idempotency_key" value="([^"]+)"', html)[-1]


def order_form(market: Market, **changed: str) -> Mapping[str, str]:
    """The order form of the listing, filled in well."""
    return {
        "quantity": "4",
        "po_number": "PO 88-1204",
        "po_line": "10",
        "ship_to": str(market.world.buyer.site),
        "requested_on": "",
        **changed,
    }
