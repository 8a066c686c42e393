"""Orders back that end with their agreement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.db.session import WriteSession, fetch, fetch_value
from marketplace.sourcing.queries.calls import CallRow, calls_by_id

UNSHIPPED: Final = ("allocated", "noticed", "acknowledged", "accepted", "picked", "defaulted")
"""Orders whose units are not yet with the carrier."""


async def unshipped(session: AsyncSession, agreement_id: UUID) -> Sequence[CallRow]:
    """Orders under an agreement whose units are not yet with the carrier, by id."""
    rows = await fetch(
        session,
        "SELECT id FROM call WHERE agreement_id = $1 AND status = ANY($2::text[])",
        agreement_id,
        list(UNSHIPPED),
    )
    return await calls_by_id(session, [r["id"] for r in rows])


async def unshipped_for_update(session: WriteSession, agreement_id: UUID) -> Sequence[CallRow]:
    """The same, locked in id order and read after that; lots and the agreement are locked later."""
    rows = await fetch(
        session,
        "SELECT id FROM call WHERE agreement_id = $1 AND status = ANY($2::text[]) ORDER BY id FOR NO KEY UPDATE",
        agreement_id, list(UNSHIPPED),
    )  # fmt: skip
    return [c for c in await calls_by_id(session, [r["id"] for r in rows]) if c.status in UNSHIPPED]


async def ended_in_default(session: AsyncSession, call_id: UUID) -> bool:
    """Whether an order ended with its agreement while it was in default, and was not covered elsewhere since."""
    return bool(
        await fetch_value(
            session,
            "SELECT EXISTS (SELECT FROM call_event WHERE call_id = $1 AND kind IN ('ended_for_breach', 'ended_with_agreement') "
            "AND detail ->> 'was' = 'defaulted') AND NOT EXISTS (SELECT FROM call_event WHERE call_id = $1 AND kind = 'covered')",
            call_id,
        )
    )
