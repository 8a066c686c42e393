"""Cycle counts: entered as they go, compared with the record of that moment, counted again where far off, confirmed at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from marketplace.holdings import queries as holdings
from marketplace.holdings.proposal import Line, plan_count
from marketplace.holdings.queries import sheets as reads
from marketplace.holdings.service import sheets
from marketplace.holdings.sheet import Item, Variance, read_items, tolerance
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Place, Step
from marketplace.ledger.kinds import Kind
from tests import second
from tests.agreed import agreed, clock, delivered, person
from tests.counting import counted
from tests.marketplace.main_job import API, Job, ok, refused
from tests.world import World

owner, db, worker_db = second.FIXTURES
TABLES = ("count_entry", "count_result", "count_end", "stock_count", "movement", "withdrawal")


async def opened(world: World, **scope: UUID | None) -> UUID:
    async with world.db.write(world.buyer.tenant) as session:
        return await sheets.open_sheet(
            session, person(world.buyer), world.buyer.site, **{"part_id": None, "agreement_id": None, **scope}, blind=True, now=clock()
        )  # fmt: skip


async def entered(
    world: World, sheet: UUID, *items: Item, at: datetime | None = None, how: str = "scan"
) -> sheets.Entered:
    async with world.db.write(world.buyer.tenant) as session:
        return await sheets.enter(session, person(world.buyer), sheet, items, how=how, now=at or clock())


async def confirmed(world: World, sheet: UUID) -> sheets.Confirmed:
    async with world.db.write(world.buyer.tenant) as session:
        return await sheets.confirm(session, person(world.buyer), sheet, reason="Cycle count", now=clock())


async def recounted(world: World, sheet: UUID, part: UUID) -> None:
    async with world.db.write(world.buyer.tenant) as session:
        await sheets.recount(session, person(world.buyer), sheet, part, now=clock())


async def differs(world: World, sheet: UUID) -> dict[UUID, Variance]:
    async with world.db.read(world.buyer.tenant) as session:
        return {v.part_id: v for v in await reads.variances(session, sheet)}


async def everything(world: World) -> list[tuple[object, ...]]:
    return [tuple(r) for t in TABLES for r in await world.owner.fetch(f"SELECT * FROM {t} ORDER BY 1, 2")]


async def number(world: World) -> str:
    return str(await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part))


def test_lists_are_read_and_tolerance_is_whole_units() -> None:
    text = 'SN-1\n\n"SN-2"\n100-A, 12\n200-B;1,200\nBOLT M8 x 4\n"300-C","7"\nSN 42\n"SN 43"\n'
    assert read_items(text) == (
        Item("SN-1", None), Item("SN-2", None), Item("100-A", 12), Item("200-B", 1200), Item("BOLT M8", 4), Item("300-C", 7),
        Item("SN", 42, "SN 42"), Item("SN 43", None),
    )  # fmt: skip
    for bad in (
        "",
        "  \n",
        "\n".join(f"S{n}" for n in range(2_001)),
        ", 4",
        "100-A, -3",
        "100-A; 3.5",
        '"100-A","2.0"',
    ):
        with pytest.raises(DomainError, match=r"count\.list"):
            read_items(bad)
    assert [tolerance(n, 500) for n in (0, 19, 20, 100)] == [0, 0, 1, 5]


def test_what_was_read_is_not_what_is_missing() -> None:
    here = Place(UUID(int=1), UUID(int=1), UUID(int=2), "new")
    lines = [Line(UUID(int=n), 1, UUID(int=9), here, 1, 1, False, f"S{n}", None) for n in (3, 4, 5)]
    plan = plan_count(lines, UUID(int=1), 2, frozenset({UUID(int=3), UUID(int=5)}))
    assert [t.line.lot_id for t in plan.missing] == [UUID(int=4)]


async def test_what_moved_since_is_taken_into_account(world: World) -> None:
    """Ten on the shelf, nine counted, then two used and five more received: one is missing, not none."""
    lot = await world.register(world.buyer, 10, occurred_at=clock() - timedelta(days=9))
    sheet = await opened(world)
    said = await entered(world, sheet, Item(await number(world), 9))
    assert said == sheets.Entered(1, ())
    await world.run(world.buyer, Step(Kind.USE_UP, lot, 2, 1))
    await world.register(world.buyer, 5)
    found = (await differs(world, sheet))[world.part]
    assert (found.counted, found.expected, found.moved_since, found.counted_now, found.recount) == (9, 10, 3, 12, True)
    before = await everything(world)
    with pytest.raises(DomainError) as far_off:
        await confirmed(world, sheet)
    assert (far_off.value.code, far_off.value.extra["parts"]) == ("count.recount", [await number(world)])
    assert await everything(world) == before
    # The second count says so too: it is believed.
    await recounted(world, sheet, world.part)
    assert await differs(world, sheet) == {}
    await entered(world, sheet, Item(await number(world), 12))
    done = await confirmed(world, sheet)
    assert (done.parts, done.differing) == (1, 1)
    assert "lowered by 1" in done.words[0][1]
    total = "SELECT sum(quantity) FROM position WHERE holder_id = $1"
    assert await world.owner.fetchval(total, world.buyer.id) == 12
    before = await everything(world)
    for late in (lambda: entered(world, sheet, Item("X", None)), lambda: confirmed(world, sheet)):
        with pytest.raises(DomainError, match=r"count\.ended"):
            await late()
    assert await everything(world) == before


async def test_within_tolerance_no_second_count_is_asked(world: World) -> None:
    await world.register(world.buyer, 40)
    async with world.db.write(world.buyer.tenant) as session:
        await sheets.set_tolerance(session, person(world.buyer), "", 500, now=clock())
    sheet = await opened(world, part_id=world.part)
    wrong = await entered(world, sheet, Item(await number(world), 30), Item(await number(world), 8))
    assert wrong.kept == 2
    assert not (await differs(world, sheet))[world.part].recount
    async with world.db.read(world.buyer.tenant) as session:
        last = (await reads.entries(session, sheet))[0]
    async with world.db.write(world.buyer.tenant) as session:
        await sheets.take_back(session, person(world.buyer), sheet, last.id, now=clock())
        with pytest.raises(DomainError, match=r"count\.entry"):
            await sheets.take_back(session, person(world.buyer), sheet, last.id, now=clock())
    assert (await differs(world, sheet))[world.part].counted in {30, 8}
    with pytest.raises(DomainError, match=r"count\.part"):
        await entered(world, sheet, Item("NO-SUCH-PART", 3))


async def test_serials_are_scanned_and_the_unread_one_is_the_missing_one(world: World) -> None:
    agreement = await agreed(world)
    lots = {s: await delivered(world, agreement, 1, serial=s) for s in ("A1", "A2", "A3")}
    away = await world.register(world.buyer, serial="B1", site=world.buyer.sites[1])
    await world.register(world.other, serial="C1")
    sheet = await opened(world)
    said = await entered(world, sheet, *(Item(s, None) for s in ("a1", "A3", "A1", "B1", "C1", "Z9")))
    assert said.kept == 5
    assert len(said.words) == 4
    async with world.db.read(world.buyer.tenant) as session:
        known = {e.serial: (e.known, e.place) for e in await reads.entries(session, sheet)}
    assert {s: k for s, (k, _) in known.items()} == {
        "A1": "here", "A3": "here", "B1": "at_another_site", "C1": "elsewhere", "Z9": "unknown",
    }  # fmt: skip
    # Where a unit of another company is, is not told; where one's own should be, is.
    assert known["C1"][1] is None
    assert world.buyer.code in str(known["B1"][1])
    found = (await differs(world, sheet))[world.part]
    assert (found.counted, found.expected) == (2, 3)
    # Once the record says that it is here, it was here when it was read.
    await world.run(world.buyer, Step(Kind.MOVE, away, 1, 1, to=world.place(world.buyer)))
    found = (await differs(world, sheet))[world.part]
    assert (found.counted, found.expected, found.counted_now) == (3, 4, 3)
    await world.run(world.buyer, Step(Kind.MOVE, away, 1, 2, to=world.place(world.buyer, site=world.buyer.sites[1])))
    await recounted(world, sheet, world.part)
    await entered(world, sheet, Item("A1", None), Item("A3", None))
    await confirmed(world, sheet)
    rows = await world.owner.fetch(
        "SELECT lot_id FROM withdrawal WHERE holder_id = $1 AND resolved_at IS NULL", world.buyer.id
    )
    assert [r["lot_id"] for r in rows] == [lots["A2"]]
    assert (await world.positions(away))[1] == (1, 0)


async def test_spaces_in_a_number_are_no_quantity(world: World) -> None:
    """What a label has is one number; 'so many of' is read where a part is known by the rest of the line alone."""
    lot = await world.register(world.buyer, serial="SN 0042")
    await world.register(world.buyer, 5)
    sheet, known = await opened(world), await number(world)
    assert (await entered(world, sheet, Item("SN", 42, "SN 0042"), how="typed")).words == ()
    await entered(world, sheet, Item(known, 5, f"{known} 5"), how="typed")
    said = await entered(world, sheet, Item("ZZ", 9, "ZZ 9"))
    assert "ZZ 9 is no part number" in said.words[0]
    async with world.db.read(world.buyer.tenant) as session:
        rows = await reads.entries(session, sheet)
    assert {(e.serial, e.quantity) for e in rows} == {("SN 0042", 1), (None, 5), ("ZZ 9", 1)}
    assert lot in {e.lot_id for e in rows}
    await world.register(world.buyer, serial=f"{known} 5")
    before = await everything(world)
    with pytest.raises(DomainError, match=r"count\.part") as unknown:
        await entered(world, sheet, Item("ZZ", 9, "ZZ 9"), how="typed")
    assert 'write it in quotes: "ZZ 9"' in unknown.value.message
    with pytest.raises(DomainError, match=r"count\.list"):
        await entered(world, sheet, Item(known, 5, f"{known} 5"), how="typed")
    assert await everything(world) == before


async def test_a_serial_nobody_knows_may_be_the_right_one_of_a_unit_here(world: World) -> None:
    agreement = await agreed(world)
    old = await delivered(world, agreement, 1, serial="A1O")
    read = await delivered(world, agreement, 1, serial="A2")
    sheet = await opened(world)
    await entered(world, sheet, Item("A10", None), Item("A2", None))
    async with world.db.read(world.buyer.tenant) as session:
        entry = next(e for e in await reads.entries(session, sheet) if e.serial == "A10")
    before = await everything(world)
    with pytest.raises(DomainError, match=r"count\.misread"):
        async with world.db.write(world.buyer.tenant) as session:
            await sheets.misread(session, person(world.buyer), sheet, entry.id, read, now=clock())
    assert await everything(world) == before
    async with world.db.write(world.buyer.tenant) as session:
        new = await sheets.misread(session, person(world.buyer), sheet, entry.id, old, now=clock())
    lot = await world.owner.fetchrow("SELECT serial, replaces_lot_id FROM lot WHERE lot_id = $1", new)
    assert tuple(lot) == ("A10", old)
    place = await world.owner.fetchrow(
        "SELECT agreement_id, site_id FROM position WHERE lot_id = $1 AND quantity = 1", new
    )
    assert tuple(place) == (agreement, world.buyer.site)
    found = (await differs(world, sheet))[world.part]
    assert (found.counted, found.expected) == (2, 2)
    assert (await confirmed(world, sheet)).differing == 0


async def test_as_many_statements_for_many_parts_as_for_one_where_all_is_there(world: World) -> None:
    async def measured(parts: int) -> list[int]:
        made = [await world.make_part(f"{world.tag}-{parts}-{n}") for n in range(parts)]
        for part in made:
            await world.register(world.buyer, 3, part=part)
        sheet = await opened(world)
        counts = []
        items = [Item(f"{world.tag}-{parts}-{n}", 3) for n in range(parts)]
        with counted(world.db) as sent:
            await entered(world, sheet, *items)
        counts.append(len(sent))
        with counted(world.db) as sent:
            done = await confirmed(world, sheet)
        counts.append(len(sent))
        assert (done.parts, done.differing) == (parts, 0)
        return counts

    assert await measured(1) == await measured(60)
    assert await world.owner.fetchval("SELECT count(*) FROM stock_count WHERE holder_id = $1", world.buyer.id) == 61


@pytest.fixture
async def job(world: World) -> AsyncIterator[Job]:
    async with AsyncExitStack() as stack:
        yield await Job.begin(world, stack)


async def test_over_http_blind_resumed_and_with_files(job: Job) -> None:
    await job.sold(4)
    body = {"site_id": str(job.world.buyer.site)}
    made = await ok(job.buyer.post(f"{API}/holdings/sheets", json=body), 201)
    at = f"{API}/holdings/sheets/{made['id']}"
    told = (await ok(job.buyer.get(f"{at}/parts")))["items"]
    assert [(p["number"], p["expected"], p["counted"]) for p in told] == [(await number(job.world), None, None)]
    await refused(job.outsider.get(at), "count.not_found")
    assert (await ok(job.buyer.get(f"{API}/holdings/sheets?still_open=true")))["items"][0]["id"] == made["id"]
    text = f"{await number(job.world)}, 3\nZZ-9"
    done = await ok(job.buyer.post(f"{at}/entries", json={"items": text, "how": "list"}), 201)
    assert done["kept"] == 2
    (told,) = (await ok(job.buyer.get(f"{at}/parts")))["items"]
    assert (told["expected"], told["counted"]) == (4, 3)
    assert len((await ok(job.buyer.get(f"{at}/entries?foreign=true")))["items"]) == 1
    await refused(job.buyer.post(f"{at}/confirm", json={"reason": "x"}), "count.recount")
    await ok(job.buyer.post(f"{at}/recounts", json={"part_id": str(job.world.part)}), 201)
    await ok(job.buyer.post(f"{at}/entries", json={"items": f"{await number(job.world)} 3"}), 201)
    look = await ok(job.buyer.get(f"{at}/variances"))
    assert (look[0]["difference"], look[0]["recount"]) == (-1, False)
    sure = await ok(job.buyer.post(f"{at}/confirm", json={"reason": "Cycle count"}))
    assert (sure["parts"], sure["differing"]) == (1, 1)
    assert "not found" in sure["words"][0]
    file = await job.buyer.get(f"{at}/variances.csv")
    assert "-1" in file.text
    assert (await ok(job.buyer.get(at)))["ended"] == "confirmed"
    other = await ok(
        job.buyer.post(f"{API}/holdings/sheets", json={**body, "part_id": str(job.world.part), "blind": False}), 201
    )
    (told,) = (await ok(job.buyer.get(f"{API}/holdings/sheets/{other['id']}/parts")))["items"]
    assert told["expected"] == 4
    assert (await ok(job.buyer.post(f"{API}/holdings/sheets/{other['id']}/drop", json={"reason": "Again."})))[
        "ended"
    ] == "dropped"
    rule = {"class_code": "", "basis_points": 200}
    assert await ok(job.buyer.put(f"{API}/holdings/count-tolerances", json=rule)) == [rule]


async def test_how_old_what_is_known_is_told(world: World) -> None:
    """A movement, a scan or a count confirms a unit; a reservation does not. One statement for many lines."""
    agreement = await agreed(world)
    lots = {s: await delivered(world, agreement, 1, serial=s) for s in ("A1", "A2")}
    keys = [(lot, 1) for lot in lots.values()]
    async with world.db.read(world.buyer.tenant) as session:
        first = await holdings.confirmed(session, keys)
    assert {c.by for c in first.values()} == {"movement"}
    await world.run(world.buyer, Step(Kind.HOLD, lots["A1"], 1, 1))
    sheet = await opened(world)
    await entered(world, sheet, Item("A2", None))
    async with world.db.read(world.buyer.tenant) as session:
        with counted(world.db) as sent:
            then = await holdings.confirmed(session, keys)
    assert len(sent) == 1
    async with world.db.read(world.buyer.tenant) as session:
        under = await holdings.confirmed_under(session, agreement)
    assert then[lots["A1"], 1] == first[lots["A1"], 1] == under[world.part]
    assert then[lots["A2"], 1].by == "scan"
    await entered(world, sheet, Item("A1", None))
    await confirmed(world, sheet)
    async with world.db.read(world.maker.tenant) as session:
        # The maker sees the count, and no scan of its holder's.
        assert {c.by for c in (await holdings.confirmed(session, keys)).values()} == {"count"}
