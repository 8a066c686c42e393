"""The verbs of orders: place, accept, decline, cancel, sign, ship, receive. Each step moves the ledger.

A buyer may not touch a seller's units, yet an order must reserve them at once: the published listing is the
seller's standing offer, and only on its strength does an order act for the seller (``acting_for``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.db.session import WriteSession, acting_for, execute, fetch, fetch_value
from marketplace.kit.canonical import encode
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import command_id, short_reference
from marketplace.ledger.entries import Command, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.listings import queries as listings
from marketplace.listings.quantities import Take, take, wrong_quantity
from marketplace.orders import queries
from marketplace.orders.states import DECLINE_REASONS, Receipt, require_next
from marketplace.outbox.service import emit
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parties.service import know_each_other

MAX_LINES = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """One line to order: so many of a listing, under the buyer's own line number."""

    listing_id: UUID
    quantity: int
    po_line: str | None = None


async def place(
    session: WriteSession,
    actor: Actor,
    *,
    lines: Sequence[Wanted],
    po_number: str,
    ship_to_site_id: UUID,
    requested_on: date | None,
    hold_hours: int,
    now: datetime,
) -> UUID:
    """Places an order and reserves its units in the same transaction, until ``hold_hours`` from now.

    All lines come from one release. Raises ``order.empty``, ``order.mixed``, ``order.own``, ``order.site``,
    ``listing.sold_out``, ``listing.not_enough``, ``order.minimum``, ``order.package``.
    """
    if not lines or len(lines) > MAX_LINES:
        raise invalid("order.empty", f"An order has 1 to {MAX_LINES} lines.", field="lines")
    if len({x.listing_id for x in lines}) != len(lines):
        raise invalid("order.repeated", "A listing stands twice in this order: add the quantities up.", field="lines")
    if not po_number.strip() or len(po_number) > 60:
        raise invalid("order.po_number", "Give your purchase order number (at most 60 characters).", field="po_number")
    if requested_on is not None and requested_on < now.date():
        raise invalid("order.requested_on", "The requested date lies in the past.", field="requested_on")
    site = await parties.own_site(session, actor, ship_to_site_id)
    seen = [await listings.listing(session, x.listing_id) for x in lines]
    if len({x.release_id for x in seen}) > 1:
        raise invalid("order.mixed", "These lines are from different postings. Make one order for each.", field="lines")
    seller = seen[0].seller_id
    if seller == actor.company_id:
        raise invalid("order.own", "This is your own listing.", field="lines")
    order_id: UUID = await fetch_value(session, "SELECT uuidv7()")
    until = now + timedelta(hours=hold_hours)
    async with acting_for(session, seller):
        taken = await _reserve(session, actor, order_id, seller, lines, until, now)
        await know_each_other(session, seller, actor.company_id)
        people = await parties.people_to_tell(session, seller, ("seller", "planner"))
    reference = short_reference("ORD")
    await execute(
        session,
        "INSERT INTO purchase_order (id, reference, release_id, seller_id, buyer_id, status, currency, po_number, "
        "ship_to_site_id, requested_on, hold_expires_at, placed_by, placed_at) "
        "VALUES ($1,$2,$3,$4,$5,'placed',$6,$7,$8,$9,$10,$11,$12)",
        order_id, reference, seen[0].release_id, seller, actor.company_id, seen[0].currency, po_number.strip(),
        ship_to_site_id, requested_on, until, actor.user_id, now,
    )  # fmt: skip
    for number, (line, listing) in enumerate(zip(lines, seen, strict=True), 1):
        await execute(
            session,
            "INSERT INTO order_line (order_id, line_no, seller_id, buyer_id, listing_id, part_id, condition, quantity, "
            "unit_price, po_line) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)",
            order_id, number, seller, actor.company_id, listing.id, listing.part_id, listing.condition, line.quantity,
            listing.unit_price, line.po_line,
        )  # fmt: skip
    await execute(
        session,
        "INSERT INTO order_unit (order_id, line_no, lot_id, hold_seq, seller_id, buyer_id, position_id, quantity) "
        "SELECT $1, u.line_no, u.lot_id, u.hold_seq, $2, $3, u.position_id, u.quantity "
        "FROM unnest($4::int[], $5::uuid[], $6::bigint[], $7::int[], $8::int[]) "
        "AS u (line_no, lot_id, hold_seq, position_id, quantity)",
        order_id, seller, actor.company_id, [n for n, _, _ in taken], [t.lot_id for _, t, _ in taken],
        [seq for _, _, seq in taken], [t.position_id for _, t, _ in taken], [t.quantity for _, t, _ in taken],
    )  # fmt: skip
    text = f"{actor.company_name} ordered {sum(x.quantity for x in lines)} units, for {site.name}. Answer by {until:%d %b %Y %H:%M} UTC."
    await _tell(session, actor, order_id, seller, actor.company_id, "placed", {"po_number": po_number}, now)
    await _announce(
        session, "order.placed", order_id, (seller, actor.company_id), reference, people, f"New order {reference}", text
    )
    return order_id


async def _reserve(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    seller: UUID,
    lines: Sequence[Wanted],
    until: datetime,
    now: datetime,
) -> list[tuple[int, Take, int]]:
    """Locks the listings, chooses the units and reserves them: (line number, what, reservation)."""
    locked = {x.id: x for x in await listings.listings_for_update(session, [x.listing_id for x in lines])}
    behind = await listings.backing(session, [x.listing_id for x in lines], now)
    chosen: list[tuple[int, Take]] = []
    for number, line in enumerate(lines, 1):
        listing = locked.get(line.listing_id)
        if listing is None or not listing.published:
            raise missing("listing.not_found", "This listing was withdrawn. Nothing was ordered.")
        free = sum(min(b.quantity, b.free) for b in behind[listing.id])
        refusal = wrong_quantity(
            line.quantity,
            available=min(listing.available, free),
            minimum=listing.minimum_quantity,
            package=listing.package_quantity,
            uom=listing.uom,
        )
        if refusal:
            raise refusal
        taken = take(behind[listing.id], line.quantity)
        if taken is None:
            raise conflict("listing.sold_out", "This was just sold out. Nothing was ordered.", field="quantity")
        chosen.extend((number, t) for t in taken)
        await execute(session, "UPDATE listing SET ordered = ordered + $2 WHERE id = $1", listing.id, line.quantity)
        await _move_backing(session, listing.id, seller, taken, -1)
    steps = tuple(Step(Kind.HOLD, t.lot_id, t.quantity, t.position_id, expires_at=until) for _, t in chosen)
    command = Command(command_id("order.place", order_id), seller, actor.user_id, steps, "order", order_id)
    holds = [e for e in (await carry_out(session, command, now)).entries if e.kind is Kind.HOLD]
    return [(number, t, e.seq) for (number, t), e in zip(chosen, holds, strict=True)]


async def _move_backing(
    session: WriteSession, listing_id: UUID, company: UUID, taken: Sequence[Take], sign: int
) -> None:
    """Takes ordered units out of the lots behind a listing (-1), or puts them back (+1)."""
    ids, numbers = [t.lot_id for t in taken], [t.position_id for t in taken]
    counts = [t.quantity for t in taken]
    if sign > 0:
        await execute(
            session,
            "INSERT INTO listing_lot AS b (listing_id, lot_id, position_id, company_id, quantity) "
            "SELECT $1, t.lot_id, t.position_id, $2, sum(t.quantity) FROM unnest($3::uuid[], $4::int[], $5::int[]) "
            "AS t (lot_id, position_id, quantity) GROUP BY 2, 3 "
            "ON CONFLICT (listing_id, lot_id, position_id) DO UPDATE SET quantity = b.quantity + excluded.quantity",
            listing_id, company, ids, numbers, counts,
        )  # fmt: skip
        return
    await execute(
        session,
        "DELETE FROM listing_lot b USING unnest($2::uuid[], $3::int[], $4::int[]) AS t (lot_id, position_id, quantity) "
        "WHERE b.listing_id = $1 AND b.lot_id = t.lot_id AND b.position_id = t.position_id AND b.quantity = t.quantity",
        listing_id, ids, numbers, counts,
    )  # fmt: skip
    await execute(
        session,
        "UPDATE listing_lot b SET quantity = b.quantity - t.quantity "
        "FROM unnest($2::uuid[], $3::int[], $4::int[]) AS t (lot_id, position_id, quantity) "
        "WHERE b.listing_id = $1 AND b.lot_id = t.lot_id AND b.position_id = t.position_id AND b.quantity > t.quantity",
        listing_id, ids, numbers, counts,
    )  # fmt: skip


async def accept(session: WriteSession, actor: Actor, order_id: UUID, now: datetime) -> UUID:
    """The seller accepts: the reservation no longer runs out, and the schedule is offered to both for signature.
    Returns the agreement's id. Raises ``ledger.hold_expired`` when the reservation ran out a moment ago."""
    order = await _mine(session, actor, order_id, "seller")
    require_next(order.status, "accepted")
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
    agreement_id = await _offer_agreement(session, actor, order, now)
    await execute(
        session,
        "UPDATE purchase_order SET status = 'accepted', accepted_at = $2, hold_expires_at = NULL, agreement_id = $3 WHERE id = $1",
        order_id, now, agreement_id,
    )  # fmt: skip
    await agreements.sign(session, actor, agreement_id, now)
    await _tell(session, actor, order_id, order.seller_id, order.buyer_id, "accepted", {}, now)
    async with acting_for(session, order.buyer_id):
        people = await parties.people_to_tell(session, order.buyer_id, ("buyer",))
    await _announce(
        session, "order.accepted", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} accepted: please sign", f"{order.seller} accepted your order. Read and sign the schedule.",
    )  # fmt: skip
    return agreement_id


async def _offer_agreement(session: WriteSession, actor: Actor, order: queries.OrderRow, now: datetime) -> UUID:
    release = await listings.release(session, order.release_id)
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
        clause=release.clause,
        version=release.version,
        terms=release.terms,
        use_class=release.use_class,
        currency=order.currency,
        zone=site.timezone,
        schedule_date=now.date(),
        lines=merged,
        now=now,
    )


async def decline(
    session: WriteSession, actor: Actor, order_id: UUID, *, reason: str, note: str, now: datetime
) -> None:
    """The seller declines with a reason; the units are free again and on offer as before."""
    if reason not in DECLINE_REASONS:
        raise invalid("order.reason", f"Choose a reason: {', '.join(DECLINE_REASONS)}.", field="reason")
    order = await _mine(session, actor, order_id, "seller")
    require_next(order.status, "declined")
    await _undo(session, actor, order, "declined", reason, note, now)
    async with acting_for(session, order.buyer_id):
        people = await parties.people_to_tell(session, order.buyer_id, ("buyer",))
    await _announce(
        session, "order.declined", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} declined", f"{order.seller} declined: {DECLINE_REASONS[reason]}. {note}".strip(),
    )  # fmt: skip


async def cancel(session: WriteSession, actor: Actor, order_id: UUID, *, note: str, now: datetime) -> None:
    """The buyer cancels, at no cost until both have signed; after that only before shipping, and the schedule is
    withdrawn with it."""
    order = await _mine(session, actor, order_id, "buyer")
    require_next(order.status, "cancelled")
    if order.agreement_status == "active":
        raise conflict(
            "order.signed", "Both sides have signed. Ask the seller to agree on a cancellation; nothing was changed."
        )
    await _undo(session, actor, order, "cancelled", "buyer", note, now)
    async with acting_for(session, order.seller_id):
        people = await parties.people_to_tell(session, order.seller_id, ("seller", "planner"))
    await _announce(
        session, "order.cancelled", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} cancelled", f"{order.buyer} cancelled. {note}".strip(),
    )  # fmt: skip


async def expire(session: WriteSession, actor_id: UUID, order_id: UUID, now: datetime) -> bool:
    """Ends an order whose reservation has run out (worker). False when it was answered meanwhile."""
    order = await queries.order_for_update(session, order_id)
    if order.status != "placed" or order.hold_expires_at is None or order.hold_expires_at > now:
        return False
    clock = _Clock(actor_id, order.seller_id)
    await _undo(session, clock, order, "expired", "no_answer", "", now)
    people = await parties.people_to_tell(session, order.buyer_id, ("buyer",))
    await _announce(
        session, "order.expired", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} was not answered", f"{order.seller} did not answer in time. The units are free again.",
    )  # fmt: skip
    return True


@dataclass(frozen=True, slots=True)
class _Clock:
    """The clock as an actor: it acts where the one who should have acted did not."""

    user_id: UUID
    company_id: UUID


async def _undo(
    session: WriteSession,
    actor: Actor | _Clock,
    order: queries.OrderRow,
    status: str,
    reason: str,
    note: str,
    now: datetime,
) -> None:
    """Frees the units, puts them back on offer, and ends the order."""
    lines = {x.line_no: x for x in await queries.lines(session, order.id)}
    units = await queries.units(session, order.id)
    async with acting_for(session, order.seller_id):
        await listings.listings_for_update(session, [x.listing_id for x in lines.values()])
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
        for line in lines.values():
            back = [Take(u.lot_id, u.position_id, u.quantity) for u in units if u.line_no == line.line_no]
            await execute(
                session, "UPDATE listing SET ordered = ordered - $2 WHERE id = $1", line.listing_id, line.quantity
            )
            await _move_backing(session, line.listing_id, order.seller_id, back, +1)
    if order.agreement_id:
        await agreements.withdraw(session, order.agreement_id, actor, reason, now)
    await execute(
        session,
        "UPDATE purchase_order SET status = $2, reason_code = $3, note = $4, ended_at = $5, hold_expires_at = NULL WHERE id = $1",
        order.id, status, reason, note or None, now,
    )  # fmt: skip
    await _tell(
        session, actor, order.id, order.seller_id, order.buyer_id, status, {"reason": reason, "note": note}, now
    )


async def ship(
    session: WriteSession, actor: Actor, order_id: UUID, *, carrier: str, tracking: str, now: datetime
) -> None:
    """The seller ships: every reserved unit goes into transit. An anonymous or batch lot is split first, so that
    the buyer gets a lot of its own. Raises ``order.unsigned`` until both have signed."""
    order = await _mine(session, actor, order_id, "seller")
    require_next(order.status, "shipped")
    if order.agreement_status != "active":
        raise conflict("order.unsigned", "Ship once both sides have signed the schedule; a signature is missing.")
    units = await queries.units(session, order_id)
    places = await _places(session, [(u.lot_id, u.position_id) for u in units])
    steps: list[Step] = []
    children: dict[tuple[UUID, int], UUID] = {}
    for u in units:
        place_now = places[u.lot_id, u.position_id]
        transit = _moved(place_now, site=None)
        if u.serial is not None:
            steps.append(
                Step(Kind.POST, u.lot_id, 1, u.position_id, to=transit, purpose=Kind.SHIP, resolves=u.hold_seq)
            )
            children[u.lot_id, u.hold_seq] = u.lot_id
        else:
            child = command_id("order.child", order_id, u.lot_id, u.hold_seq)
            steps.append(
                Step(
                    Kind.POST, u.lot_id, u.quantity, u.position_id, purpose=Kind.SPLIT, resolves=u.hold_seq, child=child
                )
            )
            steps.append(Step(Kind.SHIP, child, u.quantity, 1, to=transit))
            children[u.lot_id, u.hold_seq] = child
    command = Command(
        command_id("order.ship", order_id), actor.company_id, actor.user_id, tuple(steps), "order", order_id
    )
    shipped = {e.lot_id: e.to_position for e in (await carry_out(session, command, now)).entries if e.to_position}
    travelling = [children[u.lot_id, u.hold_seq] for u in units]
    await execute(
        session,
        "UPDATE order_unit u SET shipped_lot_id = n.child, shipped_position_id = n.number "
        "FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::int[]) AS n (lot_id, hold_seq, child, number) "
        "WHERE u.order_id = $1 AND u.lot_id = n.lot_id AND u.hold_seq = n.hold_seq",
        order_id, [u.lot_id for u in units], [u.hold_seq for u in units], travelling,
        [shipped[child] for child in travelling],
    )  # fmt: skip
    await execute(
        session,
        "UPDATE purchase_order SET status = 'shipped', shipped_at = $2, carrier = $3, tracking = $4 WHERE id = $1",
        order_id, now, carrier.strip() or None, tracking.strip() or None,
    )  # fmt: skip
    await _tell(
        session,
        actor,
        order_id,
        order.seller_id,
        order.buyer_id,
        "shipped",
        {"carrier": carrier, "tracking": tracking},
        now,
    )
    async with acting_for(session, order.buyer_id):
        people = await parties.people_to_tell(session, order.buyer_id, ("buyer", "warehouse"))
    await _announce(
        session, "order.shipped", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} is on its way", f"{order.seller} shipped with {carrier or 'their carrier'} {tracking}.".strip(),
    )  # fmt: skip


async def receive(
    session: WriteSession, actor: Actor, order_id: UUID, receipts: Sequence[Receipt], now: datetime
) -> None:
    """The buyer receives: per line good, short, damaged, wrong part. Good units change title and come under the
    agreement; damaged and wrong ones stay the seller's in the buyer's custody; short ones are recorded as lost on
    the way, without saying by whose fault."""
    order = await _mine(session, actor, order_id, "buyer")
    require_next(order.status, "received")
    lines = {x.line_no: x for x in await queries.lines(session, order_id)}
    given = {r.line_no: r for r in receipts}
    if set(given) != set(lines):
        raise invalid("order.receipt_lines", "Say for every line what arrived.", field="lines")
    for number, receipt in given.items():
        receipt.check(lines[number].quantity)
    units = await queries.units(session, order_id)
    arriving: list[Step] = []
    keeping: list[Step] = []
    agreement = order.agreement_id
    async with acting_for(session, order.seller_id):
        places = await _places(session, [(u.shipped_lot_id, u.shipped_position_id) for u in units])
        for number, receipt in given.items():
            mine = [u for u in units if u.line_no == number]
            for outcome, u, count in _spread(receipt.outcomes(), mine):
                lot, at = u.shipped_lot_id, u.shipped_position_id
                assert lot is not None and at is not None  # noqa: S101, PT018 - set when it was shipped
                reason = None if outcome == "good" else f"receipt_{outcome}"
                if outcome == "short":
                    arriving.append(Step(Kind.LOSE, lot, count, at, reason=reason, note=receipt.note or None))
                    continue
                here = _moved(places[lot, at], site=order.ship_to_site_id, holder=order.buyer_id)
                arriving.append(
                    Step(
                        Kind.RECEIVE,
                        lot,
                        count,
                        at,
                        to=here,
                        reason=reason,
                        note=receipt.note or None if reason else None,
                    )
                )
                if outcome == "good":
                    owned = _moved(here, owner=order.buyer_id)
                    keeping.append(Step(Kind.TITLE, lot, count, at=here, to=owned))
                    bound = _moved(owned, agreement=agreement, beneficiary=order.seller_id)
                    keeping.append(Step(Kind.REPOINT, lot, count, at=owned, to=bound))
        first = Command(
            command_id("order.receive", order_id), order.seller_id, actor.user_id, tuple(arriving), "order", order_id
        )
        await carry_out(session, first, now)
    if keeping:
        second = Command(
            command_id("order.title", order_id), actor.company_id, actor.user_id, tuple(keeping), "order", order_id
        )
        await carry_out(session, second, now)
    await execute(
        session,
        "UPDATE order_line l SET good = n.good, short = n.short, damaged = n.damaged, wrong = n.wrong, "
        "receipt_note = n.note FROM unnest($2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::text[]) "
        "AS n (line_no, good, short, damaged, wrong, note) WHERE l.order_id = $1 AND l.line_no = n.line_no",
        order_id, list(given), [r.good for r in given.values()], [r.short for r in given.values()],
        [r.damaged for r in given.values()], [r.wrong for r in given.values()],
        [r.note or None for r in given.values()],
    )  # fmt: skip
    await execute(
        session,
        "UPDATE purchase_order SET status = 'received', received_at = $2, ended_at = $2 WHERE id = $1",
        order_id,
        now,
    )
    await _tell(
        session, actor, order_id, order.seller_id, order.buyer_id, "received",
        {"good": sum(r.good for r in receipts), "not_good": sum(r.short + r.damaged + r.wrong for r in receipts)}, now,
    )  # fmt: skip
    async with acting_for(session, order.seller_id):
        people = await parties.people_to_tell(session, order.seller_id, ("seller", "planner"))
    await _announce(
        session, "order.received", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} received", f"{order.buyer} received the order.",
    )  # fmt: skip


def _spread(
    outcomes: Sequence[tuple[str, int]], units: Sequence[queries.UnitRow]
) -> list[tuple[str, queries.UnitRow, int]]:
    """Lays what arrived over the units shipped, in their order."""
    found: list[tuple[str, queries.UnitRow, int]] = []
    left = {(u.lot_id, u.hold_seq): u.quantity for u in units}
    for outcome, count in outcomes:
        wanted = count
        for unit in units:
            part = min(wanted, left[unit.lot_id, unit.hold_seq])
            if part:
                found.append((outcome, unit, part))
                left[unit.lot_id, unit.hold_seq] -= part
                wanted -= part
    return found


def _moved(place: Place, **changes: Any) -> Place:
    return replace(place, **changes)


async def _places(
    session: WriteSession, keys: Sequence[tuple[UUID | None, int | None]]
) -> dict[tuple[UUID, int], Place]:
    rows = await fetch(
        session,
        "SELECT p.lot_id, p.position_id, p.owner_id, p.holder_id, p.site_id, p.condition, p.agreement_id, p.beneficiary_id "
        "FROM position p JOIN unnest($1::uuid[], $2::int[]) AS k (lot_id, position_id) USING (lot_id, position_id)",
        [k[0] for k in keys],
        [k[1] for k in keys],
    )
    return {
        (r["lot_id"], r["position_id"]): Place(
            r["owner_id"], r["holder_id"], r["site_id"], r["condition"], r["agreement_id"], r["beneficiary_id"]
        )
        for r in rows
    }


async def _mine(session: WriteSession, actor: Actor, order_id: UUID, side: str) -> queries.OrderRow:
    """The order locked, if the actor's company is on that side of it; else not found."""
    order = await queries.order_for_update(session, order_id)
    if (order.seller_id if side == "seller" else order.buyer_id) != actor.company_id:
        raise missing("order.not_found", f"No such order that you could {'answer' if side == 'seller' else 'change'}.")
    return order


async def _tell(
    session: WriteSession,
    actor: Actor | _Clock,
    order_id: UUID,
    seller: UUID,
    buyer: UUID,
    kind: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> None:
    await execute(
        session,
        "INSERT INTO order_event (order_id, seller_id, buyer_id, kind, detail, company_id, actor_id, at) "
        "VALUES ($1,$2,$3,$4,$5::jsonb,$6,$7,$8)",
        order_id, seller, buyer, kind, encode(dict(detail)).decode(), actor.company_id, actor.user_id, now,
    )  # fmt: skip


async def _announce(
    session: WriteSession,
    event: str,
    order_id: UUID,
    companies: Sequence[UUID],
    reference: str,
    people: Sequence[str],
    subject: str,
    text: str,
) -> None:
    payload: dict[str, Any] = {"reference": reference}
    if people:
        payload["mail"] = {"to": list(people), "subject": subject, "text": text, "link": f"/orders/{order_id}"}
    await emit(session, event, "order", order_id, companies, payload)
