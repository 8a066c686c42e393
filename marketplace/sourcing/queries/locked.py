"""What is locked before a plan, and what the clock and the inbox look for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.queries import SECOND
from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.parties.actor import Actor
from marketplace.sourcing.candidates import Candidate
from marketplace.sourcing.queries.calls import TO_DIRECT, TO_RELEASE, TO_REPLACE, CallRow
from marketplace.sourcing.queries.requisitions import SHORT

OFFERED = "EXISTS (SELECT FROM listing_lot b WHERE b.lot_id = p.lot_id AND b.position_id = p.position_id)"
"""Whether units of position ``p`` stand behind a listing."""


def free_of(now: str) -> str:
    """How many units of position ``p`` are free at the moment ``now`` (a parameter): a reservation whose time is over no
    longer counts; what is said not to be on the shelf does."""
    return f"""(p.quantity - p.held
        + coalesce((SELECT sum(x.quantity) FROM open_hold x WHERE x.lot_id = p.lot_id
            AND x.position_id = p.position_id AND x.expires_at <= {now}), 0)
        - coalesce((SELECT sum(w.quantity) FROM withdrawal w WHERE w.lot_id = p.lot_id
            AND w.position_id = p.position_id AND w.resolved_at IS NULL), 0))::int"""


async def lots_at(
    session: AsyncSession, candidates: Sequence[tuple[Candidate, UUID | None]], now: datetime
) -> dict[str, list[tuple[UUID, int, int]]]:
    """By candidate (only units of the owner beside it, where one stands there) the lots behind it as (lot, position, free): those
    that nobody offers for sale before others, then the oldest lot first. One statement."""
    rows = await fetch(
        session,
        f"""
        SELECT c.key, p.lot_id, p.position_id, {free_of("$8")} AS free
        FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[])
            AS c (key, part_id, holder_id, site_id, condition, agreement_id, owner_id)
        JOIN position p ON p.part_id = c.part_id AND p.holder_id = c.holder_id AND p.site_id = c.site_id
            AND p.condition = c.condition AND p.agreement_id IS NOT DISTINCT FROM c.agreement_id
            AND (c.owner_id IS NULL OR p.owner_id = c.owner_id) AND p.quantity > 0
        JOIN lot l ON l.lot_id = p.lot_id AND NOT l.frozen
        ORDER BY {OFFERED}, p.lot_id, p.position_id
        """,
        [c.key for c, _ in candidates], [c.part_id for c, _ in candidates], [c.holder_id for c, _ in candidates],
        [c.site_id for c, _ in candidates], [c.condition for c, _ in candidates], [c.agreement_id for c, _ in candidates],
        [owner for _, owner in candidates], now,
    )  # fmt: skip
    found: dict[str, list[tuple[UUID, int, int]]] = {}
    for r in rows:
        if r["free"] > 0:
            found.setdefault(r["key"], []).append((r["lot_id"], r["position_id"], r["free"]))
    return found


async def supply_for_update(session: WriteSession, part_ids: Iterable[UUID], maker_id: UUID) -> None:
    """Locks every lot of these parts that the maker owns or may call, in id order: what a plan decides from is
    read after this, so that confirming it cannot fail on a race, and two plans never promise the same unit."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id IN (SELECT p.lot_id FROM position p WHERE p.part_id = ANY($1::uuid[]) "
        "AND p.quantity > 0 AND (p.beneficiary_id = $2 OR p.owner_id = $2)) ORDER BY lot_id FOR NO KEY UPDATE",
        list(part_ids),
        maker_id,
    )


async def substitutes_for_update(
    session: WriteSession, call: CallRow, now: datetime
) -> Sequence[tuple[UUID, int, int]]:
    """(lot, position, free) of other units that can take the place of those that an order reserved: of the same part, agreement,
    shelf and condition. The lots are locked in id order, and read after that."""
    where = "p.part_id = $1 AND p.holder_id = $2 AND p.site_id = $3 AND p.condition = $4 AND p.agreement_id = $5 AND p.quantity > 0"
    what = (call.part_id, call.holder_id, call.site_id, call.condition, call.agreement_id)
    await fetch(
        session,
        f"SELECT lot_id FROM lot WHERE lot_id IN (SELECT p.lot_id FROM position p WHERE {where}) "
        "ORDER BY lot_id FOR NO KEY UPDATE",
        *what,
    )
    rows = await fetch(
        session,
        f"SELECT p.lot_id, p.position_id, {free_of('$6')} AS free FROM position p JOIN lot l ON l.lot_id = p.lot_id "
        f"WHERE {where} AND NOT l.frozen ORDER BY p.lot_id, p.position_id",
        *what,
        now,
    )
    return [(r["lot_id"], r["position_id"], r["free"]) for r in rows if r["free"] > 0]


async def lots_for_update(session: WriteSession, lot_ids: Iterable[UUID]) -> None:
    """Locks lots in id order, before the agreement they are under."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id = ANY($1::uuid[]) ORDER BY lot_id FOR NO KEY UPDATE",
        sorted(lot_ids),
    )


@dataclass(frozen=True, slots=True)
class Held:
    """An open reservation of an order."""

    lot_id: UUID
    hold_seq: int
    quantity: int


async def holds_of(session: AsyncSession, call_id: UUID) -> Sequence[Held]:
    """What an order reserves, as the ledger has it."""
    rows = await fetch(session, "SELECT lot_id, hold_seq, quantity FROM open_hold WHERE cause_id = $1", call_id)
    return [Held(**dict(r)) for r in rows]


async def own_lots_for_update(
    session: WriteSession,
    holder_id: UUID,
    agreement_id: UUID,
    part_id: UUID,
    site_id: UUID,
    condition: str,
    now: datetime,
) -> Sequence[tuple[UUID, int, int]]:
    """Locks every lot of the part that the company holds under the agreement, wherever it is; of those at the site in that
    condition (lot, position, free), the oldest first."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id IN (SELECT p.lot_id FROM position p WHERE p.part_id = $1 AND p.holder_id = $2 "
        "AND p.agreement_id = $3 AND p.quantity > 0) ORDER BY lot_id FOR NO KEY UPDATE",
        part_id, holder_id, agreement_id,
    )  # fmt: skip
    rows = await fetch(
        session,
        f"SELECT p.lot_id, p.position_id, {free_of('$6')} AS free FROM position p JOIN lot l ON l.lot_id = p.lot_id "
        "WHERE p.part_id = $1 AND p.holder_id = $2 AND p.agreement_id = $3 AND p.site_id = $4 AND p.condition = $5 "
        "AND p.quantity > 0 AND NOT l.frozen ORDER BY p.lot_id, p.position_id",
        part_id, holder_id, agreement_id, site_id, condition, now,
    )  # fmt: skip
    return [(r["lot_id"], r["position_id"], r["free"]) for r in rows if r["free"] > 0]


async def first_site_for_share(session: WriteSession, company_id: UUID) -> UUID | None:
    """The open site that a company registered first: it is not closed until this transaction ends. The tenant is that
    company."""
    found: UUID | None = await fetch_value(
        session,
        "SELECT id FROM site WHERE company_id = $1 AND closed_at IS NULL ORDER BY id LIMIT 1 FOR SHARE", company_id,
    )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class SellableRow:
    """Units of a part that a company holds under an agreement at one site in one condition; ``free`` of them are not
    reserved, on hold or being counted."""

    part_id: UUID
    part_number: str
    description: str
    uom: str
    site_id: UUID
    site: str
    condition: str
    free: int


async def sellable(session: AsyncSession, holder_id: UUID, agreement_id: UUID, now: datetime) -> Sequence[SellableRow]:
    """What the holder has under an agreement and could give away, by part, site and condition; at most 500 places."""
    rows = await fetch(
        session,
        f"SELECT p.part_id, a.number AS part_number, a.description, a.uom, p.site_id, s.name AS site, p.condition, "
        f"sum({free_of('$3')})::int AS free FROM position p JOIN lot l ON l.lot_id = p.lot_id JOIN part a ON a.id = p.part_id "
        "JOIN site s ON s.id = p.site_id WHERE p.agreement_id = $2 AND p.holder_id = $1 AND p.quantity > 0 AND NOT l.frozen "
        "GROUP BY p.part_id, a.number, a.description, a.uom, p.site_id, s.name, p.condition "
        "ORDER BY a.number, s.name, p.condition, p.part_id LIMIT 500",
        holder_id, agreement_id, now,
    )  # fmt: skip
    return [SellableRow(**dict(r)) for r in rows if r["free"] > 0]


# Calls whose agreement stands still would fill the head of the list and keep the others from their turn.
_LIVE = "NOT EXISTS (SELECT FROM agreement a WHERE a.id = k.agreement_id AND (a.legal_hold OR a.status = 'suspended'))"


async def silent(session: AsyncSession, now: datetime, *, limit: int = 200) -> Sequence[UUID]:
    """Calls whose answer is overdue (worker), the longest overdue first; none whose agreement stands still."""
    rows = await fetch(
        session,
        f"SELECT k.id FROM call k WHERE k.status = 'noticed' AND k.respond_by <= $1 AND {_LIVE} "
        "ORDER BY k.respond_by, k.id LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]


async def defaulting(session: AsyncSession, now: datetime, *, limit: int = 200) -> Sequence[UUID]:
    """Accepted calls that are in default (worker), the longest first; none whose agreement stands still or that waits for
    an export licence."""
    rows = await fetch(
        session,
        f"SELECT k.id FROM call k WHERE k.status IN ('accepted', 'picked') AND k.default_from <= $1 AND {_LIVE} "
        "AND (k.licence_asked_at IS NULL OR k.licence IS NOT NULL) "
        "ORDER BY k.default_from, k.id LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]


async def uninspected(session: AsyncSession, now: datetime, *, limit: int = 200) -> Sequence[UUID]:
    """Calls whose time to reject units has ended without an inspection (worker); none whose agreement stands still, where the
    second library stops that time."""
    rows = await fetch(
        session,
        f"SELECT k.id FROM call k WHERE k.status = 'received' AND k.inspect_by <= $1 AND NOT (NOT {_LIVE} AND EXISTS "
        f"(SELECT FROM agreement a WHERE a.id = k.agreement_id AND {SECOND})) ORDER BY k.inspect_by, k.id LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]


async def unreplaced(session: AsyncSession, now: datetime, *, limit: int = 200) -> Sequence[UUID]:
    """Calls with drawn units that were not replaced in time and are not bought yet (worker)."""
    rows = await fetch(
        session,
        "SELECT k.id FROM call k WHERE k.draw_fee IS NOT NULL AND k.inspected_good > k.replaced + k.bought "
        f"AND k.replace_by <= $1 AND {_LIVE} ORDER BY k.replace_by, k.id LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]


async def unapproved(session: AsyncSession, before: datetime, *, limit: int = 200) -> Sequence[UUID]:
    """Parts requests that waited too long for an approver (worker)."""
    rows = await fetch(
        session,
        "SELECT DISTINCT k.requisition_id FROM call k WHERE k.status = 'allocated' AND k.created_at <= $1 LIMIT $2",
        before,
        limit,
    )
    return [r["requisition_id"] for r in rows]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for a company in sourcing, by what it has to do."""

    answer: int
    """Orders to give units back: commit or refuse before the time runs out."""
    ship: int
    in_default: int
    """Orders that the company did not ship, nor made good in time: it can still ship them."""
    not_shipped: int
    """The same, of the company's own orders: it can buy elsewhere."""
    receive: int
    inspect: int
    approve: int
    """Parts requests (of any company) whose orders are above the technician's limit."""
    replace: int
    """Orders with drawn units that the company has to replace, or else buys."""
    replaced: int
    """Orders for which a replacement is on its way to the company."""
    back: int
    """Orders whose rejected units are on their way back to the company."""
    short: int
    """The company's own parts requests that a refusal or a lapse left short; see ``SHORT``."""
    direct: int
    """Orders by which a holder sells units back: the company can still say where they go."""
    release: int
    """Orders that the company is bound to and that it was asked to let go."""


async def waiting(session: AsyncSession, actor: Actor, now: datetime) -> Waiting:
    """What waits for this company, by what it is; one statement."""
    row = await fetch_one(
        session,
        "SELECT count(*) FILTER (WHERE holder_id = $1 AND noticed_at IS NOT NULL "
        "AND status IN ('noticed','acknowledged','silent'))::int AS answer, "
        "count(*) FILTER (WHERE holder_id = $1 AND noticed_at IS NOT NULL AND status IN ('accepted','picked'))::int AS ship, "
        "count(*) FILTER (WHERE holder_id = $1 AND status = 'defaulted')::int AS in_default, "
        "count(*) FILTER (WHERE company_id = $1 AND status = 'defaulted')::int AS not_shipped, "
        "count(*) FILTER (WHERE company_id = $1 AND status = 'shipped')::int AS receive, "
        "count(*) FILTER (WHERE company_id = $1 AND status = 'received')::int AS inspect, "
        "count(DISTINCT requisition_id) FILTER (WHERE maker_id = $1 AND status = 'allocated')::int AS approve, "
        f"(SELECT count(*)::int FROM call k WHERE k.maker_id = $1 AND {TO_REPLACE}) AS replace, "
        "(SELECT count(*)::int FROM call k WHERE k.holder_id = $1 AND k.replacing > 0) AS replaced, "
        "(SELECT count(*)::int FROM way_back w WHERE w.holder_id = $1 AND w.received_at IS NULL) AS back, "
        f"(SELECT count(*)::int FROM requisition r WHERE r.company_id = $1 AND {SHORT}) AS short, "
        f"(SELECT count(*)::int FROM call k WHERE k.maker_id = $1 AND {TO_DIRECT.format('$2')}) AS direct, "
        f"count(*) FILTER (WHERE k.holder_id = $1 AND {TO_RELEASE})::int AS release "
        "FROM call k WHERE (holder_id = $1 OR maker_id = $1 OR company_id = $1) AND status IN "
        "('noticed','acknowledged','silent','accepted','picked','defaulted','shipped','received','allocated')",
        actor.company_id,
        now,
    )
    return Waiting(**dict(row)) if row else Waiting(*13 * (0,))
