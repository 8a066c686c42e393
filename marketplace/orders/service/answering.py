"""How an order is answered or ends before it ships: accept, decline, cancel, run out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.agreements.law import Jurisdiction
from marketplace.agreements.terms import Terms, dump_terms
from marketplace.agreements.together import NamedClause
from marketplace.db.session import WriteSession, acting_for, execute, fetch
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import held_lots_for_update
from marketplace.ledger.service import carry_out
from marketplace.listings import queries as listings
from marketplace.listings.quantities import Take
from marketplace.orders import queries
from marketplace.orders.delivery import CANCEL_REASONS, cancel_rule, check_code
from marketplace.orders.service.cancelling import leave_rest
from marketplace.orders.service.leaving_out import leave_out
from marketplace.orders.service.negotiating import answer_proposed
from marketplace.orders.service.shared import announce, count_ordered, mine, put_back, refuse_uncleared, tell
from marketplace.orders.states import DECLINE_REASONS, LeftOut, require_next
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.safeguards.service import refuse_insolvent

_CLOCK = UUID(int=0)


async def accept(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    now: datetime,
    *,
    terms: str | None = None,
    reason: str = "",
    agreed: Sequence[Terms] = (),
    left_out: Sequence[LeftOut] = (),
) -> UUID:
    """The seller accepts: the reservation no longer runs out, and the schedule is offered to both for signature.
    Returns the agreement's id.

    ``left_out``: what of it is not accepted, and why: those units are free again, the buyer is told, and the rest goes on.
    ``agreed``: the clauses that both agreed on before they had an order, in place of the posting's.
    ``terms``, where the buyer has proposed others: 'proposed' signs those, 'posted' declines them for the ``reason``
    given and signs the posting's, 'open' signs neither, so that they are negotiated. Raises ``order.terms`` where that
    is not said, ``order.not_cleared``, ``ledger.hold_expired`` when the reservation ran out a moment ago, ``company.insolvent`` where the seller has
    the buyer on record as insolvent.
    """
    order = await mine(session, actor, order_id, "seller")
    require_next(order.status, "accepted")
    await refuse_insolvent(
        session, order.seller_id, [order.buyer_id],
        "What is shipped to it now would be its estate's. Decline the order; or lift the record under Agreements, Insolvencies, "
        "and then accept.",
    )  # fmt: skip
    _say_which(order, terms, reason)
    out = {x.line_no: x.quantity for x in left_out}
    kept = [x.listing_id for x in await queries.lines(session, order_id) if x.quantity > out.get(x.line_no, 0)]
    await refuse_uncleared(session, order, kept, now)
    told = await leave_out(session, actor, order, left_out, now)
    units = await queries.units(session, order_id)
    steps: list[Step] = []
    for u in units:
        steps.append(Step(Kind.VOID, u.lot_id, u.quantity, u.position_id, resolves=u.hold_seq))
        steps.append(Step(Kind.HOLD, u.lot_id, u.quantity, u.position_id))
    command = Command(
        command_id("order.accept", order_id), actor.company_id, actor.user_id, tuple(steps), "order", order_id
    )
    holds = [e for e in (await carry_out(session, command, now)).entries if e.kind is Kind.HOLD]
    await execute(
        session,
        "UPDATE order_unit u SET hold_seq = n.new FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) "
        "AS n (lot_id, old, new) WHERE u.order_id = $1 AND u.lot_id = n.lot_id AND u.hold_seq = n.old",
        order_id, [u.lot_id for u in units], [u.hold_seq for u in units], [e.seq for e in holds],
    )  # fmt: skip
    agreement_id = await _offer_agreement(session, actor, order, now, agreed)
    if order.proposed is not None:
        agreement_id = await answer_proposed(session, actor, order, agreement_id, terms or "open", reason, now)
    elif actor.may("agreement.sign"):
        await agreements.sign(session, actor, agreement_id, now)
    await execute(
        session,
        "UPDATE purchase_order SET status = 'accepted', accepted_at = $2, hold_expires_at = NULL, agreement_id = $3 WHERE id = $1",
        order_id, now, agreement_id,
    )  # fmt: skip
    await tell(
        session, actor, order_id, order.seller_id, order.buyer_id, "accepted", {"left_out": told} if told else {}, now
    )
    async with acting_for(session, order.buyer_id):
        people = await parties.people_to_tell(session, order.buyer_id, ("buyer",))
    ask, then = _asks(order, terms)
    await announce(
        session, "order.accepted", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} accepted{ask}", f"{order.seller} accepted your order{' in part: see what is left out and why' if told else ''}. {then}",
    )  # fmt: skip
    return agreement_id


def _asks(order: queries.OrderRow, terms: str | None) -> tuple[str, str]:
    """What the mail to the buyer asks for, in its subject and its text."""
    if order.proposed is None or terms == "posted":
        return ": please sign", "Read and sign the schedule."
    if terms == "proposed":
        return "", "Your terms are signed: both sides have signed."
    return "", "Your terms wait for an answer."


ANSWERS = ("proposed", "posted", "open")
"""What a seller can say to other terms that came with an order."""


def _say_which(order: queries.OrderRow, terms: str | None, reason: str) -> None:
    if order.proposed is None:
        return
    if terms not in ANSWERS:
        raise invalid(
            "order.terms",
            "The buyer proposes other terms. Say 'proposed' to sign those, 'posted' to decline them, or 'open' to go on "
            "negotiating.",
            field="terms",
        )
    if terms == "posted" and not reason.strip():
        raise invalid("order.terms", "Say why you decline the buyer's terms: the buyer reads it.", field="reason")


async def _offer_agreement(
    session: WriteSession, actor: Actor, order: queries.OrderRow, now: datetime, agreed: Sequence[Terms]
) -> UUID:
    release = await listings.release(session, order.release_id)
    named = [NamedClause(t.clause, t.version, dump_terms(t)) for t in agreed] or [
        NamedClause(release.clause, release.version, release.terms),
        *(NamedClause(c["clause"], c["version"], c["terms"]) for c in release.further),
    ]
    rows = await queries.lines(session, order.id)
    keeps = {
        r["id"]: (r["minimum_to_keep"], r["quantity"])
        for r in await fetch(
            session, "SELECT id, minimum_to_keep, quantity FROM listing WHERE id = ANY($1::uuid[])",
            [x.listing_id for x in rows],
        )
    }  # fmt: skip
    site = await parties.site(session, order.ship_to_site_id)
    by_part: dict[UUID, list[tuple[queries.LineRow, int]]] = {}
    for x in rows:
        keep, offered = keeps[x.listing_id]
        # The minimum to keep is the listing's; an order for part of it keeps its share, rounded up.
        share = min(x.quantity, -(-keep * x.quantity // offered)) if offered else 0
        by_part.setdefault(x.part_id, []).append((x, share))
    merged = []
    for part_id, members in by_part.items():
        quantity = sum(x.quantity for x, _ in members)
        # One price per part in a schedule: the average of its lines, weighted by quantity.
        price = sum((x.unit_price * x.quantity for x, _ in members), Decimal(0)) / quantity
        listed = members[0][0].list_price
        merged.append(
            agreements.OfferLine(
                part_id=part_id,
                quantity=quantity,
                sale_price=price.quantize(Decimal("0.0001")),
                list_price=listed,
                minimum_to_keep=sum(share for _, share in members),
            )
        )
    return await agreements.offer(
        session,
        actor_id=actor.user_id,
        order_id=order.id,
        order_reference=order.reference,
        maker_id=order.seller_id,
        holder_id=order.buyer_id,
        clause=named[0].clause,
        version=named[0].version,
        terms=named[0].terms,
        use_class=release.use_class,
        currency=order.currency,
        zone=site.timezone,
        lines=merged,
        now=now,
        units_at=Jurisdiction(site.country, site.region or None),
        further=named[1:],
    )


async def decline(
    session: WriteSession, actor: Actor, order_id: UUID, *, reason: str, note: str, now: datetime
) -> None:
    """The seller declines with a reason; the units are free again, and on offer where the posting is still
    open."""
    if reason not in DECLINE_REASONS:
        raise invalid("order.reason", f"Choose a reason: {', '.join(DECLINE_REASONS)}.", field="reason")
    order = await mine(session, actor, order_id, "seller")
    require_next(order.status, "declined")
    await _undo(session, actor, order, "declined", reason, note, now)
    async with acting_for(session, order.buyer_id):
        people = await parties.people_to_tell(session, order.buyer_id, ("buyer",))
    await announce(
        session, "order.declined", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} declined", f"{order.seller} declined: {DECLINE_REASONS[reason]}. {note}".strip(),
    )  # fmt: skip


async def cancel(
    session: WriteSession, actor: Actor, order_id: UUID, *, note: str, now: datetime, reason: str = "not_needed"
) -> None:
    """The buyer cancels alone, at no cost, until both have signed; the schedule is withdrawn with it. Raises what ``_cancel_alone``
    raises."""
    await _cancel_alone(session, actor, order_id, "buyer", reason, note, now)


async def take_back(
    session: WriteSession, actor: Actor, order_id: UUID, *, reason: str, note: str, now: datetime
) -> None:
    """The seller takes its acceptance back with a reason, at no cost, until both have signed. Raises as ``cancel``."""
    await _cancel_alone(session, actor, order_id, "seller", reason, note, now)


async def _cancel_alone(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    side: Literal["seller", "buyer"],
    reason: str,
    note: str,
    now: datetime,
) -> None:
    """Raises ``order.cancel_reason``, ``order.state``, and ``order.signed`` once it needs the other side; the words say how."""
    order = await mine(session, actor, order_id, side)
    check_code(reason, CANCEL_REASONS, note, what="order.cancel_reason")
    signed = order.agreement_status == "active"
    rule = cancel_rule(order.status, side=side, signed=signed, shipped=order.shipped, left=order.units - order.shipped)
    if rule.how in ("ask", "end_agreement"):
        raise conflict("order.signed", f"{rule.words} Nothing was changed.")
    if rule.how == "never":
        raise conflict("order.state", rule.words, state=order.status)
    await _undo(session, actor, order, "cancelled", reason, note, now)
    who, other, roles = (
        (order.buyer, order.seller_id, ("seller", "planner"))
        if side == "buyer"
        else (order.seller, order.buyer_id, ("buyer",))
    )
    async with acting_for(session, other):
        people = await parties.people_to_tell(session, other, roles)
    await announce(
        session, "order.cancelled", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} cancelled", f"{who} cancelled: {CANCEL_REASONS[reason].lower()}. {note}".strip(),
    )  # fmt: skip


async def expire(session: WriteSession, actor_id: UUID, order_id: UUID, now: datetime) -> bool:
    """Ends an order whose reservation has run out (worker). False when it was answered meanwhile."""
    order = await queries.order_for_update(session, order_id)
    if order.status != "placed" or order.hold_expires_at is None or order.hold_expires_at > now:
        return False
    clock = OnBehalf(actor_id, order.seller_id)
    await _undo(session, clock, order, "expired", "no_answer", "", now)
    people = await parties.people_to_tell(session, order.buyer_id, ("buyer",))
    await announce(
        session, "order.expired", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} was not answered", f"{order.seller} did not answer in time. The units are free again.",
    )  # fmt: skip
    return True


async def end_with_agreement(session: WriteSession, agreement_id: UUID) -> UUID | None:
    """Both sides ended the agreement of an order that has not shipped, or one did for breach: nobody owes its units any more, so they are free again.
    Again changes nothing. Returns the order."""
    rows = await fetch(
        session,
        "SELECT o.id, e.at, e.kind FROM purchase_order o JOIN agreement_event e ON e.subject_id = o.agreement_id "
        "AND e.kind IN ('terminated', 'ended_for_breach') "
        "WHERE o.agreement_id = $1 AND o.status = 'accepted'",
        agreement_id,
    )
    if not rows:
        return None
    order_id, now = rows[0]["id"], rows[0]["at"]
    both = rows[0]["kind"] == "terminated"
    reason, words = ("ended_by_both", "by both sides") if both else ("ended_for_breach", "for breach")
    order = await queries.order_for_update(session, order_id)
    if order.status != "accepted" or order.agreement_status != "terminated":
        return None
    if order.shipments:
        await leave_rest(session, OnBehalf(_CLOCK, order.seller_id), order, reason, "", now)
    else:
        await _undo(session, OnBehalf(_CLOCK, order.seller_id), order, "cancelled", reason, "", now)
    ended = "What has not shipped is cancelled" if order.shipments else "The units are free again"
    for company, roles in ((order.buyer_id, ("buyer",)), (order.seller_id, ("seller", "planner"))):
        async with acting_for(session, company):
            people = await parties.people_to_tell(session, company, roles)
        await announce(
            session, "order.cancelled", order_id, (order.seller_id, order.buyer_id), order.reference, people,
            f"Order {order.reference} cancelled", f"Its agreement was ended {words}. {ended}.",
        )  # fmt: skip
    return order.id


async def _undo(
    session: WriteSession,
    actor: By,
    order: queries.OrderRow,
    status: str,
    reason: str,
    note: str,
    now: datetime,
) -> None:
    """Frees the units, puts them back on offer where their posting is still open, and ends the order."""
    lines = {x.line_no: x for x in await queries.lines(session, order.id)}
    units = await queries.units(session, order.id)
    async with acting_for(session, order.seller_id):
        locked = await listings.listings_for_update(session, [x.listing_id for x in lines.values()])
        # All the lots, also those whose reservation somebody else has ended: what is decided is decided from these.
        await held_lots_for_update(session, [u.lot_id for u in units])
        open_now = {
            (r["lot_id"], r["hold_seq"])
            for r in await fetch(session, "SELECT lot_id, hold_seq FROM open_hold WHERE cause_id = $1", order.id)
        }
        steps = tuple(
            # A reservation past its time can only expire; the ledger does that itself before it looks at the step.
            Step(
                Kind.EXPIRE if order.hold_expires_at and order.hold_expires_at <= now else Kind.VOID,
                u.lot_id, u.quantity, u.position_id, resolves=u.hold_seq,
            )
            for u in units
            if (u.lot_id, u.hold_seq) in open_now
        )  # fmt: skip
        if steps:
            command = Command(
                command_id("order.undo", order.id), order.seller_id, actor.user_id, steps, "order", order.id
            )
            await carry_out(session, command, now)
        await count_ordered(session, [(x.listing_id, -x.quantity) for x in lines.values()])
        back = [(lines[u.line_no].listing_id, Take(u.lot_id, u.position_id, u.quantity)) for u in units]
        await put_back(session, order.seller_id, locked, back, now)
    if order.agreement_id and order.agreement_status != "terminated":
        await agreements.withdraw(session, order.agreement_id, actor, reason, now)
    await execute(
        session,
        "UPDATE purchase_order SET status = $2, reason_code = $3, note = $4, ended_at = $5, hold_expires_at = NULL WHERE id = $1",
        order.id, status, reason, note or None, now,
    )  # fmt: skip
    await tell(session, actor, order.id, order.seller_id, order.buyer_id, status, {"reason": reason, "note": note}, now)
