"""Files on their way in, for tests: text in, an import out, for a company of the test's world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from marketplace.db.session import Database
from marketplace.imports import queries, service
from marketplace.imports.queries import Job, ProposalRow
from marketplace.parties.actor import Actor
from tests.world import Party, World

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)


def actor_of(party: Party, *, manufacturer: bool) -> Actor:
    """Somebody of the company who may import."""
    return Actor(
        party.users["warehouse"], party.id, "Somebody", party.name, party.code, manufacturer, not manufacturer, "USD",
        frozenset({"warehouse"}),
    )  # fmt: skip


async def pieces(content: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    """Content as an upload brings it."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


@dataclass
class Importing:
    """Uploads, validates and lands for one world."""

    world: World
    db: Database
    folder: Path

    async def upload(
        self,
        content: str | bytes | AsyncIterator[bytes],
        party: Party | None = None,
        *,
        now: datetime = NOW,
        named: str = "stock.csv",
        **more: Any,
    ) -> UUID:
        """The import of a file; the maker's, at its first site, unless said otherwise."""
        who = party or self.world.maker
        more.setdefault("default_site_id", who.site)
        raw = content.encode() if isinstance(content, str) else content
        chunks = pieces(raw) if isinstance(raw, bytes) else raw
        async with self.db.write(who.tenant) as session:
            made = await service.upload(
                session, actor_of(who, manufacturer=who is self.world.maker), chunks=chunks, file_name=named,
                data_dir=self.folder, now=now, **{"limit_bytes": 64 << 20, **more},
            )  # fmt: skip
        return made.job_id

    async def run(self, job: UUID, party: Party | None = None, *, land: bool = True, now: datetime = NOW) -> Job:
        """Brings it on; the job as it then is."""
        who = party or self.world.maker
        await service.run(
            self.db, job_id=job, company_id=who.id, actor_id=who.users["warehouse"], data_dir=self.folder, land=land,
            now=now,
        )  # fmt: skip
        return await self.job(job, who)

    async def job(self, job: UUID, party: Party | None = None) -> Job:
        async with self.db.read((party or self.world.maker).tenant) as session:
            return await queries.job(session, job)

    async def landed(
        self, content: str | bytes, party: Party | None = None, *, now: datetime = NOW, **more: Any
    ) -> Job:
        """Uploaded and landed."""
        return await self.run(await self.upload(content, party, now=now, **more), party, now=now)

    async def issues(self, job: UUID, party: Party | None = None) -> dict[int, dict[str, str]]:
        """Row -> field -> words."""
        async with self.db.read((party or self.world.maker).tenant) as session:
            found: dict[int, dict[str, str]] = {}
            for issue in await queries.issues(session, job, limit=5_000):
                found.setdefault(issue.row_no, {})[issue.field] = issue.message
            return found

    async def proposals(self, job: UUID, party: Party | None = None) -> list[ProposalRow]:
        async with self.db.read((party or self.world.maker).tenant) as session:
            return list(await queries.proposals(session, job))

    async def decide(
        self,
        job: UUID,
        party: Party | None = None,
        *,
        accept: list[UUID] | None = None,
        dismiss: list[UUID] | None = None,
        **more: list[str],
    ) -> service.Decision:
        who = party or self.world.maker
        async with self.db.write(who.tenant) as session:
            return await service.decide(
                session, actor_of(who, manufacturer=who is self.world.maker), job, accept=accept or [],
                dismiss=dismiss or [], now=NOW, **more,
            )  # fmt: skip

    async def stock(self, party: Party | None = None) -> dict[str, int]:
        """Part number -> units in the company's hands."""
        rows = await self.world.owner.fetch(
            "SELECT t.number, sum(p.quantity)::int AS units FROM position p JOIN part t ON t.id = p.part_id "
            "WHERE p.holder_id = $1 AND p.quantity > 0 GROUP BY t.number",
            (party or self.world.maker).id,
        )
        return {r["number"]: r["units"] for r in rows}


def day(number: int) -> date:
    """A day of November 2026."""
    return date(2026, 11, number)
