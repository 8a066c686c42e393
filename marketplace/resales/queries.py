"""Reads of resales: row level security shows them to maker, seller and buyer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.kit.errors import missing


@dataclass(frozen=True, slots=True)
class ResaleRow:
    """A resale with its names. ``minimum_passed_on``: how many of the minimum to keep the buyer takes over."""

    id: UUID
    reference: str
    agreement_id: UUID
    agreement: str | None
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    buyer_id: UUID
    buyer: str
    part_id: UUID
    part_number: str
    description: str
    uom: str
    site_id: UUID
    quantity: int
    minimum_passed_on: int
    runs: bool
    child_reference: str | None
    child_id: UUID | None
    wording: str | None
    wording_sha256: bytes | None
    note: str
    status: str
    reason: str | None
    asked_by: UUID
    asked_at: datetime
    consented_by: UUID | None
    consented_at: datetime | None
    acceded_by: UUID | None
    acceded_at: datetime | None
    carrier: str | None
    tracking: str | None
    shipped_at: datetime | None
    received_at: datetime | None
    good: int | None
    ended_at: datetime | None
    answer_by: datetime | None
    silence_consents: bool
    sign_by: datetime | None

    def side(self, company_id: UUID) -> str:
        """'maker', 'holder' or 'buyer'."""
        return {self.maker_id: "maker", self.holder_id: "holder"}.get(company_id, "buyer")


# The buyer is no party of the agreement that the units are under: it does not see its reference.
_RESALE = """
SELECT r.id, r.reference, r.agreement_id, a.reference AS agreement, r.maker_id, m.name AS maker, r.holder_id,
       h.name AS holder, r.buyer_id, b.name AS buyer, r.part_id, p.number AS part_number, p.description, p.uom, r.site_id,
       r.quantity, r.minimum_passed_on, r.runs, r.child_reference, r.child_id, r.wording, r.wording_sha256, r.note, r.status,
       r.reason, r.asked_by, r.asked_at, r.consented_by, r.consented_at, r.acceded_by, r.acceded_at, r.carrier,
       r.tracking, r.shipped_at, r.received_at, r.good, r.ended_at, r.answer_by, r.silence_consents, r.sign_by
FROM resale r JOIN company m ON m.id = r.maker_id JOIN company h ON h.id = r.holder_id
JOIN company b ON b.id = r.buyer_id JOIN part p ON p.id = r.part_id LEFT JOIN agreement a ON a.id = r.agreement_id
"""


async def resale(session: AsyncSession, company_id: UUID, resale_id: UUID) -> ResaleRow:
    """One resale of a company that is one of its three parties. Raises ``resale.not_found``."""
    row = await fetch_one(
        session, _RESALE + "WHERE r.id = $1 AND $2 IN (r.maker_id, r.holder_id, r.buyer_id)", resale_id, company_id
    )
    if row is None:
        raise missing("resale.not_found", "No such resale.")
    return ResaleRow(**dict(row))


async def resale_for_update(session: WriteSession, company_id: UUID, resale_id: UUID) -> ResaleRow:
    """Locks a resale, then reads it. Raises ``resale.not_found``. Taken before lots and agreements."""
    await fetch(session, "SELECT id FROM resale WHERE id = $1 FOR NO KEY UPDATE", resale_id)
    return await resale(session, company_id, resale_id)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that waits for consent or for its buyer's signature: nothing is reserved for it yet."""

    id: UUID
    reference: str
    quantity: int
    minimum_passed_on: int
    status: str
    consented_at: datetime | None


async def requests_for(session: WriteSession, agreement_id: UUID, part_id: UUID) -> Sequence[Request]:
    """Requests for units of a part under an agreement, oldest first. The agreement is locked, so that no other is made, consented
    to or signed meanwhile."""
    rows = await fetch(
        session,
        "SELECT id, reference, quantity, minimum_passed_on, status, consented_at FROM resale "
        "WHERE agreement_id = $1 AND part_id = $2 AND status IN ('asked', 'consented') ORDER BY id",
        agreement_id,
        part_id,
    )
    return [Request(**dict(r)) for r in rows]


async def requests_under(session: AsyncSession, agreement_id: UUID) -> Sequence[ResaleRow]:
    """Requests under an agreement that wait for consent or for the buyer's signature, by id, as its maker reads them."""
    rows = await fetch(
        session,
        _RESALE + "WHERE r.agreement_id = $1 AND r.status IN ('asked', 'consented') ORDER BY r.id",
        agreement_id,
    )
    return [ResaleRow(**dict(r)) for r in rows]


async def requests_under_for_update(session: WriteSession, agreement_id: UUID) -> Sequence[ResaleRow]:
    """The same, locked in id order and read after that; lots and the agreement are locked later."""
    await fetch(
        session,
        "SELECT id FROM resale WHERE agreement_id = $1 AND status IN ('asked', 'consented') ORDER BY id FOR NO KEY UPDATE",
        agreement_id,
    )
    return await requests_under(session, agreement_id)


async def overdue(session: AsyncSession, now: datetime, limit: int = 500) -> Sequence[UUID]:
    """Resales whose maker has not answered, or whose buyer has not signed, by the stored moment (worker)."""
    rows = await fetch(
        session,
        "SELECT id FROM resale WHERE status = 'asked' AND answer_by <= $1 UNION ALL "
        "SELECT id FROM resale WHERE status = 'consented' AND sign_by <= $1 LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]


async def any_for_update(session: WriteSession, resale_id: UUID) -> ResaleRow | None:
    """Locks a resale for the clock, then reads it as its maker does."""
    rows = await fetch(session, "SELECT maker_id FROM resale WHERE id = $1 FOR NO KEY UPDATE", resale_id)
    return await resale(session, rows[0]["maker_id"], resale_id) if rows else None


WAITS_FOR = {"consent": ("maker", "asked"), "accede": ("buyer", "consented"), "ship": ("holder", "acceded"),
             "receive": ("buyer", "shipped")}  # fmt: skip
"""What waits: by name, for which side, in which state."""


async def resales(
    session: AsyncSession,
    company_id: UUID,
    *,
    waits: str | None = None,
    agreement_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[ResaleRow]:
    """Resales of a company, newest first. ``waits``: a key of WAITS_FOR, those that wait for just this by the company."""
    side, status = WAITS_FOR.get(waits or "", ("", ""))
    rows = await fetch(
        session,
        _RESALE + "WHERE (r.maker_id = $1 OR r.holder_id = $1 OR r.buyer_id = $1) "
        "AND ($2 = '' OR (r.status = $3 AND CASE $2 WHEN 'maker' THEN r.maker_id WHEN 'holder' THEN r.holder_id "
        "ELSE r.buyer_id END = $1)) AND ($4::uuid IS NULL OR r.agreement_id = $4) AND ($5::uuid IS NULL OR r.id < $5) "
        "ORDER BY r.id DESC LIMIT $6",
        company_id, side, status, agreement_id, after, limit,
    )  # fmt: skip
    return [ResaleRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many resales wait for a company to do what."""

    consent: int
    accede: int
    ship: int
    receive: int


async def waiting(session: AsyncSession, company_id: UUID) -> Waiting:
    """Counts by what is to be done; one statement."""
    row = await fetch_one(
        session,
        "SELECT count(*) FILTER (WHERE status = 'asked' AND maker_id = $1) AS consent, "
        "count(*) FILTER (WHERE status = 'consented' AND buyer_id = $1) AS accede, "
        "count(*) FILTER (WHERE status = 'acceded' AND holder_id = $1) AS ship, "
        "count(*) FILTER (WHERE status = 'shipped' AND buyer_id = $1) AS receive "
        "FROM resale WHERE status IN ('asked','consented','acceded','shipped')",
        company_id,
    )
    return Waiting(**dict(row)) if row else Waiting(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class UnitRow:
    """Units reserved for a resale, and as which lot they travel."""

    lot_id: UUID
    position_id: int
    hold_seq: int
    quantity: int
    serial: str | None
    shipped_lot_id: UUID | None
    shipped_position_id: int | None


async def units(session: AsyncSession, resale_id: UUID) -> Sequence[UnitRow]:
    """The units of a resale by lot."""
    rows = await fetch(
        session,
        "SELECT lot_id, position_id, hold_seq, quantity, serial, shipped_lot_id, shipped_position_id FROM resale_unit "
        "WHERE resale_id = $1 ORDER BY lot_id, position_id",
        resale_id,
    )
    return [UnitRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Units of one part under an agreement at one site of the holder, and how many are free."""

    part_id: UUID
    part_number: str
    uom: str
    site_id: UUID
    site: str
    free: int


MOST_SHELVES = 200


async def shelves(session: AsyncSession, agreement_id: UUID, holder_id: UUID) -> Sequence[Shelf]:
    """Where a holder has free units under an agreement, the most units first."""
    rows = await fetch(
        session,
        "SELECT p.part_id, t.number AS part_number, t.uom, p.site_id, s.name AS site, "
        "sum(p.quantity - p.held - coalesce(w.quantity, 0))::int AS free "
        "FROM position p JOIN lot l ON l.lot_id = p.lot_id JOIN part t ON t.id = p.part_id JOIN site s ON s.id = p.site_id "
        # What is being looked for is not free until a count has found it.
        "LEFT JOIN LATERAL (SELECT sum(quantity) AS quantity FROM withdrawal x WHERE x.lot_id = p.lot_id "
        "AND x.position_id = p.position_id AND x.resolved_at IS NULL) w ON true "
        "WHERE p.agreement_id = $1 AND p.holder_id = $2 AND p.quantity - p.held > coalesce(w.quantity, 0) AND NOT l.frozen "
        "GROUP BY p.part_id, t.number, t.uom, p.site_id, s.name ORDER BY free DESC, t.number, s.name LIMIT $3",
        agreement_id,
        holder_id,
        MOST_SHELVES,
    )
    return [Shelf(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class EventRow:
    """One thing that happened to a resale."""

    kind: str
    note: str | None
    company: str
    at: datetime


async def events(session: AsyncSession, resale_id: UUID) -> Sequence[EventRow]:
    """What happened to a resale, in order."""
    rows = await fetch(
        session,
        "SELECT e.kind, e.note, c.name AS company, e.at FROM resale_event e JOIN company c ON c.id = e.company_id "
        "WHERE e.resale_id = $1 ORDER BY e.id",
        resale_id,
    )
    return [EventRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class SoldOnRow:
    """One thing that happened to units that are sold on from under an agreement. ``good``: how many arrived, once they
    have; ``child``: the agreement that the buyer joined by."""

    kind: str
    note: str | None
    company: str
    at: datetime
    reference: str
    quantity: int
    good: int | None
    number: str
    buyer: str
    child: str | None


async def sold_on(session: AsyncSession, agreement_id: UUID, *, limit: int = 200) -> Sequence[SoldOnRow]:
    """What happened to units sold on from under an agreement, the newest ``limit``, oldest first. Its two parties see it."""
    rows = await fetch(
        session,
        "SELECT e.kind, e.note, c.name AS company, e.at, r.reference, r.quantity, r.good, p.number, b.name AS buyer, "
        "CASE WHEN r.child_id IS NOT NULL THEN r.child_reference END AS child "
        "FROM resale r JOIN resale_event e ON e.resale_id = r.id JOIN company c ON c.id = e.company_id "
        "JOIN company b ON b.id = r.buyer_id JOIN part p ON p.id = r.part_id "
        "WHERE r.agreement_id = $1 ORDER BY e.id DESC LIMIT $2",
        agreement_id, limit,
    )  # fmt: skip
    return [SoldOnRow(**dict(r)) for r in reversed(rows)]
