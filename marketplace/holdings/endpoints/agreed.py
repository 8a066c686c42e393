"""The JSON route of one agreement: of its schedule as it stands, units that are being looked for are no part that could be
called, and only holdings know of them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from marketplace.agreements import queries as agreements
from marketplace.agreements.endpoints import detail
from marketplace.agreements.schemas import AgreementDetailOut
from marketplace.db.requests import Reading
from marketplace.holdings import queries
from marketplace.holdings.permissions import ReadsAgreements
from marketplace.parties.permissions import Now

router = APIRouter(prefix="/agreements", tags=["agreements"])


@router.get("/{agreement_id}", summary="One agreement")
async def agreement(session: Reading, actor: ReadsAgreements, agreement_id: UUID, now: Now) -> AgreementDetailOut:
    """The text with its blanks filled in, the schedule as it stands, signatures and history."""
    found = await agreements.agreement(session, actor, agreement_id)
    pairs = [(agreement_id, line.part_id) for line in found.lines]
    return await detail(session, found, await queries.callable_facts(session, pairs), now)
