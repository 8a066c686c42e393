"""The ledger's command, on a real database: what it writes, what it refuses, and that a refusal changes nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import NewLot, Step
from marketplace.ledger.kinds import Kind
from tests.world import World

NOW = datetime.now(UTC)


async def test_register_and_move(world: World) -> None:
    lot = await world.register(world.maker, 5)
    done = await world.run(
        world.maker, Step(Kind.MOVE, lot, 2, 1, to=world.place(world.maker, site=world.maker.sites[1]))
    )
    assert [(e.seq, e.kind, e.from_position, e.to_position) for e in done.entries] == [(2, Kind.MOVE, 1, 2)]
    assert await world.positions(lot) == {1: (3, 0), 2: (2, 0)}


async def test_serial_moves_there_and_back(world: World) -> None:
    lot = await world.register(world.maker, serial="0001")
    there, back = world.place(world.maker, site=world.maker.sites[1]), world.place(world.maker)
    await world.run(world.maker, Step(Kind.MOVE, lot, 1, 1, to=there))
    await world.run(world.maker, Step(Kind.MOVE, lot, 1, 2, to=back))
    assert await world.positions(lot) == {1: (1, 0), 2: (0, 0)}


async def test_same_command_again_has_one_effect(world: World) -> None:
    lot = await world.register(world.maker, 5)
    step = Step(Kind.SCRAP, lot, 1, 1)
    key = uuid4()
    first = await world.run(world.maker, step, command_id=key)
    before = await world.snapshot(lot)
    again = await world.run(world.maker, step, command_id=key)
    assert again.replayed
    assert again.entries == first.entries
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, Step(Kind.SCRAP, lot, 2, 1), command_id=key)
    assert refused.value.code == "ledger.command_reused"
    assert await world.snapshot(lot) == before


async def test_hold_post_partial_keeps_the_rest(world: World) -> None:
    lot = await world.register(world.maker, 5)
    held = await world.run(world.maker, Step(Kind.HOLD, lot, 4, 1, expires_at=NOW + timedelta(hours=1)))
    seq = held.entries[0].seq
    await world.run(world.maker, Step(Kind.POST, lot, 1, 1, purpose=Kind.SCRAP, resolves=seq, keep_rest=True))
    assert await world.positions(lot) == {1: (4, 3)}
    rest = await world.owner.fetchrow("SELECT hold_seq, quantity FROM open_hold WHERE lot_id = $1", lot)
    assert tuple(rest) == (4, 3)
    await world.run(world.maker, Step(Kind.VOID, lot, 3, 1, resolves=4))
    assert await world.positions(lot) == {1: (4, 0)}


async def test_overdue_hold_is_expired_by_whoever_meets_it(world: World) -> None:
    lot = await world.register(world.maker, 2)
    await world.run(world.maker, Step(Kind.HOLD, lot, 2, 1, expires_at=NOW + timedelta(minutes=1)))
    later = NOW + timedelta(minutes=2)
    done = await world.run(world.maker, Step(Kind.SCRAP, lot, 2, 1), now=later)
    assert [e.kind for e in done.entries] == [Kind.EXPIRE, Kind.SCRAP]


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (lambda w, lot: Step(Kind.SCRAP, lot, 0, 1), "ledger.quantity"),
        (lambda w, lot: Step(Kind.SCRAP, lot, -1, 1), "ledger.quantity"),
        (lambda w, lot: Step(Kind.SCRAP, lot, 6, 1), "ledger.not_enough"),
        (lambda w, lot: Step(Kind.SCRAP, lot, 5, 1), "ledger.reserved"),
        (lambda w, lot: Step(Kind.SCRAP, lot, 1, 9), "ledger.not_found"),
        (lambda w, lot: Step(Kind.SCRAP, uuid4(), 1, 1), "ledger.not_found"),
        (lambda w, lot: Step(Kind.MOVE, lot, 1, 1, to=w.place(w.maker)), "ledger.already_there"),
        (lambda w, lot: Step(Kind.MOVE, lot, 1, 1, to=w.place(w.buyer)), "ledger.change"),
        (lambda w, lot: Step(Kind.VOID, lot, 1, 1, resolves=1), "ledger.hold_resolved"),
        (lambda w, lot: Step(Kind.EXPIRE, lot, 1, 1, resolves=2), "ledger.hold_running"),
        (lambda w, lot: Step(Kind.REMOVE, lot, 1, to=w.place(w.maker)), "ledger.not_enough"),
        (lambda w, lot: Step(Kind.SCRAP, lot, 1, 1, occurred_at=NOW + timedelta(days=1)), "ledger.future"),
        (lambda w, lot: Step(Kind.SCRAP, lot, 1, 1, occurred_at=NOW - timedelta(days=400)), "ledger.late_conflict"),
        (lambda w, lot: Step(Kind.SCRAP, lot, 1, 1, permit=uuid4()), "ledger.permit_needless"),
        (lambda w, lot: Step(Kind.SPLIT, lot, 1, 1, child=uuid4(), permit=uuid4()), "ledger.permit_needless"),
        (lambda w, lot: Step(Kind.HOLD, lot, 1, 1, permit=uuid4()), "ledger.permit_needless"),
        (lambda w, lot: Step(Kind.VOID, lot, 1, 1, resolves=2, permit=uuid4()), "ledger.permit_needless"),
        (lambda w, lot: Step(Kind.CORRECT, lot, 5, corrects=1, permit=uuid4()), "ledger.permit_needless"),
        (lambda w, lot: Step(Kind.FIND, lot, 1, to=w.place(w.maker), permit=uuid4()), "ledger.permit_needless"),
        (
            lambda w, lot: Step(Kind.POST, lot, 1, 1, purpose=Kind.SPLIT, resolves=2, child=uuid4(), permit=uuid4()),
            "ledger.permit_needless",
        ),
    ],
)
async def test_refusals_change_nothing(world: World, step, code: str) -> None:
    lot = await world.register(world.maker, 5)
    await world.run(world.maker, Step(Kind.HOLD, lot, 1, 1))
    before = await world.snapshot(lot)
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, step(world, lot))
    assert refused.value.code == code
    assert await world.snapshot(lot) == before


async def test_foreign_lot_is_not_found(world: World) -> None:
    lot = await world.register(world.maker, 5)
    before = await world.snapshot(lot)
    with pytest.raises(DomainError) as refused:
        await world.run(world.buyer, Step(Kind.SCRAP, lot, 1, 1))
    assert refused.value.code == "ledger.not_found"
    assert await world.snapshot(lot) == before


async def test_registering_a_serial_twice(world: World) -> None:
    lot = await world.register(world.maker, serial="A-7")
    before = await world.snapshot(lot)
    with pytest.raises(DomainError) as refused:
        await world.register(world.maker, serial="A-7")
    assert refused.value.code == "ledger.serial_exists"
    assert await world.snapshot(lot) == before


async def test_split_gives_a_lot_of_its_own(world: World) -> None:
    lot = await world.register(world.maker, 5)
    child = uuid4()
    await world.run(world.maker, Step(Kind.SPLIT, lot, 2, 1, child=child))
    assert await world.positions(lot) == {1: (3, 0)}
    assert await world.positions(child) == {1: (2, 0)}
    root = await world.owner.fetchrow("SELECT parent_lot_id, root_lot_id FROM lot WHERE lot_id = $1", child)
    assert tuple(root) == (lot, lot)


async def test_correction_then_what_is_right(world: World) -> None:
    lot = await world.register(world.maker, 5, occurred_at=NOW - timedelta(days=9))
    wrong = await world.run(world.maker, Step(Kind.SCRAP, lot, 3, 1, occurred_at=NOW - timedelta(days=5)))
    seq = wrong.entries[0].seq
    await world.run(
        world.maker,
        Step(Kind.CORRECT, lot, 3, corrects=seq),
        Step(Kind.SCRAP, lot, 1, 1, occurred_at=NOW - timedelta(days=5)),
    )
    assert await world.positions(lot) == {1: (4, 0)}
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, Step(Kind.CORRECT, lot, 3, corrects=seq))
    assert refused.value.code == "ledger.corrected"


async def test_frozen_units_stay(world: World) -> None:
    lot = await world.register(world.maker, 5)
    await world.run(world.maker, Step(Kind.FREEZE, lot, 5, 1, reason="cracked_castings"))
    before = await world.snapshot(lot)
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, Step(Kind.USE_UP, lot, 1, 1))
    assert refused.value.code == "ledger.frozen"
    assert await world.snapshot(lot) == before
    await world.run(world.maker, Step(Kind.LIFT, lot, 5, 1))
    await world.run(world.maker, Step(Kind.USE_UP, lot, 1, 1))
    assert await world.positions(lot) == {1: (4, 0)}


async def test_an_older_moment_without_a_stated_time_is_no_late_report(world: World) -> None:
    """The request that waited for the lock carries the older moment."""
    lot = await world.register(world.maker, 5)
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1), now=NOW + timedelta(seconds=30))
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1), now=NOW)
    times = await world.owner.fetch("SELECT occurred_at, recorded_at FROM movement WHERE lot_id = $1 ORDER BY seq", lot)
    assert times[1]["occurred_at"] == times[2]["occurred_at"]
    assert times[1]["recorded_at"] < times[2]["recorded_at"]


async def test_what_a_split_makes_lasts_as_long_as_what_it_was_split_from(world: World) -> None:
    lot, child, grandchild = uuid4(), uuid4(), uuid4()
    made = NewLot(
        lot,
        world.part,
        "EA",
        batch="B-7",
        made_on=date(2026, 1, 2),
        expires_on=date(2029, 1, 2),
        attributes={"heat": "H1"},
    )
    await world.run(world.maker, Step(Kind.REGISTER, lot, 9, to=world.place(world.maker), new_lot=made))
    await world.run(world.maker, Step(Kind.SPLIT, lot, 4, 1, child=child))
    await world.run(world.maker, Step(Kind.SPLIT, child, 2, 1, child=grandchild))
    rows = await world.owner.fetch(
        "SELECT batch, made_on, expires_on, attributes::text FROM lot WHERE lot_id = ANY($1::uuid[])",
        [lot, child, grandchild],
    )
    assert len(rows) == 3
    assert len({tuple(r) for r in rows}) == 1, rows
