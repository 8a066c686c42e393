"""Files of parts, supersessions, prices, sites and other numbers: every row's fate, landing, and taking it all back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from marketplace.db.session import Database
from marketplace.imports import service
from marketplace.imports.catalogue_rows import Chains
from marketplace.imports.queries import Job
from marketplace.imports.queries import catalogue as queries
from marketplace.imports.queries.catalogue import CatalogueRowOut
from marketplace.kit.errors import DomainError
from marketplace.ledger.entries import Step
from marketplace.ledger.kinds import Kind
from marketplace.parties.actor import Actor
from tests.importing import NOW, Importing, day
from tests.world import Party, World


@pytest.fixture
def imports(world: World, db: Database, tmp_path: Path) -> Importing:
    return Importing(world, db, tmp_path)


def planner_of(party: Party) -> Actor:
    return Actor(
        party.users["planner"], party.id, "A planner", party.name, party.code, True, False, "USD", frozenset({"admin", "planner"})
    )  # fmt: skip


async def take(
    imports: Importing, content: str | bytes, *, land: bool = True, named: str = "list.csv", **more: object
) -> Job:
    """Uploaded by a planner, checked, and landed where ``land``."""
    who = imports.world.maker
    raw = content.encode() if isinstance(content, str) else content

    async def chunks():  # type: ignore[no-untyped-def]
        yield raw

    async with imports.db.write(who.tenant) as session:
        made = await service.upload(
            session, planner_of(who), chunks=chunks(), file_name=named, data_dir=imports.folder, limit_bytes=64 << 20, now=NOW,
            **{"snapshot_on": day(21), **more},  # type: ignore[arg-type]
        )  # fmt: skip
    return await imports.run(made.job_id, land=land)


async def undo(imports: Importing, job: UUID) -> tuple[dict[str, int], list[CatalogueRowOut]]:
    who = imports.world.maker
    async with imports.db.write(who.tenant) as session:
        many = await service.undo(session, planner_of(who), job, NOW)
    async with imports.db.read(who.tenant) as session:
        return many, list(await queries.kept(session, job))


async def rows(imports: Importing, job: UUID, fate: str) -> list[CatalogueRowOut]:
    async with imports.db.read(imports.world.maker.tenant) as session:
        return list(await queries.catalogue_rows(session, job, fate))


async def catalogue(owner: asyncpg.Connection, world: World) -> list[tuple[object, ...]]:
    """Everything on record of the maker's parts, for comparing before and after."""
    found = await owner.fetch(
        "SELECT p.number, p.description, p.class_code, p.uom, p.weight_grams, p.list_price, p.currency, p.criticality, p.export_control, "
        "(SELECT array_agg(n.number || n.scheme ORDER BY 1) FROM part_number n WHERE n.part_id = p.id), "
        "(SELECT array_agg(t.number || s.effective_on || s.note ORDER BY 1) FROM supersession s JOIN part t ON t.id = s.to_part_id "
        "WHERE s.from_part_id = p.id), "
        "(SELECT array_agg(t.number || a.note ORDER BY 1) FROM alternate a JOIN part t ON t.id = a.alternate_part_id WHERE a.part_id = p.id) "
        "FROM part p WHERE p.maker_id = $1 ORDER BY p.number",
        world.maker_row,
    )
    return [tuple(r) for r in found]


async def test_parts_land_are_changed_and_come_back(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    tag = world.tag
    before = await catalogue(owner, world)
    text = (
        "Part number,Description,Class,Unit,List price,Currency,Weight (kg),Criticality,ECCN\n"
        f"{tag}-100-A,GEAR PUMP,,EA,\"1,250.50\",EUR,2.5,A,9A610\n"
        f"{tag}-N1,NEW VALVE,,,12,,,,\n"
        f"{tag}-n1,new valve otherwise,,,12,,,,\n"
        f"{tag}-N1,NEW VALVE,,,12,,,,\n"
        f"{tag}-N2,,4711x,XX,abc,QQQ,-1,,\n"
        "Total,,,,,,,,\n"
    )  # fmt: skip
    job = await take(imports, text, land=False)
    assert (job.kind, job.step, job.rows_good, job.rows_bad, job.lots_new, job.lots_changed) == (
        "parts",
        "validated",
        3,
        2,
        1,
        1,
    )
    issues = await imports.issues(job.id)
    assert set(issues) == {4, 6}  # the total below is no row
    assert "writes the same number" in issues[4]["number"]
    assert {"class", "uom", "list_price", "weight_kg"} <= set(issues[6])  # all that is wrong with a row
    [changed] = await rows(imports, job.id, "changed")
    told = {c.field: (c.before, c.after) for c in changed.changes}
    assert told["description"] == ("HYDRAULIC PUMP", "GEAR PUMP")
    assert told["list_price"][1] == "1250.5 EUR"
    assert told["weight_grams"][1] == "2500"
    assert await catalogue(owner, world) == before  # checking changes nothing

    job = await imports.run(job.id)
    now = {row[0]: row for row in await catalogue(owner, world)}
    assert now[f"{tag}-100-A"][1:9] == ("GEAR PUMP", None, "EA", 2500, Decimal("1250.5"), "EUR", "A", "9A610")
    assert now[f"{tag}-N1"][1:7] == ("NEW VALVE", None, "EA", None, Decimal(12), "USD")
    again = await take(imports, text + "\n", land=False)
    assert (again.lots_new, again.lots_changed, again.as_on_record) == (0, 0, 3)

    # Somebody corrects one field by hand: that stays, the others come back, and the new part goes.
    await owner.execute(
        "UPDATE part SET criticality = 'B' WHERE maker_id = $1 AND number = $2", world.maker_row, f"{tag}-100-A"
    )
    many, kept = await undo(imports, job.id)
    assert many == {"undone": 1, "partly": 1}
    assert [(r.number, r.undone, r.kept_because) for r in kept] == [
        (f"{tag}-100-A", "partly", "Changed since: criticality.")
    ]
    await owner.execute("UPDATE part SET criticality = NULL WHERE maker_id = $1", world.maker_row)
    assert await catalogue(owner, world) == before
    with pytest.raises(DomainError) as twice:
        await undo(imports, job.id)
    assert twice.value.code == "import.undone"


async def test_replace_empties_and_add_leaves_alone(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    tag = world.tag
    await owner.execute("UPDATE part SET criticality = 'A', weight_grams = 5 WHERE id = $1", world.part)
    text = f"Part number,Description,Weight (g),Criticality\n{tag}-100-A,OTHER,,B\n{tag}-N9,NINE,,\n"
    added = await take(imports, text, takes="add", land=False)
    assert (added.lots_new, added.lots_changed) == (1, 0)
    replaced = await take(imports, text + "\n", takes="replace")
    assert (replaced.lots_new, replaced.lots_changed) == (1, 1)
    part = await owner.fetchrow("SELECT description, weight_grams, criticality FROM part WHERE id = $1", world.part)
    assert tuple(part) == ("OTHER", None, "B")
    # What something refers to is not taken out: the stock file below is of the new part.
    await imports.landed(f"Part number,Qty\n{tag}-N9,4\n", snapshot_on=day(22))
    many, kept = await undo(imports, replaced.id)
    assert many == {"undone": 1, "kept": 1}
    assert kept[0].number == f"{tag}-N9"
    assert kept[0].kept_because == "The part is in use since: something on record refers to it."
    part = await owner.fetchrow("SELECT description, weight_grams, criticality FROM part WHERE id = $1", world.part)
    assert tuple(part) == ("HYDRAULIC PUMP", 5, "A")


async def test_supersessions_tell_circles_and_what_points_nowhere(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    tag = world.tag
    await take(imports, "Part number,Description\n" + "".join(f"{tag}-{n},PART {n}\n" for n in "ABCDE"))
    before = await catalogue(owner, world)
    head = "from_part,to_part,relation,effective on,note\n"
    text = (
        head + f"{tag}-A,{tag}-B,superseded_by,2026-01-31,longer\n{tag}-B,{tag}-C,superseded_by,,\n{tag}-C,{tag}-A,superseded_by,,\n"
        f"{tag}-C,{tag}-Z9,superseded_by,,\n{tag}-D,{tag}-E,alias_of,,\n{tag}-D,{tag}-D,,,\n{tag}-E,{tag}-A,cousin of,,\n"
    )  # fmt: skip
    job = await take(imports, text)
    assert (job.kind, job.rows_good, job.rows_bad, job.lots_new) == ("supersessions", 3, 4, 3)
    issues = await imports.issues(job.id)
    assert "circle" in issues[4]["other"]
    assert "points nowhere" in issues[5]["other"]
    assert set(issues) == {4, 5, 7, 8}
    links = {
        (r[0], r[-2] and tuple(r[-2]), r[-1] and tuple(r[-1])) for r in await catalogue(owner, world) if r[-2] or r[-1]
    }
    assert links == {
        (f"{tag}-A", (f"{tag}-B2026-01-31longer",), None), (f"{tag}-B", (f"{tag}-C2026-11-21",), None),
        (f"{tag}-D", None, (f"{tag}-E",)),
    }  # fmt: skip
    # The next list leaves B -> C out and turns it round, which is no circle once the old link has ended.
    landed = await catalogue(owner, world)
    second = await take(
        imports, head + f"{tag}-A,{tag}-B,superseded_by,2026-02-28,\n{tag}-C,{tag}-B,superseded_by,,\n", takes="replace"
    )
    assert (second.lots_new, second.lots_changed, second.lots_vanished) == (1, 1, 1)
    assert await undo(imports, second.id) == ({"undone": 3}, [])
    assert await catalogue(owner, world) == landed
    assert await undo(imports, job.id) == ({"undone": 3}, [])
    assert await catalogue(owner, world) == before


async def test_prices_have_days(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    tag = world.tag
    await owner.execute("UPDATE part SET list_price = 7, currency = 'USD' WHERE id = $1", world.part)

    async def price() -> tuple[Decimal, str]:
        found = await owner.fetchrow("SELECT list_price, currency FROM part WHERE id = $1", world.part)
        return found["list_price"], found["currency"]

    head = "Part number;New price;Currency;Valid from\n"
    job = await take(
        imports,
        head + f"{tag}-100-A;9,50;EUR;2026-11-01\n{tag}-100-A;11;EUR;2026-12-01\n{tag}-100-A;;EUR;\nNONE;1;EUR;\n",
    )
    assert (job.kind, job.rows_good, job.rows_bad) == ("prices", 2, 2)
    assert await price() == (Decimal("9.5"), "EUR")
    async with imports.db.write() as session:
        await service.bring_prices_up_to_date(session, NOW + timedelta(days=12))
    assert await price() == (Decimal(11), "EUR")
    many, _ = await undo(imports, job.id)
    assert many == {"undone": 2}
    assert await price() == (Decimal(7), "USD")


async def test_sites_and_other_numbers(imports: Importing, world: World, owner: asyncpg.Connection) -> None:
    tag = world.tag
    job = await take(
        imports,
        "Site code\tSite name\tCity\tState\tCountry\tLatitude\tLongitude\tTime zone\n"
        "S1\tMain works\t\t\t\t\t\t\nN7\tSeventh\tPécs\tBA\tHU\t46.07\t18.23\tEurope/Budapest\nN8\tEighth\t\t\t\t95\t1\tMars/Base\n".encode("utf-16"),
    )  # fmt: skip
    assert (job.kind, job.rows_good, job.rows_bad, job.lots_new, job.lots_changed) == ("sites", 2, 1, 1, 1)
    made = await owner.fetchrow(
        "SELECT name, place, timezone, lat FROM site WHERE company_id = $1 AND code = 'N7'", world.maker.id
    )
    assert tuple(made) == ("Seventh", "Pécs", "Europe/Budapest", 46.07)
    assert (await undo(imports, job.id))[0] == {"undone": 2}
    assert await owner.fetchval("SELECT count(*) FROM site WHERE company_id = $1 AND code = 'N7'", world.maker.id) == 0

    text = f"Part number|Other number|Supplier\n{tag}-100-A|RR05-P/100|DigiKey\n{tag}-100-A|x|maker\n"
    numbers = await take(imports, text.encode())
    assert (numbers.kind, numbers.rows_good, numbers.rows_bad) == ("numbers", 1, 1)
    found = await owner.fetchval(
        "SELECT number_norm FROM part_number WHERE part_id = $1 AND scheme = 'digikey'", world.part
    )
    assert found == "RR05P100"
    assert (await undo(imports, numbers.id))[0] == {"undone": 1}


async def test_other_makers_parts_and_people_without_the_right_are_refused(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    before = await catalogue(owner, world)
    text = f"Part number,Description\n{world.tag}-100-A,TAKEN OVER\n"
    with pytest.raises(DomainError) as refused:
        await imports.upload(text)  # a warehouse imports stock, not the catalogue
    assert refused.value.code == "actor.role"
    who = world.buyer
    async with imports.db.write(who.tenant) as session:
        actor = Actor(who.users["buyer"], who.id, "", who.name, who.code, False, True, "USD", frozenset({"admin"}))

        async def chunks():  # type: ignore[no-untyped-def]
            yield text.encode()

        made = await service.upload(
            session, actor, chunks=chunks(), file_name="p.csv", data_dir=imports.folder, limit_bytes=1 << 20, now=NOW,
            default_maker=f"MK{world.tag}",
        )  # fmt: skip
    job = await imports.run(made.job_id, who)
    assert (job.rows_good, job.rows_bad) == (0, 1)
    assert "another company's" in (await imports.issues(job.id, who))[2]["maker"]
    assert await catalogue(owner, world) == before


async def test_stock_is_undone_by_compensating_transactions(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    tag = world.tag
    text = f"Part number,Qty,Serial\n{tag}-100-A,7,\n{tag}-ST,3,\n{tag}-ST,1,S-1\n"
    job = await imports.landed(text, snapshot_on=day(20))
    lot = await owner.fetchval(
        "SELECT k.lot_id FROM stock_line k WHERE k.company_id = $1 AND k.quantity = 3", world.maker.id
    )
    await world.run(world.maker, Step(Kind.USE_UP, lot, 1, 1), now=NOW)
    many, kept = await undo(imports, job.id)
    assert many == {"undone": 2, "kept": 1}
    assert [(r.number, r.kept_because) for r in kept] == [(f"{tag}-ST", "Its units were used since.")]
    assert await imports.stock() == {f"{tag}-ST": 2}
    assert (
        await owner.fetchval("SELECT count(*) FROM movement WHERE cause_id = $1 AND kind = 'correct'", job.id)
        == many["undone"]
    )
    second = await imports.landed(text, snapshot_on=day(20))
    assert second.id != job.id
    assert (second.lots_new, second.lots_changed) == (1, 1)  # what was taken out is new again, what was used differs
    assert "left your stock" in (await imports.issues(second.id))[4]["serial"]


def test_chains_never_lead_back() -> None:
    from uuid import uuid4

    a, b, c = uuid4(), uuid4(), uuid4()
    chains = Chains([(a, b)])
    assert chains.add(b, c)
    assert not chains.add(c, a)
    chains.without(a, b)
    assert chains.add(c, a)


async def test_a_public_list_of_parts_and_its_supersessions(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    """A piece of a real library: chains of two, aliases, and numbers that point nowhere."""
    folder = Path(__file__).parent / "excerpts"
    parts, relations = ((folder / f"ldraw_{name}.csv").read_bytes() for name in ("parts", "relations"))
    landed = await take(imports, parts)
    assert (landed.rows_bad, landed.lots_new) == (0, len(parts.splitlines()) - 1)
    job = await take(imports, relations)
    rows = relations.decode().splitlines()[1:]
    nowhere = [n for n, row in enumerate(rows, start=2) if row.endswith(",0")]
    assert (job.kind, job.lots_new, sorted(await imports.issues(job.id))) == (
        "supersessions",
        len(rows) - len(nowhere),
        nowhere,
    )
    assert len(nowhere) == 2
    chains = await owner.fetch(
        "SELECT a.number AS first, c.number AS last FROM supersession x JOIN supersession y ON y.from_part_id = x.to_part_id "
        "JOIN part a ON a.id = x.from_part_id JOIN part c ON c.id = y.to_part_id WHERE a.maker_id = $1",
        world.maker_row,
    )
    said = {(r.split(",")[0], r.split(",")[3]) for r in rows if r.split(",")[4] == "2"}
    assert said
    assert {(r["first"], r["last"]) for r in chains} == said


async def test_prices_of_a_file_with_a_comma_before_decimals(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    first, second = f"{world.tag}-K1", f"{world.tag}-K2"
    for number in (first, second):
        await world.make_part(number)
    done = await take(imports, f"Part number;List price;Currency\n{first};9,50;EUR\n{second};12,500;EUR\n")
    assert (done.step, done.rows_bad) == ("done", 0)
    told = await owner.fetch("SELECT list_price FROM part WHERE number = ANY($1) ORDER BY number", [first, second])
    assert [r["list_price"] for r in told] == [Decimal("9.5"), Decimal("12.5")]
