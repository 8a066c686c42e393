"""Parts requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value
from marketplace.kit.errors import missing
from marketplace.parties.actor import Actor, roughly
from marketplace.sourcing.states import CAME_TO_NOTHING


@dataclass(frozen=True, slots=True)
class RequisitionRow:
    """A parts request with its part, place and progress."""

    id: UUID
    reference: str
    company_id: UUID
    company: str
    maker_id: UUID
    maker: str
    maker_masks: bool
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
    complete_only: bool = False
    kit: str = ""

    def plan_for(self, actor: Actor) -> dict[str, Any] | None:
        """The stored plan as this person may read it: one that was made by somebody who sees more names no holder."""
        if (
            self.plan is None
            or self.plan.get("masked")
            or not self.maker_masks
            or actor.knows_holders_of(self.maker_id)
        ):
            return self.plan
        # Which places have the holder of an order that came to nothing would tell who it is there.
        lines = {
            name: [
                _roughly(line)
                for line in self.plan[name]
                if name != "not_callable" or all(w["code"] != "asked_before" for w in line["why"])
            ]
            for name in ("chosen", "not_chosen", "not_callable")
        }
        return {**self.plan, **lines, "masked": True}


def _roughly(line: dict[str, Any]) -> dict[str, Any]:
    if line["kind"] == "own_stock" and line["callable"]:
        return line
    region = line.get("region") or ""
    return {**line, "holder": roughly(region), "site": region, "distance": "distance not told", "again": ""}


DEAD = "('" + "', '".join(CAME_TO_NOTHING) + "')"
"""``CAME_TO_NOTHING`` as a list in SQL."""
_REQUISITION = f"""
SELECT r.id, r.reference, r.company_id, c.name AS company, r.maker_id, m.name AS maker, m.mask_holders AS maker_masks,
       r.requested_by, r.part_id,
       p.number AS part_number, p.description, p.uom, r.quantity, r.destination_site_id, s.name AS destination,
       r.needed_by, r.urgency, r.machine_model, r.machine_serial, r.job_number, r.substitutes, r.status, r.outcome,
       r.plan, r.planned_at, r.created_at, r.closed_at, t.ordered, t.on_the_way, t.received,
       r.complete_only, r.kit
FROM requisition r JOIN company c ON c.id = r.company_id JOIN company m ON m.id = r.maker_id
JOIN part p ON p.id = r.part_id LEFT JOIN site s ON s.id = r.destination_site_id
CROSS JOIN LATERAL (
    -- Of an order that was inspected only what was accepted counts: the rest is lacking again.
    SELECT coalesce(sum(coalesce(k.inspected_good, k.quantity))
                    FILTER (WHERE k.status NOT IN {DEAD}), 0)::bigint AS ordered,
           coalesce(sum(k.quantity) FILTER (WHERE k.status = 'shipped'), 0)::bigint AS on_the_way,
           coalesce(sum(coalesce(k.inspected_good, k.quantity))
                    FILTER (WHERE k.status IN ('received','inspected','priced','settled','closed','disputed')), 0)::bigint
               AS received
    FROM call k WHERE k.requisition_id = r.id
) t
"""


# A parts request that needs another source: an order back came to nothing, and what is ordered does not make up for it.
SHORT = f"""
r.status IN ('open', 'ordered') AND EXISTS (
    SELECT 1 FROM call x WHERE x.requisition_id = r.id AND (x.status IN ('refused', 'defaulted', 'lost', 'disputed') OR x.inspected_good < x.quantity))
AND r.quantity > (
    SELECT coalesce(sum(coalesce(x.inspected_good, x.quantity)), 0)
    FROM call x WHERE x.requisition_id = r.id AND x.status NOT IN {DEAD})
"""


async def requisitions(
    session: AsyncSession,
    company_id: UUID,
    *,
    statuses: Sequence[str] | None = None,
    mine: UUID | None = None,
    short: bool = False,
    after: UUID | None = None,
    limit: int = 51,
) -> Sequence[RequisitionRow]:
    """The company's parts requests (as requester or as the maker), newest first. ``short``: only the company's own
    that need another source after a refusal or a lapse, the ones that ``waiting`` counts."""
    rows = await fetch(
        session,
        _REQUISITION
        + "WHERE (r.company_id = $1 OR r.maker_id = $1) AND ($2::text[] IS NULL OR r.status = ANY($2)) "
        "AND ($3::uuid IS NULL OR r.requested_by = $3) AND ($4::uuid IS NULL OR r.id < $4) "
        + (f"AND r.company_id = $1 AND {SHORT} " if short else "")
        + "ORDER BY r.id DESC LIMIT $5",
        company_id, list(statuses) if statuses else None, mine, after, limit,
    )  # fmt: skip
    return [RequisitionRow(**dict(r)) for r in rows]


@dataclass(frozen=True, slots=True)
class RequestChange:
    """What somebody changed about a parts request: fields as they stood and as they were made, places by name. ``by``: None where the
    reader may not know the person."""

    at: datetime
    by: str | None
    before: dict[str, Any]
    after: dict[str, Any]


CHANGES_SHOWN = 50


async def changes(session: AsyncSession, requisition_id: UUID) -> Sequence[RequestChange]:
    """Of a parts request, the newest first; at most 50."""
    rows = await fetch(
        session,
        "SELECT h.changed_at AS at, u.name AS by, "
        "h.before || CASE WHEN h.before ? 'destination_site_id' THEN jsonb_build_object('destination_site_id', b.name) ELSE '{}' END AS before, "
        "h.after || CASE WHEN h.after ? 'destination_site_id' THEN jsonb_build_object('destination_site_id', a.name) ELSE '{}' END AS after "
        "FROM requisition_change h LEFT JOIN user_account u ON u.id = h.changed_by "
        "LEFT JOIN site b ON b.id = (h.before ->> 'destination_site_id')::uuid "
        "LEFT JOIN site a ON a.id = (h.after ->> 'destination_site_id')::uuid "
        "WHERE h.requisition_id = $1 ORDER BY h.id DESC LIMIT $2",
        requisition_id,
        CHANGES_SHOWN,
    )
    return [RequestChange(**dict(r)) for r in rows]


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


async def requisitions_of(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[RequisitionRow]:
    """The visible ones of these parts requests, in id order; one statement."""
    rows = await fetch(session, _REQUISITION + "WHERE r.id = ANY($1::uuid[]) ORDER BY r.id", list(ids))
    return [RequisitionRow(**dict(r)) for r in rows]


async def requisitions_for_update(session: WriteSession, ids: Sequence[UUID]) -> Sequence[RequisitionRow]:
    """The same, locked first, in id order, and read after."""
    await fetch(
        session, "SELECT id FROM requisition WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", list(ids)
    )
    return await requisitions_of(session, ids)


async def unplanned(session: AsyncSession, company_id: UUID, *, limit: int) -> Sequence[UUID]:
    """The company's parts requests (as requester or as the maker) of which something is still to be ordered, the ones needed first
    before others."""
    rows = await fetch(
        session,
        f"SELECT r.id FROM requisition r WHERE (r.company_id = $1 OR r.maker_id = $1) AND r.status IN ('open', 'ordered') "
        "AND r.quantity > (SELECT coalesce(sum(coalesce(x.inspected_good, x.quantity)), 0) FROM call x "
        f"WHERE x.requisition_id = r.id AND x.status NOT IN {DEAD}) ORDER BY r.needed_by, r.id LIMIT $2",
        company_id,
        limit,
    )
    return [r["id"] for r in rows]


async def sold_back_to(session: AsyncSession, company_id: UUID, site_id: UUID) -> int:
    """How many orders that no open parts request has to ask for are still to arrive at a site of the company: sold back, or in
    place of rejected units."""
    count: int = await fetch_value(
        session,
        "SELECT count(*)::int FROM call WHERE (maker_id = $1 AND kind = 'put' OR company_id = $1 AND replaces_id IS NOT NULL) "
        "AND destination_site_id = $2 AND status IN ('accepted', 'picked', 'defaulted', 'shipped')",
        company_id,
        site_id,
    )
    return count


async def open_to(session: AsyncSession, company_id: UUID, site_id: UUID) -> int:
    """How many of a company's parts requests still want something at a site."""
    count: int = await fetch_value(
        session,
        "SELECT count(*)::int FROM requisition WHERE company_id = $1 AND destination_site_id = $2 "
        "AND status IN ('open', 'awaiting_approval', 'ordered')",
        company_id,
        site_id,
    )
    return count
