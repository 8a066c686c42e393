"""What becomes of every row of a file can be looked at before anything lands, fate by fate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from marketplace.db.session import Database
from marketplace.imports import queries, service
from marketplace.imports.fates import IN_FILE, changes, refuse_unless_checked
from marketplace.imports.queries import FateRow, Job
from marketplace.kit.errors import DomainError
from marketplace.settings import Settings
from tests.clients import app_for, client_for, token_for
from tests.counting import counted
from tests.importing import NOW, Importing, day
from tests.world import World

HEAD = "Part number,Description,Qty,Site,Bin,Condition,Serial,List price\n"
STAGED = "SELECT (SELECT count(*) FROM import_row WHERE job_id = $1) + (SELECT count(*) FROM import_vanished WHERE job_id = $1)"


@pytest.fixture
def imports(world: World, db: Database, tmp_path: Path) -> Importing:
    return Importing(world, db, tmp_path)


def files(t: str) -> tuple[str, str]:
    """Yesterday's file and today's."""
    before = (
        HEAD + f"{t}-SAME,SEAL,5,S1,A1,new,,10\n{t}-BIN,RING,5,S1,A1,new,,10\n{t}-MORE,PUMP,5,S1,A2,new,,10\n"
        f"{t}-UNIT,MOTOR,1,S1,A3,new,SN-1,10\n{t}-GONE,HOSE,7,S1,A4,used,,10\n"
    )
    after = (
        HEAD + f"{t}-SAME,SEAL,5,S1,A1,new,,10\n{t}-BIN,RING,5,S1,B9,new,,12.5\n{t}-MORE,PUMP,8,S1,A2,new,,10\n"
        f"{t}-UNIT,MOTOR,1,S1,A3,used,SN-1,10\n{t}-BAD,VALVE,minus one,S1,,new,,10\n{t}-NEW,=1+1,3,S1,C1,nos,,10\n"
    )
    return before, after


async def rows_of(imports: Importing, job: Job, fate: str) -> list[FateRow]:
    async with imports.db.read(imports.world.maker.tenant) as session:
        if fate == "vanished":
            return list(await queries.vanished_lines(session, job.id))
        return list(await queries.fate_rows(session, job, fate))


async def test_each_row_is_told_with_its_fate_and_what_it_changes(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    t = world.tag
    before, after = files(t)
    await imports.landed(before, snapshot_on=day(20))
    job = await imports.run(await imports.upload(after, snapshot_on=day(21)), land=False)
    found = {fate: await rows_of(imports, job, fate) for fate in (*IN_FILE, "vanished", "bad")}

    assert [(r.row_no, r.fate, r.number) for r in found["good"]] == [
        (2, "same", f"{t}-SAME"), (3, "same", f"{t}-BIN"), (4, "changed", f"{t}-MORE"), (5, "changed", f"{t}-UNIT"),
        (7, "new", f"{t}-NEW"),
    ]  # fmt: skip
    for fate in ("same", "changed", "new"):
        assert found[fate] == [r for r in found["good"] if r.fate == fate]
    assert [(r.row_no, r.number) for r in found["bad"]] == [(6, f"{t}-BAD")]
    counted_by_job = (job.rows_good, job.lots_new, job.lots_changed, job.as_on_record, job.lots_vanished, job.rows_bad)
    assert counted_by_job == tuple(len(found[f]) for f in ("good", "new", "changed", "same", "vanished", "bad"))

    told = {r.number.removeprefix(f"{t}-"): [(c.field, c.before, c.after, c.proposed) for c in r.changes] for r in found["good"]}  # fmt: skip
    assert told == {
        "SAME": [],
        "BIN": [("bin", "A1", "B9", False), ("list_price", Decimal(10), Decimal("12.5"), False)],
        "MORE": [("quantity", 5, 8, True)],
        "UNIT": [("condition", "new", "used", True)],
        "NEW": [],
    }
    (new,) = found["new"]
    assert (new.description, new.quantity, new.uom, new.bin, new.condition) == ("=1+1", 3, "EA", "C1", "new_old_stock")
    assert new.site == await owner.fetchval("SELECT name FROM site WHERE id = $1", world.maker.site)
    (gone,) = found["vanished"]
    assert (gone.number, gone.description, gone.quantity, gone.bin, gone.condition) == (f"{t}-GONE", "HOSE", 7, "A4", "used")  # fmt: skip
    assert gone.row_no is None

    # Looking changed nothing, and what landed is what was told; then the rows are kept no longer.
    assert (await imports.stock())[f"{t}-MORE"] == 5
    landed = await imports.run(job.id)
    kinds = sorted((p.kind, p.part_number) for p in await imports.proposals(job.id))
    assert kinds == [("condition", f"{t}-UNIT"), ("more", f"{t}-MORE"), ("vanished", f"{t}-GONE")]
    assert (landed.lots_new, (await imports.stock())[f"{t}-NEW"]) == (1, 3)
    assert await owner.fetchval(STAGED, job.id) == 0


async def test_units_that_came_by_another_way_are_told_apart(imports: Importing, world: World) -> None:
    t = world.tag
    await imports.landed(f"Part number,Qty,Site\n{t}-A,5,S1\n", snapshot_on=day(20))
    # The line is forgotten, its units are not: as where they were bought or moved there.
    await world.owner.execute("DELETE FROM stock_line WHERE company_id = $1", world.maker.id)
    job = await imports.run(
        await imports.upload(f"Part number,Qty,Site\n{t}-A,9,S1\n", snapshot_on=day(21)), land=False
    )
    (row,) = await rows_of(imports, job, "new")
    assert (row.quantity, row.here_already, row.changes) == (9, 5, ())
    fewer = await imports.run(
        await imports.upload(f"Part number,Qty,Site\n{t}-A,2,S1\n", snapshot_on=day(21)), land=False
    )
    (row,) = await rows_of(imports, fewer, "changed")
    assert [(c.field, c.before, c.after) for c in row.changes] == [("quantity", 5, 2)]


async def test_checked_again_or_cancelled_an_import_keeps_nothing_of_before(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    before, after = files(world.tag)
    await imports.landed(before, snapshot_on=day(20))
    job = await imports.run(await imports.upload(after, snapshot_on=day(21)), land=False)
    assert len(await rows_of(imports, job, "vanished")) == 1
    async with imports.db.write(world.maker.tenant) as session:
        await service.choose_landing(session, job.id, covers="some")
    await owner.execute("UPDATE import_job SET step = 'staged' WHERE id = $1", job.id)
    again = await imports.run(job.id, land=False)
    assert (again.lots_vanished, await rows_of(imports, again, "vanished")) == (0, [])
    async with imports.db.write(world.maker.tenant) as session:
        await service.cancel(session, job.id, NOW)
    assert await owner.fetchval(STAGED, job.id) == 0


FULL = (
    "Part number,Qty,Site,Bin,Condition,Serial,Unit cost,List price,Last issue date,Usage 12 months,Usage 24 months,"
    "Usage 36 months,Package quantity,Protected\n"
)
LINE = (
    "SELECT k.bin, k.condition, k.unit_cost, k.list_price, k.currency, k.last_issue_on, usage_12, usage_24, usage_36, k.package_quantity, "
    "protected FROM stock_line k JOIN part t ON t.id = k.part_id WHERE k.company_id = $1 AND t.number = $2"
)


async def test_a_file_of_fewer_columns_takes_nothing_back(
    imports: Importing, world: World, owner: asyncpg.Connection
) -> None:
    """A column that is not there says nothing: a part would else lose that it is protected, and be sold."""
    t = world.tag
    rest = "10,12.5,2026-01-05,1,2,3,4,yes\n"
    await imports.landed(FULL + f"{t}-KEPT,8,S1,A1,used,,{rest}{t}-UNIT,1,S1,A2,used,SN-9,{rest}", snapshot_on=day(19))
    lines = {n: await owner.fetchrow(LINE, world.maker.id, f"{t}-{n}") for n in ("KEPT", "UNIT")}
    assert (lines["KEPT"]["protected"], lines["KEPT"]["package_quantity"], lines["KEPT"]["bin"]) == (True, 4, "A1")

    fewer = await imports.upload(
        f"Part number,Qty,Site,Condition,Serial\n{t}-KEPT,8,S1,used,\n{t}-UNIT,1,S1,used,SN-9\n", snapshot_on=day(20)
    )
    job = await imports.run(fewer, land=False)
    assert [(r.fate, r.changes) for r in await rows_of(imports, job, "good")] == [("same", ()), ("same", ())]
    await imports.run(fewer)
    none = await imports.landed(
        f"Part number,Qty,Site,Serial\n{t}-UNIT,1,S1,SN-9\n", snapshot_on=day(21), covers="some"
    )
    assert (none.lots_changed, list(await imports.proposals(none.id))) == (0, []), "no condition told, none differs"
    for name, line in lines.items():
        assert await owner.fetchrow(LINE, world.maker.id, f"{t}-{name}") == line

    # A column that is there takes over what it says, also nothing; and the rows tell so before.
    said = await imports.upload(
        f"Part number,Qty,Site,Condition,Serial,List price,Protected,Package quantity\n{t}-KEPT,8,S1,used,,,no,2\n",
        snapshot_on=day(22), covers="some",
    )  # fmt: skip
    (row,) = await rows_of(imports, await imports.run(said, land=False), "good")
    assert [(c.field, c.before, c.after) for c in row.changes] == [
        ("list_price", Decimal("12.5"), None), ("package_quantity", 4, 2), ("protected", True, False),
    ]  # fmt: skip
    await imports.run(said)
    after = await owner.fetchrow(LINE, world.maker.id, f"{t}-KEPT")
    assert dict(after) == {**lines["KEPT"], "list_price": None, "package_quantity": 2, "protected": False}


def test_only_what_differs_is_a_change() -> None:
    told = changes(
        [("bin", "A", "A", False), ("bin", None, "B", False), ("list_price", Decimal("1.0"), Decimal(1), False)]
    )
    assert [(c.field, c.before, c.after) for c in told] == [("bin", None, "B")]


@pytest.mark.parametrize(
    ("step", "code"),
    [("uploaded", "import.not_validated"), ("staging", "import.not_validated"), ("staged", "import.not_validated"),
     ("failed", "import.not_validated"), ("done", "import.rows_gone"), ("cancelled", "import.rows_gone")],
)  # fmt: skip
def test_rows_are_there_while_a_file_is_checked_and_not_landed(step: str, code: str) -> None:
    with pytest.raises(DomainError) as refused:
        refuse_unless_checked(step)
    assert refused.value.code == code
    refuse_unless_checked("validated")


# -- over HTTP ---------------------------------------------------------------------------------------------


@pytest.fixture
async def keeper(
    world: World, db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    app = app_for(db, Settings(data_dir=tmp_path))
    async with client_for(app, await token_for(owner, world.maker.users["warehouse"], world.maker.id)) as client:
        yield client


async def walk(client: httpx.AsyncClient, job: UUID, fate: str, limit: int) -> list[dict[str, Any]]:
    """All pages of a fate."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        ask = {"fate": fate, "limit": limit, **({"after": after} if after else {})}
        answer = await client.get(f"/api/v1/imports/{job}/rows", params=ask)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) <= limit
        found += answer.json()["items"]
        after = answer.json()["next"]
        if after is None:
            return found


async def test_fates_over_http(
    imports: Importing, keeper: httpx.AsyncClient, world: World, db: Database, owner: asyncpg.Connection
) -> None:
    t = world.tag
    before, after = files(t)
    first = await imports.upload(before, snapshot_on=day(20))
    url = f"/api/v1/imports/{first}/rows"
    early = await keeper.get(url)
    assert (early.status_code, early.json()["code"]) == (409, "import.not_validated")
    await imports.run(first)
    late = await keeper.get(url)
    assert (late.status_code, late.json()["code"]) == (410, "import.rows_gone")

    job = await imports.upload(after, snapshot_on=day(21))
    await imports.run(job, land=False)
    for fate in ("good", "new", "changed", "same", "vanished"):
        whole = await walk(keeper, job, fate, 500)
        assert await walk(keeper, job, fate, 1) == whole, fate
    (changed, _) = await walk(keeper, job, "changed", 500)
    assert (changed["row_no"], changed["line_id"], changed["number"]) == (4, None, f"{t}-MORE")
    assert changed["changes"] == [{"field": "quantity", "before": 5, "after": 8, "proposed": True}]
    (gone,) = await walk(keeper, job, "vanished", 500)
    line = await owner.fetchval("SELECT id FROM stock_line WHERE company_id = $1 AND vanished_on IS NULL AND quantity = 7", world.maker.id)  # fmt: skip
    assert (gone["row_no"], gone["line_id"], gone["quantity"]) == (None, str(line), 7)

    # One row of a fate or five: as many statements.
    sent = {}
    for fate in ("new", "good"):
        with counted(db) as statements:
            await keeper.get(f"/api/v1/imports/{job}/rows", params={"fate": fate})
        sent[fate] = len(statements)
    assert sent["new"] == sent["good"]

    # A bookmark of the rows is no place among the vanished lines, and no fate is no list.
    mark = (await keeper.get(f"/api/v1/imports/{job}/rows", params={"limit": 1})).json()["next"]
    for ask, code in (({"fate": "vanished", "after": mark}, "page.bookmark"), ({"fate": "bad"}, "request.invalid")):
        refused = await keeper.get(f"/api/v1/imports/{job}/rows", params=ask)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    token = await token_for(owner, world.buyer.users["warehouse"], world.buyer.id)
    async with client_for(app_for(db, Settings(data_dir=imports.folder)), token) as stranger:
        hidden = await stranger.get(f"/api/v1/imports/{job}/rows")
        assert (hidden.status_code, hidden.json()["code"]) == (404, "import.not_found")


async def test_columns_that_nothing_is_read_from_are_named(
    imports: Importing, keeper: httpx.AsyncClient, world: World
) -> None:
    job = await imports.upload(f"Part number,Colour, ,Qty,Remark\n{world.tag}-1,red,?,5,ok\n")
    seen = (await keeper.get(f"/api/v1/imports/{job}")).json()
    assert seen["unused"] == ["Colour", "column 3 without a name", "Remark"]
    # What our own download of bad rows has behind the columns of the file is nobody's loss.
    back = await imports.upload(f"Part number,Colour,Qty,Row,Problems\n{world.tag}-1,red,5,2,Quantity\n")
    assert (await keeper.get(f"/api/v1/imports/{back}")).json()["unused"] == ["Colour"]
