"""JSON routes of quotes: asking for one, offers version against version, and their answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import Done, Made, PageOut
from marketplace.orders import queries, service
from marketplace.orders.permissions import AnswersQuotes, PlacesOrders, ReadsOrders
from marketplace.orders.schemas.quotes import (
    AcceptOfferIn,
    DeclineOfferIn,
    OfferIn,
    OfferMade,
    QuoteDetail,
    QuoteIn,
    QuoteOut,
    WithdrawIn,
)
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once, once_done
from marketplace.settings import get_settings

router = APIRouter(prefix="/quotes", tags=["orders"])


@router.get("", summary="Your quotes, asked and offered")
async def quotes(
    session: Reading,
    secret: PageSecret,
    actor: ReadsOrders,
    now: Now,
    side: Literal["buying", "selling"] | None = None,
    state: Literal["open", "waits", "ended"] | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> PageOut[QuoteOut]:
    """Newest first, paged. ``state=waits``: those that wait for your answer now."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.quotes(
        session, actor.company_id, now=now, side=side, state=state, after=mark[0] if mark else None, limit=limit + 1
    )
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[QuoteOut.of(r, now) for r in page.items], next=page.next)


@router.post("", status_code=201, summary="Ask a seller for a quote")
async def ask(session: Writing, actor: PlacesOrders, new: QuoteIn, now: Now, key: IdempotencyKey = None) -> Made:
    """Of a listing, or of a part that nobody offers: then its maker is asked. Nothing is reserved."""

    async def act() -> dict[str, Any]:
        return {"id": await service.request_quote(session, actor, now=now, **new.model_dump())}

    return Made.model_validate((await once(session, actor, key, "quotes.ask", new.model_dump(), act)).content)


@router.get("/{quote_id}", summary="One quote with every version of its offer")
async def quote(session: Reading, actor: ReadsOrders, quote_id: UUID, now: Now) -> QuoteDetail:
    """The same record for both sides."""
    row = await queries.quote(session, quote_id)
    return QuoteDetail.whole(row, list(await queries.versions(session, quote_id)), now)


@router.post("/{quote_id}/offers", summary="Make an offer, or answer one with another", status_code=200)
async def offer(
    session: Writing, actor: AnswersQuotes, quote_id: UUID, given: OfferIn, now: Now, key: IdempotencyKey = None
) -> OfferMade:
    """Answers the number of the version. It takes the place of the one that it answers, which nobody can accept any more."""

    async def act() -> dict[str, Any]:
        made = await service.make_offer(
            session, actor, quote_id, answers=given.answers, hours=given.hours, note=given.note, reserve=given.reserve, now=now,
            lines=[service.OfferedLine(x.listing_id, x.quantity, x.unit_price) for x in given.lines], po_number=given.po_number,
            clauses=[c.named for c in given.clauses],
        )  # fmt: skip
        return {"version": made}

    answer = await once(session, actor, key, f"quotes.offer:{quote_id}", given.model_dump(), act, status=200)
    return OfferMade.model_validate(answer.content)


@router.post("/{quote_id}/accept", summary="Accept the other side's offer; an order is made of it")
async def accept(
    session: Writing, actor: AnswersQuotes, quote_id: UUID, given: AcceptOfferIn, now: Now, key: IdempotencyKey = None
) -> Made:
    """Answers the order's id. It is accepted on both sides at the version's prices and terms; its schedule waits for signatures."""

    async def act() -> dict[str, Any]:
        made = await service.accept_offer(
            session, actor, quote_id, version=given.version, po_number=given.po_number, now=now,
            hold_hours=get_settings().order_hold_hours,
        )  # fmt: skip
        return {"id": made}

    answer = await once(session, actor, key, f"quotes.accept:{quote_id}", given.model_dump(), act, status=200)
    return Made.model_validate(answer.content)


@router.post("/{quote_id}/decline", summary="Decline a request or an offer with a reason")
async def decline(
    session: Writing, actor: AnswersQuotes, quote_id: UUID, given: DeclineOfferIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Ends the negotiation; what was reserved for it is free."""
    return await once_done(
        session, actor, key, f"quotes.decline:{quote_id}", given.model_dump(),
        lambda: service.decline_offer(session, actor, quote_id, version=given.version, reason=given.reason, note=given.note, now=now),
    )  # fmt: skip


@router.post("/{quote_id}/withdraw", summary="Withdraw your request or your last offer")
async def withdraw(
    session: Writing, actor: AnswersQuotes, quote_id: UUID, given: WithdrawIn, now: Now, key: IdempotencyKey = None
) -> Done:
    """Ends the negotiation; what was reserved for it is free."""
    return await once_done(
        session, actor, key, f"quotes.withdraw:{quote_id}", given.model_dump(),
        lambda: service.withdraw_offer(session, actor, quote_id, version=given.version, note=given.note, now=now),
    )  # fmt: skip
