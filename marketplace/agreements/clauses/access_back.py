"""access-back: draw a unit, then replace it in kind or buy it."""

from __future__ import annotations

from datetime import date, datetime

from marketplace.agreements import exercise, phrases
from marketplace.agreements.deadlines import after_days
from marketplace.agreements.exercise import Cost
from marketplace.agreements.facts import Facts
from marketplace.agreements.outcomes import DrawOutcome, DrawState, Entitled, Refused, Replacement
from marketplace.agreements.prices import purchase_price
from marketplace.agreements.pricing import price_on
from marketplace.agreements.reach import reason
from marketplace.agreements.terms import AccessBackV1, AccessBackV2
from marketplace.kit.clock import local_day
from marketplace.kit.money import Money

AccessTerms = AccessBackV1 | AccessBackV2


def evaluate(terms: AccessTerms, facts: Facts, now: datetime, *, explain: bool = True) -> Entitled | Refused:
    """May ``facts.requested`` units be drawn, at what fee, by when, and what is owed for them."""
    return exercise.evaluate(terms, facts, now, lambda: _cost(terms, facts, now, explain), explain=explain)


def _cost(terms: AccessTerms, facts: Facts, now: datetime, explain: bool) -> Cost:
    on_day = local_day(facts.notice_at or now, facts.zone)
    fee = facts.sale_price.share(terms.draw_fee_bp, terms.rounding)
    bought, basis, term = _purchase(terms, facts, on_day)
    replacement = Replacement(terms.replace_days, bought)
    if not explain:
        return Cost(fee, replacement, ())
    within = phrases.count(terms.replace_days, "day")
    reasons = (
        reason(terms, "draw_fee_bp", f"Draw fee {fee} a unit." if fee.amount else "No draw fee."),
        reason(terms, "replace_days", f"An equal unit comes back within {within} of receipt,"),
        reason(terms, term, f"or the unit is bought at {bought} ({basis})."),
    )
    return Cost(fee, replacement, reasons)


def _purchase(terms: AccessTerms, facts: Facts, on_day: date) -> tuple[Money, str, str]:
    """The price of a unit that is not replaced, how it is found in words, and the term that decided it."""
    if terms.version == 2:
        price = price_on(terms, facts, on_day)
        return price.amount, f"{price.words}{f'. {price.held}' if price.held else ''}".rstrip("."), price.term
    share = phrases.percent(terms.purchase_percent_bp)
    basis = f"{share} of list" if facts.list_price else f"{share} of the price paid, as no list price is stated"
    return purchase_price(terms, facts.sale_price, facts.list_price), basis, "purchase_percent_bp"


def draw_outcome(
    terms: AccessTerms, facts: Facts, received_at: datetime, now: datetime, *, replaced_at: datetime | None = None
) -> DrawOutcome:
    """Where a unit drawn and received at ``received_at`` stands at ``now``, per unit.

    ``replaced_at`` is when an equal unit reached the holder. The deadline decides, not the moment of asking: a
    replacement after it no longer undoes the purchase. From version 2 on the price is that of the day of notice, which
    ``facts.notice_at`` names (else that of receipt).
    """
    due = after_days(received_at, terms.replace_days, facts.zone)
    price, _, term = _purchase(terms, facts, local_day(facts.notice_at or received_at, facts.zone))
    nothing = Money(price.amount * 0, price.currency)
    by = phrases.deadline(due, facts.zone)
    if replaced_at is not None and replaced_at < due:
        words = f"Replaced in time (due by {by}). Nothing more is owed."
        return DrawOutcome(DrawState.REPLACED, due, nothing, words, (reason(terms, "replace_days", words),))
    if now < due:
        words = f"An equal unit is due at the holder by {by}, or {price} is owed."
        return DrawOutcome(DrawState.REPLACEMENT_DUE, due, nothing, words, (reason(terms, "replace_days", words),))
    words = f"Not replaced by {by}: bought at {price}."
    return DrawOutcome(DrawState.PURCHASED, due, price, words, (reason(terms, term, words),))
