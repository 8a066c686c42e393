"""Units go back to the seller: bought ones that it agreed to take back, and ones that were not accepted on receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from marketplace.agreements import service as agreements
from marketplace.agreements.phrases import count
from marketplace.agreements.queries.retained import clauses_of_agreement
from marketplace.agreements.title import kept_by
from marketplace.db.session import WriteSession, acting_for, execute, fetch_value
from marketplace.kit.consignment import Consignment
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.queries import held_lots_for_update, places
from marketplace.ledger.service import carry_out
from marketplace.orders import queries
from marketplace.orders.delivery import (
    ANSWER_TIME,
    MOST_NOTE,
    MOST_RETURNS,
    REFUSE_REASONS,
    RETURN_REASONS,
    RETURN_STATES,
    Among,
    Portion,
    check_code,
    chosen_among,
)
from marketplace.orders.service.receiving import coming_under
from marketplace.orders.service.shared import announce, mine, moved, tell
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.settlement import service as settlement

Named = Sequence[tuple[int, UUID, int, str | None]]
"""(line, lot, how many, serial)."""


async def ask_return(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    portions: Sequence[Portion],
    *,
    reason: str,
    note: str,
    now: datetime,
) -> UUID:
    """The buyer asks to send bought units back: no more than it took of this order and still has, neither used nor ordered back, and as long as
    their agreement stands. The seller answers. Returns the return's id.

    Raises ``return.reason``, ``return.empty``, ``return.too_many``, ``return.which``, ``return.ended`` (the agreement has),
    ``return.title_kept`` (the units are the seller's already), ``agreement.suspended``, ``agreement.legal_hold``.
    """
    check_code(reason, RETURN_REASONS, note, what="return.reason")
    order = await mine(session, actor, order_id, "buyer")
    own = await queries.returnable(session, order_id)
    await held_lots_for_update(session, [o.lot_id for o in own])
    agreement = await _under(session, order)
    known = {o.lot_id for o in own}
    # Read again under the lots' locks.
    own = [o for o in await queries.returnable(session, order_id) if o.lot_id in known and o.agreement_id == agreement]
    lines = {x.line_no: x for x in await queries.lines(session, order_id)}
    named = _named(portions, own, lines)
    made = await _insert(
        session, actor, order, named, of_units="bought", reason=reason, note=note, status="asked", now=now
    )
    what = await queries.goods_return(session, made)
    await _told(session, actor, order, what, "return_asked", {"reason": reason}, note, now, RETURN_REASONS[reason])
    return made


async def _under(session: WriteSession, order: queries.OrderRow) -> UUID:
    """The agreement that the units stand under, locked; the return is asked for within it."""
    agreement = await coming_under(session, order)
    if agreement is None:
        raise conflict(
            "return.ended",
            "The agreement of this order has ended, and with it what it says of its units: nothing can be returned under it. Write to "
            "the seller.",
        )
    await agreements.require_live(session, agreement)
    if kept_by(await clauses_of_agreement(session, agreement)) is not None:
        raise conflict(
            "return.title_kept",
            "These units stay the seller's until you take them out: there is nothing to give back. The seller takes its own back by an "
            "order back.",
        )
    return agreement


def _named(
    portions: Sequence[Portion], own: Sequence[queries.OwnRow], lines: Mapping[int, queries.LineRow]
) -> list[tuple[int, UUID, int, str | None]]:
    """What the portions name of the units that can go back."""
    by_line: dict[int, list[Among]] = {}
    for o in own:
        by_line.setdefault(o.line_no, []).append(Among(o.lot_id, o.free, o.serial))
    return _of_lines(
        portions, by_line, lines, "return",
        "can go back, not {}. Only units that you took of this order count, as long as they are under its agreement, not used, not ordered "
        "back and in no other return.",
    )  # fmt: skip


def _of_lines(
    portions: Sequence[Portion],
    by_line: Mapping[int, Sequence[Among]],
    lines: Mapping[int, queries.LineRow],
    verb: str,
    too_many: str,
) -> list[tuple[int, UUID, int, str | None]]:
    """The units that the portions name among those of their lines. Raises ``return.empty``, ``return.too_many``, ``return.which``."""
    numbers = [p.line_no for p in portions]
    if not numbers or len(set(numbers)) != len(numbers) or any(n not in lines for n in numbers):
        raise invalid("return.empty", "Say of which lines units are to go back, each line once.", field="lines")
    found: list[tuple[int, UUID, int, str | None]] = []
    for index, p in enumerate(portions):
        of, field, here = (
            f"Line {p.line_no} ({lines[p.line_no].part_number})",
            f"lines.{index}",
            by_line.get(p.line_no, ()),
        )
        left = sum(x.quantity for x in here)
        if not 1 <= p.quantity <= 1_000_000_000:
            raise invalid("return.empty", f"{of}: {verb} at least one unit.", field=field)
        if p.quantity > left:
            raise conflict(
                "return.too_many",
                f"{of}: at most {left:,} {too_many.format(f'{p.quantity:,}')}",
                field=field,
                possible=left,
            )
        chosen = chosen_among(here, p.quantity, p.serials, of=of, code="return.which", field=field)
        found += [(p.line_no, x.lot_id, x.quantity, x.serial) for x in chosen]
    return found


async def open_return(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    units: Named,
    *,
    reason: str,
    to_site: UUID | None,
    now: datetime,
) -> UUID:
    """A return of units that were not accepted, agreed on as the seller answered the difference. Nothing was owed for them."""
    return await _insert(
        session,
        actor,
        order,
        units,
        of_units="not_accepted",
        reason=reason,
        note="",
        status="agreed",
        now=now,
        to_site=to_site,
    )


async def _insert(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    units: Named,
    *,
    of_units: str,
    reason: str,
    note: str,
    status: str,
    now: datetime,
    to_site: UUID | None = None,
) -> UUID:
    number: int = await fetch_value(
        session, "SELECT coalesce(max(number), 0) + 1 FROM order_return WHERE order_id = $1", order.id
    )
    if number > MOST_RETURNS:
        raise conflict("return.too_many", f"An order has at most {MOST_RETURNS} returns.")
    agreed = status == "agreed"
    answered = (actor.user_id, now) if agreed else (None, None)
    made: UUID = await fetch_value(
        session,
        "INSERT INTO order_return (order_id, number, seller_id, buyer_id, of_units, reason_code, note, status, asked_by, asked_at, "
        "answered_by, answered_at, to_site_id, answer_by, send_by) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15) RETURNING id",
        order.id, number, order.seller_id, order.buyer_id, of_units, reason, note.strip() or None, status, actor.user_id, now, *answered,
        to_site, *((None, now + ANSWER_TIME) if agreed else (now + ANSWER_TIME, None)),
    )  # fmt: skip
    await execute(
        session,
        "INSERT INTO order_return_unit (return_id, line_no, lot_id, seller_id, buyer_id, quantity, serial, agreed) "
        "SELECT $1, n.line_no, n.lot_id, $2, $3, n.quantity, n.serial, CASE WHEN $8 THEN n.quantity END "
        "FROM unnest($4::int[], $5::uuid[], $6::int[], $7::text[]) AS n (line_no, lot_id, quantity, serial)",
        made, order.seller_id, order.buyer_id, [u[0] for u in units], [u[1] for u in units], [u[2] for u in units], [u[3] for u in units],
        agreed,
    )  # fmt: skip
    return made


async def _locked(session: WriteSession, order: queries.OrderRow, return_id: UUID, *states: str) -> queries.ReturnRow:
    """A return of the locked order in one of these states. Raises ``return.not_found``, ``return.state``."""
    found = await queries.goods_return(session, return_id)
    if found.order_id != order.id:
        raise missing("return.not_found", "This order has no such return.")
    if found.status not in states:
        raise conflict(
            "return.state", f"This return {_is(found.status)}; that is not possible now.", state=found.status
        )
    return found


def _is(status: str) -> str:
    words = RETURN_STATES[status]
    return words if words.startswith("waits") else f"is {words}"


async def answer_return(
    session: WriteSession,
    actor: Actor,
    order_id: UUID,
    return_id: UUID,
    *,
    agree: bool,
    credit_percent: int = 100,
    reason: str = "",
    note: str = "",
    now: datetime,
    portions: Sequence[Portion] = (),
) -> None:
    """The seller agrees to take units back, all or the ``portions`` of those that were asked for, and says which part of their price it
    credits; the others it refuses for a ``reason``, as it does all of them where it does not agree. Raises ``return.state``,
    ``return.credit``, ``return.refuse``, ``return.empty``, ``return.too_many``, ``return.which``, and what ``ask_return`` raises of the
    agreement."""
    order = await mine(session, actor, order_id, "seller")
    found = await _locked(session, order, return_id, "asked")
    if not agree:
        check_code(reason, REFUSE_REASONS, note, what="return.refuse")
        await execute(
            session,
            "UPDATE order_return SET status = 'refused', answered_by = $2, answered_at = $3, answer_code = $4, answer_note = $5 WHERE id = $1",
            found.id, actor.user_id, now, reason, note.strip() or None,
        )  # fmt: skip
        await _told(
            session, actor, order, found, "return_refused", {"reason": reason}, note, now, REFUSE_REASONS[reason]
        )
        return
    if not 0 <= credit_percent <= 100:
        raise invalid("return.credit", "Credit from 0 to 100 percent of the price.", field="credit_percent")
    if len(note) > MOST_NOTE:
        raise invalid("return.credit", f"Say at most {MOST_NOTE} characters.", field="note")
    lines = {x.line_no: x for x in await queries.lines(session, order.id)}
    taken = _taken(portions, await queries.return_units(session, found.id), lines)
    refused = found.units - sum(n for _, _, n, _ in taken)
    if refused:
        check_code(reason, REFUSE_REASONS, note, what="return.refuse")
    elif reason:
        raise invalid(
            "return.refuse", "You take all of them: no reason to refuse any is needed, leave it out.", field="reason"
        )
    await _under(session, order)
    # Where the first of its units stood before it left.
    row = next((u for u in await queries.units(session, order.id) if u.shipped_lot_id == taken[0][1]), None)
    at = await places(session, [(row.lot_id, row.position_id)]) if row else {}
    to_site = next((place.site for place in at.values() if place.site), None)
    await execute(
        session,
        "UPDATE order_return_unit u SET agreed = coalesce((SELECT n.quantity FROM unnest($2::int[], $3::uuid[], $4::int[]) "
        "AS n (line_no, lot_id, quantity) WHERE n.line_no = u.line_no AND n.lot_id = u.lot_id), 0) WHERE u.return_id = $1",
        found.id, [line for line, _, _, _ in taken], [lot for _, lot, _, _ in taken], [n for _, _, n, _ in taken],
    )  # fmt: skip
    await execute(
        session, "UPDATE order_return SET status = 'agreed', answered_by = $2, answered_at = $3, answer_code = $4, answer_note = $5, "
        "credit_percent = $6, to_site_id = $7, send_by = $8 WHERE id = $1",
        found.id, actor.user_id, now, reason or None, note.strip() or None, credit_percent, to_site, now + ANSWER_TIME,
    )  # fmt: skip
    agreed = await queries.goods_return(session, found.id)
    words = f"{credit_percent} % of the price is credited when they are back"
    more: dict[str, Any] = {"credit_percent": credit_percent}
    if refused:
        more |= {"refused": agreed.left_here, "reason": reason}
        words += f"; not taken back: {agreed.left_here}, {REFUSE_REASONS[reason].lower()}"
    await _told(session, actor, order, agreed, "return_agreed", more, note, now, words)


def _taken(
    portions: Sequence[Portion], asked: Sequence[queries.ReturnUnitRow], lines: Mapping[int, queries.LineRow]
) -> list[tuple[int, UUID, int, str | None]]:
    """What the seller takes of the units that were asked for: without portions all."""
    if not portions:
        return [(u.line_no, u.lot_id, u.quantity, u.serial) for u in asked]
    by_line: dict[int, list[Among]] = {}
    for u in asked:
        by_line.setdefault(u.line_no, []).append(Among(u.lot_id, u.quantity, u.serial))
    return _of_lines(portions, by_line, lines, "take", "are asked for, not {}.")


async def withdraw_return(
    session: WriteSession, actor: Actor, order_id: UUID, return_id: UUID, *, note: str, now: datetime
) -> None:
    """The buyer keeps bought units after all, as long as they have not left. Raises ``return.state``."""
    order = await mine(session, actor, order_id, "buyer")
    found = await _locked(session, order, return_id, "asked", "agreed")
    if found.of_units != "bought":
        raise conflict(
            "return.state",
            "These units are the seller's: they go back. Take them through the difference before it is settled.",
        )
    if len(note) > MOST_NOTE:
        raise invalid("return.reason", f"Say at most {MOST_NOTE} characters.", field="note")
    await execute(session, "UPDATE order_return SET status = 'withdrawn' WHERE id = $1", found.id)
    await _told(session, actor, order, found, "return_withdrawn", {}, note, now, "the buyer keeps them")


async def ship_return(
    session: WriteSession, actor: Actor, order_id: UUID, return_id: UUID, consignment: Consignment, now: datetime
) -> None:
    """The buyer sends the units of an agreed return back: they are on their way in the ledger, lots split off where not all goes.
    Raises ``return.state``, ``return.not_there`` (used, moved or ordered back meanwhile), and what ``ask_return`` raises of the
    agreement."""
    order = await mine(session, actor, order_id, "buyer")
    found = await _locked(session, order, return_id, "agreed")
    bought = found.of_units == "bought"
    units = await queries.return_units(session, found.id)
    owner = order.buyer_id if bought else order.seller_id
    # What was not accepted is the seller's: its answer to the difference is its leave.
    async with acting_for(session, owner):
        lots = await held_lots_for_update(session, [u.lot_id for u in units])
        agreement = await _under(session, order) if bought else None
        steps: list[Step] = []
        travels: list[tuple[queries.ReturnUnitRow, UUID]] = []
        for u in units:
            there = [
                (number, p) for number, p in lots[u.lot_id].positions.items()
                if p.place.owner == owner and p.place.holder == order.buyer_id and p.place.site is not None
                and p.place.agreement == agreement and p.free >= u.quantity
            ]  # fmt: skip
            if not there:
                raise conflict(
                    "return.not_there",
                    f"Of {u.serial or 'a lot'} in this return {count(u.quantity, 'unit')} no longer {'is' if u.quantity == 1 else 'are'} free at one of "
                    "your sites: used, moved or ordered back meanwhile. Withdraw the return and ask again for what is there.",
                )
            number, position = there[0]
            lot = u.lot_id
            if u.serial is None:
                lot = command_id("order.returned", found.id, u.line_no, u.lot_id)
                steps.append(Step(Kind.SPLIT, u.lot_id, u.quantity, number, child=lot))
            steps.append(Step(Kind.SHIP, lot, u.quantity, at=position.place, to=moved(position.place, site=None)))
            travels.append((u, lot))
        key = command_id("order.return_ship", found.id)
        command = Command(key, owner, actor.user_id, tuple(steps), "order", order.id)
        landed = {e.lot_id: e.to_position for e in (await carry_out(session, command, now)).entries if e.to_position}
    await execute(
        session,
        "UPDATE order_return_unit u SET travels_as = n.travels, position_id = n.number "
        "FROM unnest($2::int[], $3::uuid[], $4::uuid[], $5::int[]) AS n (line_no, lot_id, travels, number) "
        "WHERE u.return_id = $1 AND u.line_no = n.line_no AND u.lot_id = n.lot_id",
        found.id, [u.line_no for u, _ in travels], [u.lot_id for u, _ in travels], [lot for _, lot in travels],
        [landed[lot] for _, lot in travels],
    )  # fmt: skip
    await execute(
        session, "UPDATE order_return SET status = 'shipped', shipped_at = $2, carrier = $3, tracking = $4 WHERE id = $1",
        found.id, now, consignment.carrier, consignment.tracking,
    )  # fmt: skip
    await _told(
        session,
        actor,
        order,
        found,
        "return_shipped",
        consignment.detail(),
        "",
        now,
        f"on their way: {consignment.words()}",
    )


async def receive_return(
    session: WriteSession, actor: Actor, order_id: UUID, return_id: UUID, now: datetime, *, site_id: UUID | None = None
) -> None:
    """The seller has the units back: they stand at its site (the one named, else the one that they came from), free of the agreement, and
    bought ones change title and are credited as agreed. Raises ``return.state``, ``site.not_found``, ``return.site``."""
    order = await mine(session, actor, order_id, "seller")
    found = await _locked(session, order, return_id, "shipped")
    at_site = site_id or found.to_site_id
    if at_site is None:
        raise invalid("return.site", "Say at which of your sites they arrived.", field="site_id")
    site = await parties.site_for_share(session, actor, at_site)
    units = await queries.return_units(session, found.id)
    travels = [(u.travels_as or u.lot_id, u.position_id or 0, u.quantity) for u in units]
    await held_lots_for_update(session, [lot for lot, _, _ in travels])
    at = await places(session, [(lot, number) for lot, number, _ in travels])
    under = next((place.agreement for place in at.values() if place.agreement), None)
    permits: dict[UUID, dict[Kind, UUID]] = {}
    if under is not None:
        permits = await agreements.permits_for_return(
            session, agreement_id=under, maker_id=order.seller_id, holder_id=order.buyer_id, lots=[(lot, n) for lot, _, n in travels],
            reason=f"Returned on {order.reference}", now=now, order_id=found.id,
        )  # fmt: skip
    steps: list[Step] = []
    for lot, number, n in travels:
        leave = permits.get(lot, {})
        here = moved(at[lot, number], site=site.id, holder=order.seller_id)
        steps.append(Step(Kind.RECEIVE, lot, n, number, to=here, permit=leave.get(Kind.RECEIVE), reason="returned"))
        owned = moved(here, owner=order.seller_id)
        if here.owner != order.seller_id:
            steps.append(Step(Kind.TITLE, lot, n, at=here, to=owned, permit=leave.get(Kind.TITLE)))
        if owned.agreement is not None:
            steps.append(
                Step(
                    Kind.REPOINT,
                    lot,
                    n,
                    at=owned,
                    to=moved(owned, agreement=None, beneficiary=None),
                    permit=leave.get(Kind.REPOINT),
                )
            )
    command = Command(
        command_id("order.return_receive", found.id), order.seller_id, actor.user_id, tuple(steps), "order", order.id
    )
    await carry_out(session, command, now)
    credited = None
    if found.of_units == "bought":
        credited = await _credit(session, actor, order, found, units, now)
    await execute(
        session, "UPDATE order_return SET status = 'received', received_at = $2, to_site_id = $3, credited = $4 WHERE id = $1",
        found.id, now, site.id, credited.amount if credited else None,
    )  # fmt: skip
    said = f"; {credited} credited" if credited and credited.amount else ""
    detail = {"credited": str(credited)} if credited else {}
    await _told(session, actor, order, found, "return_received", detail, "", now, f"back at {site.name}{said}")


async def _credit(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.ReturnRow,
    units: Sequence[queries.ReturnUnitRow],
    now: datetime,
) -> Money:
    """Takes the agreed part of the price back, off the lines that it is owed by. What was never written as a line was paid outside, and
    is paid back there: the amount returned is what was credited here."""
    wanted: dict[UUID, Decimal] = {}
    for u in units:
        wanted[u.part_id] = (
            wanted.get(u.part_id, Decimal(0)) + u.unit_price * u.quantity * (found.credit_percent or 0) / 100
        )
    total = Money(Decimal(0), order.currency)
    for part, amount in wanted.items():
        left = Money(amount, order.currency).rounded().amount
        for line, open_amount in await queries.sale_lines(session, order.id, part):
            take = min(left, open_amount)
            if not take:
                break
            left -= take
            n = sum(u.quantity for u in units if u.part_id == part)
            await settlement.credit(
                session, actor, line, Money(take, order.currency), words=f"Return {found.number} of {order.reference}: {count(n, 'unit')} back.",
                now=now, step_id=command_id("order.return_credit", found.id, line),
            )  # fmt: skip
            total += Money(take, order.currency)
    return total


async def _told(
    session: WriteSession,
    actor: Actor,
    order: queries.OrderRow,
    found: queries.ReturnRow,
    kind: str,
    more: dict[str, Any],
    note: str,
    now: datetime,
    words: str,
) -> None:
    """The story of the order says it, and the other side is mailed."""
    detail = {"return": found.number, "what": found.what, **more, **({"note": note.strip()} if note.strip() else {})}
    await tell(session, actor, order.id, order.seller_id, order.buyer_id, kind, detail, now)
    selling = actor.company_id == order.seller_id
    other, roles = (
        (order.buyer_id, ("buyer", "warehouse")) if selling else (order.seller_id, ("seller", "planner", "warehouse"))
    )
    async with acting_for(session, other):
        people = await parties.people_to_tell(session, other, roles)
    await announce(
        session, "order.return", order.id, (order.seller_id, order.buyer_id), order.reference, people,
        f"Order {order.reference}: return of {count(found.units, 'unit')}", f"{found.what}: {words}. {note.strip()}".strip(),
    )  # fmt: skip
