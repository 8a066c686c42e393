"""first-refusal/v1: before the holder uses, sells or scraps units it says so, and the manufacturer may take them."""

from __future__ import annotations

from datetime import datetime

from marketplace.agreements import deadlines, exercise, phrases
from marketplace.agreements.circumstances import Intent
from marketplace.agreements.facts import Facts
from marketplace.agreements.holder_acts import needed
from marketplace.agreements.outcomes import Entitled, Need, RefusalCode, Refused
from marketplace.agreements.reach import blocked, covered, declining_day, reason
from marketplace.agreements.terms_v2 import FirstRefusalV1
from marketplace.kit.clock import require_utc
from marketplace.kit.errors import invalid


def evaluate(terms: FirstRefusalV1, facts: Facts, now: datetime, *, explain: bool = True) -> Entitled | Refused:
    """May the manufacturer take ``facts.requested`` of the units that the holder's notice names (``circumstances.intent``).

    It answers by giving notice itself, at ``facts.notice_at`` (or ``now``); the holder's notice counts if it was given
    within the window. More than the notice names is answered with what it names. Raises ``call.quantity``.
    """
    if facts.requested < 1:
        raise invalid("call.quantity", "Ask for at least one unit.", field="quantity")
    moment = require_utc(facts.notice_at or now)
    intent = facts.circumstances.intent
    if intent is None:
        words = "The manufacturer can take units only when the holder wants to use, sell or scrap them."
        return Refused(RefusalCode.NO_NOTICE, words, "Wait for the holder's notice, or ask it to sell.", None, ())
    block = blocked(terms, facts, require_utc(intent.noticed_at))
    if block:
        return block
    needs = needed(terms, facts, intent.act, intent.quantity, intent.noticed_at)
    if needs.need not in (Need.NOTICE, Need.OFFER):
        words = "Units need not be offered first for this: the holder may do it, or must ask for consent."
        return Refused(
            RefusalCode.NO_NOTICE, words, "Ask the holder to sell.", None, (reason(terms, needs.term, words),)
        )
    until = intent.answer_by or deadlines.counted(terms, intent.noticed_at, needs.days, facts.zone)
    if moment >= until:
        words = f"The manufacturer could answer until {phrases.deadline(until, facts.zone)}."
        grounds = (reason(terms, needs.days_term, words),)
        return Refused(RefusalCode.ANSWER_TIME_OVER, words, "Wait for a new notice, or ask the holder.", None, grounds)
    available = _named(terms, facts, intent)
    if not available:
        words = "None of the units that the notice names can be taken: they are not covered, reserved or on hold."
        return Refused(
            RefusalCode.NOT_COVERED, words, "Ask the holder to sell.", None, (reason(terms, "applies_to", words),)
        )
    refused = exercise.wrong_size(terms, facts.requested, available)
    if refused:
        return refused
    granted = min(facts.requested, available)
    cost = exercise.priced(terms, facts, moment)
    # Not how many are taken: the sentence is kept with an order of any size.
    words = f"The holder offers {phrases.count(intent.quantity, 'unit')}; {available:,} can be taken."
    answer = f"Answered in time: by {phrases.deadline(until, facts.zone)}."
    ship = deadlines.ship_by(terms, facts.urgency, moment, facts.zone)
    return Entitled(
        available,
        granted,
        cost.unit_price,
        None,
        moment,
        ship,
        terms.inspection_days,
        terms.payment_days,
        terms.freight_payer,
        terms.no_response,
        (
            reason(terms, "applies_to", words),
            reason(terms, needs.days_term, answer),
            *exercise.clock_reasons(terms, facts, moment, ship),
            *cost.reasons,
        )
        if explain
        else (),
        None,
        deadlines.deliver_by(terms, facts.urgency, moment, facts.zone),
    )


def _named(terms: FirstRefusalV1, facts: Facts, intent: Intent) -> int:
    """Units of the notice that the right reaches and that nothing else holds."""
    reached = covered(terms, facts, declining_day(terms, facts, intent.noticed_at))
    stuck = facts.held + facts.in_transit + facts.quality_held + facts.withdrawn
    stuck += facts.circumstances.cleared + facts.circumstances.let_go
    return max(min(intent.quantity, reached, facts.remaining - stuck), 0)
