"""Records of insolvency: a maker's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.kit.errors import missing

_KEY = "insolvency of"


@dataclass(frozen=True, slots=True)
class InsolvencyRow:
    """A record. ``administrator``: the person in charge of the estate by the newest word; ``holds``: agreements that the
    record put under legal hold and that still are; ``found``: all that it found in force."""

    id: UUID
    company_id: UUID
    company: str
    code: str
    number: int
    reason: str
    source: str
    opened_on: date
    administrator: str
    recorded_at: datetime
    recorded_by: UUID
    found: int
    holds: int
    lifted_at: datetime | None
    lift_reason: str | None
    holds_lifted: int | None

    @property
    def stands(self) -> bool:
        """Whether it has not been lifted."""
        return self.lifted_at is None


_ROWS = """
SELECT i.id, i.company_id, c.name AS company, c.code, i.number, i.reason, i.source, i.opened_on,
       coalesce(n.administrator, i.administrator) AS administrator, i.recorded_at, i.recorded_by, h.found, h.holds,
       l.lifted_at, l.reason AS lift_reason, l.holds AS holds_lifted
FROM insolvency i JOIN company c ON c.id = i.company_id LEFT JOIN insolvency_lifted l ON l.insolvency_id = i.id
LEFT JOIN LATERAL (
    SELECT x.administrator FROM insolvency_note x WHERE x.insolvency_id = i.id AND x.administrator IS NOT NULL
    ORDER BY x.id DESC LIMIT 1) n ON true
CROSS JOIN LATERAL (
    SELECT count(*)::int AS found, count(*) FILTER (WHERE l.insolvency_id IS NULL AND NOT g.held_before AND a.legal_hold)::int
    AS holds FROM insolvency_hold g JOIN agreement a ON a.id = g.agreement_id WHERE g.insolvency_id = i.id) h
"""


async def insolvencies(
    session: AsyncSession,
    maker_id: UUID,
    *,
    standing: bool | None = None,
    company_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[InsolvencyRow]:
    """The maker's records, newest first. ``standing``: only those that stand, or only those that were lifted."""
    rows = await fetch(
        session,
        _ROWS + "WHERE i.maker_id = $1 AND ($2::boolean IS NULL OR (l.insolvency_id IS NULL) = $2) "
        "AND ($3::uuid IS NULL OR i.company_id = $3) AND ($4::uuid IS NULL OR i.id < $4) ORDER BY i.id DESC LIMIT $5",
        maker_id, standing, company_id, after, limit,
    )  # fmt: skip
    return [InsolvencyRow(**dict(r)) for r in rows]


async def insolvency(session: AsyncSession, maker_id: UUID, insolvency_id: UUID) -> InsolvencyRow:
    """One record of the maker. Raises ``insolvency.not_found``."""
    row = await fetch_one(session, _ROWS + "WHERE i.id = $1 AND i.maker_id = $2", insolvency_id, maker_id)
    if row is None:
        raise missing("insolvency.not_found", "No such record of an insolvency.")
    return InsolvencyRow(**dict(row))


@dataclass(frozen=True, slots=True)
class NoteRow:
    """What became known later."""

    note: str
    administrator: str | None
    noted_at: datetime


async def insolvency_notes(session: AsyncSession, insolvency_id: UUID, limit: int = 100) -> Sequence[NoteRow]:
    """The notes of a record, newest first."""
    rows = await fetch(
        session,
        "SELECT note, administrator, noted_at FROM insolvency_note WHERE insolvency_id = $1 ORDER BY id DESC LIMIT $2",
        insolvency_id,
        limit,
    )
    return [NoteRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class HoldRow:
    """An agreement that a record found. ``held``: it is under legal hold now."""

    agreement_id: UUID
    reference: str
    status: str
    held_before: bool
    held: bool


async def holds(session: AsyncSession, insolvency_id: UUID, limit: int = 200) -> Sequence[HoldRow]:
    """Agreements that a record found in force, by reference."""
    rows = await fetch(
        session,
        "SELECT g.agreement_id, a.reference, a.status, g.held_before, a.legal_hold AS held FROM insolvency_hold g "
        "JOIN agreement a ON a.id = g.agreement_id WHERE g.insolvency_id = $1 ORDER BY a.reference LIMIT $2",
        insolvency_id,
        limit,
    )
    return [HoldRow(**dict(r)) for r in rows]


async def held_before(session: AsyncSession, insolvency_id: UUID) -> dict[UUID, bool]:
    """All agreements that a record found, and whether they were under legal hold already."""
    rows = await fetch(
        session, "SELECT agreement_id, held_before FROM insolvency_hold WHERE insolvency_id = $1", insolvency_id
    )
    return {r["agreement_id"]: r["held_before"] for r in rows}


@dataclass(frozen=True, slots=True)
class Standing:
    """A record that stands of one company."""

    id: UUID
    company_id: UUID
    company: str
    opened_on: date


async def standing_of(session: AsyncSession, maker_id: UUID, company_ids: Sequence[UUID]) -> Sequence[Standing]:
    """Which of these companies the maker has recorded as insolvent, by name."""
    rows = await fetch(
        session,
        "SELECT i.id, i.company_id, c.name AS company, i.opened_on FROM insolvency i JOIN company c ON c.id = i.company_id "
        "WHERE i.maker_id = $1 AND i.company_id = ANY($2::uuid[]) "
        "AND NOT EXISTS (SELECT FROM insolvency_lifted l WHERE l.insolvency_id = i.id) ORDER BY c.name",
        maker_id,
        list(company_ids),
    )
    return [Standing(**dict(r)) for r in rows]


async def standing_of_for_share(
    session: WriteSession, maker_id: UUID, company_ids: Sequence[UUID]
) -> Sequence[Standing]:
    """As ``standing_of``; until this transaction ends none of them is recorded anew, and none is lifted. A record that is
    not there cannot be locked, so the pair of companies is, before any lot."""
    await fetch(
        session,
        "SELECT pg_advisory_xact_lock_shared(hashtextextended($1::text || ' ' || x::text || ' ' || $2::text, 0)) "
        "FROM (SELECT x FROM unnest($3::uuid[]) AS x ORDER BY x) y",
        _KEY,
        str(maker_id),
        sorted(set(company_ids)),
    )
    return await standing_of(session, maker_id, company_ids)


async def latest_for_update(session: WriteSession, maker_id: UUID, company_id: UUID) -> tuple[int, Standing | None]:
    """Locks the pair of companies: how many records there were, and the one that stands."""
    await fetch(
        session,
        "SELECT pg_advisory_xact_lock(hashtextextended($1::text || ' ' || $3::uuid::text || ' ' || $2::text, 0))",
        _KEY,
        str(maker_id),
        company_id,
    )
    row = await fetch_one(
        session,
        "SELECT coalesce(max(number), 0)::int AS number FROM insolvency WHERE maker_id = $1 AND company_id = $2",
        maker_id,
        company_id,
    )
    found = await standing_of(session, maker_id, [company_id])
    return (row["number"] if row else 0), (found[0] if found else None)
