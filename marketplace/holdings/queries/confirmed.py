"""How old what is known of a stock line is: when a count, a scan or a movement last said that the units are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch
from marketplace.holdings.queries.sheets import STANDS

By = Literal["count", "scan", "movement"]
BY_WORDS: Final[Mapping[str, str]] = {"count": "counted", "scan": "scanned", "movement": "moved"}


@dataclass(frozen=True, slots=True)
class Confirmed:
    """When and by what a line was confirmed last."""

    at: datetime
    by: By

    @property
    def words(self) -> str:
        """'counted', 'scanned' or 'moved'."""
        return BY_WORDS[self.by]


# Who reserves, owns or has a right in units has not seen them; who counts them elsewhere on the shelf has.
_SAID = f"""
SELECT n.lot_id, n.position_id, n.part_id, s.at, s.by FROM lines n CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT c.counted_at AS at, 'count' AS by FROM stock_count c
        WHERE c.holder_id = n.holder_id AND c.site_id = n.site_id AND c.part_id = n.part_id
        UNION ALL
        SELECT max(e.at), 'scan' FROM count_entry e JOIN count_sheet t ON t.id = e.sheet_id AND t.site_id = n.site_id
        WHERE e.lot_id = n.lot_id AND {STANDS}
        UNION ALL
        SELECT max(m.occurred_at), 'movement' FROM movement m
        WHERE m.lot_id = n.lot_id AND n.position_id IN (m.from_position, m.to_position)
          AND coalesce(m.purpose, m.kind) NOT IN ('hold','void','expire','freeze','lift','title','repoint','correct')
    ) x WHERE x.at IS NOT NULL ORDER BY x.at DESC LIMIT 1) s
"""


async def confirmed(session: AsyncSession, keys: Sequence[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], Confirmed]:
    """Of these stock lines (lot and number), as far as the reader may see them; one statement."""
    if not keys:
        return {}
    rows = await fetch(
        session,
        "WITH lines AS (SELECT p.* FROM position p JOIN unnest($1::uuid[], $2::int[]) AS k (lot_id, position_id) "
        f"ON k.lot_id = p.lot_id AND k.position_id = p.position_id) {_SAID}",
        [lot for lot, _ in keys],
        [number for _, number in keys],
    )
    return {(r["lot_id"], r["position_id"]): Confirmed(r["at"], r["by"]) for r in rows}


async def confirmed_under(session: AsyncSession, agreement_id: UUID) -> Mapping[UUID, Confirmed]:
    """Of each part of an agreement the stock line that was confirmed longest ago: nothing of it is older; one statement."""
    rows = await fetch(
        session,
        "WITH lines AS (SELECT p.* FROM position p WHERE p.agreement_id = $1 AND p.quantity > 0) "
        f"SELECT DISTINCT ON (part_id) part_id, at, by FROM ({_SAID}) t ORDER BY part_id, at",
        agreement_id,
    )
    return {r["part_id"]: Confirmed(r["at"], r["by"]) for r in rows}
