"""From the folder contracts/ into the immutable table of clause versions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.library import check_clause, digest_clause, read_released
from marketplace.db.session import driver
from marketplace.kit.errors import conflict, invalid

Published = tuple[str, int, Literal["new", "same"]]


async def publish_library(target: AsyncSession | asyncpg.Connection, folder: Path) -> list[Published]:
    """Publishes every released clause version in ``folder`` that the table does not have yet; all or none.

    Needs the owner role, since the serving roles may only read clauses. Raises ``clause.released`` for a malformed
    or incomplete folder, ``clause.problems`` for a version that is not well formed, ``clause.changed`` for a
    released version whose files or whose published row have another hash than ``released.toml`` says.
    """
    released, versions = await asyncio.to_thread(_read, folder)
    connection = await driver(target) if isinstance(target, AsyncSession) else target
    for (clause, version), files in versions.items():
        problems = check_clause(clause, version, files)
        if problems:
            words = "; ".join(f"{p.file}: {p.message}" for p in problems)
            raise invalid("clause.problems", f"{clause}/v{version} cannot be published: {words}")
        if digest_clause(files) != released[clause, version]:
            raise conflict(
                "clause.changed",
                f"{clause}/v{version} was released with other contents. A released version never changes: undo the "
                "change, or make a new version.",
            )
    result: list[Published] = []
    async with connection.transaction():
        for (clause, version), files in versions.items():
            result.append((clause, version, await _publish(connection, clause, version, files)))
    return result


async def _publish(
    connection: asyncpg.Connection, clause: str, version: int, files: Mapping[str, bytes]
) -> Literal["new", "same"]:
    wording = files["clause.md"].decode().replace("\r\n", "\n")
    digest = bytes.fromhex(digest_clause(files))
    title = next(line.removeprefix("# ").strip() for line in wording.splitlines() if line.startswith("# "))
    made = await connection.fetchval(
        "INSERT INTO clause_version (clause, version, title, sha256, wording, terms_schema) "
        "VALUES ($1, $2, $3, $4, $5, $6::jsonb) ON CONFLICT (clause, version) DO NOTHING RETURNING 1",
        clause,
        version,
        title,
        digest,
        wording,
        files["terms.schema.json"].decode(),
    )
    if made:
        return "new"
    known = await connection.fetchval(
        "SELECT sha256 FROM clause_version WHERE clause = $1 AND version = $2", clause, version
    )
    if known != digest:
        raise conflict(
            "clause.changed",
            f"{clause}/v{version} was published here with other contents. Agreements rest on it; make a new version.",
        )
    return "same"


def _read(folder: Path) -> tuple[dict[tuple[str, int], str], dict[tuple[str, int], dict[str, bytes]]]:
    """The released hashes and the files of each released version, in order."""
    try:
        released = read_released((folder / "released.toml").read_bytes())
    except (OSError, ValueError) as error:
        raise invalid("clause.released", f"The clause library in {folder.name}/ cannot be read: {error}.") from None
    versions: dict[tuple[str, int], dict[str, bytes]] = {}
    for clause, version in sorted(released):
        place = folder / clause / f"v{version}"
        if not place.is_dir():
            raise invalid("clause.released", f"{clause}/v{version} is released but its folder is missing.")
        versions[clause, version] = {
            f.name: f.read_bytes() for f in sorted(place.iterdir()) if f.is_file() and not f.name.startswith(".")
        }
    return released, versions
