"""JSON routes of disputes about lines. On rejected units both sides agree through their order (sourcing)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.db.session import ReadSession
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE
from marketplace.kit.wire import PageOut
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once
from marketplace.settlement import queries, service
from marketplace.settlement.permissions import MarksSettlement, ReadsSettlement
from marketplace.settlement.schemas import (
    DisputeDetailOut,
    DisputeIn,
    DisputeOut,
    ProposalIn,
    StatementIn,
    ThreadOut,
)

router = APIRouter(prefix="/settlement", tags=["settlement"])


@router.get("/disputes", summary="Disputes")
async def disputes(
    session: Reading,
    actor: ReadsSettlement,
    secret: PageSecret,
    state: Annotated[
        Literal["waiting", "open", "agreed", "withdrawn"] | None, Query(description="waiting: for your answer.")
    ] = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[DisputeOut]:
    """Newest first."""
    page = await queries.disputes(session, actor, state=state, after=after, limit=limit, secret=secret)
    return PageOut(items=[DisputeOut.model_validate(d) for d in page.items], next=page.next)


async def _detail(session: ReadSession, dispute_id: UUID) -> DisputeDetailOut:
    row = await queries.dispute(session, dispute_id)
    thread = [ThreadOut.model_validate(s) for s in await queries.dispute_statements(session, dispute_id)]
    return DisputeDetailOut(**DisputeOut.model_validate(row).model_dump(), thread=thread)


@router.get("/disputes/{dispute_id}", summary="One dispute")
async def dispute(session: Reading, actor: ReadsSettlement, dispute_id: UUID) -> DisputeDetailOut:
    """What is in dispute, what each side says and proposes, how it ended."""
    return await _detail(session, dispute_id)


@router.post("/{line_id}/dispute", summary="Dispute part of a line", status_code=201)
async def open_dispute(
    session: Writing, actor: MarksSettlement, line_id: UUID, body: DisputeIn, now: Now, key: IdempotencyKey = None
) -> DisputeDetailOut:
    """For who owes it. The disputed part is not due until the dispute ends; the rest is."""

    async def act() -> Any:
        made = await service.dispute_line(
            session, actor, line_id, amount=body.amount, offer=body.offer, reason=body.reason, words=body.words, now=now
        )
        return await _detail(session, made.id)

    given = {"line_id": line_id, **body.model_dump()}
    answer = await once(session, actor, key, "settlement.dispute", given, act)
    return DisputeDetailOut.model_validate(answer.content)


@router.post("/disputes/{dispute_id}/say", summary="Say something in a dispute")
async def say(
    session: Writing, actor: MarksSettlement, dispute_id: UUID, body: StatementIn, now: Now, key: IdempotencyKey = None
) -> DisputeDetailOut:
    """A short statement that proposes nothing."""
    return await _once(
        session, actor, key, "say", dispute_id, body.model_dump(),
        lambda: service.say(session, actor, dispute_id, body.words, now),
    )  # fmt: skip


@router.post("/disputes/{dispute_id}/propose", summary="Propose how to end a dispute")
async def propose(
    session: Writing, actor: MarksSettlement, dispute_id: UUID, body: ProposalIn, now: Now, key: IdempotencyKey = None
) -> DisputeDetailOut:
    """How much of what is in dispute is owed; of rejected units also how many the manufacturer keeps."""
    return await _once(
        session, actor, key, "propose", dispute_id, body.model_dump(),
        lambda: service.propose(
            session, actor, dispute_id, amount=body.amount, quantity=body.quantity, words=body.words, now=now,
            condition=body.condition,
        ),
    )  # fmt: skip


@router.post("/disputes/{dispute_id}/agree", summary="Agree to the other side's proposal")
async def agree(
    session: Writing, actor: MarksSettlement, dispute_id: UUID, now: Now, key: IdempotencyKey = None
) -> DisputeDetailOut:
    """What is not owed of the line is taken back by a counter line."""
    return await _once(
        session, actor, key, "agree", dispute_id, {}, lambda: service.agree(session, actor, dispute_id, now)
    )


@router.post("/disputes/{dispute_id}/withdraw", summary="Withdraw a dispute")
async def withdraw(
    session: Writing, actor: MarksSettlement, dispute_id: UUID, now: Now, key: IdempotencyKey = None
) -> DisputeDetailOut:
    """By who opened it: all of the line is due again."""
    return await _once(
        session, actor, key, "withdraw", dispute_id, {}, lambda: service.withdraw(session, actor, dispute_id, now)
    )


async def _once(
    session: Any, actor: Any, key: str | None, verb: str, dispute_id: UUID, given: dict[str, Any],
    do: Callable[[], Awaitable[object]],
) -> DisputeDetailOut:  # fmt: skip
    async def act() -> Any:
        await do()
        return await _detail(session, dispute_id)

    inputs = {"dispute_id": dispute_id, **given}
    answer = await once(session, actor, key, f"settlement.dispute_{verb}", inputs, act, status=200)
    return DisputeDetailOut.model_validate(answer.content)
