"""Which movement may follow which, as one table; and that the database's own rules are the same as Python's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from marketplace.db.session import Database, execute
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Place, Step
from marketplace.ledger.kinds import CONDITIONS, PERMITTED, POSTABLE, RETURNS, RULES, SINKS, STANDING, Kind
from tests.faulting import report
from tests.world import World

NOW = datetime.now(UTC)

# The state a unit with a serial number is in, and what may be done to it next. Everything not named is refused.
FOLLOWS: dict[str, set[str]] = {
    "in stock": {
        "move", "ship", "title", "repoint", "hold", "use_up", "install", "repair", "regrade", "scrap", "lose",
        "count_adjust", "correct", "freeze",
    },
    "reserved": {"post", "void", "freeze"},
    "in transit": {"receive", "title", "repoint", "scrap", "lose", "correct", "freeze"},
    "on quality hold": {"move", "regrade", "lose", "count_adjust", "lift", "title", "repoint"},
    "in a machine": {"remove", "correct", "freeze", "found by count"},
    "missing": {"find", "correct", "freeze", "found by count"},
    "used up": {"correct", "freeze", "found by count"},
    "scrapped": {"correct", "freeze", "found by count"},
}  # fmt: skip
LEADS_TO = {"in a machine": Kind.INSTALL, "missing": Kind.LOSE, "used up": Kind.USE_UP, "scrapped": Kind.SCRAP}
ACTS = sorted({*(k.value for k in Kind), "found by count"} - {"register", "split"})


async def unit_that_is(world: World, state: str) -> tuple[object, int, int | None]:
    """A unit in that state: its lot, the number of its stock line, and its reservation."""
    lot = await world.register(world.maker, serial=f"{state}-{uuid4()}")
    home = world.place(world.maker)
    if state == "reserved":
        done = await world.run(world.maker, Step(Kind.HOLD, lot, 1, 1))
        return lot, 1, done.entries[0].seq
    if state == "in transit":
        await world.run(world.maker, Step(Kind.SHIP, lot, 1, 1, to=Place(home.owner, home.holder, None, "new")))
        return lot, 2, None
    if state == "on quality hold":
        await world.run(world.maker, Step(Kind.FREEZE, lot, 1, 1))
    elif state in LEADS_TO:
        await world.run(world.maker, Step(LEADS_TO[state], lot, 1, 1))
    return lot, 1, None


def act_on(world: World, act: str, lot, position: int, hold: int | None, last: int) -> Step:
    """The step that does it, as well as it can be put."""
    site = None if position == 2 else world.maker.site
    at = Place(world.maker.id, world.maker.id, site, "new")
    elsewhere = world.maker.sites[1]
    targets = {
        "move": Place(at.owner, at.holder, elsewhere, "new"), "ship": Place(at.owner, at.holder, None, "new"),
        "receive": Place(at.owner, world.buyer.id, elsewhere, "new"),
        "title": Place(world.buyer.id, at.holder, site, "new"),
        "repoint": Place(at.owner, at.holder, site, "new", uuid4(), world.maker.id),
        "repair": Place(at.owner, at.holder, site, "used_tested"), "regrade": Place(at.owner, at.holder, site, "used"),
    }  # fmt: skip
    if act in ("remove", "find"):
        return Step(Kind(act), lot, 1, to=world.place(world.maker))
    if act == "found by count":
        return Step(Kind.COUNT_ADJUST, lot, 1, to=world.place(world.maker))
    if act == "correct":
        return Step(Kind.CORRECT, lot, 1, corrects=last)
    if act == "post":
        return Step(Kind.POST, lot, 1, position, purpose=Kind.SCRAP, resolves=hold or 99)
    if act in ("void", "expire"):
        return Step(Kind(act), lot, 1, position, resolves=hold or 99)
    return Step(Kind(act), lot, 1, position, to=targets.get(act))


@pytest.mark.parametrize("state", FOLLOWS)
async def test_what_may_follow_what(world: World, state: str) -> None:
    allowed = set()
    for act in ACTS:
        lot, position, hold = await unit_that_is(world, state)
        last = await world.owner.fetchval("SELECT last_seq FROM lot WHERE lot_id = $1", lot)
        before = await world.snapshot(lot)
        try:
            await world.run(world.maker, act_on(world, act, lot, position, hold, last))
        except DomainError:
            assert await world.snapshot(lot) == before, act
        else:
            allowed.add(act)
            present = await world.owner.fetchval("SELECT sum(quantity) FROM position WHERE lot_id = $1", lot)
            assert present in (0, 1)
    assert allowed == FOLLOWS[state]


def test_the_tables_of_kinds_agree_with_each_other() -> None:
    assert set(RULES) == set(Kind) - {Kind.POST}
    assert set(RETURNS.values()) <= set(SINKS)
    assert all(not RULES[k].arrives for k in STANDING)
    assert all(RULES[k].leaves and not RULES[k].arrives for k in SINKS)
    assert all(RULES[k].arrives and not RULES[k].leaves for k in RETURNS)
    assert not POSTABLE & (STANDING | {Kind.POST, Kind.CORRECT, Kind.REGISTER})


@pytest.mark.parametrize("purpose", [*sorted(set(Kind) - POSTABLE), None])
async def test_a_post_does_nothing_but_take_units_away(world: World, purpose: Kind | None) -> None:
    lot = await world.register(world.maker, 5)
    await world.run(world.maker, Step(Kind.HOLD, lot, 2, 1))
    before = await world.snapshot(lot)
    for position in (1, None):
        step = Step(Kind.POST, lot, 1, position, to=world.place(world.buyer), purpose=purpose, resolves=2)
        with pytest.raises(DomainError) as refused:
            await world.run(world.maker, step)
        assert refused.value.code == "ledger.purpose"
    assert await world.snapshot(lot) == before


async def test_a_serial_is_never_counted_twice(world: World) -> None:
    lot = await world.register(world.maker, serial="ONE")
    before = await world.snapshot(lot)
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, Step(Kind.COUNT_ADJUST, lot, 1, to=world.place(world.maker)))
    assert refused.value.code == "ledger.serial_quantity"
    assert await world.snapshot(lot) == before


async def test_a_correction_does_not_bring_back_what_came_back(world: World) -> None:
    lot = await world.register(world.maker, 5)
    await world.run(world.maker, Step(Kind.INSTALL, lot, 1, 1))
    await world.run(world.maker, Step(Kind.REMOVE, lot, 1, to=world.place(world.maker)))
    before = await world.snapshot(lot)
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, Step(Kind.CORRECT, lot, 1, corrects=2))
    assert refused.value.code == "ledger.not_enough"
    assert await world.snapshot(lot) == before


async def test_a_stock_line_has_a_largest_quantity(world: World) -> None:
    lot = await world.register(world.maker, 1_000_000_000)
    before = await world.snapshot(lot)
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, Step(Kind.COUNT_ADJUST, lot, 1, to=world.place(world.maker)))
    assert refused.value.code == "ledger.quantity"
    assert await world.snapshot(lot) == before


async def test_a_step_dated_before_another_of_its_command(world: World) -> None:
    """Late only because an earlier step of the same command was later: checked against history all the same."""
    lot = await world.register(world.maker, 5, occurred_at=NOW - timedelta(days=9))
    there = world.place(world.maker, site=world.maker.sites[1])
    good = [Step(Kind.SCRAP, lot, 1, 1), Step(Kind.SCRAP, lot, 1, 1, occurred_at=NOW - timedelta(days=3))]
    await world.run(world.maker, *good)
    before = await world.snapshot(lot)
    bad = [
        Step(Kind.MOVE, lot, 1, 1, to=there),
        Step(Kind.SCRAP, lot, 1, at=there, occurred_at=NOW - timedelta(days=3)),
    ]
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, *bad)
    assert refused.value.code == "ledger.late_conflict"
    assert await world.snapshot(lot) == before


async def _check(owner: asyncpg.Connection, name: str) -> str:
    return await owner.fetchval("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", name)


async def test_the_database_knows_the_same_kinds(owner: asyncpg.Connection) -> None:
    """Python decides with its tables and PostgreSQL refuses with its own: neither may know a kind the other does not."""

    def words(text: str) -> set[str]:
        return set(re.findall(r"'(\w+)'::text", text))

    assert words(await _check(owner, "ck_movement_kind")) == {k.value for k in Kind}
    assert words(await _check(owner, "ck_movement_permit")) == {k.value for k in PERMITTED}
    assert words(await _check(owner, "ck_position_condition")) == set(CONDITIONS)
    resolving = await _check(owner, "ck_movement_resolves")
    assert words(resolving) == {"post", "void", "expire"}


@pytest.mark.parametrize("table", ["movement", "command", "permit"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET company_id = company_id", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("role", ["app", "worker"])
async def test_f11_what_happened_cannot_be_changed(
    world: World, db: Database, worker_db: Database, table: str, verb: str, role: str
) -> None:
    lot = await world.register(world.maker, 2)
    before = await world.snapshot(lot)
    database = db if role == "app" else worker_db
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.write(world.maker.tenant) as session:
            await execute(session, verb.format(table))
    assert await world.snapshot(lot) == before
    report("F11", f"UPDATE, DELETE and TRUNCATE of movement, command and permit as {role}", refused=1)


async def test_f11_a_permit_covers_only_what_it_is_for(world: World, db: Database, owner: asyncpg.Connection) -> None:
    """By constraint, whatever the service thought: the same unit, the same agreement, the same act."""
    lot, agreement = await world.register(world.maker, 2), uuid4()
    permit = await owner.fetchval(
        "INSERT INTO permit (lot_id, agreement_id, kind, quantity, expires_at, reason, company_id, maker_id) "
        "VALUES ($1, $2, 'use_up', 1, now() + interval '1 day', 'x', $3, $3) RETURNING permit_id",
        lot, agreement, world.maker.id,
    )  # fmt: skip
    before = await world.snapshot(lot)
    insert = (
        "INSERT INTO movement (lot_id, seq, kind, quantity, from_position, occurred_at, recorded_at, company_id, actor_id, "
        "command_id, cause_kind, parties, agreement_id, permit_id) "
        "VALUES ($1, 2, $2, 1, 1, now(), now(), $3, $3, uuidv7(), 'x', ARRAY[$3::uuid], $4, $5)"
    )
    for kind, under, error in (
        ("scrap", agreement, asyncpg.ForeignKeyViolationError),
        ("use_up", uuid4(), asyncpg.ForeignKeyViolationError),
        ("use_up", None, asyncpg.CheckViolationError),
    ):
        with pytest.raises(error):
            async with db.write(world.maker.tenant) as session:
                await execute(session, insert, lot, kind, world.maker.id, under, permit)
        assert await world.snapshot(lot) == before
    async with db.write(world.maker.tenant) as session:
        await execute(session, insert, lot, "use_up", world.maker.id, agreement, permit)
        await session.rollback()


async def test_f11_a_row_cannot_be_slipped_in(world: World, db: Database) -> None:
    """INSERT is the app's one privilege on movements: what it writes must still be the next of a lot it may see,
    point at a hold that exists, and answer it once."""
    lot = await world.register(world.maker, 2)
    await world.run(world.maker, Step(Kind.HOLD, lot, 1, 1))
    await world.run(world.maker, Step(Kind.VOID, lot, 1, 1, resolves=2))
    before = await world.snapshot(lot)
    columns = (
        "INSERT INTO movement (lot_id, seq, kind, quantity, from_position, occurred_at, recorded_at, company_id, actor_id, "
        "command_id, cause_kind, parties, resolves, agreement_id) "
    )
    common = "now(), now(), $2, $2, uuidv7(), 'x', ARRAY[$2::uuid]"
    for values, error in (
        (f"SELECT $1, 1, 'scrap', 1, 1, {common}, NULL, NULL", asyncpg.UniqueViolationError),
        (f"SELECT $1, 4, 'void', 1, 1, {common}, 2, NULL", asyncpg.UniqueViolationError),
        (f"SELECT $1, 4, 'void', 1, 1, {common}, 77, NULL", asyncpg.ForeignKeyViolationError),
        (f"SELECT $1, 4, 'scrap', 1, 1, {common}, NULL, $2::uuid", asyncpg.CheckViolationError),
        (f"SELECT $1, 4, 'scrap', 0, 1, {common}, NULL, NULL", asyncpg.CheckViolationError),
        (f"SELECT $1, 4, 'steal', 1, 1, {common}, NULL, NULL", asyncpg.CheckViolationError),
    ):
        with pytest.raises(error):
            async with db.write(world.maker.tenant) as session:
                await execute(session, columns + values, lot, world.maker.id)
    assert await world.snapshot(lot) == before
