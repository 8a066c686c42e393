"""A file's words for sites mean what its company says they mean, in every file after."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import asyncpg

from marketplace.db.session import Database
from marketplace.settings import Settings
from tests.clients import app_for, client_for, token_for
from tests.importing import Importing
from tests.world import World

COLUMNS = {"number": 0, "quantity": 1, "site": 2}


def file(tag: str, *rows: tuple[int, str]) -> str:
    """Rows of new parts at the sites as the file names them."""
    return "Part number,Qty,Location\n" + "".join(f"{tag}-{uuid4().hex[:6]},{n},{at}\n" for n, at in rows)


async def test_a_word_for_a_site_is_given_its_meaning_and_every_next_file_knows_it(
    world: World, db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    maker = world.maker
    second = maker.sites[1]
    imports = Importing(world, db, tmp_path)
    token = await token_for(owner, maker.users["warehouse"], maker.id)
    job = await imports.upload(
        file(world.tag, (5, "Lager Nord"), (2, "LAGER NORD"), (3, "Halle 7"), (1, "S1")), default_site_id=None
    )
    assert (await imports.run(job, land=False)).rows_bad == 3
    assert "say in this import which of them it means" in (await imports.issues(job))[2]["site"]

    async with client_for(app_for(db, Settings(data_dir=tmp_path)), token) as client:
        address = f"/api/v1/imports/{job}"

        async def words() -> list[tuple[str, int | None, str | None]]:
            return [
                (w["word"].casefold(), w["rows"], w["site_id"]) for w in (await client.get(address)).json()["sites"]
            ]

        async def say(sites: dict[str, str | None], expected: int = 200) -> dict[str, object]:
            answer = await client.put(f"{address}/mapping", json={"columns": COLUMNS, "sites": sites})
            assert answer.status_code == expected, answer.text
            found: dict[str, object] = answer.json()
            return found

        assert await words() == [("lager nord", 2, None), ("halle 7", 1, None)]

        # Somebody else's site, a blank word, a word without end: refused, and nothing is kept or forgotten.
        assert (await say({"Lager Nord": str(second), "Halle 7": str(world.buyer.site)}, 404))[
            "code"
        ] == "site.not_found"
        assert (await say({" ": str(second)}, 422))["code"] == "import.mapping"
        assert (await say({"x" * 201: str(second)}, 422))["code"] == "import.mapping"
        assert await owner.fetchval("SELECT count(*) FROM site_word WHERE company_id = $1", maker.id) == 0
        assert (await imports.job(job)).step == "validated"

        await say({"Lager Nord": str(second), "Halle 7": str(maker.site)})
        checked = await imports.run(job, land=False)
        assert (checked.rows_good, checked.rows_bad) == (4, 0)
        assert await words() == [("halle 7", None, str(maker.site)), ("lager nord", None, str(second))]
        # Forgotten again: rows that say it are bad again, the other word stays.
        await say({"halle 7": None})
        assert (await imports.run(job, land=False)).rows_bad == 1
        assert await words() == [("halle 7", 1, None), ("lager nord", None, str(second))]
        # What is said twice is said once; another site takes its place.
        await say({"Halle 7": str(second), "Lager Nord": str(second)})
        await say({"Halle 7": str(maker.site)})
    done = await imports.run(job)
    assert (done.step, done.rows_good, done.rows_bad) == ("done", 4, 0)
    landed = await owner.fetch(
        "SELECT site_id, sum(quantity)::int AS units FROM position WHERE holder_id = $1 AND part_id IN "
        "(SELECT id FROM part WHERE number LIKE $2) GROUP BY 1", maker.id, f"{world.tag}-%",
    )  # fmt: skip
    assert {r["site_id"]: r["units"] for r in landed} == {second: 7, maker.site: 4}

    # A file with other headings knows it, and so does a count; another company's file does not.
    other = await imports.landed(
        f"Artikel,Menge,Lagerort\n{world.tag}-Z,1,lager nord\n", default_site_id=None, covers="some"
    )
    assert (other.step, other.rows_bad) == ("done", 0)
    count = await imports.upload(
        f"Part number,Counted,Site\n{world.tag}-Z,1,Lager Nord\n", default_site_id=None, kind="counts"
    )
    assert (await imports.run(count, land=False)).rows_bad == 0
    theirs = await imports.upload(file(world.tag, (1, "Lager Nord")), world.buyer, default_site_id=None)
    assert (await imports.run(theirs, world.buyer, land=False)).rows_bad == 1


async def test_a_sites_own_code_comes_before_a_word_and_a_closed_site_has_none(
    world: World, db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    maker = world.maker
    second = maker.sites[1]
    code = await owner.fetchval("SELECT code FROM site WHERE id = $1", maker.site)
    await owner.execute(
        "INSERT INTO site_word (company_id, word, site_id, said_by) VALUES ($1, lower($2), $3, $4), ($1, 'old hall', $3, $4)",
        maker.id, code, second, maker.users["warehouse"],
    )  # fmt: skip
    imports = Importing(world, db, tmp_path)
    job = await imports.upload(file(world.tag, (5, code), (1, "Old Hall")), default_site_id=None)
    assert (await imports.run(job, land=False)).rows_bad == 0
    told = await owner.fetch("SELECT site_id FROM import_row WHERE job_id = $1 ORDER BY row_no", job)
    assert [r["site_id"] for r in told] == [maker.site, second]
    await owner.execute("UPDATE site SET closed_at = now() WHERE id = $1", second)
    again = await imports.upload(file(world.tag, (1, "Old Hall")), default_site_id=None)
    assert (await imports.run(again, land=False)).rows_bad == 1


async def test_too_many_words_at_once_are_refused(
    world: World, db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    imports = Importing(world, db, tmp_path)
    token = await token_for(owner, world.maker.users["warehouse"], world.maker.id)
    job = await imports.upload(file(world.tag, (1, "S1")))
    async with client_for(app_for(db, Settings(data_dir=tmp_path)), token) as client:
        many = {f"w{n}": str(world.maker.site) for n in range(401)}
        answer = await client.put(f"/api/v1/imports/{job}/mapping", json={"columns": COLUMNS, "sites": many})
    assert (answer.status_code, answer.json()["code"]) == (422, "import.mapping")
    assert await owner.fetchval("SELECT count(*) FROM site_word WHERE company_id = $1", world.maker.id) == 0
