"""Lines that are owed, for tests: the maker owes the buyer three units unless said otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from marketplace.settlement import queries
from marketplace.settlement.service import mark, owe
from tests.agreed import NOW, person, usd
from tests.world import Party, World


async def owes(world: World, cause: UUID | None = None, *, by: Party | None = None, **changed: Any) -> UUID:
    usual: dict[str, Any] = {
        "payer_id": world.maker.id,
        "payee_id": world.buyer.id,
        "kind": "call_price",
        "cause_id": cause or uuid4(),
        "cause_reference": "CALL-TEST22",
        "agreement_id": None,
        "part_id": world.part,
        "quantity": 3,
        "unit_price": usd("90.10"),
        "words": "3 units at 90.10 USD (85 % of 100.00 USD, plus 6 % handling).",
        "due_on": NOW.date() + timedelta(days=30),
    }
    async with world.db.write((by or world.maker).tenant) as session:
        return await owe(session, **{**usual, **changed})


async def marks(world: World, party: Party, line: UUID) -> queries.SettlementRow:
    async with world.db.write(party.tenant) as session:
        return await mark(session, person(party), line, NOW)


async def line_of(world: World, line: UUID) -> queries.SettlementRow:
    """A line as it stands."""
    async with world.db.read(world.maker.tenant) as session:
        return await queries.settlement_line(session, line)
