"""Units whose shelf life ends before the right does, of which nobody was told yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch

EARLY_DAYS: Final = 30
"""So many days before the time to answer about scrapping would have to begin."""
_MOST_DAYS: Final = 180 + EARLY_DAYS + 1
"""The longest time to answer that the terms may state, and a day for time zones: a bound for the index."""
_FORGOTTEN: Final = 730
"""What ended so many days ago is told no more, however late the clock."""

# Each clause of an agreement may state its own days; only those of the second library have a rule about scrapping.
_DAYS = f"""greatest((a.terms ->> 'scrap_notice_days')::int, (SELECT max((f -> 'terms' ->> 'scrap_notice_days')::int)
    FROM jsonb_array_elements(a.further) f)) + {EARLY_DAYS}"""
_DUE = f"""
FROM lot l
JOIN position p ON p.lot_id = l.lot_id AND p.quantity > p.held
JOIN agreement a ON a.id = p.agreement_id AND a.holder_id = p.holder_id
WHERE l.expires_on BETWEEN ($1::timestamptz AT TIME ZONE 'UTC')::date - {_FORGOTTEN}
                       AND ($1::timestamptz AT TIME ZONE 'UTC')::date + {_MOST_DAYS}
  AND a.status IN ('active', 'renewed', 'expiring') AND NOT a.legal_hold AND a.terms ? 'scrap_rule' AND a.window_closes_at > $1
  AND a.window_closes_at > ((l.expires_on + 1)::timestamp AT TIME ZONE a.zone)
  AND l.expires_on - ({_DAYS}) <= ($1::timestamptz AT TIME ZONE a.zone)::date
  AND NOT EXISTS (SELECT FROM shelf_life_lot x WHERE x.agreement_id = a.id AND x.lot_id = l.lot_id)
"""


async def ending_shelf_lives(session: AsyncSession, now: datetime, limit: int = 500) -> Sequence[UUID]:
    """Agreements under which units come to the end of their shelf life soon, of which nobody was told (worker). One statement,
    by the index of last days."""
    rows = await fetch(session, f"SELECT DISTINCT a.id {_DUE} LIMIT $2", now, limit)
    return [r["id"] for r in rows]


@dataclass(frozen=True, slots=True)
class EndingUnits:
    """Free units of a part whose shelf life ends on one day, and the moment after that day where the agreement counts it."""

    part_id: UUID
    number: str
    expires_on: date
    ends_at: datetime
    lots: tuple[UUID, ...]
    quantity: int


async def ending_under(session: WriteSession, agreement_id: UUID, now: datetime) -> Sequence[EndingUnits]:
    """The units of one agreement, whose row is locked, by part and day."""
    rows = await fetch(
        session,
        f"SELECT d.part_id, t.number, d.expires_on, d.ends_at, d.lots, d.quantity FROM ("
        "SELECT p.part_id, l.expires_on, (l.expires_on + 1)::timestamp AT TIME ZONE a.zone AS ends_at, "
        f"array_agg(DISTINCT l.lot_id) AS lots, sum(p.quantity - p.held)::int AS quantity {_DUE} AND a.id = $2 "
        "GROUP BY p.part_id, l.expires_on, a.zone) d JOIN part t ON t.id = d.part_id ORDER BY d.expires_on, t.number",
        now, agreement_id,
    )  # fmt: skip
    return [EndingUnits(**{**dict(r), "lots": tuple(r["lots"])}) for r in rows]
