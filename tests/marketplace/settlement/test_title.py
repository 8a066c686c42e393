"""Title that is retained until paid passes with the payment that settles the price of the sale: once, in the transaction that
counts it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marketplace.agreements.service import pass_title
from marketplace.ledger.entries import Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import CHECKS, verify
from marketplace.settlement.states import LineState
from tests.agreed import NOW, agreed, clock, person, usd
from tests.marketplace.settlement.owed import line_of, marks, owes
from tests.marketplace.settlement.test_payments import confirms, pays, reverses
from tests.world import World


async def retained(world: World, quantity: int = 3) -> tuple[UUID, UUID]:
    """An agreement under which title is retained until paid, and a lot at the buyer that is the maker's still."""
    agreement = await agreed(world)
    await world.owner.execute(
        """UPDATE agreement SET terms = terms || '{"title": "retained_until_paid"}' WHERE id = $1""", agreement
    )
    place = Place(world.maker.id, world.buyer.id, world.buyer.site, "new", agreement, world.maker.id)
    return agreement, await world.register(world.maker, quantity, place=place)


async def sale(world: World, agreement: UUID | None, quantity: int = 3, **changed: Any) -> UUID:
    return await owes(
        world, payer_id=world.buyer.id, payee_id=world.maker.id, kind="sale_price", agreement_id=agreement,
        quantity=quantity, unit_price=usd("60"), words="Sold.", **changed,
    )  # fmt: skip


async def owned(world: World, lot: UUID) -> dict[str, int]:
    names = {world.maker.id: "maker", world.buyer.id: "buyer"}
    rows = await world.owner.fetch(
        "SELECT owner_id, sum(quantity)::int AS n FROM position WHERE lot_id = $1 AND quantity > 0 AND agreement_id IS NOT NULL "
        "GROUP BY 1", lot,
    )  # fmt: skip
    return {names[r["owner_id"]]: r["n"] for r in rows}


async def buyer_pays(world: World, line: UUID, amount: str) -> UUID:
    made = await pays(world, amount, {line: amount}, by=world.buyer, from_id=world.buyer.id, to_id=world.maker.id)
    return made.id


async def test_title_passes_with_the_payment_that_settles_the_price(world: World) -> None:
    agreement, lot = await retained(world)
    line = await sale(world, agreement)
    await confirms(world, world.maker, await buyer_pays(world, line, "100"))
    assert (await line_of(world, line)).state is LineState.PART_PAID
    assert await owned(world, lot) == {"maker": 3}, "part paid is not paid"
    rest = await buyer_pays(world, line, "80")
    assert await owned(world, lot) == {"maker": 3}, "said by one side is not paid"
    await confirms(world, world.maker, rest)
    assert await owned(world, lot) == {"buyer": 3}
    kinds = await world.owner.fetchval("SELECT array_agg(kind) FROM movement WHERE lot_id = $1", lot)
    assert kinds.count("title") == 1
    assert await world.owner.fetchval(
        "SELECT count(*) FROM agreement_event WHERE subject_id = $1 AND kind = 'title_passed'", agreement
    ) == 1  # fmt: skip
    # Taken back and paid again: title stays and does not pass twice.
    back = await reverses(world, world.buyer, rest)
    await confirms(world, world.maker, back.id)
    assert await owned(world, lot) == {"buyer": 3}
    more = await world.register(
        world.maker, 2, place=Place(world.maker.id, world.buyer.id, world.buyer.site, "new", agreement, world.maker.id)
    )
    await confirms(world, world.maker, await buyer_pays(world, line, "80"))
    assert (await line_of(world, line)).settled
    assert await owned(world, more) == {"maker": 2}, "what another line pays for"
    async with world.db.read(world.maker.tenant) as session:
        assert [name for name in CHECKS if await verify(session, name)] == []


async def test_a_whole_line_marked_by_both_passes_title_for_its_units_only(world: World) -> None:
    agreement, lot = await retained(world, 5)
    line = await sale(world, agreement, 2)
    await marks(world, world.buyer, line)
    await marks(world, world.maker, line)
    assert await owned(world, lot) == {"maker": 3, "buyer": 2}


async def test_nothing_passes_under_other_terms_or_for_other_lines(world: World) -> None:
    agreement, lot = await retained(world)
    other = await owes(
        world, payer_id=world.buyer.id, payee_id=world.maker.id, kind="late_damages", agreement_id=agreement
    )
    for party in (world.buyer, world.maker):
        await marks(world, party, other)
    assert await owned(world, lot) == {"maker": 3}
    await world.owner.execute("UPDATE agreement SET terms = terms - 'title' WHERE id = $1", agreement)
    line = await sale(world, agreement)
    for party in (world.buyer, world.maker):
        await marks(world, party, line)
    assert await owned(world, lot) == {"maker": 3}


async def test_reserved_units_are_left_as_they_are(world: World) -> None:
    agreement, lot = await retained(world)
    await world.run(world.maker, Step(Kind.HOLD, lot, 1, 1))
    cause = await sale(world, agreement)
    async with world.db.write(world.buyer.tenant) as session:
        passed = await pass_title(
            session,
            person(world.buyer),
            agreement_id=agreement,
            part_id=world.part,
            quantity=3,
            cause_id=cause,
            now=clock(),
        )
    assert passed == 2
    assert await owned(world, lot) == {"maker": 1, "buyer": 2}
    async with world.db.write(world.maker.tenant) as session:
        again = await pass_title(
            session,
            person(world.maker),
            agreement_id=agreement,
            part_id=world.part,
            quantity=3,
            cause_id=cause,
            now=NOW,
        )
    assert again == 0
