"""Notices in what is due: as many units as each can still be about, and none of which nothing is left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import queries as agreements
from marketplace.obligations.kinds import Obligation, ObligationKind

OF_NOTICES: Final = frozenset({ObligationKind.ORDER_NOTICED, ObligationKind.ACT_ON_NOTICE})


async def as_left(session: AsyncSession, rows: Collection[Obligation], now: datetime) -> Sequence[Obligation]:
    """What is due, each notice with the units that are left of it; not those of which none is. What took them (orders, other
    acts, the minimum to keep) is the terms' to say, so it is asked of them; as many statements for a thousand as for one."""
    told = {row.subject_id for row in rows if row.kind in OF_NOTICES}
    if not told:
        return list(rows)
    left = await agreements.left_of_notices(session, told, now)
    return [
        replace(row, quantity=left[row.subject_id]) if row.kind in OF_NOTICES else row
        for row in rows
        if row.kind not in OF_NOTICES or left.get(row.subject_id, 0) > 0
    ]
