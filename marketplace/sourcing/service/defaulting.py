"""An order that is not shipped in time: seen, in default once the time to make it good has run, covered elsewhere at the
holder's cost; and what is owed for the delay of one that came late."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from marketplace.agreements import queries as agreed
from marketplace.agreements.combined import above_the_minimum
from marketplace.agreements.covered import Covered
from marketplace.agreements.remedies import cover, delivered_at, due_by, late_damages
from marketplace.agreements.states import CallState, move_call
from marketplace.agreements.terms import Terms
from marketplace.db.session import ReadSession, WriteSession, acting_for, execute
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.money import Money
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.settlement import service as settlement
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.clocks import caught_up, still
from marketplace.sourcing.service.falling_through import fall_through
from marketplace.sourcing.service.ordering import free_units
from marketplace.sourcing.service.shared import announce, mine, next_words, not_counted, set_status, tell


def clause_of(covered: Covered, call: CallRow) -> Terms:
    """Of several clauses the one that an order was made under. For one from before that was kept, or whose agreement has been changed
    since: drawn, taken on the holder's notice where the other clause reaches only the minimum to keep, or bought."""
    if (kept := next((t for t in covered.clauses if t.clause == call.clause), None)) is not None:
        return kept
    drawn = call.kind == "access_draw"
    if not drawn and call.notice_id is not None and (wide := above_the_minimum(covered.clauses)):
        return wide[0]
    return next((t for t in covered.clauses if (t.clause == "access-back") == drawn), covered.terms)


async def acknowledge(session: WriteSession, actor: Actor, call_id: UUID, now: datetime) -> None:
    """The holder says that it has seen the order; it binds to nothing. Again changes nothing. Raises ``call.not_found``,
    ``call.state`` for one that is answered."""
    call = await mine(session, actor, call_id, "holder")
    if call.status != "noticed":
        raise conflict("call.state", "This order has been answered: there is nothing left to acknowledge.")
    if call.acknowledged_at is not None:
        return
    await execute(session, "UPDATE call SET acknowledged_at = $2 WHERE id = $1", call.id, now)
    await tell(session, actor, call, "acknowledged", {}, now)


async def act_on_default(session: WriteSession, actor_id: UUID, call_id: UUID, now: datetime) -> bool:
    """The time to ship and the time to make good have run (worker): the order is in default. What it reserves stays reserved,
    and can still be shipped; the asker is told where else to turn. False when it was shipped meanwhile or its agreement stands
    still; however late it runs, the stored moment is what counts."""
    call = await queries.call_for_update(session, call_id)
    clock: By = OnBehalf(actor_id, call.maker_id)
    if call.status not in ("accepted", "picked") or await still(session, call):
        return False
    call = await caught_up(session, clock, call, now)
    waits = call.licence_asked_at is not None and call.licence is None
    if waits or call.default_from is None or call.default_from > now:
        return False
    await set_status(session, call, "defaulted")
    await tell(session, clock, call, "defaulted", {"since": call.default_from}, now)
    await announce(
        session, "call.defaulted", call, call.holder_id, ("buyer", "warehouse"), f"{call.reference} is in default",
        "The units were not shipped in time. They can still be shipped until the manufacturer buys elsewhere.",
    )  # fmt: skip
    subject = f"{call.holder} did not ship {call.reference} in time"
    following, by_itself = await fall_through(
        session, call, "defaulted", subject, now, event="call.defaulted", mail=False
    )
    text = (
        "The next best source is ordered by itself; what comes of it follows." if by_itself else next_words(following)
    )
    await announce(
        session, "call.defaulted", call, call.company_id, ("technician", "planner"), subject,
        f"{text} You can also buy elsewhere and record it with the order; what the agreement lets you claim becomes a line.",
    )  # fmt: skip
    return True


async def buy_elsewhere(
    session: WriteSession, actor: Actor, call_id: UUID, *, unit_price: Money, document: str, now: datetime
) -> UUID | None:
    """The asker bought the units of an order in default elsewhere: the order ends, its units are the holder's to use again, and
    what the clause has the holder pay becomes a line, if it is anything. Returns the line's id.

    Raises ``call.not_found``, ``cover.not_default``, ``cover.not_agreed`` where the terms give no such right, ``cover.document``,
    ``cover.price``."""
    call = await mine(session, actor, call_id, "asker")
    # What ended for breach while it was in default can still be bought elsewhere: that right stays.
    over = call.status == "closed" and await queries.ended_in_default(session, call.id)
    if (call.status != "defaulted" and not over) or call.agreement_id is None or call.kind == "put":
        raise conflict(
            "cover.not_default",
            "Only an order in default can be covered elsewhere: not shipped in time, nor within the time to make it good.",
        )
    number = " ".join(document.split())
    if not number or len(number) > 100:
        raise invalid("cover.document", "Give the number of the invoice, in at most 100 characters.", field="document")
    if unit_price.currency != call.currency or unit_price.amount < 0:
        raise invalid("cover.price", f"Give the price of one unit in {call.currency}.", field="unit_price")
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair]))[pair]
    terms = clause_of(covered, call)
    if terms.generation == 1 or not terms.cover_purchase:
        raise conflict("cover.not_agreed", "This agreement does not have the holder pay for units bought elsewhere.")
    if not over:
        move_call(CallState(call.status), CallState.CLOSED)
    claim = cover(terms, covered.facts, Money(call.unit_price, call.currency), unit_price, call.quantity)
    line: UUID | None = None
    async with acting_for(session, call.maker_id):
        by = OnBehalf(actor.user_id, call.maker_id)
        if not over:
            await free_units(session, by, call, "cover", now)
        if claim.amount.amount:
            line = await settlement.owe(
                session, payer_id=call.holder_id, payee_id=call.maker_id, kind="cover_purchase", cause_id=call.id,
                cause_reference=call.reference, agreement_id=call.agreement_id, part_id=call.part_id, quantity=None,
                unit_price=claim.amount, words=claim.words, document=number,
                due_on=local_day(now, call.zone) + timedelta(days=call.payment_days),
            )  # fmt: skip
        if not over:
            await set_status(session, call, "closed", ended_at=now)
            await not_counted(session, call, now)
        detail = {"unit_price": str(unit_price), "document": number, "amount": str(claim.amount)}
        await tell(session, by, call, "covered", detail, now)
    await announce(
        session, "call.covered", call, call.holder_id, ("buyer",), f"{call.reference}: bought elsewhere",
        f"{claim.words} The units that were reserved are yours to use again, as the agreement says.",
    )  # fmt: skip
    return line


async def delay_so_far(session: ReadSession, call: CallRow, now: datetime) -> str:
    """What the delay of an order in default has come to, were its units to arrive now; empty where the clause says nothing, or
    while no delay runs. Nothing is owed before they are accepted."""
    if call.status != "defaulted" or call.agreement_id is None or call.ship_by is None:
        return ""
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair])).get(pair)
    if covered is None or covered.facts.suspended or covered.facts.legal_hold:
        return ""
    terms = clause_of(covered, call)
    if terms.generation == 1:
        return ""
    each = covered.facts.sale_price if terms.clause == "title-kept" else Money(call.unit_price, call.currency)
    claim = late_damages(terms, covered.facts, each * call.quantity, due_by(terms, call.ship_by, call.deliver_by), now)
    return f"For delay, as things stand: {claim.words}" if claim.amount.amount else ""


async def owe_for_delay(session: WriteSession, call: CallRow, good: int, accepted_at: datetime) -> UUID | None:
    """What the holder owes for accepted units that came late, if anything; once for an order. The tenant is the maker."""
    if call.default_from is None or call.agreement_id is None or not good:
        return None
    if call.ship_by is None or call.shipped_at is None or call.received_at is None:
        return None
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair]))[pair]
    terms = clause_of(covered, call)
    if terms.generation == 1:
        return None
    # Of units that stayed the maker's the order costs a fee; what they are worth is their price.
    each = covered.facts.sale_price if terms.clause == "title-kept" else Money(call.unit_price, call.currency)
    value = each * good
    due = due_by(terms, call.ship_by, call.deliver_by)
    claim = late_damages(terms, covered.facts, value, due, delivered_at(terms, call.shipped_at, call.received_at))
    if not claim.amount.amount:
        return None
    return await settlement.owe(
        session, payer_id=call.holder_id, payee_id=call.maker_id, kind="late_damages", cause_id=call.id,
        cause_reference=call.reference, agreement_id=call.agreement_id, part_id=call.part_id, quantity=None,
        unit_price=claim.amount, words=claim.words, due_on=local_day(accepted_at, call.zone) + timedelta(days=call.payment_days),
    )  # fmt: skip
