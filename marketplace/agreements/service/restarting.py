"""Time that stood still under an agreement: what notices had left of theirs goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements import queries
from marketplace.agreements.stops import last_stop
from marketplace.db.session import WriteSession, execute


async def restart_notices(session: WriteSession, agreement_ids: Sequence[UUID], now: datetime) -> None:
    """While an agreement stood still no time ran: what of its notices had not run out when it stopped moves by that time. To be
    called once an agreement goes on, with the event of it written at ``now``; what still stands still is left alone."""
    moved = [
        (agreement_id, *stop)
        for agreement_id, events in (await queries.stops_of(session, agreement_ids)).items()
        if (stop := last_stop(events)) is not None and stop[1] == now
    ]
    await execute(
        session,
        "UPDATE notice n SET answer_by = CASE WHEN n.answer_by > s.begun THEN n.answer_by + (s.ended - s.begun) ELSE n.answer_by END, "
        "clear_from = CASE WHEN n.clear_from > s.begun THEN n.clear_from + (s.ended - s.begun) ELSE n.clear_from END, "
        "clear_until = n.clear_until + (s.ended - s.begun) "
        "FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS s (agreement_id, begun, ended) "
        "WHERE n.agreement_id = s.agreement_id AND n.status IN ('open', 'agreed') AND n.quantity > n.taken + n.used "
        "AND (n.clear_until > s.begun OR n.answer_by > s.begun) AND n.noticed_at <= s.ended",
        [agreement_id for agreement_id, _, _ in moved],
        [begun for _, begun, _ in moved],
        [ended for _, _, ended in moved],
    )
