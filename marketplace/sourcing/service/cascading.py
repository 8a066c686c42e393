"""The next best source, ordered by itself where the maker wants that: by the worker, once for each order that came to nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from marketplace.db.session import WriteSession, acting_for, fetch_value, plan_once
from marketplace.kit.errors import DomainError, Kind, conflict, invalid
from marketplace.kit.money import Money
from marketplace.parties import queries as parties
from marketplace.parties.actor import Actor
from marketplace.parts import queries as parts
from marketplace.sourcing import queries
from marketplace.sourcing.candidates import URGENCIES
from marketplace.sourcing.cascading import LARGEST_BP, LARGEST_DAYS, Before, Rule, compared, first_of, outcome_of, told
from marketplace.sourcing.queries import CallRow, RequisitionRow
from marketplace.sourcing.rates import usable
from marketplace.sourcing.service.falling_through import keep_outcome
from marketplace.sourcing.service.ordering import Choice, order_planned
from marketplace.sourcing.service.requesting import keep_plan, plan
from marketplace.sourcing.service.shared import tell_asker


async def state_rule(session: WriteSession, actor: Actor, urgency: str, rule: Rule, now: datetime) -> UUID:
    """What the maker wants from now on when an order of this urgency comes to nothing; what has come to nothing before is not looked at
    again. Raises ``cascade.maker``, ``cascade.urgency``, ``cascade.limits``."""
    if not actor.is_manufacturer:
        raise conflict(
            "cascade.maker", "Only a manufacturer says what happens when orders for its parts come to nothing."
        )
    if urgency not in URGENCIES:
        raise invalid("cascade.urgency", f"Choose an urgency: {', '.join(URGENCIES)}.", field="urgency")
    if not 0 <= rule.most_more_bp <= LARGEST_BP:
        words = f"State how much more a unit may cost, 0 to {LARGEST_BP // 100:,} percent."
        raise invalid("cascade.limits", words, field="most_more_bp")
    if not 0 <= rule.most_later_days <= LARGEST_DAYS:
        words = f"State how many days later it may come, 0 to {LARGEST_DAYS:,}."
        raise invalid("cascade.limits", words, field="most_later_days")
    made: UUID = await fetch_value(
        session,
        "INSERT INTO cascade_rule (company_id, urgency, at_once, most_more_bp, most_later_days, stated_by, stated_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        actor.company_id, urgency, rule.at_once, rule.most_more_bp, rule.most_later_days, actor.user_id, now,
    )  # fmt: skip
    return made


class _Done(NamedTuple):
    outcome: str
    calls: tuple[UUID, ...]
    words: str


async def go_on(session: WriteSession, cascade_id: UUID, now: datetime) -> str | None:
    """Orders the next best source for what an order that came to nothing left lacking, within the maker's limits of that moment, and
    tells whoever asked; or tells why nothing was ordered. As the one who asked for the units: above that person's limit they are
    reserved for 30 minutes and an approver is told. Never from a holder, nor from one of the maker's own sites, of whom an order for this request came to nothing before.
    Returns what came of it, None when that was done before: its row is written in the same transaction, under the request's lock,
    so a worker that dies on the way leaves nothing, and the next one does it once."""
    await plan_once(session)
    due = await queries.cascade(session, cascade_id)
    if due is None or due.rule is None:
        return None
    found = await queries.requisition_for_update(session, due.requisition_id)
    again = await queries.cascade(session, cascade_id)
    if again is None or again.outcome is not None:
        return None
    done = await _act(session, Rule(**due.rule), due, found, now)
    await keep_outcome(session, due.id, found.company_id, found.maker_id, *done, now)
    await tell_asker(session, found, "requisition.went_on", due.subject, done.words)
    return done.outcome


async def _act(session: WriteSession, rule: Rule, due: queries.Cascade, found: RequisitionRow, now: datetime) -> _Done:
    if found.status not in ("open", "ordered") or found.ordered >= found.quantity:
        return _Done(
            "enough",
            (),
            f"Nothing was ordered by itself: the request is {found.status.replace('_', ' ')}, and lacks nothing that could be.",
        )
    async with acting_for(session, found.company_id):
        person = await parties.person_acting(session, found.requested_by)
    if person is None:
        return _Done(
            "proposed", (), "Nothing was ordered by itself: whoever asked for the units is switched off. Open the request to order it."
        )  # fmt: skip
    async with acting_for(session, found.maker_id):
        try:
            # What was begun and cannot be done is taken back; that it could not be done is kept.
            async with session.begin_nested():
                return await _order(session, rule, person, due, found, now)
        except DomainError as refusal:
            if refusal.kind is Kind.BUSY:
                raise  # tried again
            return _Done(
                "proposed", (), f"It could not be ordered by itself. {refusal.message} Open the request to order it."
            )


async def _order(
    session: WriteSession, rule: Rule, person: Actor, due: queries.Cascade, found: RequisitionRow, now: datetime
) -> _Done:
    lacking = found.quantity - found.ordered
    related = await parts.related(session, [found.part_id]) if found.substitutes else []
    await queries.supply_for_update(session, [found.part_id, *(r.other_id for r in related)], found.maker_id)
    follows = {made: step.call_id for step in await queries.chain(session, found.id) for made in step.calls}
    before = await queries.call(session, first_of(follows, due.call_id))
    # The plan is kept and mailed: it says what the one may know who may know least.
    least = replace(person, roles=frozenset({"technician"}))
    over = [(p.holder_id, p.site_id) for p in await queries.passed_over(session, [found.id])]
    planned = await plan(session, least, found, now, without=over)
    await keep_plan(session, found.id, planned.shown, now)
    chosen = [(planned.candidates[c.source], c.quantity) for c in planned.allocation.chosen]
    rates = await queries.newest_rates(session, found.maker_id, before.currency, now.date())
    places = compared(
        rule, Before(await _price(session, before), before.expected_at or found.needed_by), chosen,
        usable(rates, now.date()), whole=found.complete_only,
    )  # fmt: skip
    choices = [Choice(n.candidate.key, n.quantity) for n in places if not n.why_not]
    if not choices:
        return _Done(
            outcome_of(places, approval=False), (), told(places, lacking, approval=False, substitutes=found.substitutes)
        )
    made = await order_planned(session, person, found, planned, choices, now)
    if not made.awaiting_approval:
        # Once an order is sent its holder is named.
        names = {k.id: k.holder for k in await queries.calls_by_id(session, made.calls)}
        sent = iter(made.calls)
        places = [
            n if n.why_not else replace(n, candidate=n.candidate._replace(holder=names[next(sent)])) for n in places
        ]
    waits = made.awaiting_approval
    return _Done(
        outcome_of(places, approval=waits),
        made.calls,
        told(places, lacking, approval=waits, substitutes=found.substitutes),
    )


async def _price(session: WriteSession, before: CallRow) -> Money | None:
    """What one unit of the order that came to nothing would have come to: of own stock what the catalogue says."""
    if before.kind != "own_stock":
        return Money(before.unit_price, before.currency)
    listed = await queries.list_price(session, before.part_id)
    return None if listed is None else Money(listed, before.currency)
