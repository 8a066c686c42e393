"""What a file may say about stock it does not name, rows that were read as one, and deciding on many differences."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from marketplace.db.session import Database
from marketplace.holdings.service import count
from marketplace.imports import service
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from tests.importing import NOW, Importing, actor_of, day
from tests.world import World


@pytest.fixture
def imports(world: World, db: Database, tmp_path: Path) -> Importing:
    return Importing(world, db, tmp_path)


async def test_a_file_that_tells_of_some_stock_takes_nothing_for_gone(imports: Importing, world: World) -> None:
    t = world.tag
    await imports.landed(f"Part number,Qty\n{t}-A,10\n{t}-B,5\n", snapshot_on=day(20))
    some = await imports.landed(f"Part number,Qty\n{t}-A,9\n", snapshot_on=day(21), covers="some")
    assert (some.lots_changed, some.lots_vanished) == (1, 0)
    assert [p.kind for p in await imports.proposals(some.id)] == ["less"]
    # The same bytes said to be all the stock are another import, and there B is gone.
    whole = await imports.landed(f"Part number,Qty\n{t}-A,9\n", snapshot_on=day(21))
    assert whole.id != some.id
    assert [p.part_number for p in await imports.proposals(whole.id) if p.kind == "vanished"] == [f"{t}-B"]


async def test_a_file_that_leaves_most_of_a_site_out_is_asked_about(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t, (near, far) = world.tag, world.maker.sites[:2]
    await imports.landed("Part number,Qty\n" + "".join(f"{t}-{n},4\n" for n in range(22)), snapshot_on=day(20))
    await imports.landed(
        "Part number,Qty\n" + "".join(f"{t}-{n},4\n" for n in range(12)), snapshot_on=day(20), default_site_id=far
    )

    async def left() -> tuple[int, int, dict[str, int]]:
        gone = await owner.fetchval(
            "SELECT count(*) FROM stock_line WHERE vanished_on IS NOT NULL AND site_id = ANY($1)", [near, far]
        )
        made = await owner.fetchval("SELECT count(*) FROM import_proposal WHERE site_id = ANY($1)", [near, far])
        return gone, made, await imports.stock()

    before = await left()
    # Twelve of 22 are named: no question. Of the other site one of 12 is, beside a new line.
    body = "Part number,Qty,Site\n" + "".join(f"{t}-{n},4,S1\n" for n in range(12)) + f"{t}-0,4,S2\n{t}-NEW,1,S2\n"
    asked = await imports.upload(body, snapshot_on=day(21))
    job = await imports.run(asked, land=False)
    assert (job.lots_vanished, job.lots_doubted, job.in_doubt) == (21, 11, True)
    with pytest.raises(DomainError) as refused:
        await imports.run(asked)
    assert (refused.value.code, refused.value.extra["gone"]) == ("import.mostly_gone", 11)
    assert (await imports.job(asked)).step == "validated"
    assert await left() == before
    # Read again, it is asked again; said to tell of some, nothing is gone.
    async with imports.db.write(world.maker.tenant) as session:
        await service.choose_landing(session, asked, covers="some")
    job = await imports.run(asked)
    assert (job.step, job.lots_new, job.lots_vanished, job.as_on_record) == ("done", 1, 0, 13)
    assert (await left())[:2] == (0, 0)
    # The same bytes said to tell of all: the lines are proposed as gone, and still none of them is.
    whole = await imports.upload(body, snapshot_on=day(21))
    assert whole != asked
    async with imports.db.write(world.maker.tenant) as session:
        await service.choose_landing(session, whole, covers="all")
    job = await imports.run(whole)
    assert (job.step, job.lots_vanished) == ("done", 21)
    assert (await left())[:2] == (21, 21)
    assert (await imports.stock())[f"{t}-0"] == 8


async def test_a_file_of_zeros_is_asked_about(imports: Importing, world: World) -> None:
    t = world.tag
    await imports.landed("Part number,Qty\n" + "".join(f"{t}-{n},4\n" for n in range(12)), snapshot_on=day(20))
    zeros = await imports.upload("Part number,Qty\n" + "".join(f"{t}-{n},0\n" for n in range(12)), snapshot_on=day(21))
    with pytest.raises(DomainError) as refused:
        await imports.run(zeros)
    assert refused.value.code == "import.mostly_gone"
    assert (await imports.job(zeros)).lots_doubted == 12
    assert await imports.proposals(zeros) == []


async def test_nothing_is_counted_into_a_site_that_was_closed(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t = world.tag
    await imports.landed(f"Part number,Qty\n{t}-A,5\n{t}-B,5\n", snapshot_on=day(20))
    job = await imports.landed(f"Part number,Qty\n{t}-A,8\n{t}-B,4\n", snapshot_on=day(21))
    await owner.execute("UPDATE site SET closed_at = now() WHERE id = $1", world.maker.site)
    with pytest.raises(DomainError) as refused:
        await imports.decide(job.id, accept_all=["more", "less"])
    assert refused.value.code == "import.site_closed"
    assert {p.decided for p in await imports.proposals(job.id)} == {None}
    assert (await imports.decide(job.id, accept_all=["less"])).counted_away == 1
    assert await imports.stock() == {f"{t}-A": 5, f"{t}-B": 4}


async def test_fewer_than_ten_lines_may_be_gone_without_a_question(imports: Importing, world: World) -> None:
    t = world.tag
    await imports.landed("Part number,Qty\n" + "".join(f"{t}-{n},4\n" for n in range(10)), snapshot_on=day(20))
    job = await imports.landed(f"Part number,Qty\n{t}-0,4\n", snapshot_on=day(21))
    assert (job.step, job.lots_vanished, job.lots_doubted) == ("done", 9, 0)


async def test_a_site_named_by_a_bad_row_only_is_not_compared(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t, other = world.tag, world.maker.sites[1]
    await imports.landed(f"Part number,Qty\n{t}-A,10\n{t}-B,5\n", snapshot_on=day(20), default_site_id=other)
    job = await imports.landed(f"Part number,Qty,Site\n{t}-C,3,S1\n{t}-A,many,S2\n", snapshot_on=day(21))
    assert (job.rows_bad, job.lots_new, job.lots_vanished) == (1, 1, 0)
    assert await imports.proposals(job.id) == []
    assert not await owner.fetchval(
        "SELECT count(*) FROM stock_line WHERE site_id = $1 AND vanished_on IS NOT NULL", other
    )


async def test_rows_glued_by_an_open_quote_never_land(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t = world.tag
    job = await imports.landed(
        "Part number,Description,UOM,Qty\n"
        f'"{t}-A,x,EA,1\n{t}-B,"x,EA,1\n'  # the number's quote is closed a row later
        f'{t}-C,"x,EA,1\n{t}-D,y,EA,1\n{t}-E,z",EA,1\n'  # so is the description's
        f'{t}-F,"Two lines\nof words, and a comma",EA,1\n{t}-G,x,EA,1\n',
        snapshot_on=day(20),
    )
    assert (job.rows_good, job.rows_bad) == (2, 2)
    assert await imports.stock() == {f"{t}-F": 1, f"{t}-G": 1}
    told = await imports.issues(job.id)
    assert {row: set(fields) & {"number", "description"} for row, fields in told.items()} == {
        2: {"number"}, 4: {"description"},
    }  # fmt: skip
    assert "closed only further below" in told[2]["number"]
    assert (
        await owner.fetchval("SELECT description FROM part WHERE number = $1", f"{t}-F")
        == "Two lines of words, and a comma"
    )


async def test_all_differences_of_a_kind_at_once(imports: Importing, world: World) -> None:
    t = world.tag
    await imports.landed("Part number,Qty\n" + "".join(f"{t}-{n},10\n" for n in range(9)), snapshot_on=day(20))
    job = await imports.landed(
        "Part number,Qty\n" + "".join(f"{t}-{n},{12 if n < 3 else 7}\n" for n in range(6)), snapshot_on=day(21)
    )
    first = next(p for p in await imports.proposals(job.id) if p.kind == "vanished")
    # One of a kind is decided by itself, the others of its kind the other way.
    done = await imports.decide(job.id, accept=[first.id], dismiss_all=["vanished"])
    assert (done.accepted, done.dismissed, done.counted_away, done.open) == (1, 2, 10, 6)
    done = await imports.decide(job.id, accept_all=["more", "less"])
    assert done == service.Decision(6, 0, overtaken=0, counted_in=6, counted_away=9, left_as_shortage=0, open=0)
    assert (await imports.decide(job.id, accept_all=["more", "vanished"])).accepted == 0
    stock = await imports.stock()
    assert sorted(stock.values()) == [7, 7, 7, 10, 10, 12, 12, 12]
    for wrong in ({"accept_all": ["more"], "dismiss_all": ["more"]}, {}):
        with pytest.raises(DomainError):
            await imports.decide(job.id, **wrong)
    assert await imports.stock() == stock


async def test_a_place_counted_after_the_file_stays_as_counted(imports: Importing, world: World) -> None:
    t = world.tag
    await imports.landed("Part number,Qty\n" + "".join(f"{t}-{n},50\n" for n in range(4)), snapshot_on=day(20))
    job = await imports.landed(f"Part number,Qty\n{t}-0,40\n{t}-1,45\n{t}-2,60\n{t}-3,44\n", snapshot_on=day(21))
    proposals = {p.part_number: p for p in await imports.proposals(job.id)}
    # Somebody looked at two of the shelves since: one is as the file says, the other is not.
    who = actor_of(world.maker, manufacturer=True)
    async with imports.db.write(world.maker.tenant) as session:
        for number, found in ((f"{t}-0", 40), (f"{t}-2", 55)):
            await count(session, who, world.maker.site, proposals[number].part_id, found, now=NOW)
    done = await imports.decide(job.id, accept=[p.id for p in proposals.values()])
    assert done == service.Decision(2, 0, overtaken=2, counted_in=0, counted_away=11, left_as_shortage=0, open=0)
    assert await imports.stock() == {f"{t}-0": 40, f"{t}-1": 45, f"{t}-2": 55, f"{t}-3": 44}
    told = {p.part_number: (p.decided, p.detail.get("counted_since")) for p in await imports.proposals(job.id)}
    assert told[f"{t}-0"] == ("dismissed", True)
    assert told[f"{t}-1"] == ("accepted", None)


async def test_units_that_left_since_are_overtaken_and_no_shortage(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t = world.tag
    await imports.landed("Part number,Qty\n" + "".join(f"{t}-{n},10\n" for n in range(5)), snapshot_on=day(20))
    job = await imports.landed(f"Part number,Qty\n{t}-0,6\n{t}-1,6\n{t}-2,6\n{t}-3,6\n", snapshot_on=day(21))
    proposals = {p.part_number: p for p in await imports.proposals(job.id)}
    lot = {n: p.lot_id for n, p in proposals.items()}
    assert all(lot.values())
    # All of two are used up since (one of them was gone from the file), of one all but two, of one all but two reserved.
    gone = [(f"{t}-0", 10), (f"{t}-4", 10), (f"{t}-1", 8), (f"{t}-2", 8)]
    await world.run(world.maker, *(Step(Kind.USE_UP, lot[n], q, 1) for n, q in gone))  # type: ignore[arg-type]
    await world.run(world.maker, Step(Kind.HOLD, lot[f"{t}-2"], 2, 1))  # type: ignore[arg-type]
    before = await imports.stock()
    entries = "SELECT count(*) FROM movement WHERE lot_id = ANY($1::uuid[])"
    had = await owner.fetchval(entries, [lot[f"{t}-0"], lot[f"{t}-4"]])
    late = [proposals[f"{t}-0"].id, proposals[f"{t}-4"].id]
    done = await imports.decide(job.id, accept=late)
    assert done == service.Decision(0, 0, overtaken=2, counted_in=0, counted_away=0, left_as_shortage=0, open=3)
    assert await imports.stock() == before
    assert await owner.fetchval(entries, [lot[f"{t}-0"], lot[f"{t}-4"]]) == had
    told = {p.part_number: (p.decided, p.detail.get("left_since")) for p in await imports.proposals(job.id)}
    assert told[f"{t}-0"] == told[f"{t}-4"] == ("dismissed", True)
    # What is still there is counted away, or is short because it is promised; what left is neither.
    done = await imports.decide(job.id, accept_all=["less"])
    assert done == service.Decision(3, 0, overtaken=0, counted_in=0, counted_away=6, left_as_shortage=2, open=0)
    assert await imports.stock() == {f"{t}-2": 2, f"{t}-3": 6}


async def test_a_file_of_all_stock_overtakes_what_an_older_one_said_of_lines_it_leaves_out(
    imports: Importing, world: World
) -> None:
    t = world.tag
    await imports.landed(f"Part number,Qty\n{t}-A,5\n{t}-B,5\n{t}-C,5\n", snapshot_on=day(20))
    more = await imports.landed(f"Part number,Qty\n{t}-A,8\n{t}-B,5\n", snapshot_on=day(21))
    gone = await imports.landed(f"Part number,Qty\n{t}-B,5\n", snapshot_on=day(22))
    old = {(p.part_number, p.kind): p.decided for p in await imports.proposals(more.id)}
    assert old == {(f"{t}-A", "more"): "dismissed", (f"{t}-C", "vanished"): None}
    await imports.decide(gone.id, accept_all=["vanished"])
    await imports.decide(more.id, accept_all=["more", "vanished"])
    assert await imports.stock() == {f"{t}-B": 5}


async def test_more_differences_than_fit_at_once(
    imports: Importing, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    t = world.tag
    await imports.landed("Part number,Qty\n" + "".join(f"{t}-{n},10\n" for n in range(5)), snapshot_on=day(20))
    job = await imports.landed("Part number,Qty\n" + "".join(f"{t}-{n},8\n" for n in range(5)), snapshot_on=day(21))
    monkeypatch.setattr("marketplace.imports.service.deciding.MAX_AT_ONCE", 3)
    assert (await imports.decide(job.id, accept_all=["less"])).open == 2
    assert (await imports.decide(job.id, accept_all=["less"])).open == 0
    assert set((await imports.stock()).values()) == {8}


async def test_a_known_unit_in_another_condition_is_a_difference(imports: Importing, world: World) -> None:
    t = world.tag
    head = "Part number,Serial,Qty,Condition\n"
    await imports.landed(head + f"{t}-A,S1,1,new\n{t}-A,S2,1,new\n", snapshot_on=day(20))
    job = await imports.landed(head + f"{t}-A,S1,1,used\n{t}-A,S2,1,new\n", snapshot_on=day(21))
    assert (job.lots_changed, job.as_on_record, job.lots_vanished) == (1, 1, 0)
    (found,) = await imports.proposals(job.id)
    assert (found.kind, found.applicable, found.detail["was"], found.detail["is"]) == ("condition", 1, "new", "used")
    done = await imports.decide(job.id, accept=[found.id])
    assert (done.accepted, done.counted_in, done.counted_away, done.left_as_shortage) == (1, 0, 0, 0)
    assert await imports.stock() == {f"{t}-A": 2}
    again = await imports.landed(head + f"{t}-A,S1,1,used\n{t}-A,S2,1,new\n", snapshot_on=day(22))
    assert (again.lots_changed, again.as_on_record) == (0, 2)


async def test_a_file_of_tomorrow_is_not_taken_in(imports: Importing, world: World) -> None:
    with pytest.raises(DomainError) as refused:
        await imports.upload(f"Part number,Qty\n{world.tag}-A,1\n", snapshot_on=day(23))
    assert refused.value.code == "import.snapshot"
    assert (await imports.landed(f"Part number,Qty\n{world.tag}-A,1\n", snapshot_on=day(22))).step == "done"
