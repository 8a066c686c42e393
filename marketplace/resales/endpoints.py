"""JSON routes of resales."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from marketplace.db.requests import PageSecret, Reading, Writing
from marketplace.kit.consignment import Consignment
from marketplace.kit.pages import DEFAULT_PAGE, MAX_PAGE, cut, read_bookmark
from marketplace.kit.wire import PageOut
from marketplace.parties.actor import Actor
from marketplace.parties.permissions import IdempotencyKey, Now
from marketplace.parties.service import once
from marketplace.resales import queries, service
from marketplace.resales.permissions import ReadsResales, ReceivesResales, ShipsResales, SignsResales
from marketplace.resales.schemas import (
    JoinIn,
    ReasonIn,
    ReceiveIn,
    ResaleDetailOut,
    ResaleIn,
    ResaleOut,
    ShipIn,
    Waits,
)

router = APIRouter(prefix="/resales", tags=["resales"])


@router.get("", summary="Resales of units under agreements")
async def resales(
    session: Reading,
    actor: ReadsResales,
    secret: PageSecret,
    waits: Annotated[Waits | None, Query(description="Only those that wait for just this by your company.")] = None,
    agreement_id: UUID | None = None,
    after: str | None = None,
    limit: int = Query(DEFAULT_PAGE, ge=1, le=MAX_PAGE),
) -> PageOut[ResaleOut]:
    """Those of which your company is maker, seller or buyer, newest first."""
    mark = read_bookmark(after, secret, UUID)
    rows = await queries.resales(
        session, actor.company_id, waits=waits, agreement_id=agreement_id, after=mark[0] if mark else None,
        limit=limit + 1,
    )  # fmt: skip
    page = cut(rows, limit, lambda r: [r.id], secret)
    return PageOut(items=[ResaleOut.of(r, actor.company_id) for r in page.items], next=page.next)


@router.get("/{resale_id}", summary="One resale")
async def resale(session: Reading, actor: ReadsResales, resale_id: UUID) -> ResaleDetailOut:
    """With the text that the buyer signs, and what happened."""
    row = await queries.resale(session, actor.company_id, resale_id)
    return ResaleDetailOut.told(row, actor.company_id, list(await queries.events(session, resale_id)))


@router.post("", status_code=201, summary="Ask to sell units on")
async def ask(
    session: Writing, actor: SignsResales, given: ResaleIn, now: Now, key: IdempotencyKey = None
) -> ResaleOut:
    """The manufacturer consents or refuses; where its right stays on the units, the buyer joins the agreement by its
    signature. Without that nothing can be sold on: the ledger refuses. Nothing is reserved before the buyer has signed."""

    async def act() -> Any:
        made = await service.ask(
            session, actor, agreement_id=given.agreement_id, part_id=given.part_id, site_id=given.site_id,
            buyer_id=given.buyer_id, quantity=given.quantity, minimum_passed_on=given.minimum_passed_on, text=given.note,
            now=now,
        )  # fmt: skip
        return ResaleOut.of(await queries.resale(session, actor.company_id, made), actor.company_id)

    answer = await once(session, actor, key, "resales.ask", given.model_dump(mode="json"), act)
    return ResaleOut.model_validate(answer.content)


async def _step(
    session: Writing,
    actor: Actor,
    key: str | None,
    verb: str,
    resale_id: UUID,
    inputs: Any,
    act: Callable[[], Awaitable[Any]],
) -> ResaleOut:
    async def whole() -> Any:
        await act()
        return ResaleOut.of(await queries.resale(session, actor.company_id, resale_id), actor.company_id)

    told = {"resale_id": resale_id, "given": inputs}
    answer = await once(session, actor, key, f"resales.{verb}", told, whole, status=200)
    return ResaleOut.model_validate(answer.content)


@router.post("/{resale_id}/consent", summary="Consent to a resale")
async def consent(
    session: Writing, actor: SignsResales, resale_id: UUID, now: Now, key: IdempotencyKey = None
) -> ResaleOut:
    """The manufacturer's: its signature under what the buyer will join."""
    return await _step(
        session, actor, key, "consent", resale_id, None, lambda: service.consent(session, actor, resale_id, now)
    )


@router.post("/{resale_id}/refuse", summary="Refuse a resale")
async def refuse(
    session: Writing, actor: SignsResales, resale_id: UUID, given: ReasonIn, now: Now, key: IdempotencyKey = None
) -> ResaleOut:
    """The manufacturer's no, with a reason."""
    return await _step(
        session, actor, key, "refuse", resale_id, given.reason,
        lambda: service.refuse(session, actor, resale_id, given.reason, now),
    )  # fmt: skip


@router.post("/{resale_id}/join", summary="Sign as the buyer")
async def join(
    session: Writing, actor: SignsResales, resale_id: UUID, now: Now, given: JoinIn | None = None,
    key: IdempotencyKey = None,
) -> ResaleOut:  # fmt: skip
    """Joins the agreement for these units, which are reserved for your company from now on."""
    sha256 = given.wording_sha256 if given else None
    return await _step(
        session, actor, key, "join", resale_id, sha256,
        lambda: service.join(session, actor, resale_id, now, wording_sha256=sha256),
    )  # fmt: skip


@router.post("/{resale_id}/cancel", summary="Call a resale off")
async def cancel(
    session: Writing, actor: SignsResales, resale_id: UUID, given: ReasonIn, now: Now, key: IdempotencyKey = None
) -> ResaleOut:
    """By seller or buyer, before it ships."""
    return await _step(
        session, actor, key, "cancel", resale_id, given.reason,
        lambda: service.cancel(session, actor, resale_id, given.reason, now),
    )  # fmt: skip


@router.post("/{resale_id}/ship", summary="Ship units sold on")
async def ship(
    session: Writing, actor: ShipsResales, resale_id: UUID, given: ShipIn, now: Now, key: IdempotencyKey = None
) -> ResaleOut:
    """The seller hands them to the carrier."""
    consignment = Consignment.of(given.carrier, given.tracking, own_transport=given.own_transport)
    return await _step(
        session, actor, key, "ship", resale_id, given.model_dump(),
        lambda: service.ship(session, actor, resale_id, consignment, now),
    )  # fmt: skip


@router.post("/{resale_id}/receive", summary="Receive units sold on")
async def receive(
    session: Writing, actor: ReceivesResales, resale_id: UUID, given: ReceiveIn, now: Now, key: IdempotencyKey = None
) -> ResaleOut:
    """Title passes to the buyer, and the units come under its own agreement."""
    return await _step(
        session, actor, key, "receive", resale_id, given.model_dump(mode="json"),
        lambda: service.receive(
            session, actor, resale_id, site_id=given.site_id, missing_units=given.missing, text=given.note, now=now
        ),
    )  # fmt: skip
