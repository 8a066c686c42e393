"""Whom a company lets see what, and at which price: groups, blocks, clearances, controlled parts, windows, prices of partners.

The rule itself stands in the database (migration 302210): in the policies, and in the views ``listing_seen`` and ``release_seen`` that
every read of a partner goes through. What is here is the seller's own record of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.listings.queries.releases import ReleaseRow


async def market_for_update(session: WriteSession, company_id: UUID) -> None:
    """Locks who may see and buy what of the company, before anything of it: no order is placed meanwhile."""
    await fetch(session, "SELECT id FROM company WHERE id = $1 FOR NO KEY UPDATE", company_id)


async def market_for_share(session: WriteSession, company_id: UUID) -> None:
    """Keeps who may see and buy what of the company as it is until this transaction ends. For whoever acts for the company."""
    await fetch(session, "SELECT id FROM company WHERE id = $1 FOR SHARE", company_id)


async def not_cleared_for(
    session: WriteSession, company_id: UUID, partner_id: UUID, listing_ids: Sequence[UUID], now: datetime
) -> Sequence[str]:
    """Numbers of the controlled parts among these lines of the company that the partner is not cleared for on this day (UTC), in order;
    none is recorded or withdrawn until this transaction ends. For whoever acts for the company."""
    await market_for_share(session, company_id)
    rows = await fetch(
        session,
        "SELECT DISTINCT p.number FROM listing l JOIN part p ON p.id = l.part_id WHERE l.company_id = $1 AND l.id = ANY($3::uuid[]) "
        "AND l.controlled AND NOT EXISTS (SELECT 1 FROM export_clearance e WHERE e.company_id = $1 AND e.partner_id = $2 "
        "AND e.withdrawn_at IS NULL AND e.valid_until >= ($4::timestamptz AT TIME ZONE 'UTC')::date) ORDER BY 1",
        company_id, partner_id, listing_ids, now,
    )  # fmt: skip
    return [r["number"] for r in rows]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group with who is in it, and how many open postings and prices name it."""

    id: UUID
    name: str
    partner_ids: list[UUID]
    partners: list[str]
    windows: int
    prices: int


async def groups(
    session: AsyncSession, company_id: UUID, *, after: tuple[str, UUID] | None = None, limit: int = 51
) -> Sequence[GroupRow]:
    """The company's groups by name, by keyset (``after``: small name and id of the last); one statement."""
    name, last = after or (None, None)
    rows = await fetch(
        session,
        "SELECT g.id, g.name, coalesce(m.ids, '{}') AS partner_ids, coalesce(m.names, '{}') AS partners, "
        "(SELECT count(DISTINCT w.release_id) FROM release_window w JOIN release r ON r.id = w.release_id AND r.status <> 'closed' "
        "WHERE w.group_id = g.id)::int AS windows, "
        "(SELECT count(*) FROM partner_price p WHERE p.group_id = g.id AND p.ended_at IS NULL)::int AS prices "
        "FROM partner_group g LEFT JOIN LATERAL (SELECT array_agg(c.id ORDER BY c.name, c.id) AS ids, "
        "array_agg(c.name ORDER BY c.name, c.id) AS names FROM partner_group_member x JOIN company c ON c.id = x.partner_id "
        "WHERE x.group_id = g.id) m ON true "
        "WHERE g.company_id = $1 AND ($2::text IS NULL OR (lower(g.name), g.id) > ($2, $3::uuid)) "
        "ORDER BY lower(g.name), g.id LIMIT $4",
        company_id, name, last, limit,
    )  # fmt: skip
    return [GroupRow(**dict(r)) for r in rows]


async def group_names(session: AsyncSession, company_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """The names of those of these groups that are the company's."""
    rows = await fetch(
        session,
        "SELECT id, name FROM partner_group WHERE company_id = $1 AND id = ANY($2::uuid[])",
        company_id,
        list(ids),
    )
    return {r["id"]: r["name"] for r in rows}


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A partner that sees nothing of the company's postings."""

    id: UUID
    partner_id: UUID
    partner: str
    reason: str
    recorded_at: datetime


async def blocks(
    session: AsyncSession, company_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[BlockRow]:
    """The blocks in force, newest first."""
    rows = await fetch(
        session,
        "SELECT b.id, b.partner_id, c.name AS partner, b.reason, b.recorded_at FROM partner_block b JOIN company c ON c.id = b.partner_id "
        "WHERE b.company_id = $1 AND b.lifted_at IS NULL AND ($2::uuid IS NULL OR b.id < $2) ORDER BY b.id DESC LIMIT $3",
        company_id, after, limit,
    )  # fmt: skip
    return [BlockRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class ClearanceRow:
    """A partner that may see and buy controlled parts until the end of a day (UTC)."""

    id: UUID
    partner_id: UUID
    partner: str
    reference: str
    valid_until: date
    recorded_at: datetime


async def clearances(
    session: AsyncSession, company_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[ClearanceRow]:
    """The clearances that were not withdrawn, also lapsed ones, newest first."""
    rows = await fetch(
        session,
        "SELECT e.id, e.partner_id, c.name AS partner, e.reference, e.valid_until, e.recorded_at FROM export_clearance e "
        "JOIN company c ON c.id = e.partner_id WHERE e.company_id = $1 AND e.withdrawn_at IS NULL "
        "AND ($2::uuid IS NULL OR e.id < $2) ORDER BY e.id DESC LIMIT $3",
        company_id, after, limit,
    )  # fmt: skip
    return [ClearanceRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class ControlledRow:
    """A part that the company holds to be controlled."""

    part_id: UUID
    part_number: str
    description: str
    classification: str
    recorded_at: datetime


async def controlled_parts(
    session: AsyncSession, company_id: UUID, *, after: UUID | None = None, limit: int = 51
) -> Sequence[ControlledRow]:
    """Parts that the company holds to be controlled, by part id."""
    rows = await fetch(
        session,
        "SELECT k.part_id, p.number AS part_number, p.description, k.classification, k.recorded_at FROM controlled_part k "
        "JOIN part p ON p.id = k.part_id WHERE k.company_id = $1 AND ($2::uuid IS NULL OR k.part_id > $2) "
        "ORDER BY k.part_id LIMIT $3",
        company_id, after, limit,
    )  # fmt: skip
    return [ControlledRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class WindowRow:
    """From when on a partner or a group sees a posting; None = from publishing on."""

    opens_at: datetime | None
    partner_id: UUID | None
    group_id: UUID | None
    name: str


async def windows(session: AsyncSession, release_id: UUID) -> Sequence[WindowRow]:
    """Of a posting of one's own, earliest first; without those whom the posting itself names."""
    rows = await fetch(
        session,
        "SELECT w.opens_at, w.partner_id, w.group_id, coalesce(c.name, g.name) AS name FROM release_window w "
        "LEFT JOIN company c ON c.id = w.partner_id LEFT JOIN partner_group g ON g.id = w.group_id "
        "WHERE w.release_id = $1 ORDER BY w.opens_at NULLS FIRST, name, w.id",
        release_id,
    )  # fmt: skip
    return [WindowRow(**dict(r)) for r in rows]


async def whole_audience(session: AsyncSession, release: ReleaseRow) -> Sequence[WindowRow]:
    """Everybody a posting of one's own is open to from when on, earliest first; everyone is a row without partner and group."""
    named = await fetch(
        session, "SELECT id, name FROM company WHERE id = ANY($1::uuid[]) ORDER BY name, id", list(release.audience_ids)
    )
    found = [WindowRow(None, r["id"], None, r["name"]) for r in named]
    found += await windows(session, release.id)
    if release.audience == "all" or release.open_from is not None:
        found.append(WindowRow(release.open_from if release.audience != "all" else None, None, None, "Everyone"))
    return sorted(found, key=lambda w: (w.opens_at is not None, w.opens_at.timestamp() if w.opens_at else 0.0))


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price for a partner or a group: off everything, a posting or a line, or an amount for a line."""

    id: UUID
    partner_id: UUID | None
    group_id: UUID | None
    who: str
    release_id: UUID | None
    release_reference: str | None
    listing_id: UUID | None
    part_number: str | None
    off_bp: int | None
    unit_price: Decimal | None
    currency: str | None
    recorded_at: datetime


async def prices(
    session: AsyncSession,
    company_id: UUID,
    *,
    release_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[PriceRow]:
    """The company's prices in force, newest first; ``release_id``: only those of one posting and its lines."""
    rows = await fetch(
        session,
        "SELECT p.id, p.partner_id, p.group_id, coalesce(c.name, g.name) AS who, p.release_id, r.reference AS release_reference, "
        "p.listing_id, t.number AS part_number, p.off_bp, p.unit_price, r.currency, p.recorded_at FROM partner_price p "
        "LEFT JOIN company c ON c.id = p.partner_id LEFT JOIN partner_group g ON g.id = p.group_id "
        "LEFT JOIN release r ON r.id = p.release_id LEFT JOIN listing l ON l.id = p.listing_id LEFT JOIN part t ON t.id = l.part_id "
        "WHERE p.company_id = $1 AND p.ended_at IS NULL AND ($2::uuid IS NULL OR p.release_id = $2) "
        "AND ($3::uuid IS NULL OR p.id < $3) ORDER BY p.id DESC LIMIT $4",
        company_id, release_id, after, limit,
    )  # fmt: skip
    return [PriceRow(**dict(r)) for r in rows]


async def group_for_update(session: WriteSession, company_id: UUID, group_id: UUID) -> str:
    """A group's name, locked. Raises ``group.not_found``."""
    row = await fetch_one(
        session,
        "SELECT name FROM partner_group WHERE company_id = $1 AND id = $2 FOR NO KEY UPDATE",
        company_id,
        group_id,
    )
    if row is None:
        raise missing("group.not_found", "No such group of yours.")
    return str(row["name"])


async def admitted_later(session: AsyncSession, release_id: UUID) -> Sequence[UUID]:
    """The partners whom the windows of a posting of one's own admit, by name or by a group that they are in now."""
    rows = await fetch(
        session,
        "SELECT DISTINCT coalesce(w.partner_id, m.partner_id) AS id FROM release_window w "
        "LEFT JOIN partner_group_member m ON m.group_id = w.group_id WHERE w.release_id = $1 "
        "AND coalesce(w.partner_id, m.partner_id) IS NOT NULL ORDER BY id",
        release_id,
    )
    return [r["id"] for r in rows]


async def whose_law(session: AsyncSession, release: ReleaseRow) -> Sequence[UUID] | None:
    """The partners whose law is asked before a posting of one's own is published: all that it admits by name or by group, or None
    where it is open, or opens one day, to everyone."""
    if release.audience != "named" or release.open_from is not None:
        return None
    return sorted({*release.audience_ids, *await admitted_later(session, release.id)})


async def release_named(session: AsyncSession, company_id: UUID, reference: str) -> UUID:
    """The id of a posting of the company's own. Raises ``release.not_found``."""
    row = await fetch_one(
        session, "SELECT id FROM release WHERE company_id = $1 AND reference = upper($2)", company_id, reference.strip()
    )
    if row is None:
        raise missing("release.not_found", f"You have no posting '{reference[:40]}'.", field="posting")
    found: UUID = row["id"]
    return found
