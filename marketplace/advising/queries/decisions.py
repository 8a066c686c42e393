"""Reads of what was done with advice, and of the stock that it can be done with now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """The latest decision on a part: so many units into the draft ``release_id``; ``reason`` where not as advised."""

    part_id: UUID
    release: int
    preset: str | None
    floor: int
    reason: str | None
    release_id: UUID | None
    reference: str | None
    decided_at: datetime


async def decisions(
    session: AsyncSession, company_id: UUID, run_id: UUID, part_ids: Sequence[UUID]
) -> dict[UUID, DecisionRow]:
    """The latest decision on each of these parts; parts without one are left out."""
    rows = await fetch(
        session,
        "SELECT DISTINCT ON (d.part_id) d.part_id, d.release, d.preset, d.floor, d.reason, d.release_id, r.reference, d.decided_at "
        "FROM advice_decision d LEFT JOIN release r ON r.id = d.release_id "
        "WHERE d.run_id = $1 AND d.company_id = $2 AND d.part_id = ANY($3::uuid[]) ORDER BY d.part_id, d.id DESC",
        run_id, company_id, list(part_ids),
    )  # fmt: skip
    return {r["part_id"]: DecisionRow(**dict(r)) for r in rows}


@dataclass(frozen=True, slots=True)
class Place:
    """Where so many free units of a part lie, in one condition."""

    part_id: UUID
    site_id: UUID
    condition: str
    free: int


async def places_of(session: AsyncSession, company_id: UUID, part_ids: Sequence[UUID]) -> Sequence[Place]:
    """Free own units of these parts by site and condition, the most first: what runs count as stock. Read after the lots are locked."""
    rows = await fetch(
        session,
        "SELECT p.part_id, p.site_id, p.condition, sum(greatest(p.quantity - p.held - coalesce((SELECT sum(b.quantity) FROM listing_lot b "
        "WHERE b.lot_id = p.lot_id AND b.position_id = p.position_id), 0), 0))::int AS free "
        "FROM position p JOIN lot l ON l.lot_id = p.lot_id WHERE p.owner_id = $1 AND p.holder_id = $1 AND p.part_id = ANY($2::uuid[]) "
        "AND p.agreement_id IS NULL AND p.quantity > 0 AND p.site_id IS NOT NULL AND p.condition <> 'core' AND NOT l.frozen "
        "GROUP BY p.part_id, p.site_id, p.condition ORDER BY free DESC, p.site_id, p.condition",
        company_id, list(part_ids),
    )  # fmt: skip
    return [Place(**dict(r)) for r in rows if r["free"] > 0]
