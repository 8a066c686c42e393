"""Quality holds across holders."""

from __future__ import annotations

import pytest

from marketplace.holdings.service import AtSite, Selection, freeze, lift, use_up
from marketplace.kit.errors import DomainError
from tests.agreed import agreed, clock, delivered, person
from tests.world import Party, World


async def freezes(world: World, party: Party, chosen: Selection, reason: str = "weld seam") -> set[object]:
    async with world.db.write(party.tenant) as session:
        return set((await freeze(session, person(party), chosen, reason, now=clock())).lot_ids)


async def lifts(world: World, party: Party, chosen: Selection) -> set[object]:
    async with world.db.write(party.tenant) as session:
        return set((await lift(session, person(party), chosen, now=clock())).lot_ids)


async def test_a_maker_stops_a_serial_range_wherever_it_is(world: World) -> None:
    agreement_id = await agreed(world)
    at_buyer = {s: await delivered(world, agreement_id, 1, serial=s) for s in ("A8", "A9", "A10", "A11")}
    at_home = await world.register(world.maker, serial="A12")
    chosen = Selection(part_id=world.part, serial_from="A9", serial_to="A12")
    stopped = await freezes(world, world.maker, chosen)
    assert stopped == {at_buyer["A9"], at_buyer["A10"], at_buyer["A11"], at_home}
    with pytest.raises(DomainError) as refused:
        async with world.db.write(world.buyer.tenant) as session:
            await use_up(
                session, person(world.buyer), AtSite(world.part, world.buyer.site, serial="A9"), 1, now=clock()
            )
    assert refused.value.code == "holding.not_enough"
    with pytest.raises(DomainError) as nothing_left:
        await freezes(world, world.maker, chosen)
    assert nothing_left.value.code == "ledger.not_found"
    # The holder owns its units, but the hold is the maker's.
    before = await world.snapshot(*at_buyer.values())
    with pytest.raises(DomainError) as not_yours:
        await lifts(world, world.buyer, Selection(part_id=world.part))
    assert not_yours.value.code == "holding.frozen_by_other"
    assert await world.snapshot(*at_buyer.values()) == before
    assert await lifts(world, world.maker, Selection(lot_ids=(at_buyer["A9"],))) == {at_buyer["A9"]}
    events = await world.owner.fetch(
        "SELECT name FROM outbox_event WHERE aggregate_id = $1 AND $2 = ANY (company_ids) ORDER BY id",
        world.part,
        world.buyer.id,
    )
    assert [e["name"] for e in events] == ["holding.frozen", "holding.lifted"]


async def test_an_owner_stops_its_own_and_an_outsider_nothing(world: World) -> None:
    mine = await world.register(world.buyer, 4)
    theirs = await world.register(world.maker, 4)
    before = await world.snapshot(mine, theirs)
    for party, chosen, reason, code in (
        (world.other, Selection(part_id=world.part), "x", "ledger.not_found"),
        (world.buyer, Selection(lot_ids=(theirs,)), "x", "ledger.not_found"),
        (world.maker, Selection(lot_ids=(mine,)), "x", "ledger.not_found"),
        (world.buyer, Selection(), "x", "holding.selection"),
        (world.buyer, Selection(lot_ids=(mine,), batch="B"), "x", "holding.selection"),
        (world.buyer, Selection(lot_ids=(mine,), part_id=world.part), "x", "holding.selection"),
        (world.buyer, Selection(lot_ids=(mine,)), " ", "holding.reason"),
    ):
        with pytest.raises(DomainError) as refused:
            await freezes(world, party, chosen, reason)
        assert refused.value.code == code
    assert await world.snapshot(mine, theirs) == before
    assert await freezes(world, world.buyer, Selection(part_id=world.part)) == {mine}
