"""Where units sat at a date as known at a date, and what changed between two: late reports, corrections, who may ask, and
the file. That counts add up whatever happens is the state machine's (test_state_machine.py)."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from marketplace.db.session import fetch_value
from marketplace.kit.errors import DomainError
from marketplace.kit.exports import safe_cell
from marketplace.ledger import queries
from marketplace.ledger.entries import NewLot, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import AsOf, Scope, past, past_file
from marketplace.ledger.queries.past_file import cells, safe_text
from marketplace.parties.actor import Actor
from tests.agreed import agreed, delivered, person
from tests.world import Party, World


def day(month: int, number: int = 1) -> datetime:
    return datetime(2026, month, number, 12, tzinfo=UTC)


async def stocked(world: World, quantity: int = 10) -> UUID:
    """A lot at the maker's first site since New Year, known since then."""
    lot = UUID(int=world.part.int + 1)
    new = NewLot(lot, world.part, "EA")
    step = Step(Kind.REGISTER, lot, quantity, to=world.place(world.maker), new_lot=new, occurred_at=day(1))
    await world.run(world.maker, step, now=day(1))
    return lot


async def asked(
    world: World, party: Party, question: Any, *arguments: Any, reader: Actor | None = None, **more: Any
) -> Any:
    reader = reader or person(party)
    async with world.db.read(replace(party.tenant, sources_for=reader.sources)) as session:
        return await question(session, reader, *arguments, **more)


async def sat(world: World, at: datetime, known_at: datetime) -> dict[str, int]:
    """Site -> units, line by line; the same by place."""
    scope, view = Scope(part_id=world.part), AsOf(at, known_at)
    rows = await asked(world, world.maker, queries.as_of, view, scope)
    told: dict[str, int] = {}
    for r in rows:
        told[r.site[-1]] = told.get(r.site[-1], 0) + r.quantity
    sums = await asked(world, world.maker, queries.sums, view, scope)
    assert {r.site[-1]: r.quantity for r in sums} == told
    return told


async def test_both_dates_matter(world: World) -> None:
    lot = await stocked(world)
    second = world.place(world.maker, site=world.maker.sites[1])
    await world.run(world.maker, Step(Kind.MOVE, lot, 4, 1, to=second, occurred_at=day(2)), now=day(2))
    # Reported in March: it had happened in January, before the move that was known already.
    await world.run(world.maker, Step(Kind.MOVE, lot, 2, 1, to=second, occurred_at=day(1, 20)), now=day(3))
    await world.run(world.maker, Step(Kind.CORRECT, lot, 4, 2, to=world.place(world.maker), corrects=2), now=day(4))
    for at, known_at, there in (
        (day(1, 25), day(2, 10), {"1": 10}),
        (day(1, 25), day(3, 10), {"1": 8, "2": 2}),
        (day(2, 10), day(2, 10), {"1": 6, "2": 4}),
        (day(2, 10), day(3, 10), {"1": 4, "2": 6}),
        (day(2, 10), day(4, 10), {"1": 8, "2": 2}),
        (day(4, 10), day(4, 10), {"1": 8, "2": 2}),
        (day(1).replace(hour=11), day(4, 10), {}),
        (day(2, 10), day(1).replace(hour=11), {}),
    ):
        assert await sat(world, at, known_at) == there, (at, known_at)

    async def between(since: AsOf, until: AsOf) -> tuple[dict[str, tuple[int, ...]], list[tuple[int, int]]]:
        scope = Scope(part_id=world.part)
        rows = await asked(world, world.maker, queries.differences, since, until, scope)
        moved = await asked(world, world.maker, queries.changes, since, until, scope)
        flows = {r.site[-1]: (r.flow.before, r.flow.came, r.flow.left, r.flow.after) for r in rows}
        assert all(r.flow.adds_up for r in rows)
        return flows, [(c.movement.seq, c.counts) for c in moved]

    # The same day, as it was known before and after the correction: what had come never came.
    before, after = AsOf(day(2, 10), day(3, 10)), AsOf(day(2, 10), day(4, 10))
    assert await between(before, after) == ({"1": (4, 0, -4, 8), "2": (6, -4, 0, 2)}, [(4, 1)])
    assert await between(after, before) == ({"1": (8, 0, 4, 4), "2": (2, 4, 0, 6)}, [(4, -1)])
    # Two days, as each was known then: the late report counts in between although it happened before.
    first, last = AsOf(day(1, 25), day(1, 25)), AsOf(day(3, 10), day(3, 10))
    assert await between(first, last) == ({"1": (10, 0, 6, 4), "2": (0, 6, 0, 6)}, [(3, 1), (2, 1)])
    # Two days as known today: the move and its correction cancel out, and nothing changed in number.
    assert await between(AsOf(day(1, 25), day(5)), AsOf(day(3), day(5))) == (
        {"1": (8, 0, 0, 8), "2": (2, 0, 0, 2)}, [(2, 1), (4, 1)],
    )  # fmt: skip


async def test_a_late_report_that_contradicts_is_refused_and_the_past_stays(world: World) -> None:
    lot = await stocked(world, 5)
    second = world.place(world.maker, site=world.maker.sites[1])
    await world.run(world.maker, Step(Kind.MOVE, lot, 4, 1, to=second, occurred_at=day(2)), now=day(2))
    before = await world.snapshot(lot)
    late = Step(Kind.SCRAP, lot, 3, 1, occurred_at=day(1, 15))
    with pytest.raises(DomainError) as refused:
        await world.run(world.maker, late, now=day(3))
    assert refused.value.code in {"ledger.late_conflict", "ledger.not_enough"}
    assert await world.snapshot(lot) == before
    assert await sat(world, day(2, 10), day(3, 10)) == {"1": 1, "2": 4}
    # The move is taken back, the scrapping told, and what was really moved is reported again: one command.
    steps = (
        Step(Kind.CORRECT, lot, 4, 2, to=world.place(world.maker), corrects=2), late,
        Step(Kind.MOVE, lot, 2, 1, to=second, occurred_at=day(2)),
    )  # fmt: skip
    await world.run(world.maker, *steps, now=day(3, 5))
    assert await sat(world, day(1, 20), day(3, 10)) == {"1": 2}
    assert await sat(world, day(2, 10), day(3, 10)) == {"2": 2}
    assert await sat(world, day(2, 10), day(3)) == {"1": 1, "2": 4}, "as it was known before"


async def test_every_way_in_and_out_has_its_number(world: World) -> None:
    lot = await stocked(world, 20)
    here, steps = world.place(world.maker), []
    for number, (kind, quantity, back) in enumerate((
        (Kind.USE_UP, 1, False), (Kind.INSTALL, 3, False), (Kind.SCRAP, 2, False), (Kind.LOSE, 4, False),
        (Kind.REMOVE, 2, True), (Kind.FIND, 3, True), (Kind.COUNT_ADJUST, 1, False),
    )):  # fmt: skip
        machine = "EX-200" if kind in {Kind.INSTALL, Kind.REMOVE} else None
        to, at = (here, None) if back else (None, 1)
        steps.append(Step(kind, lot, quantity, at, to=to, machine=machine, occurred_at=day(2, 1 + number)))
    await world.run(world.maker, *steps, now=day(3))
    await world.run(world.maker, Step(Kind.HOLD, lot, 5, 1, occurred_at=day(2, 20)), now=day(3))
    scope = Scope(part_id=world.part)
    since, until = AsOf(day(1, 20), day(4)), AsOf(day(3, 20), day(4))
    (row,) = await asked(world, world.maker, queries.differences, since, until, scope)
    flow = queries.Flow(
        before=20,
        came=0,
        registered=0,
        found=3,
        removed=2,
        left=0,
        used=1,
        fitted=3,
        scrapped=2,
        lost=4,
        counted=-1,
        after=14,
    )
    assert row.flow == flow
    assert row.flow.adds_up
    assert await asked(world, world.maker, queries.difference_in_all, since, until, scope) == flow
    # A reservation moves nothing. What is named, page by page, is all of it in the order in which it happened.
    named: list[queries.ChangeRow] = []
    while some := await asked(
        world, world.maker, queries.changes, since, until, scope, place=(row.lot_id, row.position_id), limit=3,
        after=named[-1].key if named else None,
    ):  # fmt: skip
        named += some
    assert [c.movement.seq for c in named] == [2, 3, 4, 5, 6, 7, 8]
    elsewhere = (await world.register(world.maker, 1, part=await world.make_part(f"{world.tag}-X")), 1)
    assert not await asked(world, world.maker, queries.changes, since, until, scope, place=elsewhere)


async def test_who_may_ask_for_what(world: World) -> None:
    agreement_id = await agreed(world, quantity=10)
    await delivered(world, agreement_id, 10)
    await world.register(world.buyer, 4)
    now = datetime.now(UTC)
    view = AsOf(now, now)
    bound, held = Scope(agreement_id=agreement_id), Scope(holder_id=world.buyer.id)

    async def units(party: Party, scope: Scope, reader: Actor | None = None) -> list[int]:
        found = [
            sum(r.quantity for r in await asked(world, party, question, view, scope, reader=reader))
            for question in (queries.as_of, queries.sums, queries.pins)
        ]
        (change,) = {f.after for f in [await asked(
            world, party, queries.difference_in_all, AsOf(day(1), now), view, scope, reader=reader)]}  # fmt: skip
        return [*found, change]

    assert await units(world.maker, bound) == await units(world.buyer, bound) == [10] * 4
    assert await units(world.other, bound) == await units(world.other, Scope()) == [0] * 4
    assert await units(world.maker, held) == [10] * 4, "what a partner holds of its own is its own affair"
    assert await units(world.buyer, held) == [14] * 4
    assert await units(world.buyer, Scope(part_id=world.part, agreement_id=agreement_id)) == [10] * 4
    # A delegate of the maker sees the units, and not under which agreement; where holders are hidden, neither by whom.
    delegate = person(world.other, "technician", sources=(world.maker.id,))
    part = Scope(part_id=world.part)
    assert await units(world.other, part, delegate) == [10] * 4
    assert await units(world.other, bound, delegate) == [0] * 4
    hidden = replace(delegate, masking=frozenset({world.maker.id}))
    assert (await units(world.other, part, hidden))[2] == 0, "a pin would tell the place"
    rows = await asked(world, world.other, queries.as_of, view, part, reader=hidden)
    rows += await asked(world, world.other, queries.sums, view, part, reader=hidden)
    rows += await asked(world, world.other, queries.differences, AsOf(day(1), now), view, part, reader=hidden)
    assert {(r.holder, r.site, r.agreement_id) for r in rows} == {("A partner in AL", "AL", None)}
    for question in (queries.as_of, queries.sums, queries.pins):
        with pytest.raises(DomainError, match="hidden from you") as refused:
            await asked(world, world.other, question, view, held, reader=hidden)
        assert refused.value.code == "ledger.holder_hidden"


async def test_from_the_beginning_or_back_from_now_is_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there is added up from the first transaction on, or from now backwards, whichever is less work."""
    agreement_id = await agreed(world, quantity=10)
    await delivered(world, agreement_id, 10)
    there = world.place(world.maker, site=world.maker.sites[1])
    began = datetime.now(UTC)
    for days in (40, 30, 20):
        lot = await world.register(world.maker, 9, occurred_at=began - timedelta(days=days))
        await world.run(world.maker, Step(Kind.MOVE, lot, 4, 1, to=there, occurred_at=began - timedelta(days=days - 9)))
        await world.run(world.maker, Step(Kind.HOLD, lot, 2, 1))
        await world.run(world.maker, Step(Kind.SCRAP, lot, 4, 2))
    known = [
        r[0]
        for r in await world.owner.fetch(
            "SELECT DISTINCT m.recorded_at FROM movement m JOIN lot l USING (lot_id) WHERE l.part_id = $1 ORDER BY 1",
            world.part,
        )
    ]
    moments = [began - timedelta(days=d) for d in (41, 35, 25, 12)] + [*known[::5], datetime.now(UTC)]
    met = set()
    for party in (world.maker, world.buyer):
        for at in moments:
            for until in moments[3:]:
                view, files = AsOf(at, until), []
                for back in (True, False):

                    async def chosen(*_: object, back: bool = back) -> bool:
                        return back

                    monkeypatch.setattr(past, "later_are_fewer", chosen)
                    monkeypatch.setattr(past_file, "later_are_fewer", chosen)
                    file = queries.as_of_file(world.db, party.tenant, person(party, "technician"), view, Scope())
                    lines = b"".join([piece async for piece in file]).splitlines()
                    async with world.db.read(party.tenant) as session:
                        found = await queries.pins(session, person(party, "technician"), view, Scope())
                    files.append((sorted(lines), found))
                assert files[0] == files[1]
                met.add(len(files[0][0]))
    assert len(met) > 3, "the moments differ in nothing"
    monkeypatch.undo()
    await world.owner.execute("ANALYZE movement")
    async with world.db.read(world.maker.tenant) as session:
        assert await past.later_are_fewer(session, AsOf(datetime.now(UTC), datetime.now(UTC)))
        long_ago = began - timedelta(days=9_000)
        assert not await past.later_are_fewer(session, AsOf(long_ago, long_ago))


async def test_the_file_says_what_the_lines_say(world: World) -> None:
    agreement_id = await agreed(world, quantity=10)
    await delivered(world, agreement_id, 10)
    await world.owner.execute("UPDATE site SET name = '=cmd()' WHERE id = $1", world.maker.site)
    for n, serial in enumerate(("-7", "+1 555", "=1+1", "\u00a0@x", "0001", '"q", r')):
        await world.register(world.maker, serial=serial, part=await world.make_part(f"={world.tag}{n}"))
    now = datetime.now(UTC)
    view = AsOf(now, now)

    async def file(reader: Actor, scope: Scope) -> list[list[str]]:
        tenant = world.maker.tenant
        text = b"".join([p async for p in queries.as_of_file(world.db, tenant, reader, view, scope)]).decode()
        assert text.startswith("\ufeffPart number,")
        return list(csv.reader(io.StringIO(text, newline="")))[1:]

    reader = person(world.maker, "technician")
    page_by_page = replace(reader, masking=frozenset({world.other.id}))
    assert page_by_page.masked
    assert not reader.masked
    for scope in (
        Scope(),
        Scope(part_id=world.part),
        Scope(holder_id=world.maker.id),
        Scope(agreement_id=agreement_id),
    ):
        rows = await asked(world, world.maker, queries.as_of, view, scope)
        expected = sorted([safe_cell(c) for c in cells(r)] for r in rows)
        assert len(expected) >= 1
        assert sorted(await file(reader, scope)) == expected
        assert sorted(await file(page_by_page, scope)) == expected
    assert any(cell == "'=cmd()" for row in await file(reader, Scope()) for cell in row)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "=1",
        " =1",
        "\u00a0+x",
        "+12",
        "-1,000.5",
        "-",
        "@a",
        "\ttab",
        "|x",
        "\uff1dA",
        "A=1",
        "7",
        "+1 5",
        "'=1",
        "\n-1",
    ],
)
async def test_cells_are_made_safe_alike(world: World, text: str) -> None:
    async with world.db.read(world.maker.tenant) as session:
        assert await fetch_value(session, f"SELECT {safe_text('$1::text')}", text) == safe_cell(text)
