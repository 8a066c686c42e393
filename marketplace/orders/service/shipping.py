"""The seller ships: all of an order, or part of it in one of several shipments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.agreements.phrases import count
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.consignment import Consignment, require_change
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import carry_out
from marketplace.orders import queries
from marketplace.orders.delivery import MOST_SHIPMENTS, Packed, Portion
from marketplace.orders.service.shared import announce, mine, moved, refuse_uncleared, tell
from marketplace.orders.states import WORDS
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor

Chosen = list[tuple[queries.UnitRow, int]]
"""(unit, how many of it)."""


async def ship(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    consignment: Consignment,
    now: datetime,
    *,
    portions: Sequence[Portion] = (),
    packed: Packed = Packed(),  # noqa: B008 - frozen
) -> UUID:
    """The seller ships ``portions`` of an order, or (none named) all that has not left: those units go into transit, and the rest
    stays reserved. An anonymous or batch lot is split first, so that the buyer gets a lot of its own. Returns the shipment. Whoever
    comes second for the same last units is told how many are left.

    Raises ``order.unsigned`` until both have signed, ``order.state``, ``shipment.nothing_left``, ``shipment.not_left``,
    ``shipment.which`` (serial-numbered units that are not named), ``shipment.packed``, ``order.not_cleared``, and ``agreement.legal_hold`` while the
    schedule is under legal hold.
    """
    order = await mine(session, actor, order_id, "seller")
    if order.status != "accepted":
        raise conflict(
            "order.state", f"This order is {WORDS[order.status]}; it cannot be shipped now.", state=order.status
        )
    if order.agreement_status != "active":
        raise conflict("order.unsigned", "Ship once both sides have signed the schedule; a signature is missing.")
    packed.check()
    if order.shipments >= MOST_SHIPMENTS:
        raise conflict("shipment.too_many", f"An order has at most {MOST_SHIPMENTS} shipments; send the rest together.")
    waiting = [u for u in await queries.units(session, order_id) if u.shipment_id is None]
    lines = await queries.lines(session, order_id)
    chosen = _chosen(portions, lines, waiting)
    leaving = {u.line_no for u, _ in chosen}
    await refuse_uncleared(session, order, [x.listing_id for x in lines if x.line_no in leaving], now)
    number = order.shipments + 1
    shipment_id: UUID = await fetch_value(
        session,
        "INSERT INTO order_shipment (order_id, number, seller_id, buyer_id, carrier, tracking, packages, weight_grams, origin, note, "
        "shipped_by, shipped_at) SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM order_shipment "
        "WHERE order_id = $1 RETURNING id",
        order_id, order.seller_id, order.buyer_id, consignment.carrier, consignment.tracking, packed.packages, packed.weight_grams,
        packed.origin, packed.note.strip() or None, actor.user_id, now,
    )  # fmt: skip
    sites = await _send(session, actor, order_id, shipment_id, chosen, now)
    if order.agreement_id is not None:
        await agreements.require_live(session, order.agreement_id)
        await agreements.note_export(session, order.agreement_id, sites, order.ship_to_site_id, now)
    all_gone = sum(n for _, n in chosen) == sum(u.quantity for u in waiting)
    await execute(
        session,
        "UPDATE purchase_order SET status = CASE WHEN $5 THEN 'shipped' ELSE status END, shipped_at = CASE WHEN $5 THEN $2 ELSE shipped_at END, "
        "carrier = $3, tracking = $4 WHERE id = $1",
        order_id, now, consignment.carrier, consignment.tracking, all_gone,
    )  # fmt: skip
    if all_gone:
        await _nothing_to_cancel(session, actor, order, now)
    sent = sum(n for _, n in chosen)
    partly = {} if all_gone and number == 1 else {
        "shipment": number, "quantity": sent, "left": sum(u.quantity for u in waiting) - sent,
    }  # fmt: skip
    await tell(
        session, actor, order_id, order.seller_id, order.buyer_id, "shipped", {**consignment.detail(), **partly}, now
    )
    async with acting_for(session, order.buyer_id):
        people = await parties.people_to_tell(session, order.buyer_id, ("buyer", "warehouse"))
    part = f" Shipment {number}: {count(sent, 'unit')}, {partly['left'] or 'nothing'} still to come." if partly else ""
    await announce(
        session, "order.shipped", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} is on its way", f"{order.seller} shipped: {consignment.words()}.{part}",
    )  # fmt: skip
    return shipment_id


async def _nothing_to_cancel(session: WriteSession, actor: Actor, order: queries.OrderRow, now: datetime) -> None:
    """A wish to cancel the rest ends when the seller ships the rest: its own is withdrawn, the buyer's refused by that."""
    asked = await queries.cancellation(session, order.id)
    if asked is None or asked.status != "asked":
        return
    became = "withdrawn" if asked.company_id == order.seller_id else "refused"
    note = "The rest was shipped."
    await execute(
        session, "UPDATE order_cancellation SET status = $2, answered_by = $3, answered_at = $4, answer_note = $5 WHERE id = $1",
        asked.id, became, actor.user_id, now, note,
    )  # fmt: skip
    await tell(session, actor, order.id, order.seller_id, order.buyer_id, f"cancel_{became}", {"note": note}, now)


async def _send(
    session: WriteSession, actor: Actor, order_id: UUID, shipment_id: UUID, chosen: Chosen, now: datetime
) -> set[UUID]:
    """Moves the units into transit in the ledger and says of each row by which shipment it left; what is left of a row becomes a row
    of its own with the reservation that goes on. Returns the sites that they left."""
    at_now = await places(session, [(u.lot_id, u.position_id) for u, _ in chosen])
    steps: list[Step] = []
    travels: list[UUID] = []
    for u, n in chosen:
        transit = moved(at_now[u.lot_id, u.position_id], site=None)
        if u.serial is not None:
            steps.append(
                Step(Kind.POST, u.lot_id, 1, u.position_id, to=transit, purpose=Kind.SHIP, resolves=u.hold_seq)
            )
            travels.append(u.lot_id)
            continue
        child = command_id("order.child", order_id, u.lot_id, u.hold_seq)
        steps.append(
            Step(
                Kind.POST,
                u.lot_id,
                n,
                u.position_id,
                purpose=Kind.SPLIT,
                resolves=u.hold_seq,
                child=child,
                keep_rest=n < u.quantity,
            )
        )
        steps.append(Step(Kind.SHIP, child, n, 1, to=transit))
        travels.append(child)
    command = Command(
        command_id("order.ship", shipment_id), actor.company_id, actor.user_id, tuple(steps), "order", order_id
    )
    entries = (await carry_out(session, command, now)).entries
    landed = {e.lot_id: e.to_position for e in entries if e.to_position}
    holds = iter([e.seq for e in entries if e.kind is Kind.HOLD])
    await execute(
        session,
        "UPDATE order_unit u SET shipped_lot_id = n.child, shipped_position_id = n.number, quantity = n.quantity, shipment_id = $2 "
        "FROM unnest($3::int[], $4::uuid[], $5::bigint[], $6::uuid[], $7::int[], $8::int[]) AS n (line_no, lot_id, hold_seq, child, number, quantity) "
        "WHERE u.order_id = $1 AND u.line_no = n.line_no AND u.lot_id = n.lot_id AND u.hold_seq = n.hold_seq",
        order_id, shipment_id, [u.line_no for u, _ in chosen], [u.lot_id for u, _ in chosen], [u.hold_seq for u, _ in chosen],
        travels, [landed[child] for child in travels], [n for _, n in chosen],
    )  # fmt: skip
    rest = [(u, u.quantity - n, next(holds)) for u, n in chosen if n < u.quantity]
    if rest:
        await reserve_again(session, order_id, [(u.line_no, u.lot_id, hold, u.position_id, n) for u, n, hold in rest])
    return {place.site for place in at_now.values() if place.site is not None}


async def reserve_again(session: WriteSession, order_id: UUID, rows: Sequence[tuple[int, UUID, int, int, int]]) -> None:
    """Rows (line, lot, reservation, position, quantity) of units of an order that are reserved and have not shipped."""
    await execute(
        session,
        "INSERT INTO order_unit (order_id, line_no, lot_id, hold_seq, seller_id, buyer_id, position_id, quantity) "
        "SELECT o.id, n.line_no, n.lot_id, n.hold_seq, o.seller_id, o.buyer_id, n.position_id, n.quantity FROM purchase_order o, "
        "unnest($2::int[], $3::uuid[], $4::bigint[], $5::int[], $6::int[]) AS n (line_no, lot_id, hold_seq, position_id, quantity) "
        "WHERE o.id = $1",
        order_id, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows], [r[4] for r in rows],
    )  # fmt: skip


def _chosen(
    portions: Sequence[Portion], lines: Sequence[queries.LineRow], waiting: Sequence[queries.UnitRow]
) -> Chosen:
    """Which units travel: of a portion those that it names, and of the others, which nobody can tell apart, so many in their order."""
    if not waiting:
        raise conflict(
            "shipment.nothing_left", "Nothing of this order is left to ship: somebody has shipped the rest already."
        )
    if not portions:
        return [(u, u.quantity) for u in waiting]
    known = {x.line_no: x.part_number for x in lines}
    if len({p.line_no for p in portions}) != len(portions) or any(p.line_no not in known for p in portions):
        raise invalid("shipment.lines", "Name each line of the order at most once.", field="lines")
    found: Chosen = []
    for index, p in enumerate(portions):
        field, of = f"lines.{index}", f"Line {p.line_no} ({known[p.line_no]})"
        own = [u for u in waiting if u.line_no == p.line_no]
        left = sum(u.quantity for u in own)
        if not 0 <= p.quantity <= 1_000_000_000 or len(p.serials) > p.quantity:
            raise invalid(
                "shipment.quantity", f"{of}: ship zero or more, and at least as many as you name.", field=field
            )
        if p.quantity > left:
            raise conflict(
                "shipment.not_left", f"{of}: only {left:,} are left to ship, not {p.quantity:,}. Nothing was shipped; look at the order again.",
                field=field, left=left,
            )  # fmt: skip
        found += _of_line(p, own, left, of, field)
    if not found:
        raise invalid("shipment.empty", "Ship at least one unit.", field="lines")
    return found


def _of_line(p: Portion, own: Sequence[queries.UnitRow], left: int, of: str, field: str) -> Chosen:
    if p.quantity == left:
        return [(u, u.quantity) for u in own]
    numbered = {name: u for u in own if u.serial for name in (u.serial, str(u.lot_id))}
    found: Chosen = []
    for name in p.serials:
        unit = numbered.get(name.strip())
        if unit is None or any(u is unit for u, _ in found):
            raise conflict(
                "shipment.serial", f"{of}: {name[:40]} is not among the units that are left to ship, or is named twice. Nothing was shipped.",
                field=field,
            )  # fmt: skip
        found.append((unit, 1))
    wanted = p.quantity - len(found)
    loose = [u for u in own if u.serial is None]
    if wanted > sum(u.quantity for u in loose):
        raise invalid(
            "shipment.which",
            f"{of} has serial-numbered units: say which of them travel, by serial number.",
            field=field,
        )
    for unit in loose:
        part = min(wanted, unit.quantity)
        if part:
            found.append((unit, part))
            wanted -= part
    return found


async def correct_shipment(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    consignment: Consignment,
    now: datetime,
    shipment_id: UUID | None = None,
) -> None:
    """The seller corrects carrier and tracking number of a shipment on its way (the last one, unless it is named). What was said
    before stays in the order's story. Raises ``order.state``, ``shipment.not_found``, ``shipment.same``."""
    order = await mine(session, actor, order_id, "seller")
    found = await on_the_way(session, order, shipment_id)
    require_change(Consignment(found.carrier, found.tracking), consignment)
    await execute(
        session, "UPDATE order_shipment SET carrier = $2, tracking = $3 WHERE id = $1",
        found.id, consignment.carrier, consignment.tracking,
    )  # fmt: skip
    if found.number == order.shipments:
        await execute(
            session, "UPDATE purchase_order SET carrier = $2, tracking = $3 WHERE id = $1",
            order_id, consignment.carrier, consignment.tracking,
        )  # fmt: skip
    which = {"shipment": found.number} if order.shipments > 1 else {}
    await tell(
        session,
        actor,
        order_id,
        order.seller_id,
        order.buyer_id,
        "shipment_corrected",
        {**consignment.detail(), **which},
        now,
    )
    async with acting_for(session, order.buyer_id):
        people = await parties.people_to_tell(session, order.buyer_id, ("buyer", "warehouse"))
    await announce(
        session, "order.shipped", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference}: how it travels was corrected", f"{order.seller} now says: {consignment.words()}.",
    )  # fmt: skip


async def on_the_way(session: WriteSession, order: queries.OrderRow, shipment_id: UUID | None) -> queries.ShipmentRow:
    """A shipment of the locked order that nobody has received yet: the one named, else the last one. Raises ``order.state``,
    ``shipment.not_found``, ``shipment.received``."""
    found = await queries.shipments(session, order.id)
    if shipment_id is not None:
        named = next((s for s in found if s.id == shipment_id), None)
        if named is None:
            raise missing("shipment.not_found", "This order has no such shipment.")
        if named.received_at is not None:
            raise conflict("shipment.received", f"Shipment {named.number} was received already; nothing was changed.")
        return named
    waiting = [s for s in found if s.received_at is None]
    if not waiting:
        raise conflict(
            "order.state", f"This order is {WORDS[order.status]}; nothing of it is on its way.", state=order.status
        )
    return waiting[-1]
