"""A file's words for conditions mean what its company says they mean; others are read by our own words."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from marketplace.app import create_app
from marketplace.db.session import Database
from marketplace.imports.fields import CONDITION_NAMES
from marketplace.imports.values import choose_conditions, condition_readings
from marketplace.kit.errors import DomainError
from marketplace.ledger.kinds import CONDITION_WORDS
from marketplace.settings import Settings
from tests.clients import client_for, token_for
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


@pytest.mark.parametrize("given", [{"A": "shiny"}, {" ": "new"}, {"x" * 41: "new"}, {str(i): "new" for i in range(51)}])
def test_words_that_cannot_be_kept_are_named(given: dict[str, str]) -> None:
    with pytest.raises(DomainError) as refused:
        choose_conditions(given)
    assert refused.value.code == "import.mapping"
    assert all(f.field.startswith("conditions") for f in refused.value.fields)


async def test_a_word_is_given_its_meaning_and_the_next_file_knows_it(
    world: World, db: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    app = create_app(Settings(data_dir=tmp_path), database=db)
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
