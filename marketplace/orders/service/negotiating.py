"""Terms of an order before both have signed: what the buyer proposed with it becomes a proposal about its agreement, and what
is signed last is the agreement of the order."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marketplace.agreements import queries as agreement_queries
from marketplace.agreements import service as agreements
from marketplace.agreements.together import NamedClause
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.errors import conflict, missing
from marketplace.orders import queries
from marketplace.orders.service.shared import tell
from marketplace.parties.actor import Actor, By, OnBehalf


async def answer_proposed(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    agreement_id: UUID,
    terms: str,
    reason: str,
    now: datetime,
) -> UUID:
    """Lays the terms that the buyer proposed with its order beside the agreement just offered, signed for the buyer as it
    ordered, and answers them for the seller: 'proposed', 'posted' or 'open'. Returns the agreement that the order has now.
    Raises ``actor.role`` where somebody who may not sign does not leave them open."""
    assert order.proposed is not None  # noqa: S101 - asked only of an order with other terms
    first, *further = order.proposed["clauses"]
    buyer = OnBehalf(order.placed_by, order.buyer_id)
    async with acting_for(session, order.buyer_id):
        made = await agreements.propose_change(
            session, buyer, agreement_id, clause=first["clause"], version=first["version"], terms=first["terms"],
            minimums={}, text=order.proposed["note"], now=now,
            further=[NamedClause(c["clause"], c["version"], c["terms"]) for c in further],
        )  # fmt: skip
    if terms == "open":
        return agreement_id
    actor.require("agreement.sign")
    if terms == "posted":
        await agreements.decline_proposal(session, actor, made.id, reason, now)
        await agreements.sign(session, actor, agreement_id, now)
        return agreement_id
    done = await agreements.accept_terms(session, actor, made.id, now)
    assert done.agreement_id is not None  # noqa: S101 - terms that are signed make an agreement
    return done.agreement_id


async def sign_terms(
    session: WriteSession,
    actor: Actor,
    proposal_id: UUID,
    now: datetime,
    *,
    wording_sha256: str | None = None,
    order_id: UUID | None = None,
) -> agreements.Accepted:
    """Signs the terms that the other side proposed last for the agreement of an order: both have signed then, and the
    order goes on with it. Raises ``proposal.not_found``, ``order.state``, and what ``accept_terms`` raises."""
    before = await agreement_queries.agreement_of_proposal(session, actor.company_id, proposal_id)
    known = await queries.order_of_agreement(session, before)
    if known is None or order_id not in (None, known):
        raise missing("proposal.not_found", "No such proposal about the terms of an order.")
    order = await queries.order_for_update(session, known)
    if order.status != "accepted" or order.agreement_id != before:
        raise conflict("order.state", "This order waits for no signature under these terms.", state=order.status)
    done = await agreements.accept_terms(session, actor, proposal_id, now, wording_sha256=wording_sha256)
    await execute(session, "UPDATE purchase_order SET agreement_id = $2 WHERE id = $1", known, done.agreement_id)
    await _note(session, actor, order, done.reference, now)
    return done


async def _note(
    session: WriteSession, actor: By, order: queries.OrderRow, reference: str | None, now: datetime
) -> None:
    await tell(session, actor, order.id, order.seller_id, order.buyer_id, "terms_signed", {"agreement": reference}, now)


async def go_on_under(session: WriteSession, agreement_id: UUID) -> UUID | None:
    """An agreement that both had signed was changed: its order, if it has not shipped yet, is shipped under what holds now
    (what is on the road comes under that by itself). Again changes nothing. Returns the order."""
    moved: UUID | None = await fetch_value(
        session,
        "UPDATE purchase_order o SET agreement_id = n.id FROM agreement n "
        "WHERE n.replaces_id = $1 AND o.agreement_id = $1 AND o.status = 'accepted' RETURNING o.id",
        agreement_id,
    )
    return moved
