"""Units of an order that somebody else than their holder has put on quality hold: they cannot be shipped."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_value
from marketplace.sourcing.queries.calls import CallRow

# Its own doubts stop no clock of a holder's.
_BY_OTHERS = (
    "FROM call_unit u JOIN movement m ON m.lot_id = u.lot_id AND m.kind IN ('freeze', 'lift') "
    "WHERE u.call_id = $1 AND m.company_id <> $2"
)


async def units_stopped(session: AsyncSession, call: CallRow) -> bool:
    """Whether one of the order's units is on quality hold now, by another company than its holder."""
    found: bool = await fetch_value(
        session,
        "SELECT EXISTS (SELECT FROM call_unit u JOIN lot l ON l.lot_id = u.lot_id WHERE u.call_id = $1 AND l.frozen AND $2 <> ("
        "SELECT m.company_id FROM movement m WHERE m.lot_id = l.lot_id AND m.kind = 'freeze' ORDER BY m.seq DESC LIMIT 1))",
        call.id,
        call.holder_id,
    )
    return found


async def times_stopped(session: AsyncSession, call: CallRow, until: datetime) -> tuple[tuple[datetime, datetime], ...]:
    """From when until when each of its units was on hold, at most ``until`` then; they may overlap."""
    rows = await fetch(
        session,
        "SELECT kind, recorded_at AS begun, least(lead(recorded_at) OVER (PARTITION BY lot_id ORDER BY seq), $3) AS ended "
        f"FROM (SELECT m.* {_BY_OTHERS}) t ORDER BY recorded_at",
        call.id,
        call.holder_id,
        until,
    )
    return tuple((r["begun"], r["ended"]) for r in rows if r["kind"] == "freeze" and r["begun"] < r["ended"])
