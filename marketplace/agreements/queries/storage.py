"""Years of storage: which are over, and how many units were kept through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one

_SIGNED: Final = "status IN ('active', 'renewed', 'expiring', 'suspended', 'run_off', 'closed')"


@dataclass(frozen=True, slots=True)
class StorageYears:
    """How many years of an agreement were settled, when the next ends, and the first of those it took the place of, under
    which lines about storage are kept."""

    settled: int
    due_at: datetime | None
    schedule_id: UUID


async def storage_years(session: AsyncSession, agreement_id: UUID) -> StorageYears:
    """Asked under the agreement's lock."""
    row = await fetch_one(
        session,
        "WITH RECURSIVE chain AS (SELECT id, replaces_id FROM agreement WHERE id = $1 UNION ALL "
        "SELECT a.id, a.replaces_id FROM chain c JOIN agreement a ON a.id = c.replaces_id) "
        "SELECT a.storage_years AS settled, a.storage_due_at AS due_at, "
        "(SELECT id FROM chain WHERE replaces_id IS NULL) AS schedule_id FROM agreement a WHERE a.id = $1",
        agreement_id,
    )
    assert row is not None  # noqa: S101 - the caller has locked it
    return StorageYears(**dict(row))


async def storage_settled(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many years of each were settled."""
    rows = await fetch(session, "SELECT id, storage_years FROM agreement WHERE id = ANY($1::uuid[])", list(ids))
    return {r["id"]: r["storage_years"] for r in rows}


async def storage_to_settle(session: AsyncSession, now: datetime, *, limit: int = 500) -> Sequence[UUID]:
    """Signed agreements of which a year of storage is over (worker), the longest first."""
    rows = await fetch(
        session,
        f"SELECT id FROM agreement WHERE storage_due_at <= $1 AND {_SIGNED} ORDER BY storage_due_at, id LIMIT $2",
        now,
        limit,
    )
    return [r["id"] for r in rows]


_LOWEST: Final = """
WITH RECURSIVE chain AS (
    SELECT id, replaces_id, holder_id FROM agreement WHERE id = $1
    UNION ALL SELECT a.id, a.replaces_id, a.holder_id FROM chain c JOIN agreement a ON a.id = c.replaces_id
), moved AS (
    SELECT m.occurred_at, sum(CASE WHEN m.to_position = p.position_id THEN m.quantity ELSE -m.quantity END) AS units
    FROM chain c JOIN position p ON p.agreement_id = c.id AND p.holder_id = c.holder_id AND p.part_id = $2
        AND p.site_id IS NOT NULL
    JOIN movement m ON m.lot_id = p.lot_id AND p.position_id IN (m.from_position, m.to_position)
    WHERE m.occurred_at < $4 AND m.kind NOT IN ('hold', 'void', 'expire', 'freeze', 'lift')
    GROUP BY m.occurred_at
), levels AS (SELECT occurred_at, sum(units) OVER (ORDER BY occurred_at) AS units FROM moved)
SELECT coalesce(least(
    (SELECT min(units) FROM levels WHERE occurred_at >= $3),
    CASE WHEN NOT $5 THEN coalesce(
        (SELECT units FROM levels WHERE occurred_at < $3 ORDER BY occurred_at DESC LIMIT 1), 0) END
), 0)::int AS units
"""


async def fewest_kept(
    session: AsyncSession, agreement_id: UUID, part_id: UUID, since: datetime, until: datetime, *, from_receipt: bool
) -> int:
    """The fewest units of a part that the holder had at its sites under an agreement (and those it took the place of) at any moment from
    ``since`` to before ``until``, from the ledger's movements by when they happened, as known now. ``from_receipt``: counted
    from when the first of them were there, for the year in which they were delivered."""
    row = await fetch_one(session, _LOWEST, agreement_id, part_id, since, until, from_receipt)
    return max(row["units"], 0) if row else 0


async def taken_back_since(
    session: AsyncSession, agreement_id: UUID, part_id: UUID, since: datetime
) -> tuple[int, int]:
    """Units of a part that the holder shipped to the manufacturer at ``since`` or later, less those that came back; and of them those
    by orders that use up none of the minimum."""
    row = await fetch_one(
        session,
        "SELECT coalesce(sum(CASE WHEN f.holder_id = a.holder_id THEN m.quantity ELSE -m.quantity END), 0)::int AS units, "
        "coalesce(sum(CASE WHEN f.holder_id = a.holder_id THEN m.quantity ELSE -m.quantity END) FILTER (WHERE EXISTS ("
        "SELECT FROM agreement_exercise e WHERE e.call_id = m.cause_id AND e.above)), 0)::int AS above "
        "FROM agreement a JOIN position f ON f.agreement_id = a.id AND f.part_id = $2 "
        "JOIN movement m ON m.lot_id = f.lot_id AND m.from_position = f.position_id "
        "JOIN position t ON t.lot_id = m.lot_id AND t.position_id = m.to_position "
        "WHERE a.id = $1 AND m.occurred_at >= $3 AND CASE WHEN f.holder_id = a.holder_id "
        "THEN f.site_id IS NOT NULL AND t.site_id IS NULL AND m.cause_kind <> 'resale' "
        "ELSE m.kind = 'receive' AND t.holder_id = a.holder_id END",
        agreement_id, part_id, since,
    )  # fmt: skip
    return (row["units"], row["above"]) if row else (0, 0)
