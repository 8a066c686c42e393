"""A seller accepts an order in part: some units, or whole lines, are left out of it for a reason and are free again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from marketplace.db.session import WriteSession, execute
from marketplace.kit.ids import command_id
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import held_lots_for_update
from marketplace.ledger.service import carry_out
from marketplace.listings import queries as listings
from marketplace.listings.quantities import Take
from marketplace.orders import queries
from marketplace.orders.service.shared import count_ordered, put_back
from marketplace.orders.states import LeftOut, check_left_out
from marketplace.parties.actor import Actor


async def leave_out(
    session: WriteSession, actor: Actor, order: queries.OrderRow, left: Sequence[LeftOut], now: datetime
) -> list[dict[str, Any]]:
    """Takes units out of an order that its seller is about to accept: they are free again, and on offer where the posting is still
    open. What goes on is reserved as before. Returns what the story tells. Raises what ``check_left_out`` raises."""
    lines = {x.line_no: x for x in await queries.lines(session, order.id)}
    check_left_out(left, {n: x.quantity for n, x in lines.items()})
    if not left:
        return []
    wanted = {x.line_no: x.quantity for x in left}
    locked = await listings.listings_for_update(session, [lines[n].listing_id for n in wanted])
    units = [u for u in await queries.units(session, order.id) if u.line_no in wanted]
    await held_lots_for_update(session, [u.lot_id for u in units])
    steps: list[Step] = []
    taken: list[tuple[queries.UnitRow, int]] = []
    # The last ones first, so that those that go on are the ones that an order for fewer would have reserved.
    for u in reversed(units):
        out = min(u.quantity, wanted[u.line_no])
        if not out:
            continue
        wanted[u.line_no] -= out
        taken.append((u, out))
        steps.append(Step(Kind.VOID, u.lot_id, u.quantity, u.position_id, resolves=u.hold_seq))
        if u.quantity > out:
            steps.append(Step(Kind.HOLD, u.lot_id, u.quantity - out, u.position_id, expires_at=order.hold_expires_at))
    command = Command(
        command_id("order.leave_out", order.id), order.seller_id, actor.user_id, tuple(steps), "order", order.id
    )
    holds = iter([e.seq for e in (await carry_out(session, command, now)).entries if e.kind is Kind.HOLD])
    await execute(
        session,
        "UPDATE order_unit u SET quantity = n.kept, hold_seq = n.new FROM unnest($2::int[], $3::uuid[], $4::bigint[], $5::bigint[], "
        "$6::int[]) AS n (line_no, lot_id, old, new, kept) "
        "WHERE u.order_id = $1 AND u.line_no = n.line_no AND u.lot_id = n.lot_id AND u.hold_seq = n.old",
        order.id, [u.line_no for u, _ in taken], [u.lot_id for u, _ in taken], [u.hold_seq for u, _ in taken],
        [next(holds) if u.quantity > out else u.hold_seq for u, out in taken], [u.quantity - out for u, out in taken],
    )  # fmt: skip
    await execute(
        session,
        "UPDATE order_line x SET quantity = x.quantity - n.out, left_out = n.out, left_out_reason = n.reason, left_out_note = n.note "
        "FROM unnest($2::int[], $3::int[], $4::text[], $5::text[]) AS n (line_no, out, reason, note) "
        "WHERE x.order_id = $1 AND x.line_no = n.line_no",
        order.id, [x.line_no for x in left], [x.quantity for x in left], [x.reason for x in left],
        [x.note.strip() or None for x in left],
    )  # fmt: skip
    await count_ordered(session, [(lines[x.line_no].listing_id, -x.quantity) for x in left])
    back = [(lines[u.line_no].listing_id, Take(u.lot_id, u.position_id, out)) for u, out in taken]
    await put_back(session, order.seller_id, locked, back, now)
    return [
        {"line": x.line_no, "part": lines[x.line_no].part_number, "quantity": x.quantity, "reason": x.reason, "note": x.note.strip()}
        for x in left
    ]  # fmt: skip
