"""The buyer receives a shipment: what moves, what changes title, what is recorded as short, damaged, wrong or too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from marketplace.agreements import queries as agreement_queries
from marketplace.agreements import service as agreements
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.term_kinds import Title
from marketplace.agreements.title import kept_by, title_of
from marketplace.db.session import WriteSession, acting_for, execute, fetch
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.fates import fates_of
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import held_lots_for_update, places
from marketplace.ledger.service import carry_out
from marketplace.orders import queries
from marketplace.orders.delivery import ANSWER_TIME
from marketplace.orders.service.selling import owe_price
from marketplace.orders.service.shared import announce, mine, moved, tell
from marketplace.orders.service.shipping import on_the_way
from marketplace.orders.states import Receipt, require_next
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor


async def receive(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    receipts: Sequence[Receipt],
    now: datetime,
    shipment_id: UUID | None = None,
) -> None:
    """The buyer receives a shipment (without a name: the only one on its way): per line good, short, damaged, wrong part, too many; of
    serial-numbered units, which. Good units come under the agreement and change title, unless its terms keep that until they are
    paid or taken out; what is sold is owed for from now on, each good unit at its price. Damaged and wrong ones stay the seller's in
    the buyer's custody, and missing ones the seller's on their way, until both sides have settled what becomes of them. Without
    ``receipts`` everything arrived in good order. Raises ``order.receipt``, ``order.receipt_note``, ``order.receipt_reason``,
    ``order.receipt_unit``, ``order.receipt_which``, ``order.which_shipment``, ``shipment.received``."""
    order = await mine(session, actor, order_id, "buyer")
    if order.status not in ("accepted", "shipped"):
        require_next(order.status, "received")
    shipments = await queries.shipments(session, order_id)
    waiting = [s for s in shipments if s.received_at is None]
    if shipment_id is None and len(waiting) > 1:
        raise conflict(
            "order.which_shipment", f"{len(waiting)} shipments of this order are on their way: say which one arrived."
        )
    shipment = await on_the_way(session, order, shipment_id)
    units = await queries.shipped_units(session, shipment.id)
    sent: dict[int, int] = {}
    for u in units:
        sent[u.line_no] = sent.get(u.line_no, 0) + u.quantity
    lines = {x.line_no: x for x in await queries.lines(session, order_id)}
    receipts = receipts or [Receipt(n, quantity) for n, quantity in sent.items()]
    given = {r.line_no: r for r in receipts}
    if set(given) != set(sent) or len(given) != len(receipts):
        raise invalid("order.receipt_lines", "Say for every line that was shipped once what arrived.", field="lines")
    for index, receipt in enumerate(receipts):
        receipt.check(sent[receipt.line_no], f"lines.{index}")
    became = {
        receipt.line_no: _spread(receipt, [u for u in units if u.line_no == receipt.line_no], f"lines.{index}")
        for index, receipt in enumerate(receipts)
    }
    arriving: list[Step] = []
    accepted: list[Accepted] = []
    held_up: dict[tuple[int, str], list[queries.WhereRow]] = {}
    async with acting_for(session, order.seller_id):
        # Before anything is decided from where they stand; a shipment of which nothing arrived moves none.
        await held_lots_for_update(session, [u.lot_id for u in units])
        at_now = await places(session, [(u.lot_id, u.position_id) for u in units])
        for number, receipt in given.items():
            for outcome, u, count in became[number]:
                lot, at = u.lot_id, u.position_id
                if outcome == "short":
                    held_up.setdefault((number, outcome), []).append(queries.WhereRow(lot, at, count, u.serial))
                    continue
                reason = None if outcome == "good" else f"receipt_{outcome}"
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
                    accepted.append(Accepted(number, lot, count, here))
                else:
                    held_up.setdefault((number, outcome), []).append(queries.WhereRow(lot, 0, count, u.serial))
        landed: dict[UUID, int | None] = {}
        if arriving:
            first = Command(
                command_id("order.receive", shipment.id),
                order.seller_id,
                actor.user_id,
                tuple(arriving),
                "order",
                order_id,
            )
            landed = {e.lot_id: e.to_position for e in (await carry_out(session, first, now)).entries}
        # Under its lock, after the lots: it may have been changed by both sides, or ended, while the units were on the way.
        agreement = await coming_under(session, order)
        refused = by_part(lines, {n: r.not_good for n, r in given.items()})
        if refused and agreement:
            await agreements.note_not_accepted(session, agreement, refused)
    good = {n: r.good for n, r in given.items()}
    await take_over(session, actor, order, accepted, lines, agreement, now, scope=shipment.id)
    await owe_for(
        session,
        order,
        lines,
        good,
        agreement,
        now,
        scope=shipment.id,
        not_good={n: r.not_good for n, r in given.items()},
    )
    await execute(
        session,
        "UPDATE order_line l SET good = coalesce(l.good, 0) + n.good, short = coalesce(l.short, 0) + n.short, "
        "damaged = coalesce(l.damaged, 0) + n.damaged, wrong = coalesce(l.wrong, 0) + n.wrong, "
        "receipt_note = coalesce(n.note, l.receipt_note) FROM unnest($2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::text[]) "
        "AS n (line_no, good, short, damaged, wrong, note) WHERE l.order_id = $1 AND l.line_no = n.line_no",
        order_id, list(given), list(good.values()), [r.short for r in given.values()],
        [r.damaged for r in given.values()], [r.wrong for r in given.values()],
        [r.note or None for r in given.values()],
    )  # fmt: skip
    await execute(
        session,
        "UPDATE order_shipment SET received_by = $2, received_at = $3 WHERE id = $1",
        shipment.id,
        actor.user_id,
        now,
    )
    await _note_differences(session, actor, order, shipment.id, given, held_up, landed, now)
    last = order.status == "shipped" and len(waiting) == 1
    if last:
        await execute(
            session,
            "UPDATE purchase_order SET status = 'received', received_at = $2, ended_at = $2 WHERE id = $1",
            order_id,
            now,
        )
    which = {} if last and len(shipments) == 1 else {"shipment": shipment.number}
    over = sum(r.over for r in receipts)
    await tell(
        session, actor, order_id, order.seller_id, order.buyer_id, "received",
        {"good": sum(good.values()), "not_good": sum(r.not_good for r in receipts), **({"over": over} if over else {}),
         **_told(became), **which}, now,
    )  # fmt: skip
    async with acting_for(session, order.seller_id):
        people = await parties.people_to_tell(session, order.seller_id, ("seller", "planner"))
    differs = sum(n for r in receipts for n, _ in r.differences().values())
    await announce(
        session, "order.received", order_id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference} received" + (f": {differs:,} not as shipped" if differs else ""),
        f"{order.buyer} received {f'shipment {shipment.number} of the order' if which else 'the order'}."
        + (" Say what is to become of what was not as shipped." if differs else ""),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Accepted:
    """So many units of a lot that the buyer takes, and where they stand as the seller's."""

    line_no: int
    lot_id: UUID
    quantity: int
    here: Place


async def coming_under(session: WriteSession, order: queries.OrderRow) -> UUID | None:
    """The agreement that an order's units come under, locked; None where it has ended. The lots are locked before."""
    if order.agreement_id is None:
        return None
    return await agreement_queries.in_place_of_for_share(session, order.agreement_id)


def by_part(lines: Mapping[int, queries.LineRow], counts: Mapping[int, int]) -> dict[UUID, int]:
    """Line -> how many, as part -> how many; without zeros."""
    found: dict[UUID, int] = {}
    for number, n in counts.items():
        if n:
            part = lines[number].part_id
            found[part] = found.get(part, 0) + n
    return found


async def take_over(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    accepted: Sequence[Accepted],
    lines: Mapping[int, queries.LineRow],
    agreement: UUID | None,
    now: datetime,
    *,
    scope: UUID,
) -> None:
    """Title and encumbrance of the units that the buyer takes, as the agreement's terms have it."""
    clauses = await clauses_of_agreement(session, agreement) if agreement else ()
    keeps = title_of(clauses) is not Title.SOLD
    keeping: list[Step] = []
    for x in accepted:
        owned = x.here
        # What costs nothing waits for no payment.
        if not keeps or (kept_by(clauses) is None and not lines[x.line_no].unit_price):
            owned = moved(x.here, owner=order.buyer_id)
            keeping.append(Step(Kind.TITLE, x.lot_id, x.quantity, at=x.here, to=owned))
        if agreement:
            bound = moved(owned, agreement=agreement, beneficiary=order.seller_id)
            keeping.append(Step(Kind.REPOINT, x.lot_id, x.quantity, at=owned, to=bound))
    if keeping:
        command = Command(
            command_id("order.title", scope), actor.company_id, actor.user_id, tuple(keeping), "order", order.id
        )
        await carry_out(session, command, now)


async def owe_for(
    session: WriteSession,
    order: queries.OrderRow,
    lines: Mapping[int, queries.LineRow],
    good: Mapping[int, int],
    agreement: UUID | None,
    now: datetime,
    *,
    scope: UUID,
    not_good: Mapping[int, int] = MappingProxyType({}),
) -> None:
    """The price of what the buyer takes, unless it is owed only when units are taken out."""
    clauses = await clauses_of_agreement(session, agreement) if agreement else ()
    if kept_by(clauses) is None:
        await owe_price(session, order, lines, good, agreement, now, scope=scope, not_good=not_good)


async def _note_differences(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    shipment_id: UUID,
    given: Mapping[int, Receipt],
    held_up: Mapping[tuple[int, str], Sequence[queries.WhereRow]],
    landed: Mapping[UUID, int | None],
    now: datetime,
) -> None:
    """A record for each kind of difference of each line, with where its units stand."""
    rows = [(n, kind, q, code, r.note.strip()) for n, r in given.items() for kind, (q, code) in r.differences().items()]
    if not rows:
        return
    made = await fetch(
        session,
        "INSERT INTO order_difference (order_id, shipment_id, line_no, seller_id, buyer_id, kind, quantity, open, reason_code, note, "
        "found_by, found_at, answer_by, status) SELECT $1, $2, n.line_no, $3, $4, n.kind, n.quantity, n.quantity, n.code, nullif(n.note, ''), $5, $6, $12, "
        "'open' "
        "FROM unnest($7::int[], $8::text[], $9::int[], $10::text[], $11::text[]) AS n (line_no, kind, quantity, code, note) "
        "RETURNING id, line_no, kind",
        order.id, shipment_id, order.seller_id, order.buyer_id, actor.user_id, now, [r[0] for r in rows], [r[1] for r in rows],
        [r[2] for r in rows], [r[3] for r in rows], [r[4] for r in rows], now + ANSWER_TIME,
    )  # fmt: skip
    where = [(m["id"], w) for m in made for w in held_up.get((m["line_no"], m["kind"]), ())]
    await execute(
        session,
        "INSERT INTO order_difference_unit (difference_id, lot_id, position_id, seller_id, buyer_id, quantity, serial) "
        "SELECT n.id, n.lot_id, n.position_id, $1, $2, n.quantity, n.serial "
        "FROM unnest($3::uuid[], $4::uuid[], $5::int[], $6::int[], $7::text[]) AS n (id, lot_id, position_id, quantity, serial)",
        order.seller_id, order.buyer_id, [i for i, _ in where], [w.lot_id for _, w in where],
        [w.position_id or landed[w.lot_id] for _, w in where],
        [w.quantity for _, w in where], [w.serial for _, w in where],
    )  # fmt: skip


Became = list[tuple[str, queries.ShippedRow, int]]
"""(outcome, unit, how many of it)."""


def _told(became: Mapping[int, Became]) -> dict[str, dict[str, list[str]]]:
    """The serials that were not good by outcome, for the story; nothing where there are none."""
    found: dict[str, list[str]] = {}
    for outcome, unit, _ in (x for line in became.values() for x in line):
        if outcome != "good" and unit.serial:
            found.setdefault(outcome, []).append(unit.serial)
    return {"serials": found} if found else {}


def _spread(receipt: Receipt, units: Sequence[queries.ShippedRow], field: str) -> Became:
    """Lays what arrived over the units shipped: each serial-numbered unit as it is named (good where it is not), the
    others, which nobody can tell apart, in their order."""
    serials = {u.lot_id: u.serial for u in units if u.serial is not None}
    fate, rest = fates_of(
        receipt.named, receipt.counts(), serials, of=f"Line {receipt.line_no}", code="order.receipt",
        field=f"{field}.units",
    )  # fmt: skip
    found: Became = [(fate[u.lot_id], u, 1) for u in units if u.serial is not None]
    loose = [u for u in units if u.serial is None]
    left = {u.lot_id: u.quantity for u in loose}
    for outcome, count in rest.items():
        wanted = count
        for unit in loose:
            part = min(wanted, left[unit.lot_id])
            if part:
                found.append((outcome, unit, part))
                left[unit.lot_id] -= part
                wanted -= part
    return found
