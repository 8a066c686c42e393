"""Counts: what is adjusted, what is withdrawn without deciding fault, what is settled."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from marketplace.agreements.evaluation import split
from marketplace.holdings import queries
from marketplace.holdings.service import Counted, count, withdraw_pending_count
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import CHECKS, verify
from tests.agreed import NOW, agreed, clock, delivered, person, rows_of
from tests.world import World


async def counts(world: World, counted: int, **how: object) -> Counted:
    async with world.db.write(world.buyer.tenant) as session:
        return await count(
            session,
            person(world.buyer),
            world.buyer.site,
            world.part,
            counted,
            now=clock(),
            **how,  # type: ignore[arg-type]
        )


async def open_withdrawals(world: World) -> list[tuple[object, ...]]:
    rows = await world.owner.fetch(
        "SELECT lot_id, position_id, quantity, beneficiary_id FROM withdrawal "
        "WHERE holder_id = $1 AND resolved_at IS NULL ORDER BY quantity",
        world.buyer.id,
    )
    return [tuple(r) for r in rows]


async def test_a_count_that_agrees_is_only_kept(world: World) -> None:
    lot = await world.register(world.buyer, 5)
    before = await world.snapshot(lot)
    started = clock()
    done = await counts(world, 5)
    assert (done.expected, done.adjusted, done.withdrawn, done.words) == (5, 0, 0, "Counted 5, as on record.")
    assert await world.snapshot(lot) == before
    async with world.db.read(world.buyer.tenant) as session:
        kept = await queries.last_count(session, world.buyer.id, world.buyer.site, world.part)
    assert kept is not None
    assert started <= kept.counted_at <= clock()
    assert (kept.counted, kept.expected) == (5, 5)


async def test_counts_of_one_shelf_take_turns(world: World) -> None:
    done = await asyncio.gather(*(counts(world, 5, condition="new") for _ in range(6)))
    assert sorted(d.adjusted for d in done) == [0, 0, 0, 0, 0, 5]
    units = "SELECT sum(quantity)::int FROM position WHERE part_id = $1 AND site_id = $2"
    assert await world.owner.fetchval(units, world.part, world.buyer.site) == 5


async def test_ones_own_loose_units_are_adjusted_both_ways(world: World) -> None:
    lot = await world.register(world.buyer, 5)
    assert (await counts(world, 3)).adjusted == -2
    assert await world.positions(lot) == {1: (3, 0)}
    assert (await counts(world, 7)).adjusted == 4
    assert await world.positions(lot) == {1: (7, 0)}
    kinds = await world.owner.fetch("SELECT kind, reason_code FROM movement WHERE lot_id = $1 ORDER BY seq", lot)
    assert [tuple(k) for k in kinds][1:] == [("count_adjust", "count")] * 2
    assert not await open_withdrawals(world)


async def test_missing_units_under_a_right_leave_availability_and_no_fault_is_decided(world: World) -> None:
    agreement_id = await agreed(world, quantity=10)
    pair = (agreement_id, world.part)
    bound = await delivered(world, agreement_id, 10)
    own = await world.register(world.buyer, 2)
    done = await counts(world, 7)
    assert (done.expected, done.adjusted, done.withdrawn) == (12, -2, 3)
    assert await world.positions(bound) == {1: (10, 0)}, "nothing is lost by a count"
    assert await world.positions(own) == {1: (0, 0)}
    assert await open_withdrawals(world) == [(bound, 1, 3, world.maker.id)]
    async with world.db.read(world.maker.tenant) as session:
        found = (await queries.callable_facts(session, [pair]))[pair]
        waiting = await queries.withdrawals_open(session, person(world.maker))
    assert found.facts.withdrawn == 3
    assert split(found.terms, found.facts, NOW).callable == 7
    assert [(w.lot_id, w.quantity, w.holder_id) for w in waiting] == [(bound, 3, world.buyer.id)]
    async with world.db.read(world.other.tenant) as session:
        assert not await queries.withdrawals_open(session, person(world.other))
    # Fewer again: the new count stands in place of the old one.
    assert (await counts(world, 6)).withdrawn == 4
    assert await open_withdrawals(world) == [(bound, 1, 4, world.maker.id)]
    # Found: the search is over.
    ended = await counts(world, 10)
    assert (ended.resolved, ended.withdrawn) == (1, 0)
    assert not await open_withdrawals(world)
    async with world.db.read(world.maker.tenant) as session:
        assert (await queries.callable_facts(session, [pair]))[pair].facts.withdrawn == 0


async def test_serial_numbered_units_are_looked_for_never_adjusted(world: World) -> None:
    units = [await world.register(world.buyer, serial=f"N{i}") for i in range(3)]
    before = await world.snapshot(*units)
    done = await counts(world, 2)
    assert (done.adjusted, done.withdrawn) == (0, 1)
    assert await world.snapshot(*units) == before
    [(lot, _, quantity, beneficiary)] = await open_withdrawals(world)
    assert lot in units
    assert (quantity, beneficiary) == (1, None)


async def test_reserved_units_are_missed_last(world: World) -> None:
    agreement_id = await agreed(world)
    bound = await delivered(world, agreement_id, 4)
    reserved = await delivered(world, agreement_id, 4)
    await world.run(world.buyer, Step(Kind.HOLD, reserved, 4, 1))
    await counts(world, 4)
    assert [w[0] for w in await open_withdrawals(world)] == [bound]
    await counts(world, 1)
    assert {(w[0], w[2]) for w in await open_withdrawals(world)} == {(bound, 4), (reserved, 3)}


async def test_units_found_where_only_encumbered_ones_were_are_the_holders_own(world: World) -> None:
    agreement_id = await agreed(world)
    bound = await delivered(world, agreement_id, 4)
    done = await counts(world, 6)
    assert done.adjusted == 2
    assert await world.positions(bound) == {1: (4, 0)}
    found = await world.owner.fetchrow(
        "SELECT p.agreement_id, p.quantity, p.condition FROM position p WHERE p.holder_id = $1 AND p.agreement_id IS NULL",
        world.buyer.id,
    )
    assert tuple(found) == (None, 2, "new")


async def test_a_find_where_nothing_was_needs_its_condition(world: World) -> None:
    before = await rows_of(world, "position", "stock_count", "outbox_event", company=world.buyer)
    for how, code in (
        ({"counted": 2}, "holding.condition"),
        ({"counted": 2, "condition": "shiny"}, "holding.condition"),
        ({"counted": -1}, "holding.counted"),
    ):
        with pytest.raises(DomainError) as refused:
            await counts(world, **how)  # type: ignore[arg-type]
        assert refused.value.code == code
    with pytest.raises(DomainError) as foreign:
        async with world.db.write(world.buyer.tenant) as session:
            await count(session, person(world.buyer), world.maker.site, world.part, 1, now=clock())
    assert foreign.value.code == "site.not_found"
    assert await rows_of(world, "position", "stock_count", "outbox_event", company=world.buyer) == before
    assert (await counts(world, 2, condition="used")).adjusted == 2


async def test_not_on_the_shelf_withdraws_once_for_one_cause(world: World) -> None:
    agreement_id = await agreed(world)
    bound = await delivered(world, agreement_id, 4)
    cause = uuid4()
    for expected in (1, 0):
        async with world.db.write(world.buyer.tenant) as session:
            assert await withdraw_pending_count(session, [(bound, 1, 9)], cause_id=cause, now=clock()) == expected
    assert await open_withdrawals(world) == [(bound, 1, 4, world.maker.id)]
    with pytest.raises(DomainError) as refused:
        async with world.db.write(world.other.tenant) as session:
            await withdraw_pending_count(session, [(bound, 1, 1)], cause_id=uuid4(), now=clock())
    assert refused.value.code == "ledger.not_found"
    assert (await counts(world, 4)).resolved == 1


async def test_the_ledger_adds_up_after_counts(world: World) -> None:
    agreement_id = await agreed(world)
    await delivered(world, agreement_id, 4)
    await world.register(world.buyer, 5)
    for number in (9, 6, 12, 3, 0):
        await counts(world, number)
    async with world.db.read(world.buyer.tenant) as session:
        for check in CHECKS:
            assert not await verify(session, check), check


async def test_nothing_is_counted_at_a_closed_site(world: World) -> None:
    await world.owner.execute("UPDATE site SET closed_at = now() WHERE id = $1", world.buyer.site)
    tables = ("position", "stock_count", "withdrawal", "outbox_event", "command")
    before = await rows_of(world, *tables, company=world.buyer)
    for found in (0, 4):
        with pytest.raises(DomainError) as refused:
            await counts(world, found, condition="new")
        assert refused.value.code == "site.closed"
    assert await rows_of(world, *tables, company=world.buyer) == before
    lots = "SELECT count(*) FROM lot WHERE registered_by = $1"
    assert await world.owner.fetchval(lots, world.buyer.id) == 0


async def test_what_a_count_will_do_and_what_it_did_are_said_differently(world: World) -> None:
    await world.register(world.buyer, 5)
    done = await counts(world, 7)
    assert done.words_ahead == "Counted 7; the record says 5. Your own stock will be raised by 2."
    assert done.words == "Counted 7; the record said 5. Your own stock was raised by 2."
