"""Reads of sourcing: where units are, requisitions, calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import queries as agreements
from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.kit.errors import forbidden, missing
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.sourcing.candidates import Candidate, Limit, Right, StockRow, assemble
from marketplace.sourcing.freight import Point

_STOCK = """
SELECT p.part_id, p.owner_id, p.holder_id, h.name AS holder, p.site_id, s.name AS site, s.place, s.region, s.lat, s.lon,
       coalesce(s.country, h.country) AS country, p.condition, p.agreement_id, p.beneficiary_id,
       sum(p.quantity)::int AS quantity,
       sum(CASE WHEN l.frozen THEN 0 ELSE greatest(p.held - coalesce(o.overdue, 0), 0) END)::int AS held,
       sum(CASE WHEN l.frozen THEN p.quantity ELSE 0 END)::int AS frozen,
       sum(CASE WHEN l.frozen THEN 0 ELSE coalesce(w.quantity, 0) END)::int AS withdrawn,
       max(c.counted_at) AS counted_at
FROM position p
JOIN lot l ON l.lot_id = p.lot_id
JOIN company h ON h.id = p.holder_id
LEFT JOIN site s ON s.id = p.site_id
LEFT JOIN LATERAL (
    SELECT sum(x.quantity) AS overdue FROM open_hold x
    WHERE x.lot_id = p.lot_id AND x.position_id = p.position_id AND x.expires_at <= $3
) o ON p.held > 0
LEFT JOIN LATERAL (
    SELECT least(coalesce(sum(x.quantity), 0), p.quantity - p.held) AS quantity FROM withdrawal x
    WHERE x.lot_id = p.lot_id AND x.position_id = p.position_id AND x.resolved_at IS NULL
) w ON true
LEFT JOIN stock_count c ON c.holder_id = p.holder_id AND c.site_id = p.site_id AND c.part_id = p.part_id
WHERE p.part_id = ANY($1::uuid[]) AND p.quantity > 0
  AND (p.beneficiary_id = ANY($2::uuid[])
       OR (p.agreement_id IS NULL AND p.owner_id = ANY($2::uuid[]) AND p.holder_id = p.owner_id))
GROUP BY p.part_id, p.owner_id, p.holder_id, h.name, h.country, p.site_id, s.name, s.place, s.region, s.lat, s.lon,
         s.country, p.condition, p.agreement_id, p.beneficiary_id
"""


async def stock(
    session: AsyncSession, part_ids: Iterable[UUID], makers: Iterable[UUID], now: datetime
) -> list[StockRow]:
    """Every place with units of these parts that the makers own and hold or may call; one statement."""
    rows = await fetch(session, _STOCK, list(part_ids), list(makers), now)
    return [
        StockRow(
            r["part_id"], r["owner_id"], r["holder_id"], r["holder"], r["site_id"], r["site"], r["place"], r["region"],
            Point(r["lat"], r["lon"], r["country"]), r["condition"], r["agreement_id"], r["beneficiary_id"],
            r["quantity"], r["held"], r["frozen"], r["withdrawn"], r["counted_at"],
        )
        for r in rows
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sourcing:
    """On whose behalf an actor sources: the makers, its limits as their delegate, and who masks its holders."""

    makers: frozenset[UUID]
    limits: dict[UUID, Limit]
    mask: frozenset[UUID]
    currencies: dict[UUID, str]


async def scope(session: AsyncSession, actor: Actor) -> Sourcing:
    """Raises ``sourcing.nothing`` for a company that neither makes parts nor is a maker's delegate."""
    makers = set(actor.sources) | ({actor.company_id} if actor.is_manufacturer else set())
    if not makers:
        raise forbidden(
            "sourcing.nothing",
            "Your company sources no maker's parts. A manufacturer can let you do so with a delegation; "
            "to buy parts, use Find parts.",
        )
    rows = await fetch(
        session,
        "SELECT c.id, c.currency, c.mask_holders, d.max_quantity, d.max_value_amount FROM company c "
        "LEFT JOIN LATERAL (SELECT max(max_quantity) AS max_quantity, max(max_value_amount) AS max_value_amount "
        "FROM delegation d WHERE d.maker_id = c.id AND d.company_id = $2 AND d.revoked_at IS NULL "
        "AND (d.valid_until IS NULL OR d.valid_until > now())) d ON c.id <> $2 WHERE c.id = ANY($1::uuid[])",
        list(makers),
        actor.company_id,
    )
    return Sourcing(
        frozenset(makers),
        {r["id"]: Limit(r["max_quantity"], r["max_value_amount"]) for r in rows if r["max_quantity"]},
        # A planner of the maker's own sees who holds what; technicians and delegates see it once a call is sent.
        frozenset(
            r["id"]
            for r in rows
            if r["mask_holders"] and not (r["id"] == actor.company_id and actor.may("sourcing.approve"))
        ),
        {r["id"]: r["currency"] for r in rows},
    )


@dataclass(frozen=True, slots=True)
class Located:
    """Where units of the asked parts (and of those that may stand in) are."""

    candidates: dict[UUID, list[Candidate]]
    catalogue: dict[UUID, parts.PartRow]
    related: Sequence[parts.Related]
    destination: Point


async def locate(
    session: AsyncSession,
    actor: Actor,
    part_ids: Sequence[UUID],
    *,
    destination: Point,
    urgency: str,
    now: datetime,
    with_related: bool = True,
) -> Located:
    """Availability of parts for the actor; a constant number of statements for any number of parts."""
    who = await scope(session, actor)
    related = await parts.related(session, part_ids) if with_related else []
    wanted = list(dict.fromkeys([*part_ids, *(r.other_id for r in related)]))
    known = await parts.parts(session, wanted)
    rows = await stock(session, wanted, who.makers, now)
    pairs = sorted({(r.agreement_id, r.part_id) for r in rows if r.agreement_id})
    covered = await agreements.terms_and_facts(session, pairs)
    rights = {key: Right(c.reference, c.terms, c.facts) for key, c in covered.items()}
    found: dict[UUID, list[Candidate]] = {p: [] for p in wanted}
    for candidate in assemble(
        rows, rights, makers=who.makers, destination=destination, urgency=urgency,
        weights={p.id: p.weight_grams for p in known.values()}, currencies=who.currencies, limits=who.limits,
        mask=who.mask, now=now,
    ):  # fmt: skip
        found[candidate.part_id].append(candidate)
    return Located(found, known, related, destination)


async def destination_of(session: AsyncSession, actor: Actor, site_id: UUID | None) -> tuple[UUID | None, Point]:
    """The place units should come to: the named site, else the actor's own, else the company's first."""
    if site_id is None:
        site_id = actor.site_id
    if site_id is None:
        own = await parties.sites(session, actor, limit=1)
        site_id = own[0].id if own else None
    if site_id is None:
        return None, Point(None, None, "")
    site = await parties.own_site(session, actor, site_id)
    return site_id, Point(site.lat, site.lon, site.country)


@dataclass(frozen=True, slots=True)
class RequisitionRow:
    """A parts request with its part, place and progress."""

    id: UUID
    reference: str
    company_id: UUID
    company: str
    maker_id: UUID
    maker: str
    requested_by: UUID
    part_id: UUID
    part_number: str
    description: str
    uom: str
    quantity: int
    destination_site_id: UUID
    destination: str | None
    needed_by: datetime
    urgency: str
    machine_model: str
    machine_serial: str
    job_number: str
    substitutes: bool
    status: str
    outcome: str | None
    plan: dict[str, Any] | None
    planned_at: datetime | None
    created_at: datetime
    closed_at: datetime | None
    ordered: int
    on_the_way: int
    received: int


_REQUISITION = """
SELECT r.id, r.reference, r.company_id, c.name AS company, r.maker_id, m.name AS maker, r.requested_by, r.part_id,
       p.number AS part_number, p.description, p.uom, r.quantity, r.destination_site_id, s.name AS destination,
       r.needed_by, r.urgency, r.machine_model, r.machine_serial, r.job_number, r.substitutes, r.status, r.outcome,
       r.plan, r.planned_at, r.created_at, r.closed_at, t.ordered, t.on_the_way, t.received
FROM requisition r JOIN company c ON c.id = r.company_id JOIN company m ON m.id = r.maker_id
JOIN part p ON p.id = r.part_id LEFT JOIN site s ON s.id = r.destination_site_id
CROSS JOIN LATERAL (
    -- Of an order in dispute only what was accepted counts: the rest is lacking again.
    SELECT coalesce(sum(CASE WHEN k.status = 'disputed' THEN coalesce(k.inspected_good, 0) ELSE k.quantity END)
                    FILTER (WHERE k.status NOT IN ('refused','cancelled','defaulted','lost')), 0)::int AS ordered,
           coalesce(sum(k.quantity) FILTER (WHERE k.status = 'shipped'), 0)::int AS on_the_way,
           coalesce(sum(coalesce(k.inspected_good, k.quantity))
                    FILTER (WHERE k.status IN ('received','priced','settled','closed','disputed')), 0)::int
               AS received
    FROM call k WHERE k.requisition_id = r.id
) t
"""


async def requisitions(
    session: AsyncSession,
    company_id: UUID,
    *,
    statuses: Sequence[str] | None = None,
    mine: UUID | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[RequisitionRow]:
    """The company's parts requests (as requester or as the maker), newest first."""
    rows = await fetch(
        session,
        _REQUISITION
        + "WHERE (r.company_id = $1 OR r.maker_id = $1) AND ($2::text[] IS NULL OR r.status = ANY($2)) "
        "AND ($3::uuid IS NULL OR r.requested_by = $3) AND ($4::uuid IS NULL OR r.id < $4) ORDER BY r.id DESC LIMIT $5",
        company_id, list(statuses) if statuses else None, mine, after, limit,
    )  # fmt: skip
    return [RequisitionRow(**dict(r)) for r in rows]


async def requisition(session: AsyncSession, requisition_id: UUID) -> RequisitionRow:
    """One visible parts request. Raises ``requisition.not_found``."""
    row = await fetch_one(session, _REQUISITION + "WHERE r.id = $1", requisition_id)
    if row is None:
        raise missing("requisition.not_found", "No such parts request.")
    return RequisitionRow(**dict(row))


async def requisition_for_update(session: WriteSession, requisition_id: UUID) -> RequisitionRow:
    """The same, locked first and read after."""
    await fetch_one(session, "SELECT id FROM requisition WHERE id = $1 FOR NO KEY UPDATE", requisition_id)
    return await requisition(session, requisition_id)


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call with names in place of ids. ``site`` is the holder's site; telephones are those of that site."""

    id: UUID
    reference: str
    kind: str
    requisition_id: UUID
    requisition_reference: str
    company_id: UUID
    company: str
    maker_id: UUID
    maker: str
    holder_id: UUID
    holder: str
    agreement_id: UUID | None
    agreement_reference: str | None
    part_id: UUID
    part_number: str
    description: str
    uom: str
    site_id: UUID
    site: str | None
    counter_phone: str | None
    after_hours_phone: str | None
    will_call: bool | None
    destination_site_id: UUID
    destination: str | None
    condition: str
    urgency: str
    quantity: int
    unit_price: Decimal
    currency: str
    status: str
    silence: str
    reasons: list[Any]
    inspection_days: int
    payment_days: int
    replace_by: datetime | None
    noticed_at: datetime | None
    respond_by: datetime | None
    ship_by: datetime | None
    expected_at: datetime | None
    accepted_at: datetime | None
    shipped_at: datetime | None
    received_at: datetime | None
    ended_at: datetime | None
    refusal_code: str | None
    note: str | None
    carrier: str | None
    tracking: str | None
    inspected_good: int | None
    requested_by: UUID
    created_at: datetime


_CALL = """
SELECT k.id, k.reference, k.kind, k.requisition_id, r.reference AS requisition_reference, k.company_id,
       c.name AS company, k.maker_id, m.name AS maker, k.holder_id, h.name AS holder, k.agreement_id,
       a.reference AS agreement_reference, k.part_id, p.number AS part_number, p.description, p.uom, k.site_id,
       s.name AS site, s.counter_phone, s.after_hours_phone, s.will_call, k.destination_site_id, d.name AS destination,
       k.condition, k.urgency, k.quantity, k.unit_price, k.currency, k.status, k.silence, k.reasons, k.inspection_days,
       k.payment_days, k.replace_by, k.noticed_at, k.respond_by, k.ship_by, k.expected_at, k.accepted_at, k.shipped_at,
       k.received_at, k.ended_at, k.refusal_code, k.note, k.carrier, k.tracking, k.inspected_good, k.requested_by,
       k.created_at
FROM call k JOIN company c ON c.id = k.company_id JOIN company m ON m.id = k.maker_id
JOIN company h ON h.id = k.holder_id JOIN part p ON p.id = k.part_id
LEFT JOIN requisition r ON r.id = k.requisition_id LEFT JOIN agreement a ON a.id = k.agreement_id
LEFT JOIN site s ON s.id = k.site_id LEFT JOIN site d ON d.id = k.destination_site_id
"""


def _call(row: Any) -> CallRow:
    values = dict(row)
    # A holder sees the call, not the requester's parts request behind it.
    values["requisition_reference"] = values["requisition_reference"] or ""
    return CallRow(**values)


async def calls(
    session: AsyncSession,
    company_id: UUID,
    *,
    side: str = "any",
    statuses: Sequence[str] | None = None,
    requisition_id: UUID | None = None,
    unanswered: bool | None = None,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[CallRow]:
    """Calls, newest first: ``side`` 'holder' (the inbox: what was sent to us), 'maker' (what we asked for), or 'any'.
    ``unanswered``: only those that ended without the holder's answer or delivery (True), or only the others."""
    rows = await fetch(
        session,
        _CALL
        + """
        WHERE CASE $2::text WHEN 'holder' THEN k.holder_id = $1 AND k.noticed_at IS NOT NULL WHEN 'maker' THEN k.maker_id = $1 OR k.company_id = $1
              ELSE k.holder_id = $1 OR k.maker_id = $1 OR k.company_id = $1 END
          AND ($3::text[] IS NULL OR k.status = ANY($3)) AND ($4::uuid IS NULL OR k.requisition_id = $4)
          AND ($5::uuid IS NULL OR k.id < $5)
          AND ($7::boolean IS NULL OR $7 = (k.status IN ('defaulted', 'lost')
               OR (k.status = 'refused' AND k.refusal_code IS NOT DISTINCT FROM 'no_response')))
        ORDER BY k.id DESC LIMIT $6
        """,
        company_id, side, list(statuses) if statuses else None, requisition_id, after, limit, unanswered,
    )  # fmt: skip
    return [_call(r) for r in rows]


async def call(session: AsyncSession, call_id: UUID) -> CallRow:
    """One visible call. Raises ``call.not_found``."""
    row = await fetch_one(session, _CALL + "WHERE k.id = $1", call_id)
    if row is None:
        raise missing("call.not_found", "No such order.")
    return _call(row)


async def call_for_update(session: WriteSession, call_id: UUID) -> CallRow:
    """The same, locked first and read after."""
    await fetch_one(session, "SELECT id FROM call WHERE id = $1 FOR NO KEY UPDATE", call_id)
    return await call(session, call_id)


@dataclass(frozen=True, slots=True)
class CallUnitRow:
    """Units reserved for a call, and the lot they travel as once shipped."""

    lot_id: UUID
    hold_seq: int
    position_id: int
    quantity: int
    serial: str | None
    shipped_lot_id: UUID | None
    shipped_position_id: int | None


async def call_units(session: AsyncSession, call_id: UUID) -> Sequence[CallUnitRow]:
    """A call's units by lot and reservation."""
    rows = await fetch(
        session,
        "SELECT u.lot_id, u.hold_seq, u.position_id, u.quantity, l.serial, u.shipped_lot_id, u.shipped_position_id "
        "FROM call_unit u LEFT JOIN lot l ON l.lot_id = coalesce(u.shipped_lot_id, u.lot_id) WHERE u.call_id = $1 "
        "ORDER BY u.lot_id, u.hold_seq",
        call_id,
    )
    return [CallUnitRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class CallEventRow:
    """Something that happened to a call."""

    kind: str
    detail: dict[str, Any]
    company: str
    at: datetime


async def call_events(session: AsyncSession, call_id: UUID) -> Sequence[CallEventRow]:
    """What happened to a call, oldest first."""
    rows = await fetch(
        session,
        "SELECT e.kind, e.detail, coalesce(c.name, 'The clock') AS company, e.at FROM call_event e "
        "LEFT JOIN company c ON c.id = (e.detail ->> 'by')::uuid WHERE e.call_id = $1 ORDER BY e.id",
        call_id,
    )
    return [CallEventRow(**dict(r)) for r in rows]


async def events_of(session: AsyncSession, call_ids: Sequence[UUID]) -> Sequence[tuple[UUID, CallEventRow]]:
    """What happened to several calls with the call each belongs to, oldest first; one statement."""
    rows = await fetch(
        session,
        "SELECT e.call_id, e.kind, e.detail, coalesce(c.name, 'The clock') AS company, e.at FROM call_event e "
        "LEFT JOIN company c ON c.id = (e.detail ->> 'by')::uuid WHERE e.call_id = ANY($1::uuid[]) ORDER BY e.id",
        list(call_ids),
    )
    return [(r["call_id"], CallEventRow(r["kind"], r["detail"], r["company"], r["at"])) for r in rows]


async def lots_at(
    session: AsyncSession, candidate: Candidate, owner_id: UUID | None, now: datetime
) -> Sequence[tuple[UUID, int, int]]:
    """(lot, position, free) of the lots behind a candidate, oldest lot first."""
    rows = await fetch(
        session,
        """
        SELECT p.lot_id, p.position_id,
               (p.quantity - p.held + coalesce((SELECT sum(x.quantity) FROM open_hold x WHERE x.lot_id = p.lot_id
                    AND x.position_id = p.position_id AND x.expires_at <= $7), 0)
                - coalesce((SELECT sum(w.quantity) FROM withdrawal w WHERE w.lot_id = p.lot_id
                    AND w.position_id = p.position_id AND w.resolved_at IS NULL), 0))::int AS free
        FROM position p JOIN lot l ON l.lot_id = p.lot_id
        WHERE p.part_id = $1 AND p.holder_id = $2 AND p.site_id = $3 AND p.condition = $4
          AND p.agreement_id IS NOT DISTINCT FROM $5 AND ($6::uuid IS NULL OR p.owner_id = $6) AND p.quantity > 0
          AND NOT l.frozen
        ORDER BY p.lot_id, p.position_id
        """,
        candidate.part_id, candidate.holder_id, candidate.site_id, candidate.condition, candidate.agreement_id,
        owner_id, now,
    )  # fmt: skip
    return [(r["lot_id"], r["position_id"], r["free"]) for r in rows if r["free"] > 0]


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


async def silent(session: AsyncSession, now: datetime, *, limit: int = 200) -> Sequence[UUID]:
    """Calls whose answer is overdue (worker), the longest overdue first."""
    rows = await fetch(
        session,
        "SELECT id FROM call WHERE status = 'noticed' AND respond_by <= $1 ORDER BY respond_by, id LIMIT $2",
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


async def waiting(session: AsyncSession, actor: Actor) -> dict[str, int]:
    """What waits for this company: calls to answer, to ship, on their way in, and approvals."""
    row = await fetch_one(
        session,
        "SELECT count(*) FILTER (WHERE holder_id = $1 AND status IN ('noticed','accepted'))::int AS calls, "
        "count(*) FILTER (WHERE company_id = $1 AND status IN ('shipped','received'))::int AS arriving, "
        "count(DISTINCT requisition_id) FILTER (WHERE maker_id = $1 AND status = 'allocated')::int AS approvals "
        "FROM call WHERE (holder_id = $1 OR maker_id = $1 OR company_id = $1) "
        "AND status IN ('noticed','accepted','shipped','received','allocated')",
        actor.company_id,
    )
    return {k: int(row[k]) for k in ("calls", "arriving", "approvals")} if row else {}


async def by_reference(session: AsyncSession, reference: str) -> UUID | None:
    """The visible call (CALL-...) or parts request (REQ-...) with this reference, whatever its case."""
    table = "call" if reference.upper().startswith("CALL-") else "requisition"
    row = await fetch_one(session, f"SELECT id FROM {table} WHERE reference = upper($1)", reference)
    return row["id"] if row else None
