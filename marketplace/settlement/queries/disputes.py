"""Disputes and what was said in them. Only the two companies see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements.phrases import deadline
from marketplace.db.session import WriteSession, fetch, fetch_one
from marketplace.kit.errors import missing
from marketplace.kit.pages import Page, cut, read_bookmark
from marketplace.parties.actor import Actor
from marketplace.settlement.disputes import OF_UNITS, Proposal


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """What one side does not accept, and how it stands."""

    id: UUID
    reference: str
    subject: str
    line_id: UUID | None
    line: str | None
    cause_id: UUID
    cause_reference: str
    payer_id: UUID
    payer: str
    payee_id: UUID
    payee: str
    opened_by: UUID
    reason: str
    currency: str
    amount: Decimal
    quantity: int | None
    respond_by: datetime
    status: str
    waits_for: UUID | None
    agreed_amount: Decimal | None
    agreed_quantity: int | None
    found: str | None
    fetches: dict[str, Any] | None
    agreed_condition: str | None
    ended_at: datetime | None
    created_at: datetime

    @property
    def opener(self) -> str:
        """Who opened it, by name."""
        return self.payer if self.opened_by == self.payer_id else self.payee


@dataclass(frozen=True, slots=True)
class StatementRow:
    """What one side said in a dispute."""

    company_id: UUID
    company: str
    kind: str
    words: str
    amount: Decimal | None
    quantity: int | None
    condition: str | None
    at: datetime


_DISPUTE = """
SELECT d.id, d.reference, d.subject, d.line_id, l.reference AS line, d.cause_id, d.cause_reference, d.payer_id, p.name AS payer,
       d.payee_id, q.name AS payee, d.opened_by, d.reason, d.currency, d.amount, d.quantity, d.respond_by, d.status,
       d.waits_for, d.agreed_amount, d.agreed_quantity, d.found, d.fetches, d.agreed_condition, d.ended_at, d.created_at
FROM dispute d JOIN company p ON p.id = d.payer_id JOIN company q ON q.id = d.payee_id
LEFT JOIN settlement_line l ON l.id = d.line_id
"""


async def disputes(
    session: AsyncSession,
    actor: Actor,
    *,
    state: str | None = None,
    after: str | None = None,
    limit: int = 50,
    secret: str,
) -> Page[DisputeRow]:
    """Disputes of the actor's company, newest first. ``state``: waiting (for our answer), open, agreed or withdrawn."""
    key = read_bookmark(after, secret, UUID)
    rows = await fetch(
        session,
        _DISPUTE + "WHERE (d.payer_id = $1 OR d.payee_id = $1) AND CASE $2::text WHEN 'waiting' THEN d.waits_for = $1 "
        "WHEN 'open' THEN d.status = 'open' WHEN 'agreed' THEN d.status = 'agreed' WHEN 'withdrawn' THEN d.status = 'withdrawn' "
        "ELSE true END AND ($3::uuid IS NULL OR d.id < $3) ORDER BY d.id DESC LIMIT $4",
        actor.company_id, state, key[0] if key else None, limit + 1,
    )  # fmt: skip
    return cut([DisputeRow(**dict(r)) for r in rows], limit, lambda d: [d.id], secret)


async def dispute(session: AsyncSession, dispute_id: UUID) -> DisputeRow:
    """One dispute. Raises ``dispute.not_found``."""
    row = await fetch_one(session, _DISPUTE + "WHERE d.id = $1", dispute_id)
    if row is None:
        raise missing("dispute.not_found", "No such dispute.")
    return DisputeRow(**dict(row))


async def dispute_for_update(session: WriteSession, dispute_id: UUID) -> DisputeRow:
    """One dispute, locked and read after that. Its order, then its line, are locked before it. Raises
    ``dispute.not_found``."""
    await fetch(session, "SELECT id FROM dispute WHERE id = $1 FOR NO KEY UPDATE", dispute_id)
    return await dispute(session, dispute_id)


async def disputes_of_line(session: AsyncSession, line_id: UUID) -> Sequence[DisputeRow]:
    """Disputes about a line, oldest first."""
    return [
        DisputeRow(**dict(r)) for r in await fetch(session, _DISPUTE + "WHERE d.line_id = $1 ORDER BY d.id", line_id)
    ]


async def settled_units(session: AsyncSession, line_id: UUID) -> tuple[int, str]:
    """Of how many units of a line both sides have agreed what they were like, in disputes about it, about what is paid beside it
    for the same units, or from which the line came; and the references of those disputes. One statement."""
    row = await fetch_one(
        session,
        "SELECT coalesce(sum(coalesce(d.quantity, l.quantity)), 0)::int AS units, string_agg(d.reference, ', ' ORDER BY d.id) AS known "
        "FROM settlement_line l JOIN dispute d ON d.status = 'agreed' AND (d.id = l.step_id OR d.line_id IN (SELECT o.id "
        "FROM settlement_line o WHERE o.id = l.id OR (o.cause_id = l.cause_id AND o.step_id IS NOT DISTINCT FROM l.step_id "
        "AND o.kind = ANY($3::text[]) AND l.kind = ANY($3::text[])))) "
        "WHERE l.id = $1 AND (d.subject <> 'line' OR d.reason = ANY($2::text[]))",
        line_id, list(OF_UNITS), ["call_price", "draw_purchase", "handling"],
    )  # fmt: skip
    return (row["units"], row["known"] or "") if row else (0, "")


async def disputes_of_cause(session: AsyncSession, cause_id: UUID) -> Sequence[DisputeRow]:
    """Disputes about what is owed for one cause (a call) and about its units, oldest first."""
    return [
        DisputeRow(**dict(r)) for r in await fetch(session, _DISPUTE + "WHERE d.cause_id = $1 ORDER BY d.id", cause_id)
    ]


async def dispute_statements(session: AsyncSession, dispute_id: UUID) -> Sequence[StatementRow]:
    """What was said in a dispute, oldest first."""
    rows = await fetch(
        session,
        "SELECT s.company_id, c.name AS company, s.kind, s.words, s.amount, s.quantity, s.condition, s.at FROM dispute_statement s "
        "JOIN company c ON c.id = s.company_id WHERE s.dispute_id = $1 ORDER BY s.at, s.id",
        dispute_id,
    )
    return [StatementRow(**dict(r)) for r in rows]


async def units_wait(session: AsyncSession, row: DisputeRow, become: str, now: datetime, *, zone: str = "UTC") -> str:
    """Why rejected units that a dispute is about cannot go back (or be kept, as ``become`` says) without the other side's word yet;
    empty: nobody has objected in time."""
    if row.status != "open":
        return ""
    if any(s.company_id != row.opened_by for s in await dispute_statements(session, row.id)):
        return f"{row.payee} objects: agree with them, or withdraw the rejection."
    if now < row.respond_by:
        return f"{row.payee} has until {deadline(row.respond_by, zone)} to agree or object; after that the units can {become}."
    return ""


async def proposals(session: AsyncSession, dispute_id: UUID) -> Sequence[Proposal]:
    """What the sides have proposed, opening included, oldest first."""
    return [
        Proposal(s.company_id, s.amount, s.quantity, s.at, s.condition)
        for s in await dispute_statements(session, dispute_id)
        if s.kind in {"opened", "proposed"} and s.amount is not None
    ]
