"""What somebody is to be reminded of now and was not yet (worker)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch, fetch_one
from marketplace.obligations.kinds import EARLY, LINGERING, LONG, Obligation
from marketplace.obligations.queries.branches import PARAMETERS, PIECES
from marketplace.obligations.queries.lists import NAMED, told
from marketplace.obligations.queries.notices_left import as_left
from marketplace.obligations.reminding import (
    EARLY_DAYS,
    MOST_DAYS,
    MOST_HOURS,
    OVERDUE_FOR,
    SHARE,
    SHORTEST,
    USUAL,
    Setting,
    Step,
)


@dataclass(frozen=True, slots=True)
class Owing:
    """An obligation that a company is to be told of, from its side."""

    company_id: UUID
    step: Step
    row: Obligation


def _kinds(kinds: frozenset[object]) -> str:
    return ", ".join(sorted(f"'{k}'" for k in kinds))


# The same as ``reminding.remind_at``: a test compares them.
_REMIND_AT: Final = f"""x.due - CASE
    WHEN x.kind IN ({_kinds(EARLY)})
    THEN make_interval(days => greatest(coalesce(s.days_before, {USUAL.days_before}), {EARLY_DAYS}))
    WHEN x.kind IN ({_kinds(LONG)}) THEN make_interval(days => coalesce(s.days_before, {USUAL.days_before}))
    WHEN x.urgency = 'machine_down' THEN greatest(interval '{SHORTEST.total_seconds():.0f} seconds',
        coalesce((x.due - x.started) / {SHARE}, interval '0'))
    ELSE make_interval(hours => coalesce(s.hours_before, {USUAL.hours_before})) END"""
_AHEAD: Final = """
SELECT 'ahead' AS step, x.owes AS company_id, x.* FROM soon x LEFT JOIN reminder_setting s ON s.company_id = x.owes
WHERE x.due > $2 AND x.owes IS NOT NULL AND coalesce(s.mails, true) AND {remind_at} <= $2
"""
# Who waits for it is told too: nothing else tells them.
_OVERDUE: Final = """
SELECT 'overdue' AS step, c.company_id, x.* FROM soon x CROSS JOIN LATERAL (VALUES (x.owes), (x.owed)) AS c (company_id)
LEFT JOIN reminder_setting s ON s.company_id = c.company_id
WHERE x.due <= $2 AND x.kind IN ({lingering}) AND c.company_id IS NOT NULL AND coalesce(s.mails, true)
"""


async def to_remind(
    session: AsyncSession, now: datetime, *, company_id: UUID | None = None, limit: int = 2_000
) -> Sequence[Owing]:
    """What companies (or one) are to be told at ``now``, the most pressing first, less what they were told already, and
    less notices of which nothing is left. Read again in the transaction that tells it, so that nothing is told that was done meanwhile."""
    pieces = []
    for piece in PIECES:
        until = timedelta(days=MOST_DAYS) if piece.kind in LONG else timedelta(hours=MOST_HOURS)
        since = f"$2 - interval '{OVERDUE_FOR.days} days'" if piece.kind in LINGERING else "$2"
        # Constants, so that each piece looks no further ahead than anybody can ask for.
        near = f"{piece.due} > {since} AND {piece.due} <= $2 + interval '{until.total_seconds():.0f} seconds'"
        pieces.append(piece.sql("all", of_agreement=False, more=near))
    named = NAMED.replace("FROM x", "FROM due x")
    rows = await fetch(
        session,
        f"""
        WITH {PARAMETERS}, soon AS ({" UNION ALL ".join(pieces)}),
        due AS (
            SELECT * FROM ({_AHEAD.format(remind_at=_REMIND_AT)} UNION ALL {_OVERDUE.format(lingering=_kinds(LINGERING))}) t
            WHERE ($1 IS NULL OR t.company_id = $1) AND NOT EXISTS (
                SELECT FROM reminder r WHERE r.company_id = t.company_id AND r.kind = t.kind AND r.subject_id = t.key
                AND r.step = t.step AND r.due_at = t.due)
            ORDER BY t.due, t.kind, t.key LIMIT $6
        )
        {named} ORDER BY x.due, x.kind, x.key, x.company_id
        """,
        company_id, now, now - OVERDUE_FOR, now + timedelta(days=MOST_DAYS), None, limit,
    )  # fmt: skip
    found = [Owing(r["company_id"], Step(r["step"]), told(r, r["company_id"], agreements=True)) for r in rows]
    left = {(row.kind, row.subject_id): row.quantity for row in await as_left(session, [o.row for o in found], now)}
    return [
        replace(o, row=replace(o.row, quantity=left[o.row.kind, o.row.subject_id]))
        for o in found
        if (o.row.kind, o.row.subject_id) in left
    ]


async def setting(session: AsyncSession, company_id: UUID) -> Setting:
    """How a company is reminded; the usual where it has set nothing."""
    row = await fetch_one(
        session, "SELECT hours_before, days_before, mails FROM reminder_setting WHERE company_id = $1", company_id
    )
    return USUAL if row is None else Setting(**dict(row))
