"""Freight of an order: who bears it says the clause; who paid it in its place is owed it, by the carrier's document."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from marketplace.agreements import queries as agreed
from marketplace.agreements.evaluation import inspect_by
from marketplace.agreements.phrases import deadline
from marketplace.agreements.terms import Party
from marketplace.agreements.terms_v2 import TermsV2
from marketplace.db.session import WriteSession, fetch_value
from marketplace.kit.clock import local_day
from marketplace.kit.errors import conflict, invalid, missing
from marketplace.kit.money import Money
from marketplace.parties.actor import Actor
from marketplace.settlement import queries as owed
from marketplace.settlement import service as settlement
from marketplace.sourcing import queries
from marketplace.sourcing.service.shared import announce, tell

TRIPS = {"there": "to the manufacturer", "back": "of rejected units back to the holder"}


async def record_freight(
    session: WriteSession, actor: Actor, call_id: UUID, *, trip: str, amount: Money, document: str, now: datetime
) -> UUID:
    """The side that paid a carrier and does not bear it under the clause (of rejected units that go back: the manufacturer)
    says how much and by which document. It becomes a line, to which the other side can object for as many days as the
    clause gives for inspection. Returns the line's id.

    Raises ``call.not_found``, ``freight.trip``, ``freight.not_shipped``, ``freight.own`` where the clause has the actor's
    side bear it, ``freight.document``, ``freight.amount``, ``freight.known`` where that document was recorded."""
    call = await queries.call_for_update(session, call_id)
    if actor.company_id not in (call.maker_id, call.holder_id):
        raise missing("call.not_found", "No such order that you could change.")
    if trip not in TRIPS:
        raise invalid("freight.trip", f"Choose: {', '.join(TRIPS)}.", field="trip")
    number = " ".join(document.split())
    if not number:
        raise invalid("freight.document", "Give the number of the carrier's document.", field="document")
    if amount.amount <= 0 or amount != amount.rounded():
        raise invalid(
            "freight.amount", f"Give an amount above zero that can be paid in {amount.currency}.", field="amount"
        )
    if call.agreement_id is None:
        raise conflict("freight.own", "Own stock goes at your own cost: nothing is owed for it.")
    back = await queries.way_back(session, call.id)
    if (call.shipped_at if trip == "there" else back) is None:
        raise conflict("freight.not_shipped", "Nothing was shipped that way yet: there is no freight to record.")
    pair = (call.agreement_id, call.part_id)
    covered = (await agreed.terms_and_facts(session, [pair]))[pair]
    another = trip == "there" and call.replaces_id is not None
    bears = Party.HOLDER if trip == "back" or another else covered.terms.freight_payer
    payer = call.holder_id if bears is Party.HOLDER else call.maker_id
    payee = call.maker_id if payer == call.holder_id else call.holder_id
    why = "rejected units go back at the holder's cost" if trip == "back" else _why(covered.terms, bears)
    if another:
        why = f"units in place of those rejected under {call.replaces} are sent at the holder's cost"
    if actor.company_id == payer:
        raise conflict("freight.own", f"Your company bears this freight ({why}): nothing is owed to it.")
    known = await owed.lines_of_cause(session, call.id)
    if any(x.kind == "freight" and (x.document or "").casefold() == number.casefold() for x in known):
        raise conflict("freight.known", f"The freight of document {number} was recorded already.", field="document")
    until = inspect_by(covered.terms, now, covered.facts.zone)
    step: UUID = await fetch_value(session, "SELECT uuidv7()")
    line = await settlement.owe(
        session, payer_id=payer, payee_id=payee, kind="freight", cause_id=call.id, step_id=step,
        cause_reference=call.reference, agreement_id=call.agreement_id, part_id=call.part_id, quantity=None, unit_price=amount,
        words=f"Freight {TRIPS[trip]}, {call.reference}, by document {number}: {why}.", document=number, object_by=until,
        due_on=local_day(now, call.zone) + timedelta(days=call.payment_days),
    )  # fmt: skip
    detail = {"trip": trip, "amount": str(amount.rounded()), "document": number}
    await tell(session, actor, call, "freight", detail, now)
    await announce(
        session, "call.freight", call, payer, ("planner", "buyer"), f"{call.reference}: freight of {amount.rounded()}",
        f"By document {number}: {why}. You can object until {deadline(until, call.zone)}.",
    )  # fmt: skip
    return line


def _why(terms: object, bears: Party) -> str:
    who = "the holder" if bears is Party.HOLDER else "the manufacturer"
    if isinstance(terms, TermsV2):
        return f"{terms.incoterm.value} {terms.incoterm_place} (Incoterms 2020) has {who} pay it"
    return f"the clause has {who} pay it"
