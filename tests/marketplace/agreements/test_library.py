"""Publishing the clause library into the database."""

from __future__ import annotations

import shutil
from pathlib import Path

import asyncpg
import pytest

from marketplace.agreements.library import CLAUSE_FILES, digest_clause
from marketplace.agreements.service import publish_library
from marketplace.db.session import Database, execute
from marketplace.kit.errors import DomainError
from tests.agreed import CONTRACTS, publish


async def test_publishing_twice_changes_nothing(owner: asyncpg.Connection) -> None:
    first = await publish(owner)
    again = await publish(owner)
    assert [(c, v) for c, v, _ in first] == [
        ("access-back", 1), ("access-back", 2), ("buy-back", 1), ("buy-back", 2), ("first-refusal", 1), ("title-kept", 1),
    ]  # fmt: skip
    assert {state for _, _, state in again} == {"same"}
    row = await owner.fetchrow(
        "SELECT title, sha256, wording FROM clause_version WHERE clause = 'buy-back' AND version = 1"
    )
    files = {name: (CONTRACTS / "buy-back" / "v1" / name).read_bytes() for name in CLAUSE_FILES}
    assert row["sha256"].hex() == digest_clause(files)
    assert row["wording"].startswith(f"# {row['title']}\n")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONTRACTS, tmp_path / "contracts"))


async def test_a_changed_released_version_is_refused(owner: asyncpg.Connection, copy: Path) -> None:
    await publish(owner)
    before = await owner.fetch("SELECT * FROM clause_version ORDER BY 1, 2")
    text = copy / "buy-back" / "v1" / "clause.md"
    text.write_text(text.read_text() + "\nAnd one thing more.\n")
    with pytest.raises(DomainError) as refused:
        await publish_library(owner, copy)
    assert refused.value.code == "clause.changed"
    # Also when somebody changes the stated hash with it: the published row remembers.
    released = copy / "released.toml"
    files = {name: (copy / "buy-back" / "v1" / name).read_bytes() for name in CLAUSE_FILES}
    old = {name: (CONTRACTS / "buy-back" / "v1" / name).read_bytes() for name in CLAUSE_FILES}
    released.write_text(released.read_text().replace(digest_clause(old), digest_clause(files)))
    with pytest.raises(DomainError) as published:
        await publish_library(owner, copy)
    assert published.value.code == "clause.changed"
    assert "published here with other contents" in published.value.message
    assert await owner.fetch("SELECT * FROM clause_version ORDER BY 1, 2") == before


async def test_a_broken_library_is_refused(owner: asyncpg.Connection, copy: Path) -> None:
    shutil.rmtree(copy / "access-back")
    with pytest.raises(DomainError) as refused:
        await publish_library(owner, copy)
    assert refused.value.code == "clause.released"
    (copy / "released.toml").write_text("[buy-back]\nv1 = 'no hash'\n")
    with pytest.raises(DomainError) as malformed:
        await publish_library(owner, copy)
    assert malformed.value.code == "clause.released"


async def test_the_serving_role_cannot_publish(db: Database) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.write() as session:
            # The right is checked before a row is looked for, so the test leaves nothing whatever else is published.
            await execute(session, "INSERT INTO clause_version SELECT * FROM clause_version WHERE false")
