"""Reads of a partner's track record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.sourcing.track_record import TrackRecord


async def track_record(
    session: AsyncSession, partner_id: UUID, since: datetime, until: datetime
) -> Sequence[TrackRecord]:
    """The partner's numbers of the reader's own orders and, where enough manufacturers ordered back, of all together; one statement.
    Nothing for a company that has no agreement with the partner (the database asks)."""
    rows = await fetch(session, "SELECT * FROM track_record($1, $2, $3)", partner_id, since, until)
    return [
        TrackRecord(
            **{**dict(r), "refused": json.loads(r["refused"]) if isinstance(r["refused"], str) else r["refused"]}
        )
        for r in rows
    ]
