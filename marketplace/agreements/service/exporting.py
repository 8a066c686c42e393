"""Units that leave the manufacturer's country: the day from which relief for returned goods counts (section 13.3)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from marketplace.db.session import WriteSession, execute


async def note_export(
    session: WriteSession, agreement_id: UUID, origins: Iterable[UUID], destination: UUID, now: datetime
) -> None:
    """The units of an agreement leave these sites for ``destination``: where that crosses a border, its day is kept, once."""
    await execute(
        session,
        "UPDATE agreement SET exported_on = ($4::timestamptz AT TIME ZONE zone)::date WHERE id = $1 AND exported_on IS NULL "
        "AND EXISTS (SELECT FROM unnest($2::uuid[]) AS o (id) WHERE site_card(o.id) ->> 'country' <> site_card($3) ->> 'country')",
        agreement_id, list(origins), destination, now,
    )  # fmt: skip
