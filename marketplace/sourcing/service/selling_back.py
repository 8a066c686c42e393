"""The holder's own right to sell units back: an order back that the holder gives. It binds both sides from its notice on; the
manufacturer cannot refuse it, and says where the units go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.agreements import phrases
from marketplace.agreements import queries as agreed
from marketplace.agreements import service as leave
from marketplace.agreements.clauses.buy_back import evaluate_put
from marketplace.agreements.covered import Covered
from marketplace.agreements.deadlines import acknowledge_by
from marketplace.agreements.graded import place
from marketplace.agreements.outcomes import Entitled, Refused
from marketplace.agreements.reach import as_of
from marketplace.agreements.remedies import default_from, due_by
from marketplace.agreements.terms import Terms, Urgency
from marketplace.agreements.terms_v2 import BuyBackV2
from marketplace.db.session import ReadSession, WriteSession, acting_for, execute, fetch_value
from marketplace.kit.canonical import encode, instant
from marketplace.kit.errors import DomainError, conflict, invalid, missing
from marketplace.kit.ids import command_id, short_reference
from marketplace.kit.money import Money
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor, OnBehalf
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow, SellableRow
from marketplace.sourcing.service.shared import announce, keep_units, mine, tell


@dataclass(frozen=True, slots=True)
class Offered:
    """Units of one part under one agreement that the holder sells back from one of its sites, all in one condition."""

    agreement_id: UUID
    part_id: UUID
    site_id: UUID
    condition: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Sellable:
    """A place with units of the holder's, how many of them it can sell back now (``can``) and at what price, in words with the
    section; or why not."""

    row: SellableRow
    can: int
    unit_price: Money | None
    words: str


async def sellable(session: ReadSession, actor: Actor, agreement_id: UUID, now: datetime) -> Sequence[Sellable]:
    """What the holder has under an agreement, and what it could sell back of it. Raises ``agreement.not_found``."""
    found = await agreed.agreement(session, actor, agreement_id)
    if actor.company_id != found.row.holder_id:
        raise missing("agreement.not_found", "No such agreement under which you hold units.")
    rows = await queries.sellable(session, actor.company_id, agreement_id, now)
    covered = await agreed.terms_and_facts(session, [(agreement_id, part) for part in {r.part_id for r in rows}])
    made: list[Sellable] = []
    for row in rows:
        known = covered.get((agreement_id, row.part_id))
        if known is None:
            continue
        answer = put_now(known, 1, now)
        if isinstance(answer, Refused):
            made.append(Sellable(row, 0, None, f"{answer.words} {answer.until_words}"))
            continue
        words = f"{answer.reasons[0].words.rstrip('.')} ({place(answer.reasons[0])})."
        made.append(Sellable(row, min(row.free, answer.callable), answer.unit_price, words))
    return made


def put_terms(covered: Covered) -> Terms:
    """Of several clauses the one that gives the right, or the first, which says that there is none."""
    return next((t for t in covered.clauses if t.clause == "buy-back"), covered.terms)


def put_now(covered: Covered, quantity: int, now: datetime) -> Entitled | Refused:
    """What the agreement says to selling so many units back now."""
    terms = put_terms(covered)
    return evaluate_put(terms, as_of(terms, covered.facts, now), quantity, now)


async def sell_back(session: WriteSession, actor: Actor, offered: Offered, now: datetime) -> UUID:
    """Reserves the units and gives notice in one transaction: the order is committed to by both, and its units ship by the
    clock of a stock order. Returns its id.

    Raises ``agreement.not_found``, ``put.no_put``, ``put.window_not_open``, ``put.window_closed``, ``put.legal_hold``,
    ``put.suspended``, ``put.nothing_left``, ``put.quantity`` for more than can be sold back, ``put.not_there`` for more than
    are free at that site, ``put.destination`` where the manufacturer has no open site."""
    if offered.quantity < 1:
        raise invalid("put.quantity", "Sell back at least one unit.", field="quantity")
    row = (await agreed.agreement(session, actor, offered.agreement_id)).row
    if actor.company_id != row.holder_id:
        raise missing("agreement.not_found", "No such agreement under which you hold units.")
    # Lots before agreements, and nothing is decided from what was read before both are locked.
    free = await queries.own_lots_for_update(
        session, actor.company_id, offered.agreement_id, offered.part_id, offered.site_id, offered.condition, now
    )
    await leave.require_live(session, offered.agreement_id)
    pair = (offered.agreement_id, offered.part_id)
    covered = (await agreed.terms_and_facts(session, [pair])).get(pair)
    if covered is None:
        raise missing("agreement.not_found", "This agreement does not cover the part.")
    terms, answer = put_terms(covered), put_now(covered, offered.quantity, now)
    if isinstance(answer, Refused):
        raise _refusal(answer)
    assert isinstance(terms, BuyBackV2)  # noqa: S101 - no other clause gives the right
    if answer.granted < offered.quantity:
        raise conflict(
            "put.quantity",
            _too_many(covered.facts.remaining, answer.callable),
            field="quantity", available=answer.callable,
        )  # fmt: skip
    there = sum(n for _, _, n in free)
    if there < offered.quantity:
        raise conflict(
            "put.not_there",
            f"{there:,} of them are free at that site in that condition, not {offered.quantity:,}.",
            field="quantity", available=there,
        )  # fmt: skip
    async with acting_for(session, covered.maker_id):
        to = await queries.first_site_for_share(session, covered.maker_id)
    if to is None:
        raise conflict("put.destination", f"{covered.maker} has no open site that units could go to. Ring them.")
    call_id: UUID = await fetch_value(session, "SELECT uuidv7()")
    await _reserve_and_write(session, actor, offered, covered, terms, answer, call_id, free, to, now)
    call = await queries.call(session, call_id)
    detail = {"quantity": call.quantity, "price": str(answer.unit_price)}
    await tell(session, actor, call, "sold_back", detail, now)
    by = phrases.deadline(call.acknowledge_by, call.zone) if call.acknowledge_by else "now"
    await announce(
        session, "call.noticed", call, call.maker_id, ("planner", "warehouse"),
        f"{call.holder} sells back {call.quantity} x {call.part_number}: {call.reference}",
        f"Under {covered.reference}, at {answer.unit_price} a unit ({place(answer.reasons[0])}). Say by {by} where they go; "
        f"otherwise they go to {call.destination}.",
    )  # fmt: skip
    return call_id


async def _reserve_and_write(
    session: WriteSession,
    actor: Actor,
    offered: Offered,
    covered: Covered,
    terms: BuyBackV2,
    answer: Entitled,
    call_id: UUID,
    free: Sequence[tuple[UUID, int, int]],
    to: UUID,
    now: datetime,
) -> None:
    steps: list[Step] = []
    left = offered.quantity
    for lot_id, position, count in free:
        if left:
            steps.append(Step(Kind.HOLD, lot_id, min(count, left), position))
            left -= min(count, left)
    command = Command(command_id("put", call_id), actor.company_id, actor.user_id, tuple(steps), "call", call_id)
    await carry_out(session, command, now)
    zone, stated = covered.facts.zone, acknowledge_by(terms, Urgency.STOCK, now, covered.facts.zone)
    reasons = [
        f"{r.words.rstrip('.')} ({place(r)})." for r in answer.reasons
    ] + [f"The units ship by {phrases.deadline(answer.ship_by, zone)}."]  # fmt: skip
    await execute(
        session,
        "INSERT INTO call (id, reference, kind, company_id, maker_id, holder_id, agreement_id, part_id, site_id, "
        "destination_site_id, condition, urgency, quantity, unit_price, currency, status, silence, reasons, inspection_days, "
        "payment_days, requested_by, noticed_at, accepted_at, ship_by, expected_at, acknowledge_by, deliver_by, default_from) "
        "VALUES ($1,$2,'put',$3,$3,$4,$5,$6,$7,$8,$9,'stock_order',$10,$11,$12,'accepted','accepted',$13::jsonb,$14,$15,$16,"
        "$17,$17,$18,$19,$20,$21,$22)",
        call_id, short_reference("CALL"), covered.maker_id, actor.company_id, offered.agreement_id, offered.part_id,
        offered.site_id, to, offered.condition, offered.quantity, answer.unit_price.amount, answer.unit_price.currency,
        encode(reasons).decode(), answer.inspection_days, answer.payment_days, actor.user_id, now, answer.ship_by,
        answer.deliver_by, stated, answer.deliver_by,
        default_from(terms, covered.facts, due_by(terms, answer.ship_by, answer.deliver_by)),
    )  # fmt: skip
    await keep_units(session, call_id)
    # The places as they are now, for both sides, whether or not each may see the other's site.
    async with acting_for(session, covered.maker_id):
        await execute(
            session,
            "UPDATE call SET ship_from = site_card(site_id), ship_to = site_card(destination_site_id) WHERE id = $1",
            call_id,
        )


async def name_destination(session: WriteSession, actor: Actor, call_id: UUID, site_id: UUID, now: datetime) -> None:
    """The manufacturer says where units that are sold back to it go. Until the time for it has run: then they go to the site
    that the order names. Raises ``call.not_found``, ``put.state`` for another kind of order or one that has shipped,
    ``put.too_late``, ``site.not_found``."""
    call = await mine(session, actor, call_id, "asker")
    if call.kind != "put" or call.status not in ("accepted", "defaulted"):
        raise conflict("put.state", "Only for units that are sold back to you and have not shipped yet.")
    if call.acknowledged_at is None and call.acknowledge_by is not None and now >= call.acknowledge_by:
        by = phrases.deadline(call.acknowledge_by, call.zone)
        raise conflict("put.too_late", f"The time to say so ended with {by}: they go to {call.destination}.")
    site = await parties.site_for_share(session, actor, site_id)
    await execute(
        session,
        "UPDATE call SET destination_site_id = $2, ship_to = site_card($2), acknowledged_at = $3 WHERE id = $1",
        call.id, site.id, now,
    )  # fmt: skip
    await tell(session, OnBehalf(actor.user_id, actor.company_id), call, "destination", {"site": site.name}, now)
    await announce(
        session, "call.answered", call, call.holder_id, ("buyer", "warehouse"),
        f"{call.reference}: where the units go", f"{call.maker} has them sent to {site.name}. Ship them by the date of the order.",
    )  # fmt: skip


def require_destination(call: CallRow, now: datetime) -> None:
    """Raises ``put.destination`` while the manufacturer can still say where units that are sold back go."""
    if call.kind != "put" or call.acknowledged_at is not None or call.acknowledge_by is None:
        return
    if now < call.acknowledge_by:
        by = phrases.deadline(call.acknowledge_by, call.zone)
        raise conflict(
            "put.destination",
            f"{call.maker} can still say until {by} where the units go; after that they go to {call.destination}.",
        )


def _too_many(there: int, can: int) -> str:
    words = f"Of {phrases.count(there, 'unit')} {can:,} can be sold back now"
    if can == there:
        return f"{words}: there are no others under this agreement."
    return f"{words}: the others are reserved, on the way, on hold, being counted or cleared for use."


def _refusal(answer: Refused) -> DomainError:
    where = f" ({place(answer.reasons[0])})" if answer.reasons else ""
    words = f"{answer.words.rstrip('.')}{where}. {answer.until_words} Nothing was changed."
    begins = None if answer.possible_from is None else instant(answer.possible_from)
    return conflict(f"put.{answer.code.value}", words, possible_from=begins)
