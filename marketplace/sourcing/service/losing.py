"""Units of an order that are gone before they arrive: from the shelf where they were reserved, or on the road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from marketplace.agreements import queries as agreed
from marketplace.agreements import service as agreements
from marketplace.agreements.combined import above_the_minimum
from marketplace.agreements.covered import Covered
from marketplace.agreements.missing import Became, owed_for
from marketplace.agreements.terms import Party, Terms
from marketplace.db.session import WriteSession, acting_for, execute
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict, invalid
from marketplace.kit.ids import command_id
from marketplace.kit.money import Money
from marketplace.ledger.entries import Command, Step
from marketplace.ledger.kinds import Kind
from marketplace.ledger.service import carry_out
from marketplace.parties.actor import Actor, By, OnBehalf
from marketplace.settlement import service as settlement
from marketplace.sourcing import queries
from marketplace.sourcing.queries import CallRow
from marketplace.sourcing.service.defaulting import clause_of
from marketplace.sourcing.service.falling_through import fall_through
from marketplace.sourcing.service.shared import announce, keep_units, mine, not_counted, set_status, tell
from marketplace.sourcing.service.standing_in import free_replaced

_RESERVED = ("allocated", "noticed", "acknowledged", "accepted", "picked", "defaulted")


async def mend(session: WriteSession, actor_id: UUID, call_id: UUID, now: datetime) -> bool:
    """Units reserved for an order are gone (worker): others of the same agreement and shelf take their place. Where there are too
    few, the order goes on for those that are left and the rest is sourced elsewhere; with none left it is refused as fewer than
    recorded or, once it was accepted under terms that know a default, comes to that in its time. False when nothing is
    lacking, so that a second telling changes nothing."""
    call = await queries.call_for_update(session, call_id)
    if call.status not in _RESERVED or call.agreement_id is None:
        return False
    clock: By = OnBehalf(actor_id, call.maker_id)
    held = sum(h.quantity for h in await queries.holds_of(session, call.id))
    lacking = call.quantity - held
    if lacking <= 0:
        return False
    steps: list[Step] = []
    for lot_id, position_id, free in await queries.substitutes_for_update(session, call, now):
        count = min(free, lacking)
        if count:
            steps.append(Step(Kind.HOLD, lot_id, count, position_id))
            lacking -= count
    if steps:
        key = command_id("call.mend", call.id, held, *(s.lot_id for s in steps), now)
        await carry_out(session, Command(key, call.maker_id, actor_id, tuple(steps), "call", call.id), now)
    await keep_units(session, call.id)
    left = call.quantity - lacking
    detail = {"quantity": call.quantity - held, "replaced": sum(s.quantity for s in steps), "left": left}
    await tell(session, clock, call, "units_gone", detail, now)
    if not lacking:
        return True
    if left:
        await execute(session, "UPDATE call SET quantity = $2 WHERE id = $1", call.id, left)
    elif call.status == "allocated":
        await set_status(session, call, "cancelled", ended_at=now)
    elif call.status in ("noticed", "acknowledged") or (call.status != "defaulted" and call.default_from is None):
        await set_status(session, call, "refused", refusal_code="short", ended_at=now)
        await not_counted(session, call, now)
    # An order that was never sent names its holder to nobody.
    where = f" at {call.holder}" if call.noticed_at else ""
    subject = f"{call.reference}: {lacking} of {call.quantity} units are gone{where}"
    await fall_through(session, call, "gone", subject, now)
    return True


async def report_lost(session: WriteSession, actor: Actor, call_id: UUID, *, note: str, now: datetime) -> None:
    """Either side says that the consignment is lost: the order ends, what was asked for is lacking again, and who bears the risk
    where the units were pays. Where it had passed to the manufacturer, the price is owed as if they had arrived; where it had
    not, what the clause says of losses.

    Raises ``call.not_found``, ``call.not_on_the_way``, ``call.lost_note``."""
    call = await queries.call_for_update(session, call_id)
    holds = actor.company_id == call.holder_id
    call = await mine(session, actor, call_id, "holder" if holds else "asker")
    actor.require("call.answer" if holds else "call.receive")
    if call.status != "shipped":
        raise conflict("call.not_on_the_way", "Only units that are on the way can be lost on it.")
    if not note.strip() or len(note) > 1_000:
        words = "Say what is known: the carrier's statement, where it was seen last, in at most 1,000 characters."
        raise invalid("call.lost_note", words, field="note")
    company = call.holder_id if holds else call.maker_id
    async with acting_for(session, company):
        units = await queries.call_units(session, call.id)
        lots = [(u.shipped_lot_id, u.shipped_position_id, u.quantity) for u in units if u.shipped_lot_id]
        others = {u.shipped_lot_id: u.quantity for u in units if u.shipped_lot_id and u.stand_in_part_id}
        held = [u.lot_id for u in units if u.stand_in_part_id]
        words, passed = await _risk(session, call, [lot for lot, _, _ in lots] + held, sum(others.values()), now)
        steps = tuple(
            Step(Kind.LOSE, lot, quantity, position, reason="lost_on_the_way", note=note.strip())
            for lot, position, quantity in lots
        )
        await carry_out(
            session, Command(command_id("call.lost", call.id), company, actor.user_id, steps, "call", call.id), now
        )
        if passed and call.agreement_id is not None:
            # What is paid as if it had arrived uses up the minimum as if it had.
            await agreements.note_taken_back(
                session, agreement_id=call.agreement_id, part_id=call.part_id, quantity=call.quantity, order_id=call.id
            )
        # As for what arrives: what others travelled in place of comes free where these are paid.
        await free_replaced(session, actor, call, others if passed else {}, "lost", now)
        await set_status(session, call, "lost", ended_at=now, lost_by=actor.company_id, note=note.strip())
        await tell(session, actor, call, "lost", {"quantity": call.quantity, "note": note.strip(), "words": words}, now)
    await fall_through(
        session, call, "lost", f"{call.reference} was lost on its way", now, event="call.lost",
        before=f"{call.holder}: {note.strip()} {words}", mail=holds,
    )  # fmt: skip
    if not holds:
        await announce(
            session, "call.lost", call, call.holder_id, ("buyer", "warehouse"), f"{call.reference} was lost on its way",
            f"{call.company}: {note.strip()} {words}",
        )  # fmt: skip


async def _risk(
    session: WriteSession, call: CallRow, lots: Sequence[UUID], others: int, now: datetime
) -> tuple[str, bool]:
    """Writes what is owed, before the units leave the record; ``others`` of them travelled in place of units of the schedule.
    Returns it in words, and whether the risk had passed."""
    if call.agreement_id is None:
        return "They were the manufacturer's own: nothing is owed.", False
    # The lots are locked before the agreement under which it is decided.
    await queries.lots_for_update(session, lots)
    await agreed.agreements_for_update(session, [call.agreement_id])
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair]))[pair]
    terms = clause_of(covered, call)
    if risk_has_passed(terms):
        return await _price(session, call, covered, terms, now), True
    if others == call.quantity:
        return "The risk had not passed yet. None of them was of the schedule: nothing is owed.", False
    return await _loss(session, call, covered, call.quantity - others, now), False


def risk_has_passed(terms: Terms) -> bool:
    """Whether units that the carrier has are the manufacturer's risk: under the first library always; under the second where
    the Incoterms rule lets it pass with the carrier rather than on arrival."""
    return terms.generation == 1 or not terms.risk_passes_on_arrival


async def risk_words(session: AsyncSession, call: CallRow) -> str:
    """Who would bear the loss of what is on the way, before it is said to be lost."""
    if call.agreement_id is None:
        return "nobody, since they are the manufacturer's own."
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair])).get(pair)
    if covered is None:
        return "as the agreement says."
    terms = clause_of(covered, call)
    if risk_has_passed(terms):
        return f"{call.maker}, to whom the risk passed with the carrier, as if the units had arrived."
    if terms.loss_bearer is Party.HOLDER:
        return f"{call.holder}, whose risk the units are until they arrive, for what is then missing from the minimum to keep."
    return "nobody: until they arrive a loss falls on the manufacturer, and nothing is paid."


async def _price(session: WriteSession, call: CallRow, _: Covered, terms: Terms, now: datetime) -> str:
    rule = "with the carrier" if terms.generation == 1 else f"with the carrier ({terms.incoterm.value})"
    words = f"The risk had passed to {call.maker} {rule}: the price is owed."
    due = local_day(now, call.zone) + timedelta(days=call.payment_days)
    price = Money(call.unit_price, call.currency)
    kinds = [("call_price", price)]
    if call.draw_fee is not None:
        kinds = [("draw_fee", Money(call.draw_fee, call.currency)), ("draw_purchase", price)]
        words = f"The risk had passed to {call.maker} {rule}: the fee and the price of units that cannot be replaced are owed."
    for kind, each in kinds:
        if each.amount:
            await settlement.owe(
                session, payer_id=call.maker_id, payee_id=call.holder_id, kind=kind, cause_id=call.id,
                cause_reference=call.reference, agreement_id=call.agreement_id, part_id=call.part_id,
                quantity=call.quantity, unit_price=each, words=words, due_on=due,
            )  # fmt: skip
    return words


async def _loss(session: WriteSession, call: CallRow, covered: Covered, gone: int, now: datetime) -> str:
    # What is lost was with the carrier: the question is what the minimum lacks without it and would not lack with it.
    facts = covered.facts
    quantity = min(gone, facts.accepted - facts.remaining)
    if not quantity:
        return "The risk had not passed yet. As many units as the schedule sold are still there: nothing is owed."
    taken = max(facts.taken_back - quantity, 0)
    above = quantity if clause_of(covered, call) in above_the_minimum(covered.clauses) else 0
    facts = replace(
        facts, remaining=facts.remaining + quantity, taken_back=taken,
        taken_above=min(max(facts.taken_above - above, 0), taken),
    )  # fmt: skip
    owed = owed_for(covered.clauses, facts, Became.LOST, quantity, local_day(now, facts.zone))
    words = f"The risk had not passed yet. {owed.words}"
    if owed.kind is not None:
        await settlement.owe(
            session, payer_id=call.holder_id, payee_id=call.maker_id, kind=owed.kind, cause_id=call.id,
            cause_reference=call.reference, agreement_id=call.agreement_id, part_id=call.part_id, quantity=None,
            unit_price=owed.amount, words=words, due_on=local_day(now, call.zone) + timedelta(days=call.payment_days),
        )  # fmt: skip
    return words
