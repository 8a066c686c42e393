"""Stock lines under their locks, for acts and counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch
from marketplace.holdings.proposal import Line, lines_of
from marketplace.ledger.queries import held_lots_for_update

MOST_LOTS = 1_000


async def lot_ids_at(
    session: AsyncSession, holder_id: UUID, part_id: UUID, site_id: UUID, *, unreserved: bool, limit: int = MOST_LOTS
) -> list[UUID]:
    """Lots of a part that a company holds at a site: those nobody has a right in first, what expires first before
    the rest. ``unreserved`` leaves out lines of which nothing is free."""
    rows = await fetch(
        session,
        "SELECT p.lot_id FROM position p JOIN lot l ON l.lot_id = p.lot_id "
        "WHERE p.holder_id = $1 AND p.part_id = $2 AND p.site_id = $3 AND p.quantity > 0 "
        "AND (NOT $4 OR p.held < p.quantity) "
        "GROUP BY p.lot_id, l.expires_on ORDER BY bool_and(p.agreement_id IS NOT NULL), l.expires_on, p.lot_id LIMIT $5",
        holder_id,
        part_id,
        site_id,
        unreserved,
        limit,
    )
    return [r["lot_id"] for r in rows]


async def lot_ids_of_serial(session: AsyncSession, holder_id: UUID, part_id: UUID, serial: str) -> list[UUID]:
    """The unit of a part with this serial number that a company holds, where there is one."""
    rows = await fetch(
        session,
        "SELECT l.lot_id FROM lot l JOIN position p ON p.lot_id = l.lot_id AND p.quantity > 0 "
        "WHERE l.part_id = $2 AND upper(l.serial) = upper($3) AND p.holder_id = $1 ORDER BY l.serial = $3 DESC LIMIT 1",
        holder_id,
        part_id,
        serial,
    )
    return [r["lot_id"] for r in rows]


async def shelf_for_update(session: WriteSession, holder_id: UUID, site_id: UUID, part_id: UUID) -> None:
    """Makes counts of one part at one site take turns, and a count wait for a stock file of the company that is landing:
    what is not on record yet has no row that could be locked. Nothing that was read before counts."""
    await fetch(
        session, "SELECT pg_advisory_xact_lock_shared(hashtextextended($1::text, 0))", f"imports of {holder_id}"
    )
    await fetch(
        session, "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", f"shelf {holder_id} {site_id} {part_id}"
    )


async def lines_for_update(
    session: WriteSession, holder_id: UUID, lot_ids: Iterable[UUID], now: datetime
) -> list[Line]:
    """Locks the lots in id order as the ledger does and reads, after that, the stock lines the company holds."""
    ids = sorted(set(lot_ids))
    if not ids:
        return []
    lots = await held_lots_for_update(session, ids)
    expiry = {
        r["lot_id"]: r["expires_on"]
        for r in await fetch(session, "SELECT lot_id, expires_on FROM lot WHERE lot_id = ANY($1::uuid[])", ids)
    }
    return [line for line in lines_of(lots, expiry, now) if line.place.holder == holder_id]


async def lines_to_act_on(session: WriteSession, holder_id: UUID, lot_ids: Iterable[UUID], now: datetime) -> list[Line]:
    """As ``lines_for_update``, without units that are said not to be there: nobody uses or sells what it could not ship. Read
    after the locks, under which alone units are said to be missing or found."""
    lines = await lines_for_update(session, holder_id, lot_ids, now)
    rows = await fetch(
        session,
        "SELECT lot_id, position_id, sum(quantity)::int AS quantity FROM withdrawal "
        "WHERE lot_id = ANY($1::uuid[]) AND resolved_at IS NULL GROUP BY lot_id, position_id",
        list({line.lot_id for line in lines}),
    )
    said = {(r["lot_id"], r["position_id"]): r["quantity"] for r in rows}
    return [
        replace(line, free=line.free - sought, sought=sought)
        if (sought := min(said.get((line.lot_id, line.position_id), 0), line.free))
        else line
        for line in lines
    ]
