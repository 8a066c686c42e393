"""Ship and receive: what moves, what changes title, what is recorded as short, damaged or wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements import queries as agreement_queries
from marketplace.agreements import service as agreements
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.term_kinds import Title
from marketplace.agreements.title import kept_by, title_of
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.consignment import Consignment, require_change
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.fates import fates_of
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import places
from marketplace.ledger.service import carry_out
from marketplace.orders import queries
from marketplace.orders.service.selling import owe_price
from marketplace.orders.service.shared import announce, mine, moved, tell
from marketplace.orders.states import WORDS, Receipt, require_next
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor


async def ship(session: WriteSession, actor: Actor, order_id: UUID, consignment: Consignment, now: datetime) -> None:
    """The seller ships: every reserved unit goes into transit. An anonymous or batch lot is split first, so that
    the buyer gets a lot of its own. Raises ``order.unsigned`` until both have signed, and ``agreement.legal_hold`` while
    the schedule is under legal hold."""
    order = await mine(session, actor, order_id, "seller")
    require_next(order.status, "shipped")
    if order.agreement_status != "active":
        raise conflict("order.unsigned", "Ship once both sides have signed the schedule; a signature is missing.")
    units = await queries.units(session, order_id)
    at_now = await places(session, [(u.lot_id, u.position_id) for u in units])
    steps: list[Step] = []
    children: dict[tuple[UUID, int], UUID] = {}
    for u in units:
        place_now = at_now[u.lot_id, u.position_id]
        transit = moved(place_now, site=None)
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
    if order.agreement_id is not None:
        await agreements.require_live(session, order.agreement_id)
        sites = {place.site for place in at_now.values() if place.site is not None}
        await agreements.note_export(session, order.agreement_id, sites, order.ship_to_site_id, now)
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
        order_id, now, consignment.carrier, consignment.tracking,
    )  # fmt: skip
    await tell(session, actor, order_id, order.seller_id, order.buyer_id, "shipped", consignment.detail(), now)
    async with acting_for(session, order.buyer_id):
        people = await parties.people_to_tell(session, order.buyer_id, ("buyer", "warehouse"))
    await announce(
        session, "order.shipped", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} is on its way", f"{order.seller} shipped: {consignment.words()}.",
    )  # fmt: skip


async def correct_shipment(
    session: WriteSession, actor: Actor, order_id: UUID, consignment: Consignment, now: datetime
) -> None:
    """The seller corrects carrier and tracking number while the units are on their way. What was said before stays in
    the order's story. Raises ``order.state``, ``shipment.same``."""
    order = await mine(session, actor, order_id, "seller")
    if order.status != "shipped":
        raise conflict("order.state", f"This order is {WORDS[order.status]}; there is no shipment to correct.")
    require_change(Consignment(order.carrier or "", order.tracking), consignment)
    await execute(
        session, "UPDATE purchase_order SET carrier = $2, tracking = $3 WHERE id = $1",
        order_id, consignment.carrier, consignment.tracking,
    )  # fmt: skip
    await tell(
        session, actor, order_id, order.seller_id, order.buyer_id, "shipment_corrected", consignment.detail(), now
    )
    async with acting_for(session, order.buyer_id):
        people = await parties.people_to_tell(session, order.buyer_id, ("buyer", "warehouse"))
    await announce(
        session, "order.shipped", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference}: how it travels was corrected", f"{order.seller} now says: {consignment.words()}.",
    )  # fmt: skip


async def receive(
    session: WriteSession, actor: Actor, order_id: UUID, receipts: Sequence[Receipt], now: datetime
) -> None:
    """The buyer receives: per line good, short, damaged, wrong part; of serial-numbered units, which. Good units come under
    the agreement and change title, unless its terms keep that until they are paid or taken out; what is sold is owed for
    from now on, each good unit at its price. Damaged and wrong ones stay the seller's in the buyer's custody; short ones are
    recorded as lost on the way, without saying by whose fault. Raises ``order.receipt``, ``order.receipt_note``,
    ``order.receipt_unit``, ``order.receipt_which``."""
    order = await mine(session, actor, order_id, "buyer")
    require_next(order.status, "received")
    lines = {x.line_no: x for x in await queries.lines(session, order_id)}
    given = {r.line_no: r for r in receipts}
    if set(given) != set(lines) or len(given) != len(receipts):
        raise invalid("order.receipt_lines", "Say for every line once what arrived.", field="lines")
    for index, receipt in enumerate(receipts):
        receipt.check(lines[receipt.line_no].quantity, f"lines.{index}")
    units = await queries.units(session, order_id)
    became = {
        receipt.line_no: _spread(receipt, [u for u in units if u.line_no == receipt.line_no], f"lines.{index}")
        for index, receipt in enumerate(receipts)
    }
    arriving: list[Step] = []
    accepted: list[tuple[int, UUID, int, Place]] = []
    async with acting_for(session, order.seller_id):
        at_now = await places(session, [(u.shipped_lot_id, u.shipped_position_id) for u in units])
        for number, receipt in given.items():
            for outcome, u, count in became[number]:
                lot, at = u.shipped_lot_id, u.shipped_position_id
                assert lot is not None and at is not None  # noqa: S101, PT018 - set when it was shipped
                reason = None if outcome == "good" else f"receipt_{outcome}"
                if outcome == "short":
                    arriving.append(Step(Kind.LOSE, lot, count, at, reason=reason, note=receipt.note or None))
                    continue
                here = moved(at_now[lot, at], site=order.ship_to_site_id, holder=order.buyer_id)
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
                    accepted.append((number, lot, count, here))
        first = Command(
            command_id("order.receive", order_id), order.seller_id, actor.user_id, tuple(arriving), "order", order_id
        )
        await carry_out(session, first, now)
        # Under its lock, after the lots: it may have been changed by both sides, or ended, while the units were on the way.
        agreement = (
            await agreement_queries.in_place_of_for_share(session, order.agreement_id) if order.agreement_id else None
        )
        refused: dict[UUID, int] = {}
        for number, receipt in given.items():
            if receipt.not_good:
                part = lines[number].part_id
                refused[part] = refused.get(part, 0) + receipt.not_good
        if refused and agreement:
            await agreements.note_not_accepted(session, agreement, refused)
    clauses = await clauses_of_agreement(session, agreement) if agreement else ()
    keeps = title_of(clauses) is not Title.SOLD
    keeping: list[Step] = []
    for number, lot, count, here in accepted:
        owned = here
        # What costs nothing waits for no payment.
        if not keeps or (kept_by(clauses) is None and not lines[number].unit_price):
            owned = moved(here, owner=order.buyer_id)
            keeping.append(Step(Kind.TITLE, lot, count, at=here, to=owned))
        if agreement:
            bound = moved(owned, agreement=agreement, beneficiary=order.seller_id)
            keeping.append(Step(Kind.REPOINT, lot, count, at=owned, to=bound))
    if keeping:
        second = Command(
            command_id("order.title", order_id), actor.company_id, actor.user_id, tuple(keeping), "order", order_id
        )
        await carry_out(session, second, now)
    if kept_by(clauses) is None:
        await owe_price(session, order, list(lines.values()), given, agreement, now)
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
    await tell(
        session, actor, order_id, order.seller_id, order.buyer_id, "received",
        {"good": sum(r.good for r in receipts), "not_good": sum(r.not_good for r in receipts),
         **_told(became)}, now,
    )  # fmt: skip
    async with acting_for(session, order.seller_id):
        people = await parties.people_to_tell(session, order.seller_id, ("seller", "planner"))
    await announce(
        session, "order.received", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} received", f"{order.buyer} received the order.",
    )  # fmt: skip


Became = list[tuple[str, queries.UnitRow, int]]
"""(outcome, unit, how many of it)."""


def _told(became: Mapping[int, Became]) -> dict[str, dict[str, list[str]]]:
    """The serials that were not good by outcome, for the story; nothing where there are none."""
    found: dict[str, list[str]] = {}
    for outcome, unit, _ in (x for line in became.values() for x in line):
        if outcome != "good" and unit.serial:
            found.setdefault(outcome, []).append(unit.serial)
    return {"serials": found} if found else {}


def _spread(receipt: Receipt, units: Sequence[queries.UnitRow], field: str) -> Became:
    """Lays what arrived over the units shipped: each serial-numbered unit as it is named (good where it is not), the
    others, which nobody can tell apart, in their order."""
    serials = {u.lot_id: u.serial for u in units if u.serial is not None}
    fate, rest = fates_of(
        receipt.named, receipt.counts(), serials, of=f"Line {receipt.line_no}", code="order.receipt",
        field=f"{field}.units",
    )  # fmt: skip
    found: Became = [(fate[u.lot_id], u, 1) for u in units if u.serial is not None]
    loose = [u for u in units if u.serial is None]
    left = {(u.lot_id, u.hold_seq): u.quantity for u in loose}
    for outcome, count in rest.items():
        wanted = count
        for unit in loose:
            part = min(wanted, left[unit.lot_id, unit.hold_seq])
            if part:
                found.append((outcome, unit, part))
                left[unit.lot_id, unit.hold_seq] -= part
                wanted -= part
    return found
