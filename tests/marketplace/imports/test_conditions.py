"""A file's words for conditions mean what its company says they mean; others are read by our own words."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from marketplace.db.session import Database
from marketplace.imports.fields import CONDITION_NAMES
from marketplace.imports.values import choose_conditions, condition_readings
from marketplace.kit.errors import DomainError
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.settings import Settings
from tests.clients import app_for, client_for, token_for
from tests.importing import NOW, Importing, day
from tests.world import World

COLUMNS = {"number": 0, "quantity": 1, "condition": 2}


def file(tag: str, *rows: tuple[int, str]) -> str:
    return "Part number,Qty,Condition\n" + "".join(f"{tag}-{i},{n},{word}\n" for i, (n, word) in enumerate(rows))


def test_our_conditions_are_the_ledgers() -> None:
    assert set(CONDITION_NAMES) == set(CONDITION_WORDS)


def test_words_are_read_and_chosen() -> None:
    chosen = choose_conditions({" Grade  A ": "used_tested", "NEW": "new_old_stock"})
    read = condition_readings([("grade a", 3), ("new", 2), ("NOS", 1), ("grade A+", 1)], {**chosen, "b": "core"})
    assert [(r.word, r.rows, r.condition, r.chosen) for r in read] == [
        ("grade a", 3, "used_tested", True), ("new", 2, "new_old_stock", True), ("NOS", 1, "new_old_stock", False),
        ("grade A+", 1, None, False), ("b", None, "core", True),
    ]  # fmt: skip


def test_words_of_other_files_are_told_only_where_this_one_has_them() -> None:
    chosen = {"a1": "new_old_stock", "b": "core", "c": "used"}
    read = condition_readings([("A1", 3), ("NOS", 2)], chosen, {"a1", "b"})
    assert [(r.word, r.condition, r.chosen, r.elsewhere) for r in read] == [
        ("A1", "new_old_stock", True, True), ("NOS", "new_old_stock", False, False), ("c", "used", True, False),
    ]  # fmt: skip


def test_a_word_may_be_left_to_our_reading() -> None:
    assert choose_conditions({"New ": None, "B": "core"}) == {"new": None, "b": "core"}
    many = {str(n): None for n in range(100)}
    assert len(choose_conditions(many)) == 100
    with pytest.raises(DomainError):
        choose_conditions({**many, "x": None})


@pytest.mark.parametrize("given", [{"A": "shiny"}, {" ": "new"}, {"x" * 41: "new"}, {str(i): "new" for i in range(51)}])
def test_words_that_cannot_be_kept_are_named(given: dict[str, str]) -> None:
    with pytest.raises(DomainError) as refused:
        choose_conditions(given)
    assert refused.value.code == "import.mapping"
    assert all(f.field.startswith("conditions") for f in refused.value.fields)


async def test_a_word_is_given_its_meaning_and_the_next_file_knows_it(
    world: World, db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    app = app_for(db, Settings(data_dir=tmp_path))
    token = await token_for(owner, world.maker.users["warehouse"], world.maker.id)
    imports = Importing(world, db, tmp_path)
    job = await imports.upload(file(world.tag, (5, "Grade A"), (2, "grade  a"), (4, "NOS"), (1, "")))
    checked = await imports.run(job, land=False)
    assert checked.rows_bad == 2
    assert "Or say in this import what it means" in (await imports.issues(job))[2]["condition"]
    async with client_for(app, token) as client:
        address = f"/api/v1/imports/{job}"
        seen = (await client.get(address)).json()["conditions"]
        assert [(c["word"], c["rows"], c["condition"], c["chosen"]) for c in seen] == [
            ("Grade A", 1, None, False), ("NOS", 1, "new_old_stock", False), ("grade  a", 1, None, False),
        ]  # fmt: skip

        # A condition that is none changes nothing, on the import or in what is saved.
        wrong = await client.put(f"{address}/mapping", json={"columns": COLUMNS, "conditions": {"Grade A": "shiny"}})
        assert wrong.status_code == 422
        assert (await imports.job(job)).step == "validated"
        assert await owner.fetchval("SELECT count(*) FROM import_mapping WHERE company_id = $1", world.maker.id) == 0

        kept = await client.put(
            f"{address}/mapping", json={"columns": COLUMNS, "conditions": {"Grade A": "used_tested"}}
        )
        assert kept.status_code == 200, kept.text
    done = await imports.run(job)
    assert (done.step, done.rows_good, done.rows_bad) == ("done", 4, 0)
    landed = await owner.fetch(
        "SELECT t.number, p.condition FROM position p JOIN part t ON t.id = p.part_id WHERE p.holder_id = $1 ORDER BY 1",
        world.maker.id,
    )
    assert [r["condition"] for r in landed if r["number"].startswith(f"{world.tag}-")] == [
        "used_tested", "used_tested", "new_old_stock", "new",
    ]  # fmt: skip

    # The next file of this shape starts with it; another company's does not.
    again = await imports.landed(file(world.tag, (5, "GRADE A"), (3, "Grade A")), snapshot_on=day(22), now=NOW)
    assert (again.step, again.rows_bad, again.conditions) == ("done", 0, {"grade a": "used_tested"})
    other = await imports.run(
        await imports.upload(file(world.tag, (1, "Grade A")), world.buyer), world.buyer, land=False
    )
    assert (other.rows_bad, other.conditions) == (1, {})


async def test_a_word_mapped_once_is_proposed_in_files_of_another_shape(
    world: World, db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    t = world.tag
    imports = Importing(world, db, tmp_path)
    app = app_for(db, Settings(data_dir=tmp_path))
    token = await token_for(owner, world.maker.users["warehouse"], world.maker.id)
    turn = 0

    async def read(head: str) -> tuple[UUID, dict[str, tuple[str | None, bool]]]:
        """The import of a file with these headings that says A1 and new, as it is read: word -> (condition, elsewhere)."""
        nonlocal turn
        turn += 1
        job = await imports.upload(f"{head}\n{t}-{turn},5,A1\n{t}-{turn}-N,1,new\n")
        await imports.run(job, land=False)
        async with client_for(app, token) as client:
            told = (await client.get(f"/api/v1/imports/{job}")).json()["conditions"]
        return job, {c["word"]: (c["condition"], c["elsewhere"]) for c in told}

    async def say(job: UUID, **meant: str | None) -> None:
        async with client_for(app, token) as client:
            body = {"columns": COLUMNS, "conditions": meant}
            answer = await client.put(f"/api/v1/imports/{job}/mapping", json=body)
            assert answer.status_code == 200, answer.text

    async def staged(job: UUID) -> str | None:
        await imports.run(job, land=False)
        found: str | None = await owner.fetchval(
            "SELECT condition FROM import_row WHERE job_id = $1 AND row_no = 2", job
        )
        return found

    first, seen = await read("Part number,Qty,Condition")
    assert seen == {"A1": ("new", False), "new": ("new", False)}
    await say(first, A1="new_old_stock", Rare="core")

    # Another shape: proposed, and read so without a word; what the file does not say is no noise.
    second, seen = await read("Item,Count,Grade")
    assert seen == {"A1": ("new_old_stock", True), "new": ("new", False)}
    assert (
        await owner.fetchval("SELECT condition FROM import_row WHERE job_id = $1 AND row_no = 2", second)
        == "new_old_stock"
    )
    # What is left as it was proposed goes on following the other shape.
    await say(second, A1="new_old_stock", new=None)
    await say(first, A1="used")
    third, seen = await read("Item,Count,Grade")
    assert seen["A1"] == ("used", True)
    # Corrected, for this shape only; the other keeps its own.
    await say(third, A1="core")
    assert await staged(third) == "core"
    assert (await read("Item,Count,Grade"))[1]["A1"] == ("core", False)
    assert (await read("Part number,Qty,Condition"))[1]["A1"] == ("used", False)
    # Left to our reading, for this shape only.
    fourth, _ = await read("Item,Count,Grade")
    await say(fourth, A1=None)
    assert await staged(fourth) == "new"
    assert (await read("Item,Count,Grade"))[1]["A1"] == ("new", False)
    # The last word counts for a shape that has none; a mapping that says nothing of words takes none away.
    async with client_for(app, token) as client:
        assert (await client.put(f"/api/v1/imports/{first}/mapping", json={"columns": COLUMNS})).status_code == 200
    assert (await read("Article,Stock,State"))[1]["A1"] == ("used", True)
    # Another company knows nothing of it.
    other = await imports.upload(f"Article,Stock,State\n{t}-X,1,A1\n", world.buyer)
    assert (await imports.job(other, world.buyer)).conditions == {}


async def test_before_it_is_read_a_file_tells_the_words_of_its_first_rows(
    world: World, db: Database, tmp_path: Path
) -> None:
    imports = Importing(world, db, tmp_path)
    job = await imports.job(
        await imports.upload(file(world.tag, (5, "Grade A"), (1, " grade  a"), (1, ""), (2, "NOS")))
    )
    assert [(word, rows) for word, rows in job.condition_words if word.casefold().split() != ["grade", "a"]] == [
        ("NOS", None)
    ]
    assert len(job.condition_words) == 2


async def test_rows_that_say_no_condition_are_counted(world: World, db: Database, tmp_path: Path) -> None:
    t = world.tag
    imports = Importing(world, db, tmp_path)
    app = app_for(db, Settings(data_dir=tmp_path))
    token = await token_for(world.owner, world.maker.users["warehouse"], world.maker.id)
    blank = f"Part number,Qty,Condition\n{t}-0,1,used\n{t}-1,2,\n{t}-2,3,  \n{t}-3,none,\n"
    job = await imports.upload(blank, snapshot_on=day(20))
    assert (await imports.job(job)).without_condition == 0, "not read yet"
    await imports.run(job, land=False)
    async with client_for(app, token) as client:
        assert (await client.get(f"/api/v1/imports/{job}")).json()["without_condition"] == 2, "good rows only"
    done = await imports.run(job)
    assert done.without_condition == 2
    kept = "SELECT condition FROM stock_line JOIN part ON part.id = part_id WHERE company_id = $1 ORDER BY number"
    assert [r["condition"] for r in await world.owner.fetch(kept, world.maker.id)] == ["used", "new", "new"]
    without = await imports.landed(f"Part number,Qty\n{t}-5,1\n{t}-6,2\n", snapshot_on=day(21), covers="some")
    assert without.without_condition == 2
