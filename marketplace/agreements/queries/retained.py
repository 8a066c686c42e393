"""Units that stay the manufacturer's until they are paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.queries.facts import read_terms
from marketplace.agreements.terms import Terms
from marketplace.agreements.together import read_further
from marketplace.db.session import WriteSession, fetch, fetch_one, fetch_value


@dataclass(frozen=True, slots=True)
class Retained:
    """So many free units of a lot that the holder has and does not own yet; ``reserved`` of it are not free."""

    lot_id: UUID
    position_id: int
    free: int
    reserved: int


async def retains_title(session: WriteSession, agreement_id: UUID) -> tuple[UUID, UUID] | None:
    """(maker, holder) of an agreement whose terms keep the title until the price is paid; None for any other."""
    row = await fetch_one(
        session,
        "SELECT maker_id, holder_id FROM agreement WHERE id = $1 AND terms ->> 'title' = 'retained_until_paid'",
        agreement_id,
    )
    return (row["maker_id"], row["holder_id"]) if row else None


async def clauses_of_agreement(session: AsyncSession, agreement_id: UUID) -> tuple[Terms, ...]:
    """The terms of each clause of an agreement, the first one first; () for one that is not there."""
    row = await fetch_one(
        session, "SELECT clause, version, terms::text, further::text FROM agreement WHERE id = $1", agreement_id
    )
    if row is None:
        return ()
    return (read_terms(row["clause"], row["version"], row["terms"]), *read_further(row["further"]))


async def title_passed(session: WriteSession, command_id: UUID) -> bool:
    """Whether the ledger has carried out this command already."""
    return bool(await fetch_value(session, "SELECT true FROM command WHERE command_id = $1", command_id))


async def retained_for_update(
    session: WriteSession, agreement_id: UUID, part_id: UUID, maker_id: UUID
) -> Sequence[Retained]:
    """Units of a part under an agreement that are the maker's still and not on their way back to it; their lots are locked
    in their order, before they are read."""
    await fetch(
        session,
        "SELECT lot_id FROM lot WHERE lot_id IN (SELECT p.lot_id FROM position p WHERE p.agreement_id = $1 AND p.part_id = $2 "
        "AND p.owner_id = $3 AND p.quantity > 0) ORDER BY lot_id FOR NO KEY UPDATE",
        agreement_id, part_id, maker_id,
    )  # fmt: skip
    rows = await fetch(
        session,
        "SELECT p.lot_id, p.position_id, p.quantity - p.held AS free, p.held AS reserved FROM position p "
        "WHERE p.agreement_id = $1 AND p.part_id = $2 AND p.owner_id = $3 AND p.holder_id <> $3 AND p.site_id IS NOT NULL "
        "AND p.quantity > 0 ORDER BY p.lot_id, p.position_id",
        agreement_id, part_id, maker_id,
    )  # fmt: skip
    return [Retained(**dict(r)) for r in rows]
