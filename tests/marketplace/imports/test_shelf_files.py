"""Counts, serial lists and use reports from a holder's own system: every row's fate, what landing does, and taking it back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from marketplace.db.session import Database
from marketplace.holdings.queries import sheets as sheet_reads
from marketplace.holdings.service import sheets
from marketplace.imports import service
from marketplace.imports.queries import Job
from marketplace.imports.queries import catalogue as queries
from marketplace.imports.queries.catalogue import CatalogueRowOut
from marketplace.imports.shapes import recognise
from marketplace.imports.shelf_rows import ShelfRow, repeated
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from tests.agreed import agreed, clock, delivered, person
from tests.importing import Importing, pieces
from tests.world import World

WROTE = ("movement", "count_sheet", "count_entry", "catalogue_change", "permit")


@pytest.fixture
def imports(world: World, db: Database, tmp_path: Path) -> Importing:
    return Importing(world, db, tmp_path)


async def checked(imports: Importing, content: str, **more: object) -> Job:
    return await take(imports, content, land=False, **more)


async def take(imports: Importing, content: str, *, land: bool = True, **more: object) -> Job:
    """A file of the buyer's."""
    who, now = imports.world.buyer, clock()
    job = await imports.upload(content, who, now=now, named="report.csv", **more)
    return await imports.run(job, who, land=land, now=now)


async def rows(imports: Importing, job: Job, fate: str) -> list[CatalogueRowOut]:
    async with imports.db.read(imports.world.buyer.tenant) as session:
        return list(await queries.catalogue_rows(session, job.id, fate))


async def undone(imports: Importing, job: Job) -> tuple[dict[str, int], list[CatalogueRowOut]]:
    who = imports.world.buyer
    async with imports.db.write(who.tenant) as session:
        many = await service.undo(session, person(who), job.id, clock())
    async with imports.db.read(who.tenant) as session:
        return many, list(await queries.kept(session, job.id))


async def everything(world: World) -> list[tuple[object, ...]]:
    found = []
    for table in WROTE:
        column = "holder_id" if table.startswith("count") else "company_id"
        some = (world.buyer.id, world.maker.id)
        found += [
            tuple(r)
            for r in await world.owner.fetch(f"SELECT * FROM {table} WHERE {column} = ANY($1) ORDER BY 1, 2", some)
        ]
    return found


async def number_of(world: World) -> str:
    return str(await world.owner.fetchval("SELECT number FROM part WHERE id = $1", world.part))


def test_kinds_are_told_by_their_own_columns() -> None:
    sample = [["A-1", "4", "MAIN", "2026-11-01"]]
    assert recognise(["Part No", "Qty", "Site", "Counted on"], sample) == "counts"
    assert recognise(["Material", "Counted", "Warehouse", "Bin"], sample) == "counts"
    assert recognise(["Part No", "Qty used", "Site", "Used on"], sample) == "uses"
    assert recognise(["Part No", "Qty", "Site", "Machine"], sample) == "stock"
    assert recognise(["Part No", "Qty", "Site", "Bin"], sample) == "stock"
    assert recognise(["Part No", "Qty on hand", "Last issue", "Unit cost"], sample) == "stock"


def test_what_an_earlier_report_told_is_told_once() -> None:
    def row(no: int, quantity: int) -> ShelfRow:
        from datetime import date
        from uuid import UUID

        return ShelfRow(
            no,
            None,
            "A",
            "A",
            "",
            "",
            "use_up:2026-11-01:",
            UUID(int=1),
            quantity,
            date(2026, 11, 1),
            "use_up",
            "",
            "",
            "",
            UUID(int=2),
        )

    some = [row(1, 2), row(2, 2), row(3, 2), row(4, 5)]
    assert repeated(some, {some[0].same_as: 2}) == {1, 2}
    assert repeated(some, {}) == frozenset()
    assert repeated(some, {some[0].same_as: 9, some[3].same_as: 1}) == {1, 2, 3, 4}


async def test_a_count_is_held_against_the_record_and_confirmed_on_its_page(imports: Importing) -> None:
    world = imports.world
    other = await world.make_part(f"{world.tag}-200-B")
    third = await world.make_part(f"{world.tag}-300-C")
    await world.register(world.buyer, 10, occurred_at=clock() - timedelta(days=3))
    await world.register(world.buyer, 4, part=other)
    await world.register(world.buyer, 7, part=third)
    serial = await world.register(
        world.buyer, serial=f"SN-{world.tag}", part=await world.make_part(f"{world.tag}-400-D")
    )
    # On record at the other site: read here, it is no unit of this shelf yet.
    there = await world.make_part(f"{world.tag}-500-E")
    await world.register(world.buyer, serial=f"AWAY-{world.tag}", part=there, site=world.buyer.sites[1])
    first = await number_of(world)
    before = await everything(world)
    text = (
        "Part No,Serial,Counted,Count date\n"
        f"{first},,6,\n{first},,3,\n{world.tag}-200-B,,4,\n,sn-{world.tag},,\n,NOBODY-{world.tag},,\n,AWAY-{world.tag},,\n"
        f"{world.tag}-999-X,,2,\n,,5,\n{first},,minus,\n,sn-{world.tag},,\n"
    )
    job = await checked(imports, text)
    assert (job.kind, job.step, job.rows_good, job.rows_bad) == ("counts", "validated", 6, 4)
    assert (job.lots_new, job.lots_changed, job.lots_vanished) == (2, 1, 0)
    [changed] = await rows(imports, job, "changed")
    assert [(c.field, c.before, c.after) for c in changed.changes] == [("quantity", "10", "9")]
    assert set(await imports.issues(job.id, world.buyer)) == {8, 9, 10, 11}
    assert await everything(world) == before, "checking wrote something"
    done = await imports.run(job.id, world.buyer, now=clock())
    assert done.step == "done"
    [sheet] = done.mapping["count_sheets"]
    async with imports.db.read(world.buyer.tenant) as session:
        found = {v.part_id: v for v in await sheet_reads.variances(session, sheet["id"])}
    assert {p: (v.counted, v.expected) for p, v in found.items() if p in (world.part, other)} == {
        world.part: (9, 10),
        other: (4, 4),
    }
    assert third not in found, "what the file does not name is not counted"
    total = await world.owner.fetchval("SELECT sum(quantity) FROM position WHERE holder_id = $1", world.buyer.id)
    assert total == 23, "nothing is adjusted before it is confirmed"
    # Undone while it is open, the count is dropped; a file taken in again counts anew.
    assert (await undone(imports, done))[0] == {"undone": 3}
    async with imports.db.read(world.buyer.tenant) as session:
        assert (await sheet_reads.sheet(session, world.buyer.id, sheet["id"])).ended == "dropped"
    again = await take(imports, text.replace(",6,", ",7,"), takes="replace")
    assert (again.lots_changed, again.lots_vanished) == (0, 1)
    [sheet] = again.mapping["count_sheets"]
    async with imports.db.write(world.buyer.tenant) as session:
        for variance in await sheet_reads.variances(session, sheet["id"]):
            if variance.recount:
                assert variance.part_id == third
                await sheets.recount(session, person(world.buyer), sheet["id"], third, now=clock())
                assert variance.counted == 0
    assert await world.positions(serial) == {1: (1, 0)}


async def test_uses_are_tried_then_recorded_and_come_in_once(imports: Importing, worker_db: Database) -> None:
    world = imports.world
    lot = await world.register(world.buyer, 10, occurred_at=clock() - timedelta(days=30))
    first = await number_of(world)
    day = (clock() - timedelta(days=2)).date()
    header = "Part No,Qty used,Used on,Machine,Document,Note\n"
    text = (
        header
        + f"{first},2,{day},,WO-1,\n{first},2,{day},,WO-2,\n{first},1,{day},EXC-77,WO-3,\n{first},20,{day},,WO-4,\n"
    )
    before = await everything(world)
    job = await checked(imports, text)
    assert (job.kind, job.rows_good, job.rows_bad, job.lots_new) == ("uses", 3, 1, 3)
    assert [[(c.before, c.after) for c in r.changes] for r in await rows(imports, job, "new")] == [
        [("10", "8")],
        [("8", "6")],
        [("6", "5")],
    ]
    [(row, why)] = (await imports.issues(job.id, world.buyer)).items()
    assert row == 5
    assert "quantity" in why
    assert await everything(world) == before, "trying wrote something"
    # The worker brings it on where the file is large.
    done = await Importing(world, worker_db, imports.folder).run(job.id, world.buyer, now=clock())
    assert (done.step, done.lots_new) == ("done", 3)
    assert sum(q for q, _ in (await world.positions(lot)).values()) == 5
    when = await world.owner.fetch(
        "SELECT kind, occurred_at FROM movement WHERE lot_id = $1 AND seq > 1 ORDER BY seq", lot
    )
    assert [r["kind"] for r in when] == ["use_up", "use_up", "install"]
    assert all(r["occurred_at"] < clock() - timedelta(days=1) for r in when)
    # The report of the whole month has the same lines and one more.
    more = await take(imports, text.replace(f"{first},20,{day},,WO-4,\n", f"{first},1,{day},,WO-5,\n"))
    assert (more.lots_new, more.as_on_record) == (1, 3)
    assert sum(q for q, _ in (await world.positions(lot)).values()) == 4
    # Undone, the uses are taken back; told again, they are new.
    assert await undone(imports, done) == ({"undone": 3, "kept": 0}, [])
    assert sum(q for q, _ in (await world.positions(lot)).values()) == 9
    again = await take(imports, text + "\n")
    assert again.lots_new == 3
    assert sum(q for q, _ in (await world.positions(lot)).values()) == 4


async def test_what_an_agreement_forbids_stays_out_with_its_words(imports: Importing) -> None:
    world = imports.world
    agreement = await agreed(world, quantity=10, minimum=8)
    lot = await delivered(world, agreement, quantity=10)
    first = await number_of(world)
    day = clock().date()
    text = f"Part No,Qty used,Used on,Document\n{first},2,{day},WO-1\n{first},1,{day},WO-2\n"
    whole = await imports.upload(text, world.buyer, now=clock(), named="uses.csv", mode="all_or_nothing")
    job = await imports.run(whole, world.buyer, land=False, now=clock())
    assert (job.rows_good, job.rows_bad) == (1, 1)
    assert any("8" in words for words in (await imports.issues(job.id, world.buyer))[3].values())
    before = await everything(world)
    with pytest.raises(DomainError, match=r"import\.bad_rows"):
        await imports.run(whole, world.buyer, now=clock())
    assert await everything(world) == before
    done = await take(imports, text + "\n")  # the same bytes would be the same import
    assert done.lots_new == 1
    assert sum(q for q, _ in (await world.positions(lot)).values()) == 8
    # What happened since stays, and the list says why.
    assert (await undone(imports, done))[0] == {"undone": 1, "kept": 0}
    assert sum(q for q, _ in (await world.positions(lot)).values()) == 10


async def test_units_used_up_between_check_and_landing_stay_out(imports: Importing) -> None:
    world = imports.world
    lot = await world.register(world.buyer, 3)
    text = f"Part No,Qty used,Used on\n{await number_of(world)},3,{clock().date()}\n"
    job = await checked(imports, text)
    assert job.rows_good == 1
    await world.run(world.buyer, Step(Kind.USE_UP, lot, 2, 1))
    done = await imports.run(job.id, world.buyer, now=clock())
    assert (done.step, done.lots_new, done.rows_bad) == ("done", 0, 1)
    assert sum(q for q, _ in (await world.positions(lot)).values()) == 1


async def test_two_reports_at_once_do_not_wait_for_each_other_for_ever(imports: Importing) -> None:
    """Rows in opposite order: whoever comes second waits, and both land."""
    world = imports.world
    other = await world.make_part(f"{world.tag}-200-B")
    await world.register(world.buyer, 10)
    await world.register(world.buyer, 10, part=other)
    first, day = await number_of(world), clock().date()
    lines = [f"{first},1,{day},A\n", f"{world.tag}-200-B,1,{day},B\n"]
    jobs = [
        await checked(imports, "Part No,Qty used,Used on,Document\n" + "".join(some) + "\n" * n)
        for n, some in enumerate((lines, lines[::-1]))
    ]
    done = await asyncio.gather(*(imports.run(j.id, world.buyer, now=clock()) for j in jobs))
    assert [j.step for j in done] == ["done", "done"]
    assert sorted(j.lots_new for j in done) == [0, 2], "the second tells of what the first did"


async def test_only_whoever_may_act_on_units_brings_them_in(imports: Importing) -> None:
    world = imports.world
    await world.register(world.buyer, 3)
    text = f"Part No,Qty used,Used on\n{await number_of(world)},3,{clock().date()}\n"
    before = await everything(world)
    who = world.buyer

    async with imports.db.write(who.tenant) as session:
        with pytest.raises(DomainError, match=r"actor\.role"):
            await service.upload(
                session, person(who, "auditor"), chunks=pieces(text.encode()), file_name="x.csv", data_dir=imports.folder, limit_bytes=1 << 20,
                now=clock(), default_site_id=who.site,
            )  # fmt: skip
    assert await everything(world) == before
