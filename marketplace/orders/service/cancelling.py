"""What has not left of an order that has shipped in part is cancelled, once both sides agree."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.agreements.phrases import count
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.errors import conflict, forbidden, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import held_lots_for_update
from marketplace.ledger.service import carry_out
from marketplace.listings import queries as listings
from marketplace.listings.quantities import Take
from marketplace.orders import queries
from marketplace.orders.delivery import CANCEL_ANSWERS, CANCEL_REASONS, MOST_NOTE, cancel_rule, check_code, named_units
from marketplace.orders.service.receiving import by_part, coming_under
from marketplace.orders.service.shared import announce, count_ordered, put_back, tell
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor, By

Side = Literal["seller", "buyer"]
VERB: dict[Side, str] = {"buyer": "order.place", "seller": "order.decide"}


def side_of(actor: Actor, order: queries.OrderRow) -> Side:
    """Which side the actor is on, where its role may cancel. Raises ``order.not_found``, ``actor.role``."""
    if actor.company_id not in (order.seller_id, order.buyer_id):
        raise missing("order.not_found", "No such order.")
    side: Side = "seller" if actor.company_id == order.seller_id else "buyer"
    actor.require(VERB[side])
    return side


async def ask_to_cancel(
    session: WriteSession, actor: Actor, order_id: UUID, *, reason: str, note: str, now: datetime
) -> None:
    """One side asks to leave the rest of an order that has shipped in part; the other answers. Raises ``order.cancel_reason``,
    ``order.cancel_rule`` (with the rule in words), ``order.cancel_asked``."""
    order = await queries.order_for_update(session, order_id)
    side = side_of(actor, order)
    check_code(reason, CANCEL_REASONS, note, what="order.cancel_reason")
    rule = cancel_rule(
        order.status,
        side=side,
        signed=order.agreement_status == "active",
        shipped=order.shipped,
        left=order.units - order.shipped,
    )
    if rule.how != "ask":
        raise conflict("order.cancel_rule", rule.words, state=order.status)
    standing = await queries.cancellation(session, order.id)
    if standing is not None and standing.status == "asked":
        who = "You have" if standing.company_id == actor.company_id else f"{standing.company} has"
        raise conflict("order.cancel_asked", f"{who} asked for this already: it waits for an answer.")
    await execute(
        session,
        "INSERT INTO order_cancellation (order_id, seller_id, buyer_id, company_id, reason_code, note, status, asked_by, asked_at) "
        "VALUES ($1,$2,$3,$4,$5,$6,'asked',$7,$8)",
        order.id, order.seller_id, order.buyer_id, actor.company_id, reason, note.strip() or None, actor.user_id, now,
    )  # fmt: skip
    await _told(
        session, actor, order, "cancel_asked", {"reason": reason, "quantity": order.units - order.shipped}, note, now,
        f"asks to cancel what has not shipped: {CANCEL_REASONS[reason].lower()}",
    )  # fmt: skip


async def answer_cancel(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    *,
    answer: str,
    note: str,
    now: datetime,
) -> None:
    """The other side agrees, so that the rest is cancelled, or refuses; whoever asked withdraws (``delivery.CANCEL_ANSWERS``). Raises
    ``order.cancel_answer``, ``order.cancel_not_asked``, ``order.cancel_yours``, ``order.cancel_rule`` where nothing is left by now."""
    order = await queries.order_for_update(session, order_id)
    side_of(actor, order)
    if answer not in CANCEL_ANSWERS:
        raise invalid("order.cancel_answer", f"Choose: {', '.join(CANCEL_ANSWERS)}.", field="answer")
    if len(note) > MOST_NOTE:
        raise invalid("order.cancel_reason", f"Say at most {MOST_NOTE} characters.", field="note")
    standing = await queries.cancellation(session, order.id)
    if standing is None or standing.status != "asked":
        raise conflict("order.cancel_not_asked", "Nobody asks to cancel anything of this order at the moment.")
    if (standing.company_id == actor.company_id) != (answer == "withdraw"):
        raise forbidden(
            "order.cancel_yours",
            "Your own company asked: the other side answers." if answer != "withdraw" else "Only who asked withdraws.",
        )
    became = CANCEL_ANSWERS[answer]
    await execute(
        session, "UPDATE order_cancellation SET status = $2, answered_by = $3, answered_at = $4, answer_note = $5 WHERE id = $1",
        standing.id, became, actor.user_id, now, note.strip() or None,
    )  # fmt: skip
    if answer == "agree":
        if order.status != "accepted" or not order.units - order.shipped:
            raise conflict(
                "order.cancel_rule",
                "All of it has shipped meanwhile: there is nothing left to cancel.",
                state=order.status,
            )
        await leave_rest(session, actor, order, standing.reason_code, note, now)
        words = "agreed: what had not shipped is cancelled"
    else:
        await tell(
            session, actor, order.id, order.seller_id, order.buyer_id, f"cancel_{became}", {"note": note.strip()}, now
        )
        words = "goes on with the order" if answer == "refuse" else "withdrew its wish to cancel the rest"
    await _mail(session, actor, order, words, note)


async def leave_rest(
    session: WriteSession, by: By, order: queries.OrderRow, reason: str, note: str, now: datetime
) -> None:
    """What has not left of the locked order is free again, and on offer where the posting is still open; the order is for what has
    shipped. What was signed stays as it is, and counts as not accepted."""
    lines = {x.line_no: x for x in await queries.lines(session, order.id)}
    rest = [u for u in await queries.units(session, order.id) if u.shipment_id is None]
    out: dict[int, int] = {}
    for u in rest:
        out[u.line_no] = out.get(u.line_no, 0) + u.quantity
    async with acting_for(session, order.seller_id):
        locked = await listings.listings_for_update(session, [lines[n].listing_id for n in out])
        await held_lots_for_update(session, [u.lot_id for u in rest])
        steps = tuple(Step(Kind.VOID, u.lot_id, u.quantity, u.position_id, resolves=u.hold_seq) for u in rest)
        key = command_id("order.rest", order.id, *((u.lot_id, u.hold_seq) for u in rest))
        await carry_out(session, Command(key, order.seller_id, by.user_id, steps, "order", order.id), now)
        agreement = await coming_under(session, order)
        if agreement:
            await agreements.note_not_accepted(session, agreement, by_part(lines, out))
        await execute(
            session,
            "UPDATE order_unit SET quantity = 0 WHERE order_id = $1 AND shipment_id IS NULL AND quantity > 0",
            order.id,
        )
        await execute(
            session,
            "UPDATE order_line x SET quantity = x.quantity - n.out, left_out = x.left_out + n.out, "
            "left_out_reason = coalesce(x.left_out_reason, $4), left_out_note = coalesce(x.left_out_note, $5) "
            "FROM unnest($2::int[], $3::int[]) AS n (line_no, out) WHERE x.order_id = $1 AND x.line_no = n.line_no",
            order.id, list(out), list(out.values()), reason, note.strip() or None,
        )  # fmt: skip
        await count_ordered(session, [(lines[n].listing_id, -q) for n, q in out.items()])
        back = [(lines[u.line_no].listing_id, Take(u.lot_id, u.position_id, u.quantity)) for u in rest]
        await put_back(session, order.seller_id, locked, back, now)
    await execute(
        session,
        "UPDATE purchase_order o SET status = CASE WHEN w.open THEN 'shipped' ELSE 'received' END, shipped_at = coalesce(o.shipped_at, $2), "
        "received_at = CASE WHEN w.open THEN NULL ELSE $2 END, ended_at = CASE WHEN w.open THEN NULL ELSE $2 END "
        "FROM (SELECT count(*) FILTER (WHERE received_at IS NULL) > 0 AS open FROM order_shipment WHERE order_id = $1) w WHERE o.id = $1",
        order.id, now,
    )  # fmt: skip
    told = {
        "reason": reason, "note": note.strip(), "what": named_units([(lines[n].part_number, q) for n, q in out.items()]),
        "quantity": sum(out.values()),
    }  # fmt: skip
    await tell(session, by, order.id, order.seller_id, order.buyer_id, "rest_cancelled", told, now)


async def _told(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    kind: str,
    more: dict[str, object],
    note: str,
    now: datetime,
    words: str,
) -> None:
    await tell(session, actor, order.id, order.seller_id, order.buyer_id, kind, {**more, "note": note.strip()}, now)
    await _mail(session, actor, order, words, note)


async def _mail(session: WriteSession, actor: Actor, order: queries.OrderRow, words: str, note: str) -> None:
    selling = actor.company_id == order.seller_id
    other, roles = (order.buyer_id, ("buyer",)) if selling else (order.seller_id, ("seller", "planner"))
    async with acting_for(session, other):
        people = await parties.people_to_tell(session, other, roles)
    left = count(order.units - order.shipped, "unit")
    await announce(
        session, "order.cancellation", order.id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference}: cancelling the rest ({left})", f"{actor.company_name} {words}. {note.strip()}".strip(),
    )  # fmt: skip
