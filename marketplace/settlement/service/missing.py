"""What the holder owes for units that are missing from the minimum to keep: for breach, or for a loss that it bears."""

from __future__ import annotations

from uuid import UUID

from marketplace.db.session import WriteSession
from marketplace.holdings import queries as holdings
from marketplace.settlement.service.owing import owe


async def owe_for_missing(session: WriteSession, missing_id: UUID) -> UUID | None:
    """Writes the line that was reckoned when it was said what became of the units; once, however often it is asked. None where
    nothing is owed for them."""
    row = await holdings.one_missing(session, missing_id)
    if row is None or row.line_kind is None:
        return None
    return await owe(
        session, payer_id=row.holder_id, payee_id=row.maker_id, kind=row.line_kind, cause_id=row.id,
        cause_reference=row.agreement, agreement_id=row.agreement_id, part_id=row.part_id, quantity=None, unit_price=row.owed,
        words=row.words, due_on=row.due_on,
    )  # fmt: skip
