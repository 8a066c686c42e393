"""The main job over HTTP, step by step, for the tests that need a world in which part of it has happened."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from marketplace.agreements.presets import PRESETS
from marketplace.agreements.service import publish_library
from marketplace.agreements.terms import dump_terms
from tests.clients import app_for, client_for, token_for
from tests.world import World

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
API = "/api/v1"


@dataclass
class Job:
    """Clients of the three people, and what came of each step."""

    world: World
    planner: httpx.AsyncClient
    buyer: httpx.AsyncClient
    technician: httpx.AsyncClient
    outsider: httpx.AsyncClient
    lot: UUID | None = None
    listing: str = ""
    release: str = ""
    order: str = ""
    agreement: str = ""
    requisition: str = ""
    call: str = ""

    @classmethod
    async def begin(cls, world: World, stack: AsyncExitStack) -> Job:
        await publish_library(world.owner, CONTRACTS)
        app = app_for(world.db)

        async def client(party: Any, role: str) -> httpx.AsyncClient:
            token = await token_for(world.owner, party.users[role], party.id)
            return await stack.enter_async_context(client_for(app, token))

        return cls(
            world,
            await client(world.maker, "planner"),
            await client(world.buyer, "buyer"),
            await client(world.maker, "technician"),
            await client(world.other, "buyer"),
        )

    async def released(
        self,
        quantity: int = 10,
        *,
        preset: str = "standard-buy-back",
        serial: bool = False,
        loose: int = 0,
        **line: Any,
    ) -> None:
        """Stock registered and put on offer; ``loose``: so many more without a serial number."""
        if loose:
            await self.world.register(self.world.maker, loose)
        if serial:
            for n in range(quantity):
                self.lot = await self.world.register(self.world.maker, serial=f"SN-{self.world.tag}-{n:03d}")
        else:
            self.lot = await self.world.register(self.world.maker, quantity)
        chosen = PRESETS[preset].terms()
        body = {
            "title": "Dead stock",
            "clause": chosen.clause,
            "version": chosen.version,
            "terms": dump_terms(chosen),
            "use_class": "non_capital_spare",
        }
        self.release = (await ok(self.planner.post(f"{API}/releases", json=body), 201))["id"]
        lines = [
            {
                "part_id": str(self.world.part),
                "site_id": str(self.world.maker.site),
                "condition": "new",
                "quantity": quantity + loose,
                "unit_price": "80.00",
                "minimum_to_keep": 0,
                **line,
            }
        ]
        made = await ok(self.planner.put(f"{API}/releases/{self.release}/lines", json={"lines": lines}))
        self.listing = made["listing_ids"][0]
        await ok(self.planner.post(f"{API}/releases/{self.release}/publish"))

    async def posted(self, count: int, quantity: int = 10) -> list[str]:
        """So many parts on offer in one posting, ten of each: the listings in the order of their part numbers."""
        site = self.world.maker.site
        lines = []
        for n in range(count):
            part = await self.world.make_part(f"{self.world.tag}-LINE-{n}")
            await self.world.register(self.world.maker, quantity, part=part)
            line = {"part_id": str(part), "site_id": str(site), "condition": "new", "quantity": quantity}
            lines.append({**line, "unit_price": "80.00", "minimum_to_keep": 0})
        chosen = PRESETS["standard-buy-back"].terms()
        body = {
            "title": "Many lines",
            "clause": chosen.clause,
            "version": chosen.version,
            "terms": dump_terms(chosen),
            "use_class": "non_capital_spare",
        }
        release = (await ok(self.planner.post(f"{API}/releases", json=body), 201))["id"]
        made = await ok(self.planner.put(f"{API}/releases/{release}/lines", json={"lines": lines}))
        await ok(self.planner.post(f"{API}/releases/{release}/publish"))
        return [str(i) for i in made["listing_ids"]]

    async def ordered(self, quantity: int = 4) -> None:
        """The buyer has placed an order."""
        body = {
            "lines": [{"listing_id": self.listing, "quantity": quantity, "po_line": "10"}],
            "po_number": "PO-1",
            "ship_to_site_id": str(self.world.buyer.site),
        }
        self.order = (await ok(self.buyer.post(f"{API}/orders", json=body), 201))["id"]

    async def signed(self) -> None:
        """Accepted by the seller, signed by both."""
        self.agreement = (await ok(self.planner.post(f"{API}/orders/{self.order}/accept")))["id"]
        await ok(self.buyer.post(f"{API}/agreements/{self.agreement}/sign"))

    async def delivered(self, quantity: int = 4, **receipt: Any) -> None:
        """Shipped and received."""
        await ok(self.planner.post(f"{API}/orders/{self.order}/ship", json={"carrier": "UPS", "tracking": "1Z"}))
        line = {"line_no": 1, "good": quantity, **receipt}
        await ok(self.buyer.post(f"{API}/orders/{self.order}/receive", json={"lines": [line]}))

    async def sold(
        self, quantity: int = 4, *, offered: int = 10, preset: str = "standard-buy-back", serial: bool = False
    ) -> None:
        """Everything up to units in the partner's hands under a signed agreement."""
        await self.released(offered, preset=preset, serial=serial)
        await self.ordered(quantity)
        await self.signed()
        await self.delivered(quantity)

    async def candidates(self, who: httpx.AsyncClient | None = None, urgency: str = "urgent") -> list[dict[str, Any]]:
        """What locate answers for the part."""
        number = await self.world.owner.fetchval("SELECT number FROM part WHERE id = $1", self.world.part)
        found = await ok(
            (who or self.technician).post(f"{API}/sourcing/locate", json={"numbers": number, "urgency": urgency})
        )
        return list(found[0]["parts"][0]["candidates"])

    def need(self, quantity: int = 1, **more: Any) -> dict[str, Any]:
        """The body of a parts request."""
        return {
            "part_id": str(self.world.part), "quantity": quantity, "destination_site_id": str(self.world.maker.site),
            "needed_by": (datetime.now(UTC) + timedelta(days=9)).isoformat(), "urgency": "urgent",
            "machine_model": "EX-200", "machine_serial": "77", **more,
        }  # fmt: skip

    async def called(self, quantity: int = 1) -> None:
        """Own stock taken out of the way, then units ordered back from the partner."""
        found = [c for c in await self.candidates() if c["kind"] != "own_stock"]
        done = await ok(
            self.technician.post(f"{API}/sourcing/order-back", json={**self.need(quantity), "key": found[0]["key"]}),
            201,
        )
        self.requisition, self.call = done["requisition_id"], done["calls"][0]

    async def owed(self, who: httpx.AsyncClient | None = None) -> list[dict[str, Any]]:
        """What is owed beside the price of the sale itself."""
        found = (await ok((who or self.planner).get(f"{API}/settlement")))["items"]
        return [line for line in found if line["kind"] != "sale_price"]

    async def came_back(self, quantity: int = 1) -> None:
        """Accepted, shipped, received, inspected."""
        await ok(self.buyer.post(f"{API}/sourcing/calls/{self.call}/accept", json={}))
        await ok(self.buyer.post(f"{API}/sourcing/calls/{self.call}/ship", json={"carrier": "UPS", "tracking": "1Z2"}))
        await ok(self.technician.post(f"{API}/sourcing/calls/{self.call}/receive"))
        await ok(self.technician.post(f"{API}/sourcing/calls/{self.call}/inspect", json={"good": quantity}))


async def ok(answer: Any, status: int = 200) -> Any:
    """The JSON of an answer that must have this status."""
    given = await answer
    assert given.status_code == status, f"{given.request.method} {given.request.url}: {given.status_code} {given.text}"
    return given.json()


async def refused(answer: Any, code: str) -> dict[str, Any]:
    """The problem of an answer that must be refused with this code."""
    given = await answer
    assert given.status_code >= 400, given.text
    assert given.json()["code"] == code, given.text
    return dict(given.json())
