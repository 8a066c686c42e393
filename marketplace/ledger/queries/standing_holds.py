"""Which of a maker's holds across holders stop a unit. They are kept by recalls/, above; the database answers for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import fetch


@dataclass(frozen=True, slots=True)
class StandingHold:
    """A quality hold or recall that stands, of one lot."""

    lot_id: UUID
    recall_id: UUID
    reference: str
    kind: str
    maker: str
    instruction: str

    @property
    def words(self) -> str:
        """'Recall RC-7F3K2Q of Northfield'."""
        return f"{'Recall' if self.kind == 'recall' else 'Quality hold'} {self.reference} of {self.maker}"


async def standing_holds(session: AsyncSession, lot_ids: Iterable[UUID]) -> Sequence[StandingHold]:
    """The holds that stop these lots, of those that the reader may see; recalls before quality holds, the oldest first."""
    rows = await fetch(session, "SELECT * FROM recall_standing($1::uuid[])", sorted(set(lot_ids)))
    return [StandingHold(**dict(r)) for r in rows]
