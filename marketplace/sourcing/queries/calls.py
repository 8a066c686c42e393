"""Calls: buy-back orders and access draws, with their units and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.parties.actor import Actor
from marketplace.sourcing.queries.requisitions import DEAD, RequisitionRow


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call with names in place of ids. ``site`` is the holder's site; telephones are those of that site."""

    id: UUID
    reference: str
    kind: str
    requisition_id: UUID | None
    requisition_reference: str
    company_id: UUID
    company: str
    maker_id: UUID
    maker: str
    maker_masks: bool
    holder_id: UUID
    holder: str
    agreement_id: UUID | None
    agreement_reference: str | None
    agreement_zone: str | None
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
    grades: dict[str, Any] | None
    inspection_days: int
    payment_days: int
    draw_fee: Decimal | None
    replace_by: datetime | None
    replacing: int
    replaced: int
    bought: int
    noticed_at: datetime | None
    acknowledge_by: datetime | None
    acknowledged_at: datetime | None
    deliver_by: datetime | None
    default_from: datetime | None
    respond_by: datetime | None
    ship_by: datetime | None
    expected_at: datetime | None
    accepted_at: datetime | None
    shipped_at: datetime | None
    received_at: datetime | None
    inspect_by: datetime | None
    ended_at: datetime | None
    refusal_code: str | None
    note: str | None
    carrier: str | None
    tracking: str | None
    inspected_good: int | None
    requested_by: UUID
    created_at: datetime
    ship_to: dict[str, Any] | None
    ship_from: dict[str, Any] | None
    proposal: dict[str, Any] | None
    lost_by: UUID | None
    licence_asked_at: datetime | None
    licence: str | None
    licence_refused_at: datetime | None
    cancel_asked_at: datetime | None
    replaces_id: UUID | None
    replaces: str | None
    notice_id: UUID | None
    clause: str | None

    @property
    def zone(self) -> str:
        """The time zone in which the agreement's days end."""
        return self.agreement_zone or "UTC"

    @property
    def arrival_zone(self) -> str:
        """The time zone of the site that receives the units, in which the days to inspect them end."""
        return str((self.ship_to or {}).get("timezone") or self.zone)

    @property
    def to_replace(self) -> int:
        """Drawn units that were accepted and that the maker has neither replaced nor bought yet."""
        return (self.inspected_good or 0) - self.replaced - self.bought if self.draw_fee is not None else 0

    def named_to(self, actor: Actor) -> bool:
        """Whether the holder is named to this person: where its maker hides holders, only once the order is sent. Not
        asked of ``Actor.masked``, so that it stays so for a company whose delegation has ended meanwhile."""
        return (
            self.noticed_at is not None
            or not self.maker_masks
            or self.kind == "own_stock"
            or actor.company_id == self.holder_id
            or actor.knows_holders_of(self.maker_id)
        )


_CALL = """
SELECT k.id, k.reference, k.kind, k.requisition_id, r.reference AS requisition_reference, k.company_id,
       c.name AS company, k.maker_id, m.name AS maker, m.mask_holders AS maker_masks, k.holder_id, h.name AS holder, k.agreement_id,
       a.reference AS agreement_reference, a.zone AS agreement_zone, k.part_id, p.number AS part_number, p.description, p.uom, k.site_id,
       coalesce(s.name, k.ship_from ->> 'name') AS site, coalesce(s.counter_phone, k.ship_from ->> 'telephone') AS counter_phone,
       coalesce(s.after_hours_phone, k.ship_from ->> 'after_hours') AS after_hours_phone, s.will_call,
       k.destination_site_id, coalesce(d.name, k.ship_to ->> 'name') AS destination,
       k.condition, k.urgency, k.quantity, k.unit_price, k.currency, k.status, k.silence, k.reasons, k.grades, k.inspection_days,
       k.payment_days, k.draw_fee, k.replace_by, k.replacing, k.replaced, k.bought, k.noticed_at, k.acknowledge_by, k.acknowledged_at, k.deliver_by, k.default_from, k.respond_by, k.ship_by, k.expected_at, k.accepted_at, k.shipped_at,
       k.received_at, k.inspect_by, k.ended_at, k.refusal_code, k.note, k.carrier, k.tracking, k.inspected_good, k.requested_by,
       k.created_at, k.ship_to, k.ship_from, k.proposal, k.lost_by, k.licence_asked_at, k.licence, k.licence_refused_at, k.cancel_asked_at, k.replaces_id, f.reference AS replaces, k.notice_id, k.clause
FROM call k JOIN company c ON c.id = k.company_id JOIN company m ON m.id = k.maker_id
JOIN company h ON h.id = k.holder_id JOIN part p ON p.id = k.part_id
LEFT JOIN requisition r ON r.id = k.requisition_id LEFT JOIN call f ON f.id = k.replaces_id LEFT JOIN agreement a ON a.id = k.agreement_id
LEFT JOIN site s ON s.id = k.site_id LEFT JOIN site d ON d.id = k.destination_site_id
"""


def _call(row: Any) -> CallRow:
    values = dict(row)
    # A holder sees the call, not the requester's parts request behind it.
    values["requisition_reference"] = values["requisition_reference"] or ""
    return CallRow(**values)


_SIDES = {
    "holder": "k.holder_id = $1 AND k.noticed_at IS NOT NULL",
    "maker": "(k.maker_id = $1 OR k.company_id = $1)",
    "ours": "k.company_id = $1",
    "any": "(k.holder_id = $1 OR k.maker_id = $1 OR k.company_id = $1)",
}
TO_REPLACE = "k.draw_fee IS NOT NULL AND k.inspected_good > k.replaced + k.bought + k.replacing"
"""Calls with drawn units for which no equal one is on its way, as the partial index says it."""
TO_DIRECT = "k.kind = 'put' AND k.status = 'accepted' AND k.acknowledged_at IS NULL AND k.acknowledge_by > {0}"
"""Orders that sell back whose destination the maker can still name, as the partial index says it, at a moment."""
TO_RELEASE = "k.cancel_asked_at IS NOT NULL AND k.status IN ('accepted', 'defaulted')"
"""Orders that their asker asked to cancel and their holder has neither shipped nor let go."""
UNANSWERED = ("allocated", "noticed", "acknowledged")
"""States of a call that its holder has not accepted or refused yet."""
FAR = datetime(9999, 1, 1, tzinfo=UTC)
"""Stands for no deadline, so that it sorts last."""
_FAR = "timestamptz '9999-01-01 00:00:00+00'"


async def calls(
    session: AsyncSession,
    company_id: UUID,
    *,
    side: str = "any",
    statuses: Sequence[str] | None = None,
    requisition_id: UUID | None = None,
    unanswered: bool | None = None,
    replacing: bool = False,
    coming_back: bool = False,
    to_direct: datetime | None = None,
    to_release: bool = False,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[CallRow]:
    """Calls, newest first: ``side`` 'holder' (the inbox: what was sent to us), 'maker' (what we asked for, or
    others asked for our parts), 'ours' (only what we asked for), or 'any'.
    ``unanswered``: only those that ended without the holder's answer or delivery (True), or only the others.
    ``replacing``: only those with a replacement on its way to the holder; ``coming_back``: with rejected units on their way to
    it; ``to_direct``: that sell back and can still be told at that moment where to go; ``to_release``: whose asker asked to cancel them."""
    rows = await fetch(
        session,
        _CALL
        + f"""
        WHERE {_SIDES[side]}
          AND ($2::text[] IS NULL OR k.status = ANY($2)) AND ($3::uuid IS NULL OR k.requisition_id = $3)
          AND ($4::uuid IS NULL OR k.id < $4)
          AND ($6::boolean IS NULL OR $6 = (k.status IN ('defaulted', 'lost')
               OR (k.status = 'refused' AND k.refusal_code IS NOT DISTINCT FROM 'no_response')))
          AND (NOT $7::boolean OR k.replacing > 0)
          AND (NOT $8::boolean OR k.id IN (SELECT w.call_id FROM way_back w WHERE w.received_at IS NULL))
          AND ($9::timestamptz IS NULL OR ("""
        + TO_DIRECT.format("$9")
        + f""")) AND (NOT $10::boolean OR ({TO_RELEASE}))
        ORDER BY k.id DESC LIMIT $5
        """,
        company_id, list(statuses) if statuses else None, requisition_id, after, limit, unanswered, replacing, coming_back, to_direct, to_release,
    )  # fmt: skip
    return [_call(r) for r in rows]


DEADLINES = frozenset({"respond_by", "ship_by", "replace_by"})
"""What open calls are sorted by."""


def deadline_key(row: CallRow, deadline: str) -> list[object]:
    """The sort key of a row: what a bookmark holds, read as ``DEADLINE_KINDS``."""
    return [(getattr(row, deadline) or FAR).isoformat(), row.id]


DEADLINE_KINDS = (datetime.fromisoformat, UUID)


async def calls_by_deadline(
    session: AsyncSession,
    company_id: UUID,
    deadline: str,
    *,
    side: str,
    statuses: Sequence[str],
    after: Sequence[Any] | None = None,
    limit: int = 51,
) -> Sequence[CallRow]:
    """Calls in these states by one of their ``DEADLINES``, what is due first before the rest, by keyset: ``after`` is the
    ``deadline_key`` of the last row. By ``replace_by`` only those that the maker still has to send units for."""
    if deadline not in DEADLINES:
        raise ValueError(deadline)
    due = f"coalesce(k.{deadline}, {_FAR})"
    only = f"AND {TO_REPLACE}" if deadline == "replace_by" else ""
    moment, last = after or (None, None)
    rows = await fetch(
        session,
        _CALL
        + f"""
        WHERE {_SIDES[side]} AND k.status = ANY($2::text[]) {only}
          AND ($3::timestamptz IS NULL OR ({due}, k.id) > ($3, $4::uuid))
        ORDER BY {due}, k.id LIMIT $5
        """,
        company_id, list(statuses), moment, last, limit,
    )  # fmt: skip
    return [_call(r) for r in rows]


async def giving_way(session: AsyncSession, company_id: UUID, requisition: RequisitionRow) -> Sequence[CallRow]:
    """Less urgent orders of this company for the part that a request for a stopped machine needs, that no holder has answered
    yet: least urgent and newest first, at most 20."""
    rows = await fetch(
        session,
        _CALL
        + f"WHERE {_SIDES['maker']} AND k.maker_id = $2 AND k.part_id = $3 AND k.requisition_id <> $4 "
        "AND k.status = ANY($5::text[]) AND k.urgency <> 'machine_down' ORDER BY k.urgency, k.id DESC LIMIT 20",
        company_id, requisition.maker_id, requisition.part_id, requisition.id, list(UNANSWERED),
    )  # fmt: skip
    return [_call(r) for r in rows]


async def call(session: AsyncSession, call_id: UUID) -> CallRow:
    """One visible call. Raises ``call.not_found``."""
    row = await fetch_one(session, _CALL + "WHERE k.id = $1", call_id)
    if row is None:
        raise missing("call.not_found", "No such order.")
    return _call(row)


async def calls_by_id(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[CallRow]:
    """Visible calls, in the order of their ids."""
    return [_call(r) for r in await fetch(session, _CALL + "WHERE k.id = ANY($1::uuid[]) ORDER BY k.id", list(ids))]


async def call_of_reference(session: AsyncSession, reference: str) -> CallRow | None:
    """A visible call by its reference."""
    row = await fetch_one(session, _CALL + "WHERE k.reference = $1", reference)
    return _call(row) if row else None


async def is_call(session: AsyncSession, cause_id: UUID) -> bool:
    """Whether this is the id of an order back."""
    return bool(await fetch_value(session, "SELECT EXISTS (SELECT FROM call WHERE id = $1)", cause_id))


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
    stand_in_part_id: UUID | None
    """Of another unit that travels in its place, with its number and the condition that it left in."""
    stand_in_number: str | None
    stand_in_condition: str | None


@dataclass(frozen=True, slots=True)
class Worth:
    """What the live orders of a parts request come to: owed at the clause's prices, and counted against a delegation,
    where units of own stock count at list price."""

    owed: Decimal
    worth: Decimal


async def ordered_worth(session: AsyncSession, requisition_ids: Sequence[UUID]) -> dict[UUID, Worth]:
    """By request, of the orders that have not come to nothing; one statement."""
    rows = await fetch(
        session,
        "SELECT r.id, coalesce(sum(k.quantity * k.unit_price), 0) AS owed, "
        "coalesce(sum(k.quantity * CASE WHEN k.kind = 'own_stock' THEN coalesce(p.list_price, 0) ELSE k.unit_price END), 0) "
        "AS worth FROM unnest($1::uuid[]) AS r (id) LEFT JOIN call k ON k.requisition_id = r.id "
        f"AND k.status NOT IN {DEAD} LEFT JOIN part p ON p.id = k.part_id GROUP BY r.id",
        list(requisition_ids),
    )
    return {r["id"]: Worth(r["owed"], r["worth"]) for r in rows}


async def call_units(session: AsyncSession, call_id: UUID) -> Sequence[CallUnitRow]:
    """A call's units by lot and reservation."""
    rows = await fetch(
        session,
        "SELECT u.lot_id, u.hold_seq, u.position_id, u.quantity, l.serial, u.shipped_lot_id, u.shipped_position_id, "
        "s.part_id AS stand_in_part_id, p.number AS stand_in_number, s.condition AS stand_in_condition "
        "FROM call_unit u LEFT JOIN lot l ON l.lot_id = coalesce(u.shipped_lot_id, u.lot_id) "
        "LEFT JOIN call_stand_in s ON s.call_id = u.call_id AND s.for_lot_id = u.lot_id AND s.for_hold_seq = u.hold_seq "
        "LEFT JOIN part p ON p.id = s.part_id WHERE u.call_id = $1 "
        "ORDER BY u.lot_id, u.hold_seq",
        call_id,
    )
    return [CallUnitRow(**dict(r)) for r in rows]


async def arriving(session: AsyncSession, lot_id: UUID) -> UUID | None:
    """The order back under which a lot is on its way, as the tenant sees it; None where it is on none."""
    found: UUID | None = await fetch_value(
        session,
        "SELECT k.id FROM call_unit u JOIN call k ON k.id = u.call_id WHERE u.shipped_lot_id = $1 AND k.status = 'shipped' "
        "ORDER BY k.id DESC LIMIT 1",
        lot_id,
    )
    return found


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


async def may_ring(session: AsyncSession, actor: Actor, site_id: UUID, company_id: UUID) -> bool:
    """Whether this person may know whom to ring at a visible site of a company. Where a maker hides its holders: at a
    site that an order back was sent to, or of a company that one's own, or a maker that hides nothing, deals with."""
    if not actor.masked or actor.knows(company_id):
        return True
    found: bool = await fetch_value(
        session,
        "SELECT EXISTS (SELECT 1 FROM counterparty WHERE other_id = $1 AND company_id = ANY($2::uuid[])) OR EXISTS ("
        "SELECT 1 FROM call WHERE site_id = $3 AND noticed_at IS NOT NULL AND (company_id = $4 OR maker_id = $4))",
        company_id,
        list({actor.company_id, *actor.sources} - actor.masked),
        site_id,
        actor.company_id,
    )
    return found


async def open_calls(session: AsyncSession, company_id: UUID) -> tuple[int, int]:
    """How many orders back are open: those of the company's parts, and those that the company has to answer or ship."""
    row = await fetch_one(
        session,
        "SELECT (SELECT count(*) FROM call WHERE maker_id = $1 AND status IN ('noticed', 'acknowledged', 'accepted', 'picked', 'received')) AS made, "
        "(SELECT count(*) FROM call WHERE holder_id = $1 AND status IN ('noticed', 'acknowledged', 'accepted', 'picked', 'received')) AS held",
        company_id,
    )
    return (row["made"], row["held"]) if row else (0, 0)
