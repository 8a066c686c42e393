"""What arrived otherwise than it was shipped is settled: the seller answers, or the buyer takes the units after all. Until then they
stay the seller's in the ledger, on their way or in the buyer's custody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.db.session import WriteSession, acting_for, execute, fetch
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import held_lots_for_update, places
from marketplace.ledger.service import carry_out
from marketplace.orders import queries
from marketplace.orders.delivery import ANSWER_WORDS, ANSWERS, DIFFERENCES, MOST_NOTE, SETTLED
from marketplace.orders.service.receiving import Accepted, coming_under, owe_for, take_over
from marketplace.orders.service.returning import open_return
from marketplace.orders.service.shared import announce, mine, moved, tell
from marketplace.orders.service.shipping import reserve_again
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor

Units = Sequence[queries.WhereRow]


async def answer_difference(
    session: WriteSession, actor: Actor, order_id: UUID, difference_id: UUID, *, answer: str, note: str, now: datetime
) -> None:
    """The seller says what becomes of a difference: one of ``delivery.ANSWERS`` for its kind. With 'dispute' it stands until the seller
    accepts it after all or the buyer takes the units. Raises ``difference.answer``, ``difference.settled``, ``difference.stock``,
    ``difference.ended``, ``agreement.legal_hold`` (shipping again)."""
    order = await mine(session, actor, order_id, "seller")
    found = await _open(session, order, difference_id)
    allowed = ANSWERS[found.kind]
    if answer not in allowed:
        raise invalid(
            "difference.answer", f"Choose: {', '.join(f'{a} ({ANSWER_WORDS[a]})' for a in allowed)}.", field="answer"
        )
    if len(note) > MOST_NOTE:
        raise invalid("difference.answer", f"Say at most {MOST_NOTE} characters.", field="note")
    if answer == "dispute":
        await _dispute(session, actor, order, found, note, now)
        return
    units = await queries.difference_units(session, found.id)
    await held_lots_for_update(session, [u.lot_id for u in units])
    return_id = None
    if answer == "lost":
        await _carry_out(session, actor, order, found, answer, _gone(units, Kind.LOSE, found, note), now)
    elif answer == "scrap":
        await _carry_out(session, actor, order, found, answer, _gone(units, Kind.SCRAP, found, note), now)
    elif answer in ("never_left", "ship_again"):
        await _back_on_the_shelf(session, actor, order, found, units, now, again=answer == "ship_again")
    else:
        if found.kind == "over":
            units = await _too_many(session, actor, order, found, now)
        site = await _sent_from(session, order, found)
        return_id = await open_return(
            session,
            actor,
            order,
            [(found.line_no, u.lot_id, u.quantity, u.serial) for u in units],
            reason=found.kind,
            to_site=site,
            now=now,
        )
    await _settle(session, found.id, answer, now, actor=actor, note=note, return_id=return_id)
    await _told(session, actor, order, found, "difference_settled", {"as": answer}, note, now)


async def take_after_all(
    session: WriteSession, actor: Actor, order_id: UUID, difference_id: UUID, *, note: str, now: datetime
) -> None:
    """The buyer takes the units of a difference after all: missing ones that turned up, damaged or wrong ones that it keeps. They become
    its own as on receipt, and their price is owed. Of too many it says that it counted wrongly. Raises ``difference.settled``."""
    order = await mine(session, actor, order_id, "buyer")
    found = await _open(session, order, difference_id)
    if len(note) > MOST_NOTE:
        raise invalid("difference.answer", f"Say at most {MOST_NOTE} characters.", field="note")
    if found.kind == "over":
        await _settle(session, found.id, "withdrawn", now)
        await _told(session, actor, order, found, "difference_settled", {"as": "withdrawn"}, note, now)
        return
    lines = {x.line_no: x for x in await queries.lines(session, order.id)}
    part = lines[found.line_no].part_id
    accepted: list[Accepted] = []
    async with acting_for(session, order.seller_id):
        units = await queries.difference_units(session, found.id)
        await held_lots_for_update(session, [u.lot_id for u in units])
        at = await places(session, [(u.lot_id, u.position_id) for u in units])
        steps: list[Step] = []
        for u in units:
            here = at[u.lot_id, u.position_id]
            if found.kind == "short":
                here = moved(here, site=order.ship_to_site_id, holder=order.buyer_id)
                steps.append(Step(Kind.RECEIVE, u.lot_id, u.quantity, u.position_id, to=here, reason="receipt_late"))
            accepted.append(Accepted(found.line_no, u.lot_id, u.quantity, here))
        if steps:
            await _carry_out(session, actor, order, found, "taken", steps, now)
        agreement = await coming_under(session, order)
        if agreement:
            await agreements.note_not_accepted(session, agreement, {part: -found.quantity})
    await take_over(session, actor, order, accepted, lines, agreement, now, scope=found.id)
    await owe_for(session, order, lines, {found.line_no: found.quantity}, agreement, now, scope=found.id)
    await execute(
        session, f"UPDATE order_line SET good = good + $3, {found.kind} = {found.kind} - $3 WHERE order_id = $1 AND line_no = $2",
        order.id, found.line_no, found.quantity,
    )  # fmt: skip
    await _settle(session, found.id, "taken", now)
    await _told(session, actor, order, found, "difference_settled", {"as": "taken"}, note, now)


async def _open(session: WriteSession, order: queries.OrderRow, difference_id: UUID) -> queries.DifferenceRow:
    """A difference of the locked order that is not settled."""
    found = await queries.difference(session, difference_id)
    if found.order_id != order.id:
        raise missing("difference.not_found", "This order has no such difference.")
    if found.status == "settled":
        raise conflict("difference.settled", f"This is settled already: {SETTLED[found.settled_as or 'taken']}.")
    return found


async def _carry_out(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    act: str,
    steps: Sequence[Step],
    now: datetime,
) -> dict[UUID, tuple[int | None, int | None]]:
    """Carries the steps out as the seller's; lot -> (where it landed, the reservation that it has now)."""
    key = command_id("order.difference", found.id, act)
    done = await carry_out(session, Command(key, order.seller_id, actor.user_id, tuple(steps), "order", order.id), now)
    landed: dict[UUID, tuple[int | None, int | None]] = {}
    for e in done.entries:
        number, hold = landed.get(e.lot_id, (None, None))
        landed[e.lot_id] = (e.to_position or number, e.seq if e.kind is Kind.HOLD else hold)
    return landed


def _gone(units: Units, kind: Kind, found: queries.DifferenceRow, note: str) -> list[Step]:
    return [
        Step(kind, u.lot_id, u.quantity, u.position_id, reason=f"receipt_{found.kind}", note=note.strip() or None)
        for u in units
    ]


async def _origins(
    session: WriteSession, order: queries.OrderRow, lots: Sequence[UUID]
) -> dict[UUID, tuple[Place, queries.UnitRow]]:
    """Shipped lot -> where it stood before it left, and the row of the order that it left by."""
    rows = {u.shipped_lot_id: u for u in await queries.units(session, order.id) if u.shipped_lot_id in set(lots)}
    at = await places(session, [(u.lot_id, u.position_id) for u in rows.values()])
    return {lot: (at[u.lot_id, u.position_id], u) for lot, u in rows.items() if lot is not None}


async def _back_on_the_shelf(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    units: Units,
    now: datetime,
    *,
    again: bool,
) -> None:
    """Missing units never left: they stand where they stood before, free, or reserved for the order to be shipped with the rest."""
    origins = await _origins(session, order, [u.lot_id for u in units])
    steps: list[Step] = []
    stands: list[tuple[queries.WhereRow, UUID, queries.UnitRow]] = []
    for u in units:
        before, row = origins[u.lot_id]
        lot, number = u.lot_id, u.position_id
        if u.serial is None:
            # What arrived of the lot is the buyer's: no two companies share one.
            lot, number = command_id("order.found", found.id, u.lot_id), 1
            steps.append(Step(Kind.SPLIT, u.lot_id, u.quantity, u.position_id, child=lot))
        steps.append(Step(Kind.RECEIVE, lot, u.quantity, number, to=before, reason="receipt_found"))
        if again:
            steps.append(Step(Kind.HOLD, lot, u.quantity, at=before))
        stands.append((u, lot, row))
    landed = await _carry_out(session, actor, order, found, "ship_again" if again else "never_left", steps, now)
    if not again:
        return
    agreement = await coming_under(session, order)
    if agreement is None:
        raise conflict(
            "difference.ended",
            "The order's agreement has ended: nothing more is shipped under it. Leave the units out.",
        )
    await agreements.require_live(session, agreement)
    lines = {x.line_no: x for x in await queries.lines(session, order.id)}
    await agreements.note_not_accepted(session, agreement, {lines[found.line_no].part_id: -found.quantity})
    await execute(
        session,
        "UPDATE order_unit u SET quantity = u.quantity - n.less FROM unnest($2::uuid[], $3::bigint[], $4::int[]) AS n (lot_id, hold_seq, less) "
        "WHERE u.order_id = $1 AND u.line_no = $5 AND u.lot_id = n.lot_id AND u.hold_seq = n.hold_seq",
        order.id, [row.lot_id for _, _, row in stands], [row.hold_seq for _, _, row in stands], [u.quantity for u, _, _ in stands],
        found.line_no,
    )  # fmt: skip
    rows = []
    for u, lot, _ in stands:
        position, hold = landed[lot]
        assert position is not None and hold is not None  # noqa: S101, PT018 - just received and reserved
        rows.append((found.line_no, lot, hold, position, u.quantity))
    await reserve_again(session, order.id, rows)
    await execute(
        session, "UPDATE order_line SET short = short - $3 WHERE order_id = $1 AND line_no = $2",
        order.id, found.line_no, found.quantity,
    )  # fmt: skip
    await execute(
        session,
        "UPDATE purchase_order SET status = 'accepted', received_at = NULL, ended_at = NULL WHERE id = $1",
        order.id,
    )


async def _sent_from(session: WriteSession, order: queries.OrderRow, found: queries.DifferenceRow) -> UUID | None:
    """The seller's site that the line's units of that shipment left."""
    lots = [
        u.shipped_lot_id for u in await queries.units(session, order.id)
        if u.shipment_id == found.shipment_id and u.line_no == found.line_no and u.shipped_lot_id
    ]  # fmt: skip
    return next((before.site for before, _ in (await _origins(session, order, lots)).values() if before.site), None)


async def _too_many(
    session: WriteSession, actor: Actor, order: queries.OrderRow, found: queries.DifferenceRow, now: datetime
) -> Units:
    """More arrived than was shipped: as many of the seller's own free units of the part have left its shelf, and are in the buyer's
    custody. Raises ``difference.stock`` where the seller has fewer on record: then it counts first."""
    line = next(x for x in await queries.lines(session, order.id) if x.line_no == found.line_no)
    site = await _sent_from(session, order, found)
    seen = await queries.stock_like(session, order.seller_id, line.part_id, line.condition, site)
    await held_lots_for_update(session, [w.lot_id for w in seen])
    shelf = await queries.stock_like(session, order.seller_id, line.part_id, line.condition, site)
    known = {w.lot_id for w in seen}
    shelf = [w for w in shelf if w.lot_id in known]
    at = await places(session, [(w.lot_id, w.position_id) for w in shelf])
    left, steps = found.quantity, list[Step]()
    taken: list[tuple[UUID, int]] = []
    for w in shelf:
        part = min(left, w.quantity)
        if not part:
            break
        left -= part
        child, here = command_id("order.over", found.id, w.lot_id, w.position_id), at[w.lot_id, w.position_id]
        arrived = moved(here, site=order.ship_to_site_id, holder=order.buyer_id)
        steps += [
            Step(Kind.SPLIT, w.lot_id, part, w.position_id, child=child),
            Step(Kind.SHIP, child, part, at=here, to=moved(here, site=None)),
            Step(Kind.RECEIVE, child, part, at=moved(here, site=None), to=arrived, reason="receipt_over"),
        ]
        taken.append((child, part))
    if left:
        raise conflict(
            "difference.stock",
            f"On record you have {found.quantity - left:,} free units of {line.part_number} in that condition without a serial number, not "
            f"{found.quantity:,}. Count your stock first: then what is too many there is on record.",
        )
    landed = await _carry_out(session, actor, order, found, "over", steps, now)
    rows = [queries.WhereRow(lot, landed[lot][0] or 0, n, None) for lot, n in taken]
    await fetch(
        session,
        "INSERT INTO order_difference_unit (difference_id, lot_id, position_id, seller_id, buyer_id, quantity) "
        "SELECT $1, n.lot_id, n.position_id, $2, $3, n.quantity FROM unnest($4::uuid[], $5::int[], $6::int[]) AS n (lot_id, position_id, quantity) "
        "RETURNING lot_id",
        found.id, order.seller_id, order.buyer_id, [r.lot_id for r in rows], [r.position_id for r in rows], [r.quantity for r in rows],
    )  # fmt: skip
    return rows


async def _dispute(
    session: WriteSession, actor: Actor, order: queries.OrderRow, found: queries.DifferenceRow, note: str, now: datetime
) -> None:
    if found.status == "disputed":
        raise conflict("difference.disputed", "You dispute this already. Write to the buyer in the order's thread.")
    if not note.strip():
        raise invalid("difference.note", "Say why you dispute it: the buyer reads it.", field="note")
    await execute(
        session, "UPDATE order_difference SET status = 'disputed', answered_by = $2, answered_at = $3, answer_note = $4 WHERE id = $1",
        found.id, actor.user_id, now, note.strip(),
    )  # fmt: skip
    await _told(session, actor, order, found, "difference_disputed", {}, note, now)


async def _settle(
    session: WriteSession,
    difference_id: UUID,
    as_: str,
    now: datetime,
    *,
    actor: Actor | None = None,
    note: str = "",
    return_id: UUID | None = None,
) -> None:
    await execute(
        session,
        "UPDATE order_difference SET status = 'settled', settled_as = $2, settled_at = $3, return_id = $4, "
        "answered_by = coalesce($5, answered_by), answered_at = CASE WHEN $5::uuid IS NULL THEN answered_at ELSE $3 END, "
        "answer_note = coalesce($6, answer_note) WHERE id = $1",
        difference_id, as_, now, return_id, actor.user_id if actor else None, note.strip() or None,
    )  # fmt: skip


async def _told(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    kind: str,
    more: dict[str, str],
    note: str,
    now: datetime,
) -> None:
    """The story of the order says it, and the other side is mailed."""
    detail = {
        "shipment": found.shipment, "line": found.line_no, "part": found.part_number, "quantity": found.quantity, "what": found.kind,
        **more, **({"note": note.strip()} if note.strip() else {}),
    }  # fmt: skip
    await tell(session, actor, order.id, order.seller_id, order.buyer_id, kind, detail, now)
    selling = actor.company_id == order.seller_id
    other, roles = (order.buyer_id, ("buyer", "warehouse")) if selling else (order.seller_id, ("seller", "planner"))
    async with acting_for(session, other):
        people = await parties.people_to_tell(session, other, roles)
    became = SETTLED[more["as"]] if "as" in more else "disputed by the seller"
    await announce(
        session, "order.difference", order.id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference}: {DIFFERENCES[found.kind].lower()} {found.part_number}",
        f"{found.quantity:,} of {found.part_number}, {DIFFERENCES[found.kind].lower()}: {became}. {note.strip()}".strip(),
    )  # fmt: skip
