"""What arrived otherwise than it was shipped is settled, at once or in parts: the seller answers, or the buyer takes the units after all.
Until then they stay the seller's in the ledger, on their way or in the buyer's custody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Place, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import held_lots_for_update, places
from marketplace.ledger.service import carry_out
from marketplace.orders import queries
from marketplace.orders.delivery import (
    ANSWER_WORDS,
    ANSWERS,
    DIFFERENCES,
    DISPUTE_REASONS,
    MOST_NOTE,
    SETTLED,
    WHOLE,
    Among,
    Share,
    chosen_among,
)
from marketplace.orders.service.receiving import Accepted, coming_under, owe_for, take_over
from marketplace.orders.service.returning import open_return
from marketplace.orders.service.shared import announce, mine, moved, tell
from marketplace.orders.service.shipping import reserve_again
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor

Units = Sequence[queries.WhereRow]


@dataclass(frozen=True, slots=True)
class _Part:
    """So many units of a difference that are settled now. ``number``: of the part; ``units``: where they stand."""

    number: int
    quantity: int
    units: Units

    @property
    def serials(self) -> list[str]:
        """Of the serial-numbered ones among them."""
        return sorted(u.serial for u in self.units if u.serial)


async def answer_difference(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    difference_id: UUID,
    *,
    answer: str,
    note: str,
    now: datetime,
    share: Share = WHOLE,
    reason: str = "",
) -> None:
    """The seller says what becomes of a difference, or of so many of its units: one of ``delivery.ANSWERS`` for its kind. With 'dispute',
    or where a ``reason`` (``delivery.DISPUTE_REASONS``) goes with an answer for some, what is left is disputed: it stands until the
    seller accepts it after all or the buyer takes the units. Raises ``difference.answer``, ``difference.settled``, ``difference.stock``,
    ``difference.quantity``, ``difference.too_many``, ``difference.changed``, ``difference.which``, ``difference.reason``,
    ``difference.note``, ``difference.disputed``, ``difference.ended``, ``agreement.legal_hold`` (shipping again)."""
    order = await mine(session, actor, order_id, "seller")
    found = await _open(session, order, difference_id)
    allowed = ANSWERS[found.kind]
    if answer not in allowed:
        raise invalid(
            "difference.answer", f"Choose: {', '.join(f'{a} ({ANSWER_WORDS[a]})' for a in allowed)}.", field="answer"
        )
    if len(note) > MOST_NOTE:
        raise invalid("difference.answer", f"Say at most {MOST_NOTE} characters.", field="note")
    quantity = _how_many(found, share)
    if answer == "dispute":
        if found.status == "disputed":
            raise conflict("difference.disputed", "You dispute this already. Write to the buyer in the order's thread.")
        if quantity != found.open:
            raise invalid(
                "difference.quantity",
                "All that is open is disputed together. Accept some with another answer, and say there why not the rest.",
                field="quantity",
            )
        await _dispute(session, actor, order, found, reason or "other", note, now)
        await _mail(session, actor, order, found, [f"{found.open:,}: disputed by the seller"], note)
        return
    rest = found.open - quantity
    if reason:
        _check_reason(found, reason, note)
        if not rest:
            raise invalid(
                "difference.reason", "You answer for all that is open: nothing is left to be disputed.", field="reason"
            )
    part = await _part(session, found, share, quantity)
    await held_lots_for_update(session, [u.lot_id for u in part.units])
    return_id = None
    if answer in ("lost", "scrap"):
        kind = Kind.LOSE if answer == "lost" else Kind.SCRAP
        await _carry_out(session, actor, order, found, part, answer, _gone(part.units, kind, found, note), now)
    elif answer in ("never_left", "ship_again"):
        await _back_on_the_shelf(session, actor, order, found, part, now, again=answer == "ship_again")
    else:
        if found.kind == "over":
            part = await _too_many(session, actor, order, found, part, now)
        site = await _sent_from(session, order, found)
        return_id = await open_return(
            session,
            actor,
            order,
            [(found.line_no, u.lot_id, u.quantity, u.serial) for u in part.units],
            reason=found.kind,
            to_site=site,
            now=now,
        )
    await _settle(session, actor, order, found, part, answer, note, now, return_id=return_id)
    said = [f"{part.quantity:,}: {SETTLED[answer]}"]
    if reason:
        left = replace(found, open=rest)
        await _dispute(session, actor, order, left, reason, note, now)
        said.append(f"{rest:,}: disputed by the seller, {DISPUTE_REASONS[found.kind][reason].lower()}")
    elif rest:
        said.append(f"{rest:,}: not answered yet")
    await _mail(session, actor, order, found, said, note)


async def take_after_all(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    difference_id: UUID,
    *,
    note: str,
    now: datetime,
    share: Share = WHOLE,
) -> None:
    """The buyer takes the units of a difference after all, or so many of them: missing ones that turned up, damaged or wrong ones that it
    keeps. They become its own as on receipt, and their price is owed. Of too many it says that it counted wrongly. Raises
    ``difference.settled``, ``difference.quantity``, ``difference.too_many``, ``difference.changed``, ``difference.which``."""
    order = await mine(session, actor, order_id, "buyer")
    found = await _open(session, order, difference_id)
    if len(note) > MOST_NOTE:
        raise invalid("difference.answer", f"Say at most {MOST_NOTE} characters.", field="note")
    quantity = _how_many(found, share)
    async with acting_for(session, order.seller_id):
        part = await _part(session, found, share, quantity)
    as_ = "withdrawn" if found.kind == "over" else "taken"
    if as_ == "taken":
        await _taken(session, actor, order, found, part, now)
    await _settle(session, actor, order, found, part, as_, note, now)
    await _mail(session, actor, order, found, [f"{part.quantity:,}: {SETTLED[as_]}"], note)


async def _taken(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    part: _Part,
    now: datetime,
) -> None:
    lines = {x.line_no: x for x in await queries.lines(session, order.id)}
    accepted: list[Accepted] = []
    scope = command_id("order.difference", found.id, part.number)
    async with acting_for(session, order.seller_id):
        await held_lots_for_update(session, [u.lot_id for u in part.units])
        at = await places(session, [(u.lot_id, u.position_id) for u in part.units])
        steps: list[Step] = []
        for u in part.units:
            here = at[u.lot_id, u.position_id]
            if found.kind == "short":
                here = moved(here, site=order.ship_to_site_id, holder=order.buyer_id)
                steps.append(Step(Kind.RECEIVE, u.lot_id, u.quantity, u.position_id, to=here, reason="receipt_late"))
            accepted.append(Accepted(found.line_no, u.lot_id, u.quantity, here))
        if steps:
            await _carry_out(session, actor, order, found, part, "taken", steps, now)
        agreement = await coming_under(session, order)
        if agreement:
            await agreements.note_not_accepted(session, agreement, {lines[found.line_no].part_id: -part.quantity})
    await take_over(session, actor, order, accepted, lines, agreement, now, scope=scope)
    await owe_for(session, order, lines, {found.line_no: part.quantity}, agreement, now, scope=scope)
    await execute(
        session, f"UPDATE order_line SET good = good + $3, {found.kind} = {found.kind} - $3 WHERE order_id = $1 AND line_no = $2",
        order.id, found.line_no, part.quantity,
    )  # fmt: skip


async def _open(session: WriteSession, order: queries.OrderRow, difference_id: UUID) -> queries.DifferenceRow:
    """A difference of the locked order that is not settled."""
    found = await queries.difference(session, difference_id)
    if found.order_id != order.id:
        raise missing("difference.not_found", "This order has no such difference.")
    if found.status == "settled":
        raise conflict("difference.settled", f"This is settled already: {SETTLED[found.settled_as or 'taken']}.")
    return found


def _how_many(found: queries.DifferenceRow, share: Share) -> int:
    """How many units are meant of those that are open."""
    if share.open is not None and share.open != found.open:
        raise conflict(
            "difference.changed", f"Meanwhile {found.open:,} of {found.quantity:,} are open, not {share.open:,}: somebody has settled some. "
            "Nothing was changed; look at it again.", field="quantity", open=found.open,
        )  # fmt: skip
    quantity = found.open if share.quantity is None else share.quantity
    if quantity < 1:
        raise invalid("difference.quantity", "Say at least one unit.", field="quantity")
    if quantity > found.open:
        raise conflict(
            "difference.too_many", f"Only {found.open:,} of {found.quantity:,} are open, not {quantity:,}. Nothing was changed.",
            field="quantity", open=found.open,
        )  # fmt: skip
    return quantity


async def _part(session: WriteSession, found: queries.DifferenceRow, share: Share, quantity: int) -> _Part:
    """The units that are settled now, among those that are open. Units that are too many stand nowhere until they are answered."""
    number: int = await fetch_value(
        session, "SELECT coalesce(max(number), 0) + 1 FROM order_difference_part WHERE difference_id = $1", found.id
    )
    if found.kind == "over":
        return _Part(number, quantity, ())
    units = {u.lot_id: u for u in await queries.difference_units(session, found.id)}
    chosen = chosen_among(
        [Among(u.lot_id, u.quantity, u.serial) for u in units.values()], quantity, share.serials,
        of=f"Line {found.line_no} ({found.part_number})", code="difference.which", field="serials",
    )  # fmt: skip
    return _Part(number, quantity, [replace(units[x.lot_id], quantity=x.quantity) for x in chosen])


@dataclass(frozen=True, slots=True)
class _Landed:
    """Where lots stand after a command, and the reservations that it made, by lot."""

    positions: Mapping[UUID, int]
    holds: Mapping[UUID, int]


async def _carry_out(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    part: _Part,
    act: str,
    steps: Sequence[Step],
    now: datetime,
) -> _Landed:
    """Carries the steps out as the seller's."""
    key = command_id("order.difference", found.id, part.number, act)
    done = await carry_out(session, Command(key, order.seller_id, actor.user_id, tuple(steps), "order", order.id), now)
    return _Landed(
        {e.lot_id: e.to_position for e in done.entries if e.to_position},
        {e.lot_id: e.seq for e in done.entries if e.kind is Kind.HOLD},
    )


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
    part: _Part,
    now: datetime,
    *,
    again: bool,
) -> None:
    """Missing units never left: they stand where they stood before, free, or reserved for the order to be shipped with the rest."""
    origins = await _origins(session, order, [u.lot_id for u in part.units])
    steps: list[Step] = []
    stands: list[tuple[queries.WhereRow, UUID, queries.UnitRow]] = []
    for u in part.units:
        before, row = origins[u.lot_id]
        lot, number = u.lot_id, u.position_id
        if u.serial is None:
            # What arrived of the lot is the buyer's: no two companies share one.
            lot, number = command_id("order.found", found.id, part.number, u.lot_id), 1
            steps.append(Step(Kind.SPLIT, u.lot_id, u.quantity, u.position_id, child=lot))
        steps.append(Step(Kind.RECEIVE, lot, u.quantity, number, to=before, reason="receipt_found"))
        if again:
            steps.append(Step(Kind.HOLD, lot, u.quantity, at=before))
        stands.append((u, lot, row))
    landed = await _carry_out(session, actor, order, found, part, "ship_again" if again else "never_left", steps, now)
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
    await agreements.note_not_accepted(session, agreement, {lines[found.line_no].part_id: -part.quantity})
    await execute(
        session,
        "UPDATE order_unit u SET quantity = u.quantity - n.less FROM unnest($2::uuid[], $3::bigint[], $4::int[]) AS n (lot_id, hold_seq, less) "
        "WHERE u.order_id = $1 AND u.line_no = $5 AND u.lot_id = n.lot_id AND u.hold_seq = n.hold_seq",
        order.id, [row.lot_id for _, _, row in stands], [row.hold_seq for _, _, row in stands], [u.quantity for u, _, _ in stands],
        found.line_no,
    )  # fmt: skip
    rows = [(found.line_no, lot, landed.holds[lot], landed.positions[lot], u.quantity) for u, lot, _ in stands]
    await reserve_again(session, order.id, rows)
    await execute(
        session, "UPDATE order_line SET short = short - $3 WHERE order_id = $1 AND line_no = $2",
        order.id, found.line_no, part.quantity,
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
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    part: _Part,
    now: datetime,
) -> _Part:
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
    left, steps = part.quantity, list[Step]()
    taken: list[tuple[UUID, int]] = []
    for w in shelf:
        n = min(left, w.quantity)
        if not n:
            break
        left -= n
        child = command_id("order.over", found.id, part.number, w.lot_id, w.position_id)
        here = at[w.lot_id, w.position_id]
        arrived = moved(here, site=order.ship_to_site_id, holder=order.buyer_id)
        steps += [
            Step(Kind.SPLIT, w.lot_id, n, w.position_id, child=child),
            Step(Kind.SHIP, child, n, at=here, to=moved(here, site=None)),
            Step(Kind.RECEIVE, child, n, at=moved(here, site=None), to=arrived, reason="receipt_over"),
        ]
        taken.append((child, n))
    if left:
        raise conflict(
            "difference.stock",
            f"On record you have {part.quantity - left:,} free units of {line.part_number} in that condition without a serial number, not "
            f"{part.quantity:,}. Count your stock first: then what is too many there is on record.",
        )
    landed = await _carry_out(session, actor, order, found, part, "over", steps, now)
    rows = [queries.WhereRow(lot, landed.positions[lot], n, None) for lot, n in taken]
    await execute(
        session,
        "INSERT INTO order_difference_unit (difference_id, lot_id, position_id, seller_id, buyer_id, quantity) "
        "SELECT $1, n.lot_id, n.position_id, $2, $3, n.quantity FROM unnest($4::uuid[], $5::int[], $6::int[]) AS n (lot_id, position_id, quantity)",
        found.id, order.seller_id, order.buyer_id, [r.lot_id for r in rows], [r.position_id for r in rows], [r.quantity for r in rows],
    )  # fmt: skip
    return replace(part, units=rows)


def _check_reason(found: queries.DifferenceRow, reason: str, note: str) -> None:
    """Raises ``difference.reason``, ``difference.note``."""
    known = DISPUTE_REASONS[found.kind]
    if reason not in known:
        raise invalid("difference.reason", f"Choose why you dispute it: {', '.join(known)}.", field="reason")
    if reason == "other" and not note.strip():
        raise invalid("difference.note", "Say why you dispute it: the buyer reads it.", field="note")


async def _dispute(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    reason: str,
    note: str,
    now: datetime,
) -> None:
    """What is open of a difference stands disputed."""
    _check_reason(found, reason, note)
    await execute(
        session,
        "UPDATE order_difference SET status = 'disputed', answered_by = $2, answered_at = $3, answer_code = $4, answer_note = $5 WHERE id = $1",
        found.id, actor.user_id, now, reason, note.strip() or None,
    )  # fmt: skip
    await _tell(
        session, actor, order, found, "difference_disputed", {"quantity": found.open, "reason": reason}, note, now
    )


async def _settle(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    part: _Part,
    as_: str,
    note: str,
    now: datetime,
    *,
    return_id: UUID | None = None,
) -> None:
    """Writes the part down and takes it off what is open; the last one settles the difference."""
    await execute(
        session,
        "INSERT INTO order_difference_part (difference_id, number, seller_id, buyer_id, company_id, settled_as, quantity, serials, note, "
        "return_id, settled_by, settled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        found.id, part.number, order.seller_id, order.buyer_id, actor.company_id, as_, part.quantity, part.serials, note.strip() or None,
        return_id, actor.user_id, now,
    )  # fmt: skip
    await execute(
        session,
        "UPDATE order_difference_unit u SET settled = u.settled + n.quantity FROM unnest($2::uuid[], $3::int[]) AS n (lot_id, quantity) "
        "WHERE u.difference_id = $1 AND u.lot_id = n.lot_id",
        found.id, [u.lot_id for u in part.units], [u.quantity for u in part.units],
    )  # fmt: skip
    answered = actor.company_id == order.seller_id
    await execute(
        session,
        "UPDATE order_difference d SET open = d.open - $2, status = CASE WHEN d.open = $2 THEN 'settled' ELSE d.status END, "
        "settled_as = CASE WHEN d.open = $2 THEN (SELECT CASE WHEN count(DISTINCT p.settled_as) = 1 THEN min(p.settled_as) ELSE 'in_parts' END "
        "FROM order_difference_part p WHERE p.difference_id = d.id) END, settled_at = CASE WHEN d.open = $2 THEN $3::timestamptz END, "
        "return_id = coalesce($4, d.return_id), answered_by = CASE WHEN $5 THEN $6 ELSE answered_by END, "
        "answered_at = CASE WHEN $5 THEN $3 ELSE answered_at END, answer_note = CASE WHEN $5 THEN coalesce($7, answer_note) ELSE answer_note END "
        "WHERE d.id = $1",
        found.id, part.quantity, now, return_id, answered, actor.user_id, note.strip() or None,
    )  # fmt: skip
    # Of a part it is said of how many, so that the story adds up.
    whole = part.quantity == found.quantity
    more = {"as": as_} if whole else {"as": as_, "of": found.quantity, "left": found.open - part.quantity}
    named = {} if whole or not part.serials else {"serials": part.serials}
    await _tell(
        session, actor, order, found, "difference_settled", {"quantity": part.quantity, **more, **named}, note, now
    )


async def _tell(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    kind: str,
    more: Mapping[str, Any],
    note: str,
    now: datetime,
) -> None:
    """The story of the order says it."""
    detail = {
        "shipment": found.shipment, "line": found.line_no, "part": found.part_number, "what": found.kind, **more,
        **({"note": note.strip()} if note.strip() else {}),
    }  # fmt: skip
    await tell(session, actor, order.id, order.seller_id, order.buyer_id, kind, detail, now)


async def _mail(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.DifferenceRow,
    said: Sequence[str],
    note: str,
) -> None:
    """The other side is told, once for all that was said at one time."""
    selling = actor.company_id == order.seller_id
    other, roles = (order.buyer_id, ("buyer", "warehouse")) if selling else (order.seller_id, ("seller", "planner"))
    async with acting_for(session, other):
        people = await parties.people_to_tell(session, other, roles)
    await announce(
        session, "order.difference", order.id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference}: {DIFFERENCES[found.kind].lower()} {found.part_number}",
        f"{found.quantity:,} of {found.part_number}, {DIFFERENCES[found.kind].lower()}. {'; '.join(said)}. {note.strip()}".strip(),
    )  # fmt: skip
