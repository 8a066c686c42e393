"""Files into the ledger: every row's fate, landing as the ledger itself would, tomorrow's file, other companies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from marketplace.agreements.presets import PRESETS
from marketplace.agreements.terms import dump_terms, parse_terms
from marketplace.db.session import Database
from marketplace.imports import queries, service
from marketplace.imports.columns import choose_columns, match_columns
from marketplace.kit.errors import DomainError
from marketplace.kit.ids import serial_lot_id
from marketplace.ledger.entries import NewLot, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import CHECKS
from tests.agreed import publish
from tests.importing import NOW, Importing, actor_of, day
from tests.world import World

HEAD = "Part number,Description,Qty,UOM,Site,Bin,Condition,Serial,Batch,Expiry,Unit cost,List price,Last issue date,Usage 12,Weight (g),Package qty,Protected\n"


@pytest.fixture
def imports(world: World, db: Database, tmp_path: Path) -> Importing:
    return Importing(world, db, tmp_path)


async def counts(owner: asyncpg.Connection, world: World) -> tuple[int, ...]:
    """Rows of everything an import could write for the world's maker."""
    row = await owner.fetchrow(
        "SELECT (SELECT count(*) FROM part WHERE maker_id = $2), (SELECT count(*) FROM lot WHERE registered_by = $1), "
        "(SELECT count(*) FROM movement WHERE company_id = $1), (SELECT count(*) FROM stock_line WHERE company_id = $1), "
        "(SELECT count(*) FROM import_proposal WHERE company_id = $1)",
        world.maker.id, world.maker_row,
    )  # fmt: skip
    return tuple(row)


async def check_ledger(owner: asyncpg.Connection) -> None:
    for name, sql in CHECKS.items():
        assert await owner.fetch(f"SELECT * FROM ({sql}) x LIMIT 1") == [], name


async def test_good_rows_land_with_all_their_fields(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    tag = world.tag
    job = await imports.landed(
        HEAD
        + f'{tag}-100-A,ignored: known part,12,EA,,A01-2,nos,,B7,2030-01-31,"1,250.50",99,3/4/2025,3,900,5,yes\n'
        + f"{tag}-NEW 1,<b>PUMP</b> & seal,1,,S2,,used,0042,,,,,,,450,,\n",
        snapshot_on=day(21),
    )
    assert (job.step, job.rows_good, job.rows_bad, job.lots_new) == ("done", 2, 0, 2)
    lines = await owner.fetch(
        "SELECT t.number, t.description, t.uom, t.weight_grams, k.*, s.code AS site_code FROM stock_line k "
        "JOIN part t ON t.id = k.part_id JOIN site s ON s.id = k.site_id WHERE k.company_id = $1 ORDER BY k.serial NULLS FIRST",
        world.maker.id,
    )
    known, new = lines
    assert known["part_id"] == world.part
    assert (known["description"], known["condition"], known["batch"]) == ("HYDRAULIC PUMP", "new_old_stock", "B7")
    assert (known["unit_cost"], known["list_price"], known["currency"]) == (Decimal("1250.5"), Decimal(99), "USD")
    assert (str(known["last_issue_on"]), known["usage_12"], known["package_quantity"]) == ("2025-03-04", 3, 5)
    assert (known["protected"], known["bin"], known["snapshot_on"], known["site_code"]) == (
        True,
        "A01-2",
        day(21),
        "S1",
    )
    # What people write stays text; whoever shows it has to escape it.
    assert (new["number"], new["description"], new["weight_grams"]) == (f"{tag}-NEW 1", "<b>PUMP</b> & seal", 450)
    assert (new["serial"], new["site_code"], new["protected"]) == ("0042", "S2", False)
    assert new["lot_id"] == serial_lot_id(f"MK{tag}", f"{tag}NEW1".upper(), "0042")
    lot = await owner.fetchrow("SELECT * FROM lot WHERE lot_id = $1", known["lot_id"])
    assert (lot["batch"], str(lot["expires_on"])) == ("B7", "2030-01-31")
    assert await owner.fetchval(
        "SELECT count(*) FROM part_number WHERE part_id = $1 AND number_norm = $2", new["part_id"], f"{tag}NEW1".upper()
    ) == 1  # fmt: skip
    await check_ledger(owner)


async def test_a_row_lands_exactly_as_the_ledger_registers(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    """The bulk statements against the ledger's own service, row by row, for a unit with and without a serial."""
    await imports.landed(f"Part number,Qty,Serial\n{world.tag}-100-A,7,\n{world.tag}-100-A,1,S-9\n")
    place = Place(world.maker.id, world.maker.id, world.maker.site, "new")
    for serial, quantity in ((None, 7), ("S-9", 1)):
        mine = await owner.fetchval(
            "SELECT lot_id FROM lot WHERE registered_by = $1 AND serial IS NOT DISTINCT FROM $2", world.maker.id, serial
        )
        other = uuid4()
        new = NewLot(other, world.part, "EA", serial=f"{serial}x" if serial else None)
        await world.run(world.maker, Step(Kind.REGISTER, other, quantity, to=place, new_lot=new), now=NOW)
        for table in ("lot", '"position"', "movement"):
            one = dict(await owner.fetchrow(f"SELECT * FROM {table} WHERE lot_id = $1", mine))
            two = dict(await owner.fetchrow(f"SELECT * FROM {table} WHERE lot_id = $1", other))
            if table == "movement":
                told = {"actor_id", "command_id", "cause_kind", "cause_id"}
                assert one["cause_kind"] == "import"
                assert (
                    await owner.fetchval("SELECT count(*) FROM command WHERE command_id = $1", one["command_id"]) == 1
                )
            else:
                told = {"serial"}
            told |= {"lot_id", "root_lot_id"}
            assert {k: v for k, v in one.items() if k not in told} == {k: v for k, v in two.items() if k not in told}
            assert one.get("root_lot_id", mine) == mine


BAD_ROWS = {
    "quantity zero": ("{t}-1,,0,,,,,,,,,,,,,,", {"quantity": "nothing to take in"}),
    "negative": ("{t}-1,,-5,,,,,,,,,,,,,,", {"quantity": "negative"}),
    "decimals": ("{t}-1,,1.5,,,,,,,,,,,,,,", {"quantity": "not a whole number"}),
    "too many": ("{t}-1,,99999999999,,,,,,,,,,,,,,", {"quantity": "more than 1,000,000,000"}),
    "no quantity": ("{t}-1,,,,,,,,,,,,,,,,", {"quantity": "missing"}),
    "no number": (",x,1,,,,,,,,,,,,,,", {"number": "missing"}),
    "no letters": ("---,x,1,,,,,,,,,,,,,,", {"number": "no letter or digit"}),
    "long number": ("9" * 81 + ",x,1,,,,,,,,,,,,,,", {"number": "at most 80"}),
    "unknown site": ("{t}-1,,1,,Nowhere,,,,,,,,,,,,", {"site": "no site 'Nowhere'. Sites: S1, S2"}),
    "unknown unit": ("{t}-1,,1,BARREL,,,,,,,,,,,,,", {"uom": "no unit 'BARREL'"}),
    "no factor": ("{t}-100-A,,1,HD,,,,,,,,,,,,,", {"quantity": "no factor is stated"}),
    "unknown condition": ("{t}-1,,1,,,,shiny,,,,,,,,,,", {"condition": "'shiny' is not a condition"}),
    "serial twice two": ("{t}-1,,2,,,,,S1,,,,,,,,,", {"quantity": "serial number has quantity 1"}),
    "no such day": ("{t}-1,,1,,,,,,,2025-02-30,,,,,,,", {"expiry": "not a date"}),
    "expired": ("{t}-1,,1,,,,,,,2020-01-31,,,,,,,", {"expiry": "Expired on 2020-01-31"}),
    "negative cost": ("{t}-1,,1,,,,,,,,-3,,,,,,", {"unit_cost": "negative"}),
    "no money": ("{t}-1,,1,,,,,,,,abc,,,,,,", {"unit_cost": "not an amount"}),
    "usage": ("{t}-1,,1,,,,,,,,,,,many,,,", {"usage_12": "not a whole number"}),
    "package": ("{t}-1,,1,,,,,,,,,,,,,0,", {"package_quantity": "from 1"}),
    "flag": ("{t}-1,,1,,,,,,,,,,,,,,perhaps", {"protected": "neither yes nor no"}),
    "long bin": ("{t}-1,,1,,," + "B" * 61 + ",,,,,,,,,,,", {"bin": "At most 60"}),
    "too wide": ("{t}-1,,1,,,,,,,,,,,,,,,extra", {"row": "18 cells, the header 17"}),
    "several at once": (
        "{t}-1,,-1,BARREL,Nowhere,,shiny,,,soon,x,,,,,,",
        {"quantity": "negative", "uom": "BARREL", "site": "Nowhere", "condition": "shiny", "expiry": "soon", "unit_cost": "x"},
    ),
}  # fmt: skip


async def test_every_bad_row_says_everything_that_is_wrong(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    before = await counts(owner, world)
    rows = [row.format(t=world.tag) for row, _ in BAD_ROWS.values()]
    job = await imports.landed(HEAD + "\n".join(rows) + "\n")
    issues = await imports.issues(job.id)
    assert (job.step, job.rows_good, job.rows_bad) == ("done", 0, len(BAD_ROWS))
    for number, (name, (_, wanted)) in enumerate(BAD_ROWS.items(), start=2):
        assert set(issues[number]) == set(wanted), (name, issues[number])
        for field, words in wanted.items():
            assert words in issues[number][field], name
    assert await counts(owner, world) == before


async def test_conversions_count_in_base_units(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    await owner.execute(
        "INSERT INTO uom_conversion (part_id, from_uom, numerator, denominator) VALUES ($1, 'HD', 100, 1)", world.part
    )
    await imports.landed(f"Part number,Qty,UOM\n{world.tag}-100-A,3,hundred\n")
    assert await imports.stock() == {f"{world.tag}-100-A": 300}


async def test_all_or_nothing(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    before = await counts(owner, world)
    text = f"Part number,Qty\n{world.tag}-100-A,3\n{world.tag}-100-A,x\n"
    job = await imports.upload(text, mode="all_or_nothing")
    with pytest.raises(DomainError) as refused:
        await imports.run(job)
    assert refused.value.code == "import.bad_rows"
    assert "1 row is not right" in refused.value.message
    assert (await imports.job(job)).step == "validated"
    assert await counts(owner, world) == before
    good = await imports.landed(text.replace("x", "4"), mode="all_or_nothing")
    assert good.step == "done"
    assert await imports.stock() == {f"{world.tag}-100-A": 7}


async def test_equal_lines_are_lots_of_their_own(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    text = f"Part number,Qty,Batch\n{world.tag}-100-A,3,\n{world.tag}-100-A,3,\n{world.tag}-100-A,2,B1\n{world.tag}-100-A,4,B1\n"
    await imports.landed(text)
    keys = await owner.fetch(
        "SELECT line_key, lot_id, quantity FROM stock_line WHERE company_id = $1 ORDER BY line_key", world.maker.id
    )
    assert [r["line_key"].split(":", 1)[1] for r in keys] == ["new:#1", "new:#2", "new:B1#1", "new:B1#2"]
    assert len({r["lot_id"] for r in keys}) == 4
    assert await imports.stock() == {f"{world.tag}-100-A": 12}


async def test_a_serial_exists_once(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    tag = world.tag
    job = await imports.landed(f"Part number,Qty,Serial\n{tag}-100-A,1,007\n{tag.upper()}100A,1,007\n{tag}-100-A,1,7\n")
    assert (job.rows_good, job.rows_bad) == (2, 1)
    assert await imports.issues(job.id) == {3: {"serial": "Serial number '007' of this part stands in row 2 already."}}
    again = await imports.landed(f"Part number,Qty,Serial\n{tag}-100-A,1,007\n", default_site_id=world.maker.sites[1])
    assert again.rows_bad == 1
    assert f"is registered already at Adamsville, AL - MK{tag} 1" in (await imports.issues(again.id))[2]["serial"]
    assert await imports.stock() == {f"{tag}-100-A": 2}


# -- the same file, and tomorrow's -----------------------------------------------------------------------


async def test_the_same_file_twice_changes_nothing(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    text = f"Part number,Qty,Serial\n{world.tag}-100-A,5,\n{world.tag}-100-A,1,S1\n"
    first = await imports.landed(text, snapshot_on=day(20))
    before = await counts(owner, world)
    assert await imports.upload(text, snapshot_on=day(20)) == first.id
    assert (await imports.run(first.id)).finished_at == first.finished_at
    assert await counts(owner, world) == before
    # The same lines the next day are another import in which nothing is new or different.
    tomorrow = await imports.landed(text, snapshot_on=day(21))
    assert tomorrow.id != first.id
    assert (tomorrow.lots_new, tomorrow.lots_changed, tomorrow.lots_vanished) == (0, 0, 0)
    assert await counts(owner, world) == before


async def test_tomorrows_file_proposes_and_never_takes_what_is_promised(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t = world.tag
    await imports.landed(
        f"Part number,Qty,Bin\n{t}-A,10,X\n{t}-B,10,X\n{t}-C,10,X\n{t}-D,10,X\n{t}-E,10,X\n{t}-F,4,1\n{t}-F,6,2\n",
        snapshot_on=day(20),
    )
    lots = {
        r["number"]: r["lot_id"]
        for r in await owner.fetch(
            "SELECT t.number, k.lot_id FROM stock_line k JOIN part t ON t.id = k.part_id WHERE k.company_id = $1",
            world.maker.id,
        )
    }
    await world.run(world.maker, Step(Kind.HOLD, lots[f"{t}-C"], 7, 1))
    await list_units(owner, world, lots[f"{t}-D"], 10)
    job = await imports.landed(
        # A grew, B shrank and moved to another bin, C below what is reserved, D listed and gone, E gone, F's bins
        # changed places in the file, G is new.
        f"Part number,Qty,Bin\n{t}-F,6,2\n{t}-A,14,X\n{t}-B,4,Y\n{t}-C,1,X\n{t}-F,4,1\n{t}-G,3,X\n",
        snapshot_on=day(21),
    )
    assert (job.lots_new, job.lots_changed, job.lots_vanished) == (1, 3, 2)
    found = {p.part_number: p for p in await imports.proposals(job.id)}
    told = {n: (p.kind, p.quantity_before, p.quantity_file, p.applicable, p.shortage) for n, p in found.items()}
    assert told == {
        f"{t}-A": ("more", 10, 14, 4, 0),
        f"{t}-B": ("less", 10, 4, 6, 0),
        f"{t}-C": ("less", 10, 1, 3, 6),
        f"{t}-D": ("vanished", 10, 0, 0, 10),
        f"{t}-E": ("vanished", 10, 0, 10, 0),
    }
    before = {f"{t}-{x}": n for x, n in zip("ABCDEFG", (10, 10, 10, 10, 10, 10, 3), strict=True)}
    assert await imports.stock() == before
    done = await imports.decide(job.id, accept=[found[f"{t}-{x}"].id for x in "ABCD"], dismiss=[found[f"{t}-E"].id])
    assert done == service.Decision(4, 1, overtaken=0, counted_in=4, counted_away=9, left_as_shortage=16, open=0)
    after = before | {f"{t}-A": 14, f"{t}-B": 4, f"{t}-C": 7}
    assert await imports.stock() == after
    assert await owner.fetchval("SELECT held FROM position WHERE lot_id = $1", lots[f"{t}-C"]) == 7
    # The same decision again has no further effect; the other one is refused.
    assert (await imports.decide(job.id, accept=[found[f"{t}-A"].id])).counted_in == 0
    with pytest.raises(DomainError) as refused:
        await imports.decide(job.id, dismiss=[found[f"{t}-A"].id])
    assert refused.value.code == "import.decided"
    assert await imports.stock() == after
    await check_ledger(owner)


async def list_units(owner: asyncpg.Connection, world: World, lot: UUID, quantity: int) -> None:
    """Puts a lot behind a published listing."""
    await publish(owner)
    # Whole terms: everybody who browses in this database sees the line, and the page puts its clause in words.
    chosen = PRESETS["access-first"]
    terms = dump_terms(parse_terms(chosen.clause, chosen.version, chosen.values))
    release = await owner.fetchval(
        "INSERT INTO release (reference, company_id, title, clause, version, terms, use_class, currency, audience, "
        "audience_ids, status, created_by) VALUES ($1, $2, 'x', $4, $5, $6, 'non_capital_spare', 'USD', 'all', "
        "'{}', 'published', $3) RETURNING id",
        f"REL-{world.tag}", world.maker.id, world.maker.actor, chosen.clause, chosen.version, json.dumps(terms),
    )  # fmt: skip
    listing = await owner.fetchval(
        "INSERT INTO listing (release_id, company_id, part_id, site_id, place, region, country, condition, quantity, "
        "unit_price, published) SELECT $1, $2, part_id, $3, 'x', 'AL', 'US', 'new', $4, 5, true FROM lot WHERE lot_id = $5 "
        "RETURNING id",
        release, world.maker.id, world.maker.site, quantity, lot,
    )  # fmt: skip
    await owner.execute(
        "INSERT INTO listing_lot (listing_id, lot_id, position_id, company_id, quantity) VALUES ($1, $2, 1, $3, $4)",
        listing, lot, world.maker.id, quantity,
    )  # fmt: skip


async def test_units_listed_after_the_file_landed_stay_when_the_difference_is_accepted(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t = world.tag
    await imports.landed(f"Part number,Qty\n{t}-A,10\n{t}-Z,1\n", snapshot_on=day(20))
    job = await imports.landed(f"Part number,Qty\n{t}-A,2\n{t}-Z,1\n", snapshot_on=day(21))
    (proposal,) = await imports.proposals(job.id)
    assert (proposal.kind, proposal.applicable) == ("less", 8)
    lot = await owner.fetchval("SELECT lot_id FROM stock_line WHERE company_id = $1 AND quantity = 2", world.maker.id)
    await list_units(owner, world, lot, 7)
    done = await imports.decide(job.id, accept=[proposal.id])
    assert (done.counted_away, done.left_as_shortage) == (3, 5)
    assert (await imports.stock())[f"{t}-A"] == 7


async def test_an_older_file_is_refused(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    await imports.landed(f"Part number,Qty\n{world.tag}-100-A,5\n", snapshot_on=day(21))
    before = await counts(owner, world)
    job = await imports.upload(f"Part number,Qty\n{world.tag}-100-A,9\n", snapshot_on=day(20))
    with pytest.raises(DomainError) as refused:
        await imports.run(job)
    assert refused.value.code == "import.older"
    assert "21 Nov 2026; this one is of 20 Nov 2026" in refused.value.message
    failed = await imports.job(job)
    assert (failed.step, failed.error) == ("failed", refused.value.message)
    assert await counts(owner, world) == before
    # Another site is another story, and a corrected date starts it again.
    other = await imports.landed(
        f"Part number,Qty\n{world.tag}-100-A,9\n", snapshot_on=day(20), default_site_id=world.maker.sites[1]
    )
    assert other.step == "done"
    async with imports.db.write(world.maker.tenant) as session:
        await service.change_mapping(
            session, actor_of(world.maker, manufacturer=True), job, columns={"number": 0, "quantity": 1},
            data_dir=imports.folder, now=NOW, snapshot_on=day(22),
        )  # fmt: skip
    assert (await imports.run(job)).lots_changed == 1


async def test_a_newer_file_replaces_what_was_proposed(imports: Importing, world: World) -> None:
    t = world.tag
    await imports.landed(f"Part number,Qty\n{t}-A,10\n", snapshot_on=day(19))
    second = await imports.landed(f"Part number,Qty\n{t}-A,8\n", snapshot_on=day(20))
    third = await imports.landed(f"Part number,Qty\n{t}-A,9\n", snapshot_on=day(21))
    (old,), (new,) = await imports.proposals(second.id), await imports.proposals(third.id)
    assert (old.decided, old.detail["superseded_by"]) == ("dismissed", str(third.id))
    assert (new.quantity_before, new.quantity_file, new.decided) == (10, 9, None)


async def test_a_sold_serial_in_a_stale_file_is_shown_but_never_counted_in_again(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t = world.tag
    text = f"Part number,Qty,Serial\n{t}-100-A,1,S1\n"
    await imports.landed(text, snapshot_on=day(20))
    lot = await owner.fetchval("SELECT lot_id FROM lot WHERE registered_by = $1", world.maker.id)
    await world.run(world.maker, Step(Kind.SCRAP, lot, 1, 1, reason="damaged"))
    job = await imports.landed(text, snapshot_on=day(21))
    (proposal,) = await imports.proposals(job.id)
    assert (proposal.kind, proposal.quantity_before, proposal.quantity_file, proposal.applicable) == ("more", 0, 1, 0)
    assert (await imports.decide(job.id, accept=[proposal.id])).counted_in == 0
    assert await imports.stock() == {}


# -- other companies -------------------------------------------------------------------------------------


async def test_a_partner_names_known_parts_only(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    t = world.tag
    text = f"Maker,Part number,Qty\nMK{t},{t} 100a,4\nMK{t},{t}-UNKNOWN,4\nNobody,{t}-100-A,4\n,{t}-100-A,4\n"
    job = await imports.landed(text, world.buyer)
    assert (job.rows_good, job.rows_bad) == (1, 3)
    issues = await imports.issues(job.id, world.buyer)
    assert "This maker has no part" in issues[3]["number"]
    assert "There is no maker 'Nobody'. Known: " in issues[4]["maker"]
    assert "maker is missing" in issues[5]["maker"]
    assert await imports.stock(world.buyer) == {f"{t}-100-A": 4}
    assert await owner.fetchval("SELECT count(*) FROM part WHERE maker_id = $1", world.maker_row) == 1


async def test_two_companies_may_have_the_same_file_but_a_serial_only_once(imports: Importing, world: World) -> None:
    t = world.tag
    text = f"Maker,Part number,Qty,Serial\nMK{t},{t}-100-A,3,\nMK{t},{t}-100-A,1,S-77\n"
    first = await imports.landed(text)
    second = await imports.landed(text, world.buyer)
    assert first.id != second.id
    assert (first.rows_bad, second.rows_bad) == (0, 1)
    # The other company must not learn who has it.
    assert await imports.issues(second.id, world.buyer) == {
        3: {"serial": "This serial number cannot be registered here. Check maker, number and serial."}
    }
    assert (await imports.stock(), await imports.stock(world.buyer)) == ({f"{t}-100-A": 4}, {f"{t}-100-A": 3})
    nothing = await imports.upload(text.replace(",3,", ",5,"), world.other, mode="all_or_nothing")
    with pytest.raises(DomainError) as refused:
        await imports.run(nothing, world.other)
    assert refused.value.code == "import.bad_rows"
    assert await imports.stock(world.other) == {}


async def test_units_bought_are_not_taken_in_a_second_time(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    """What came by an order, under an agreement, is in the holder's own stock file too."""
    t, buyer = world.tag, world.buyer
    encumbered = Place(buyer.id, buyer.id, buyer.site, "new", uuid4(), world.maker.id)
    lot = await world.register(buyer, 6, place=encumbered)
    text = f"Maker,Part number,Qty,Condition\nMK{t},{t}-100-A,4,used\nMK{t},{t}-100-A,5,new\n"
    job = await imports.landed(text, buyer, snapshot_on=day(20))
    assert job.step == "done"
    assert await imports.stock(buyer) == {f"{t}-100-A": 9}
    tomorrow = await imports.landed(text, buyer, snapshot_on=day(21))
    assert (tomorrow.lots_new, tomorrow.lots_changed, tomorrow.lots_vanished) == (0, 0, 0)
    # Fewer than the agreement's units: a shortage, whatever anybody accepts.
    fewer = await imports.landed(
        f"Maker,Part number,Qty,Condition\nMK{t},{t}-100-A,2,used\nMK{t},{t}-100-A,0,new\n", buyer, snapshot_on=day(22)
    )
    found = await imports.proposals(fewer.id, buyer)
    assert sum(p.shortage for p in found) > 0
    await imports.decide(fewer.id, buyer, accept=[p.id for p in found])
    assert await owner.fetchval("SELECT quantity FROM position WHERE lot_id = $1", lot) == 6
    await check_ledger(owner)


async def test_a_foreign_import_is_not_there(imports: Importing, world: World, db: Database) -> None:
    job = await imports.landed(f"Part number,Qty\n{world.tag}-100-A,x\n")
    async with db.read(world.buyer.tenant) as session:
        with pytest.raises(DomainError) as refused:
            await queries.job(session, job.id)
        assert await queries.issues(session, job.id) == []
        assert await queries.proposals(session, job.id) == []
    assert refused.value.code == "import.not_found"
    with pytest.raises(DomainError) as refused:
        await imports.run(job.id, world.buyer)
    assert refused.value.code == "import.not_found"


async def test_happened_at_the_end_of_the_snapshot_day(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    await imports.landed(f"Part number,Qty\n{world.tag}-100-A,5\n", snapshot_on=day(20))
    row = await owner.fetchrow("SELECT occurred_at, recorded_at FROM movement WHERE company_id = $1", world.maker.id)
    assert (row["occurred_at"], row["recorded_at"]) == (datetime(2026, 11, 21, tzinfo=UTC), NOW)
    with pytest.raises(DomainError) as refused:
        await imports.upload("Part number,Qty\nx,1\n", snapshot_on=NOW.date() + timedelta(days=2))
    assert refused.value.code == "import.snapshot"


async def test_one_column_holds_serials_of_single_units_and_batches_of_more(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t = world.tag
    head = "number,quantity,site,serial or batch,bin\n"
    text = f"{head}{t}-SB,1,S1,SN-1,A\n{t}-SB,1,S1,SN-2\n{t}-SB,10,S1,B7,C\n{t}-SB,5,S1,,D\n{t}-SB,3,S1,B8,E,too,many\n"
    job = await imports.landed(text, snapshot_on=day(20))
    assert job.columns["serial_or_batch"] == 3
    assert await imports.issues(job.id) == {
        6: {"row": "The row has 7 cells, the header 5: a delimiter stands in a text without quotes."}
    }
    rows = await owner.fetch(
        "SELECT l.serial, l.batch, sum(p.quantity)::int AS quantity FROM lot l JOIN position p ON p.lot_id = l.lot_id "
        "JOIN part t ON t.id = l.part_id WHERE t.number = $1 GROUP BY 1, 2 ORDER BY 1, 2",
        f"{t}-SB",
    )
    assert [tuple(r) for r in rows] == [("SN-1", None, 1), ("SN-2", None, 1), (None, "B7", 10), (None, None, 5)]
    # Tomorrow's file in the same shape: one serial is gone, the batch shrank.
    later = f"{head}{t}-SB,1,S1,SN-1,A\n{t}-SB,8,S1,B7,C\n{t}-SB,5,S1,,D\n"
    found = await imports.proposals((await imports.landed(later, snapshot_on=day(21))).id)
    assert sorted((p.kind, p.applicable + p.shortage) for p in found) == [("less", 2), ("vanished", 1)]


def test_a_column_of_serials_or_batches_stands_for_both() -> None:
    plan = match_columns(["number", "qty", "Serial / Batch"], [["A", "1", "X"]])
    assert [(m.field, m.column) for m in plan.matches] == [("number", 0), ("quantity", 1), ("serial_or_batch", 2)]
    with pytest.raises(DomainError) as refused:
        choose_columns(
            ["number", "qty", "serial/lot", "lot"], {"number": 0, "quantity": 1, "serial_or_batch": 2, "batch": 3}
        )
    assert [f.code for f in refused.value.fields] == ["import.mapping.either"]


async def test_figures_with_a_comma_before_decimals_are_read_so_in_the_whole_file(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    job = await imports.upload(
        "Material;Menge;Listenpreis\n"
        f"{world.tag}-C1;12,000;1.250\n{world.tag}-C2;1.250,000;7,50\n{world.tag}-C3;7,500;1\n{world.tag}-C4;3;12,500\n",
        covers="some",
    )
    checked = await imports.run(job, land=False)
    assert (checked.rows_good, checked.rows_bad) == (3, 1)
    assert any("12,000 is twelve" in w for w in checked.mapping["warnings"])
    assert (await imports.issues(job))[4] == {
        "quantity": "'7,500' is not a whole number. Write a whole number such as 12."
    }
    rows = await owner.fetch(
        "SELECT quantity, list_price FROM import_row WHERE job_id = $1 AND NOT bad ORDER BY row_no", job
    )
    assert [(r["quantity"], r["list_price"]) for r in rows] == [
        (12, Decimal(1250)), (1250, Decimal("7.5")), (3, Decimal("12.5")),
    ]  # fmt: skip
